"""What a product is keyed by. A function takes a key, not eight loose arguments.

Every key checks its own ranges (BadKey) so that a wrong one never becomes a path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from ztfpipe.errors import BadKey

IMAGE_TYPES = {"o": "object", "f": "flat", "b": "bias", "d": "dark"}
BIAS_FILTER_RAW = "bi"
"""Filter code of a bias in raw file names."""
BIAS_FILTER_CAL = "00"
"""Filter code of a bias in calibration file names."""
SKY_FILTERS = ("zg", "zr", "zi")
PROGRAMS = ("engineering", "public", "partnership", "caltech")
"""Observing programs by program id."""
NO_FIELD = 0
"""Field of an exposure that looks at no field: biases and screen flats."""


def _check(what: str, value: object, good: bool, expected: str) -> None:
    if not good:
        raise BadKey(what, value, expected)


def _check_night(night: str) -> None:
    _check("night", night, bool(re.fullmatch(r"[0-9]{8}", night)), "a UT date YYYYMMDD")
    try:
        date(int(night[:4]), int(night[4:6]), int(night[6:]))
    except ValueError as error:
        raise BadKey("night", night, "a day of the calendar") from error


def _check_quadrant(ccdid: int, qid: int) -> None:
    _check("ccd", ccdid, 1 <= ccdid <= 16, "1 to 16")
    _check("quadrant", qid, 1 <= qid <= 4, "1 to 4")


LAST_GRID_FIELD = 9999
"""The archive's folders of light curves have four digits for a field of the grid."""


@dataclass(frozen=True, order=True)
class NightKey:
    """A UT date, YYYYMMDD."""

    night: str

    def __post_init__(self) -> None:
        _check_night(self.night)


@dataclass(frozen=True, order=True)
class CutoffKey:
    """What a night has before a time of it. `cutoff` is HHMM, UT."""

    night: str
    cutoff: str

    def __post_init__(self) -> None:
        _check_night(self.night)
        good = bool(re.fullmatch(r"([01][0-9]|2[0-3])[0-5][0-9]|2400", self.cutoff))
        _check("cut-off", self.cutoff, good, "hours and minutes of the day, HHMM")

    def holds(self, filefracday: str) -> bool:
        """Whether an exposure of the night, of 14 digits, began before the cut-off."""
        minutes = 60 * int(self.cutoff[:2]) + int(self.cutoff[2:])
        return filefracday[:8] == self.night and 1440 * int(filefracday[8:]) < 1_000_000 * minutes


