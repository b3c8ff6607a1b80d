"""The schedule of a synthetic night: what the robot commands, exposure by exposure. Nothing in it knows the weather."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import date

from ztfpipe.camera import Camera
from ztfpipe.config import Simulate
from ztfpipe.errors import BadKey
from ztfpipe.model.keys import BIAS_FILTER_RAW, NO_FIELD, ExposureKey
from ztfpipe.simulate.geometry import from_gnomonic, sky_position, unit_vectors
from ztfpipe.simulate.seeds import stream
from ztfpipe.simulate.telescope.earth import Circumstances, circumstances, zenith

SECONDS = 1 / 86400
READOUT_S = 10.0
FILTER_CHANGE_S = 100.0
BIASES_FROM_H, FLATS_FROM_H = 0.1, 0.5
ELEVATION_MIN_DEG = 20.0
JD_OF_ORDINAL_ZERO = 1721424
"""Julian date, less a half, of the day before 0001-01-01, from which Python counts days."""


@dataclass(frozen=True)
class ExposurePlan:
    """One commanded exposure.

    obsjd: shutter opens [JD UTC]; the time in the key is when it was commanded, seconds earlier. object_*: the field's
    centre; ra_deg, dec_deg: the commanded pointing, dither included (biases and flats: the zenith, where the telescope
    is parked). number: order within the night, from 0.
    """

    number: int
    key: ExposureKey
    exptime_s: float
    programid: int
    obsjd: float
    object_ra_deg: float
    object_dec_deg: float
    ra_deg: float
    dec_deg: float
    at_start: Circumstances

    @property
    def mid_jd(self) -> float:
        """Middle of the exposure [JD UTC]."""
        return self.obsjd + 0.5 * self.exptime_s * SECONDS


def night_start_jd(night: str) -> float:
    """Julian date of 0 h UT of a night YYYYMMDD."""
    return date(int(night[:4]), int(night[4:6]), int(night[6:])).toordinal() + JD_OF_ORDINAL_ZERO + 0.5


def plan_night(settings: Simulate, camera: Camera, night: str | None = None) -> list[ExposurePlan]:
    """All exposures of a night in order of time; `night` replaces the date of the settings.

    Raises BadKey when a field is not in the camera's grid, or below 20 degrees elevation when its turn comes.
    """
    night = night or settings.night.date
    plans: list[ExposurePlan] = []
    clock = night_start_jd(night) + BIASES_FROM_H / 24
    for _ in range(settings.night.biases):
        plans.append(_calibration(settings, camera, len(plans), clock, "b", BIAS_FILTER_RAW, 0.0))
        clock += READOUT_S * SECONDS
    clock = max(clock, night_start_jd(night) + FLATS_FROM_H / 24)
    for code in settings.night.filters:
        for _ in range(settings.night.flats):
            exptime_s = settings.night.flat_exposure_s[code]
            plans.append(_calibration(settings, camera, len(plans), clock, "f", code, exptime_s))
            clock += (exptime_s + READOUT_S) * SECONDS
        clock += FILTER_CHANGE_S * SECONDS
    return plans + _sky(settings, camera, night, clock, len(plans))


def _sky(settings: Simulate, camera: Camera, night: str, clock: float, number: int) -> list[ExposurePlan]:
    """Visits spread over the night, each through all filters and fields."""
    first_h, last_h = settings.night.hours_ut
    programs = itertools.cycle(settings.night.programs)
    exptimes = itertools.cycle(settings.night.exposures_s)
    plans: list[ExposurePlan] = []
    for visit in range(settings.night.visits):
        hour = first_h + (last_h - first_h) * visit / max(settings.night.visits - 1, 1)
        clock = max(clock, night_start_jd(night) + hour / 24)
        exptime_s = next(exptimes)
        for code in settings.night.filters:
            for field in settings.night.fields:
                plan = _object(settings, camera, number + len(plans), clock, (field, code), exptime_s, next(programs))
                plans.append(plan)
                clock += (exptime_s + READOUT_S) * SECONDS
            clock += FILTER_CHANGE_S * SECONDS
    return plans


def _object(
    settings: Simulate,
    camera: Camera,
    number: int,
    clock: float,
    target: tuple[int, str],
    exptime_s: float,
    programid: int,
) -> ExposurePlan:
    field, code = target
    centre = camera.field(field)
    key, obsjd = _commanded(settings, clock, field, code, "o")
    ra_deg, dec_deg = centre.ra_deg, centre.dec_deg
    if settings.on("dithers"):
        size = settings.optics.dither_arcsec / 3600
        east, north = stream(settings.noise_seed, "dither", int(key.filefracday)).uniform(-size, size, (2, 1))
        pointing = from_gnomonic(east, north, unit_vectors(ra_deg, dec_deg))
        ra_deg, dec_deg = (float(value[0]) for value in sky_position(pointing))
    seen = circumstances(obsjd, ra_deg, dec_deg, camera.observatory)
    if seen.elevation_deg < ELEVATION_MIN_DEG:
        raise BadKey("field", field, f"above {ELEVATION_MIN_DEG:.0f} degrees at JD {obsjd:.4f}")
    return ExposurePlan(number, key, exptime_s, programid, obsjd, centre.ra_deg, centre.dec_deg, ra_deg, dec_deg, seen)


def _calibration(
    settings: Simulate, camera: Camera, number: int, clock: float, imgtype: str, code: str, exptime_s: float
) -> ExposurePlan:
    key, obsjd = _commanded(settings, clock, NO_FIELD, code, imgtype)
    ra, dec = (float(value) for value in sky_position(zenith(obsjd, camera.observatory)))
    seen = circumstances(obsjd, ra, dec, camera.observatory)
    return ExposurePlan(number, key, exptime_s, 0, obsjd, ra, dec, ra, dec, seen)


def _commanded(settings: Simulate, clock: float, field: int, code: str, imgtype: str) -> tuple[ExposureKey, float]:
    """Key of an exposure commanded at `clock` [JD], and when its shutter opens: 1 to 5 s later."""
    day = int(clock - 0.5)
    millionths = int((clock - 0.5 - day) * 1e6)
    text = date.fromordinal(day - JD_OF_ORDINAL_ZERO).strftime("%Y%m%d") + f"{millionths:06d}"
    delay_s = stream(settings.noise_seed, "delay", int(text)).uniform(1.0, 5.0)
    return ExposureKey(text, field, code, imgtype), clock + delay_s * SECONDS
