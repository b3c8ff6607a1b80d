"""The rolling zero point: what is usual for a readout channel and filter before a night, and how far an image is off.

Bit 26 of INFOBITS stands for it: zero point per quadrant over a rolling window of ten days, since data release 11 of
the archive, whose rule beyond that is not public.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SMALL_SAMPLE = 5.0
"""A scatter of n numbers is raised by 1 + 5/n: the MAD of few is often much too small."""


@dataclass(frozen=True)
class UsualZeroPoint:
    """Median and robust scatter (1.4826 MAD) of the standard zero points [mag] of so many images."""

    median_mag: float
    scatter_mag: float
    images: int


@dataclass(frozen=True)
class UsualZeroPoints:
    """What is usual before `night`, by (filter, rcid); `nights` of the window that had usable images."""

    night: str
    nights: tuple[str, ...] = ()
    channels: Mapping[tuple[str, int], UsualZeroPoint] = field(default_factory=dict)


def zero_point_change(
    standard_mag: float, usual: UsualZeroPoint | None, *, images_min: int, sigma: float, floor_mag: float
) -> dict[str, float]:
    """Metrics of an image's standard zero point against the usual: `zpchange`, its distance from the median [mag], and
    `zero_point_outlier`, 1.0 when that is more than `sigma` scatters, that of a small sample allowed for and none
    believed below `floor_mag`. Nothing without `images_min` images to compare with."""
    if usual is None or usual.images < images_min:
        return {}
    change = standard_mag - usual.median_mag
    scatter = max(usual.scatter_mag, floor_mag) * (1.0 + SMALL_SAMPLE / usual.images)
    return {"zpchange": change, "zero_point_outlier": float(abs(change) > sigma * scatter)}
