"""Epochs and units of time that more than one floor speaks of."""

from __future__ import annotations

JD_OF_MJD_ZERO = 2400000.5
JD_OF_UNIX_ZERO = 2440587.5
"""1970-01-01, from which the system counts seconds."""
JD_2000 = 2451545.0
"""J2000.0, the epoch of Julian years."""
YEAR_D = 365.25
DAY_S = 86400.0


def julian_year(jd: float) -> float:
    """Julian year of a Julian date."""
    return 2000.0 + (jd - JD_2000) / YEAR_D


def mid_exposure(start_jd: float, exposure_s: float) -> float:
    """Julian date of the middle of an exposure; OBSJD and jd of the archive are its start."""
    return start_jd + exposure_s / 2 / DAY_S
