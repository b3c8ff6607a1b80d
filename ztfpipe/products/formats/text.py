"""Texts that are read as something: JSON files of the archive, or a sentence that names the file and the reason."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from ztfpipe.errors import BadFile, BadKey, BadName


@contextlib.contextmanager
def reading(path: str | Path, what: str) -> Iterator[str]:
    """The text of a file, for a block that makes `what` of it.

    BadFile when there is no such file, and when the block finds that the text is none: no JSON, an entry missing, of
    another kind, or a key or name that cannot be.
    """
    try:
        yield Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise BadFile(path, "no such file") from error
    except (ValueError, KeyError, TypeError, AttributeError, BadKey, BadName) as error:
        raise BadFile(path, f"not {what}: {error}") from error
