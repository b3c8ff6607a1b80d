"""How many electrons a source gives: zero points and colour terms of quadrants, extinction, clouds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ztfpipe.camera import Camera
from ztfpipe.config import Simulate
from ztfpipe.simulate.geometry import Floats
from ztfpipe.simulate.night import ExposurePlan
from ztfpipe.simulate.seeds import stream
from ztfpipe.simulate.telescope.weather import Conditions

REFERENCE_EXPOSURE_S = 30.0
"""The camera's reference zero points are those of exposures of this length, in DN."""
MIDDLE_COLOUR = {"zg": 0.6, "zr": 0.6, "zi": 0.25}
"""Colour about which the curvature of the colour term is reckoned."""


@dataclass(frozen=True)
class Throughput:
    """Photometric truth of one quadrant in one exposure.

    zero_point_mag: m_PS1 that gives 1 e- over the whole exposure, at colour 0, outside the atmosphere and without haze;
    m_PS1 - m_inst = zero_point + colour_term * c + curvature * ((c - middle)^2 - middle^2), c the filter's PS1 colour.
    """

    filter: str
    zero_point_mag: float
    colour_term: float
    curvature: float
    extinction_mag: float
    transparency_mag: float
    gain_e_per_adu: float

    def electrons(
        self, mag: Floats, colour: Floats, airmass: Floats | float, cloud_mag: Floats | float = 0.0
    ) -> Floats:
        """Electrons (n,) of sources of PS1 magnitude `mag` and the filter's `colour` over the exposure."""
        middle = MIDDLE_COLOUR[self.filter]
        bent = self.curvature * ((colour - middle) ** 2 - middle**2)
        instrumental = mag - self.zero_point_mag - self.colour_term * colour - bent
        return 10 ** (-0.4 * (instrumental + self.losses_mag(airmass) + cloud_mag))

    def losses_mag(self, airmass: Floats | float) -> Floats | float:
        """Extinction and haze, clouds apart."""
        return self.extinction_mag * airmass + self.transparency_mag

    def image_zero_point_mag(self, airmass: float, cloud_mag: float = 0.0) -> float:
        """MAGZP of an image in DN: the constant of a straight line in colour, to the size of the curvature."""
        return float(self.zero_point_mag - self.losses_mag(airmass) - cloud_mag - 2.5 * np.log10(self.gain_e_per_adu))


def throughput(
    settings: Simulate, camera: Camera, plan: ExposurePlan, truth: Conditions, ccdid: int, qid: int
) -> Throughput:
    """Zero point and colour term of a quadrant in an exposure. The quadrant's own offsets come from the sky's seed."""
    weather = settings.weather
    code = plan.key.filter
    amplifier, filter_ = camera.amplifier(ccdid, qid), camera.filter(code)
    own = stream(settings.sky_seed, "zero point", amplifier.rcid, filter_.fid).standard_normal(2)
    scatter = weather.zero_point_scatter_mag if settings.on("zero_point_scatter") else 0.0
    colour_terms = settings.on("colour_terms")
    return Throughput(
        filter=code,
        zero_point_mag=zero_point_e(settings, camera, code) + 2.5 * np.log10(plan.exptime_s) + scatter * own[0],
        colour_term=weather.colour_term[code] + weather.colour_term_scatter * own[1] if colour_terms else 0.0,
        curvature=weather.colour_curvature if colour_terms else 0.0,
        extinction_mag=truth.extinction_mag,
        transparency_mag=truth.transparency_mag,
        gain_e_per_adu=amplifier.gain_e_per_adu,
    )


def zero_point_e(settings: Simulate, camera: Camera, code: str) -> float:
    """Magnitude that gives 1 e- per second outside the atmosphere on the camera's mean quadrant."""
    filter_ = camera.filter(code)
    gain = float(np.mean([amplifier.gain_e_per_adu for amplifier in camera.amplifiers.values()]))
    per_second = 2.5 * np.log10(gain / REFERENCE_EXPOSURE_S)
    extinction = filter_.extinction_mag_per_airmass * settings.weather.zero_point_airmass
    return float(filter_.reference_zero_point_mag + per_second + extinction)
