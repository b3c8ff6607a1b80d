"""Keywords of image headers: numbers out of them, and cards that more than one kind of image has."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

from ztfpipe.errors import BadFile
from ztfpipe.model.images import Cards, HeaderValue
from ztfpipe.model.science import ApertureCorrections

Card = tuple[str, HeaderValue, str]
"""Keyword, value, comment."""


def known(header: Cards, keyword: str) -> float:
    """A number of a header, NaN where it is not there: it was not measured."""
    value = header.get(keyword, (None, ""))[0]
    return float(value) if _is_number(value) else math.nan


def needed(path: str | Path, header: Cards, keyword: str) -> float:
    """A number of a header. BadFile naming `path` where it is not there."""
    value = header.get(keyword, (None, ""))[0]
    if not _is_number(value):
        raise BadFile(path, f"{keyword} is missing or no number")
    return float(value)


def whole(header: Cards, keyword: str) -> int:
    """A whole number of a header, 0 where it is not there."""
    return int(header.get(keyword, (0, ""))[0] or 0)


def _is_number(value: HeaderValue) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def measured(cards: Iterable[Card]) -> Cards:
    """The cards as a header, without those that could not be measured: FITS has no NaN."""
    return {
        keyword: (value, comment)
        for keyword, value, comment in cards
        if value is not None and not (isinstance(value, float) and not math.isfinite(value))
    }


def aperture_cards(found: ApertureCorrections | None) -> Iterator[Card]:
    """Diameters of the fixed apertures, and what to add to magnitudes in them; none where none was measured."""
    if found is None:
        return
    yield "FIXAPERS", ",".join(f"{d:g}" for d in found.diameters_px), "fixed aperture diameters used [pixels]"
    numbers = zip(found.diameters_px, found.correction_mag, found.error_mag, strict=True)
    for index, (diameter, correction, error) in enumerate(numbers, start=1):
        yield f"APCOR{index}", correction, f"PSF_mag - AP_mag for AP.diam={diameter:4.1f} pix."
        yield f"APCORUN{index}", error, f"Uncertainty in APCOR{index} [mag]"