@dataclass(frozen=True, order=True)
class IncomingKey:
    """A file as received, of any name, on a night."""

    night: str
    name: str

    def __post_init__(self) -> None:
        _check_night(self.night)
        _check("file name", self.name, bool(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]*", self.name)), "plain")


@dataclass(frozen=True, order=True)
class ExposureKey:
    """One shutter opening. `filefracday` is 14 digits: UT date and fraction of the day times 1e6."""

    filefracday: str
    field: int
    filter: str
    imgtype: str

    def __post_init__(self) -> None:
        good = bool(re.fullmatch(r"[0-9]{14}", self.filefracday))
        _check("filefracday", self.filefracday, good, "14 digits")
        _check_night(self.filefracday[:8])
        _check("field", self.field, 0 <= self.field <= 999999, "0 to 999999")
        _check("image type", self.imgtype, self.imgtype in IMAGE_TYPES, "one of o, f, b, d")
        if self.imgtype in "bd":
            good = self.filter == BIAS_FILTER_RAW
            _check("filter", self.filter, good, f"{BIAS_FILTER_RAW} for a bias or a dark")
        else:
            _check("filter", self.filter, self.filter in SKY_FILTERS, f"one of {', '.join(SKY_FILTERS)}")

    @property
    def night(self) -> str:
        """UT date of the exposure, YYYYMMDD."""
        return self.filefracday[:8]

    @property
    def fracday(self) -> str:
        """Fraction of the UT day times 1e6, six digits: the exposure's folder."""
        return self.filefracday[8:]


@dataclass(frozen=True, order=True)
class RawKey:
    """One raw file: a CCD of an exposure."""

    exposure: ExposureKey
    ccdid: int

    def __post_init__(self) -> None:
        _check_quadrant(self.ccdid, 1)

    @property
    def night(self) -> str:
        """UT date of the exposure, YYYYMMDD."""
        return self.exposure.night


@dataclass(frozen=True, order=True)
class QuadrantKey:
    """The unit of work: a quadrant of an exposure."""

    exposure: ExposureKey
    ccdid: int
    qid: int

    def __post_init__(self) -> None:
        _check_quadrant(self.ccdid, self.qid)

    @property
    def night(self) -> str:
        """UT date of the exposure, YYYYMMDD."""
        return self.exposure.night

    @property
    def rcid(self) -> int:
        """Readout channel, 0 to 63."""
        return 4 * (self.ccdid - 1) + self.qid - 1

    @property
    def raw(self) -> RawKey:
        """The raw file this quadrant comes in."""
        return RawKey(self.exposure, self.ccdid)

    @property
    def reference(self) -> ReferenceKey | None:
        """The reference of this quadrant's field and filter; None for an exposure off the grid, which has none."""
        on_grid = 1 <= self.exposure.field <= LAST_GRID_FIELD
        return ReferenceKey(self.exposure.field, self.exposure.filter, self.ccdid, self.qid) if on_grid else None

    @property
    def place(self) -> FieldQuadrantKey:
        """The field's quadrant, whatever the filter. BadKey for an exposure of field 0."""
        return FieldQuadrantKey(self.exposure.field, self.ccdid, self.qid)


@dataclass(frozen=True, order=True)
class CalibrationKey:
    """A night's master of a quadrant: filter `00` for a bias, a sky filter for a flat."""

    night: str
    filter: str
    ccdid: int
    qid: int

    def __post_init__(self) -> None:
        _check_night(self.night)
        allowed = (BIAS_FILTER_CAL, *SKY_FILTERS)
        _check("filter", self.filter, self.filter in allowed, f"one of {', '.join(allowed)}")
        _check_quadrant(self.ccdid, self.qid)

    @property
    def rcid(self) -> int:
        """Readout channel, 0 to 63."""
        return 4 * (self.ccdid - 1) + self.qid - 1


@dataclass(frozen=True, order=True)
class ReferenceKey:
    """A field, filter and quadrant of the sky grid: references, matchfiles and light curves."""

    field: int
    filter: str
    ccdid: int
    qid: int

    def __post_init__(self) -> None:
        _check("field", self.field, 1 <= self.field <= LAST_GRID_FIELD, f"1 to {LAST_GRID_FIELD}")
        _check("filter", self.filter, self.filter in SKY_FILTERS, f"one of {', '.join(SKY_FILTERS)}")
        _check_quadrant(self.ccdid, self.qid)

    @property
    def rcid(self) -> int:
        """Readout channel, 0 to 63."""
        return 4 * (self.ccdid - 1) + self.qid - 1

    @property
    def place(self) -> FieldQuadrantKey:
        """The field's quadrant, whatever the filter."""
        return FieldQuadrantKey(self.field, self.ccdid, self.qid)


@dataclass(frozen=True, order=True)
class ReferenceVersionKey:
    """One version of a reference: made once, of a frozen list of inputs, and kept."""

    reference: ReferenceKey
    version: int

    def __post_init__(self) -> None:
        _check("version", self.version, 1 <= self.version <= 999, "1 to 999")


@dataclass(frozen=True, order=True)
class FieldQuadrantKey:
    """A field and quadrant of the sky grid, whatever the filter: calibrator and context catalogs."""

    field: int
    ccdid: int
    qid: int

    def __post_init__(self) -> None:
        _check("field", self.field, 1 <= self.field <= 999999, "1 to 999999")
        _check_quadrant(self.ccdid, self.qid)

    @property
    def rcid(self) -> int:
        """Readout channel, 0 to 63."""
        return 4 * (self.ccdid - 1) + self.qid - 1


@dataclass(frozen=True, order=True)
class ReleaseKey:
    """A reference key within data release number `release`."""

    release: int
    reference: ReferenceKey

    def __post_init__(self) -> None:
        _check("release", self.release, self.release >= 1, "1 or more")


@dataclass(frozen=True, order=True)
class DataReleaseKey:
    """Data release number `release`."""

    release: int

    def __post_init__(self) -> None:
        _check("release", self.release, self.release >= 1, "1 or more")


@dataclass(frozen=True, order=True)
class ProgramKey:
    """A night of one observing program, by its id (PROGRAMS)."""

    night: str
    programid: int

    def __post_init__(self) -> None:
        _check_night(self.night)
        _check("program", self.programid, 0 <= self.programid <= 3, "0 to 3")


Key = (
    NightKey
    | CutoffKey
    | IncomingKey
    | ExposureKey
    | RawKey
    | QuadrantKey
    | CalibrationKey
    | ReferenceKey
    | ReferenceVersionKey
    | FieldQuadrantKey
    | ReleaseKey
    | DataReleaseKey
    | ProgramKey
)
