"""What has been verified of a night's incoming folder: one small file, by which the accounts know that they are old."""

from __future__ import annotations

import json
from pathlib import Path

from ztfpipe.products.formats.atomic import write_text


def write_arrivals(path: str | Path, night: str, digest: str, files: int) -> None:
    """Write the digest of a night's incoming folder and the number of files in it, atomically."""
    write_text(path, json.dumps({"night": night, "incoming_digest": digest, "files": files}) + "\n")


def verified_digest(path: str | Path) -> str:
    """Digest of the incoming folder when its files were verified last; empty where none were, or nobody can tell."""
    try:
        return str(json.loads(Path(path).read_text(encoding="utf-8"))["incoming_digest"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return ""
