"""Quality of an image: which INFOBITS its metrics set, and whether it is usable.

The bits, their metrics and dated thresholds are the camera's (`camera/*.yaml`); the photometric criterion is that of
the archive (Explanatory Supplement 13.4, as coded by its clients).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from ztfpipe.camera import Camera, InfoBit

Metrics = Mapping[str, float | int | bool | None]
STANDARD_EXPOSURE_S = 30.0
"""Zero points of the photometric criterion are for this exposure time."""


def info_bits(camera: Camera, metrics: Metrics, night: str) -> int:
    """INFOBITS of an image of `night` with these quality metrics.

    A metric that is missing or NaN sets no bit: what could not be measured is told by the `..._failed` metrics.
    """
    return sum(1 << bit.bit for bit in camera.infobits if bit.in_force(night) and _is_set(bit, metrics, night))


def bits_set(value: int) -> list[int]:
    """Numbers of the bits that are set in INFOBITS or another word of bits, ascending."""
    return [bit for bit in range(value.bit_length()) if value >> bit & 1]


def status(camera: Camera, infobits: int) -> int:
    """STATUS: 0 when any fatal bit is set, else 1."""
    fatal = sum(1 << bit.bit for bit in camera.infobits if bit.fatal)
    return 0 if infobits & fatal else 1


def standard_zero_point(
    camera: Camera, filter_code: str, zero_point_mag: float, *, airmass: float, exptime_s: float
) -> float:
    """A zero point [mag] brought to 30 s and to no air, by the filter's extinction."""
    exposure_mag = 2.5 * math.log10(exptime_s / STANDARD_EXPOSURE_S)
    return zero_point_mag - exposure_mag + camera.filter(filter_code).extinction_mag_per_airmass * airmass


def photometrically_bad(
    camera: Camera,
    filter_code: str,
    rcid: int,
    *,
    zero_point_mag: float,
    zero_point_rms_mag: float,
    n_calibrators: int,
    airmass: float,
    exptime_s: float,
) -> bool:
    """Whether an image is probably unusable: clouds or moonlight moved its zero point or scattered it.

    Bad when the standard zero point leaves [ZPthres(rcid), limit], when its RMS is above or the number of calibrators
    below the filter's limit.
    """
    entry = camera.filter(filter_code)
    standard = standard_zero_point(camera, filter_code, zero_point_mag, airmass=airmass, exptime_s=exptime_s)
    return bool(
        not math.isfinite(standard)
        or standard > entry.zero_point_max_mag
        or standard < camera.zero_point_thresholds[rcid][filter_code]
        or zero_point_rms_mag > entry.zero_point_rms_max_mag
        or n_calibrators < entry.calibrators_min
    )


def _is_set(bit: InfoBit, metrics: Metrics, night: str) -> bool:
    value = metrics.get(bit.metric)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return False
    if bit.comparison == "true":
        return bool(value)
    threshold = bit.threshold(night)
    if bit.comparison == "above":
        return value > threshold
    if bit.comparison == "below":
        return value < threshold
    low, high = threshold
    return not low <= value <= high
