"""What is known of a file sent before anything is decided: facts for the recipe `ingest`, none of them a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ztfpipe.model.images import RawQuadrant

CardTexts = Mapping[str, str]
"""Header keywords with their values as written, quotes and comments removed."""


@dataclass(frozen=True)
class QuadrantFacts:
    """One quadrant of a file sent: faults of its image and overscan extensions, its own keywords, and its pixels.

    pixels is None when they could not be read.
    """

    faults: tuple[str, ...]
    header: CardTexts
    pixels: RawQuadrant | None


@dataclass(frozen=True)
class RawFacts:
    """A file sent, as found: faults of the file as a whole, its primary keywords, and its quadrants by qid.

    checksums: whether its HDUs carry any.
    """

    name: str
    size: int
    md5: str
    faults: tuple[str, ...] = ()
    header: CardTexts = field(default_factory=dict)
    quadrants: Mapping[int, QuadrantFacts] = field(default_factory=dict)
    checksums: bool = True


@dataclass(frozen=True)
class Announcement:
    """A row of the list of files sent; size and md5 are None where the list does not give them."""

    name: str
    size: int | None = None
    md5: str | None = None
