"""What may be removed and what it frees; what a night takes of the disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Disposable:
    """A kind of product that may go: it is made on request by a rule of its own, of products that must be there.

    products: the files that go together, the first one found by its name. made_of: without one of these it stays.
    waits_for: products of the night that are made of it, without which it stays.
    """

    kind: str
    products: tuple[str, ...]
    made_of: tuple[str, ...]
    waits_for: tuple[str, ...] = ()


@dataclass(frozen=True)
class Removal:
    """A file that may go, and what that frees: nothing while it has another name."""

    kind: str
    path: Path
    freed_bytes: int
    night: str = ""


@dataclass(frozen=True)
class DiskUse:
    """What a night takes, by the archive's folders [bytes]."""

    night: str
    by_folder: Mapping[str, int]

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self.by_folder.values())
