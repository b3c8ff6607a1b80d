"""What differs from exposure to exposure: seeing, clouds, transparency, sky, turbulence, the true pointing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ztfpipe.camera import Camera
from ztfpipe.config import Simulate
from ztfpipe.simulate.geometry import Floats, unit_vectors
from ztfpipe.simulate.night import ExposurePlan
from ztfpipe.simulate.scene import PsfField, SkyLight
from ztfpipe.simulate.seeds import stream
from ztfpipe.simulate.telescope.earth import moon_to_dark_sky, moon_vector_au, observer_position_au, zenith
from ztfpipe.simulate.telescope.random_field import RandomField, draw_field, slow_series

MOON_RELATIVE_TO_V = {"zg": 1.1, "zr": 0.5, "zi": 0.2}
"""Moonlight over dark sky relative to that ratio in V: the dark sky is redder than the Moon."""
REFERENCE_WAVELENGTH_NM = 634.0


@dataclass(frozen=True)
class Conditions:
    """The truth about one exposure.

    pointing_error_deg: (east, north) of actual minus commanded; fwhm_px: at the centres of quadrants before their own
    variation; extinction_mag: per airmass; transparency_mag: loss by haze (of either sign); cloud_rms: structure
    relative to cloud_mag; dark_sky_mag, moon_over_dark: sky at the pointing; gradient: (5,) coefficients of u, v,
    u^2, uv, v^2 relative to the level.
    """

    pointing_error_deg: tuple[float, float]
    rotation_error_deg: float
    drift_px: tuple[float, float]
    turbulence_arcsec: float
    turbulence: RandomField
    fwhm_px: float
    extinction_mag: float
    transparency_mag: float
    cloud_mag: float
    cloud_rms: float
    clouds: RandomField
    dark_sky_mag: float
    moon_over_dark: float
    gradient: Floats
    zenith: Floats
    airmass: float

    def cloud_extinction_mag(self, east_deg: Floats, north_deg: Floats) -> Floats:
        """Loss by clouds (n,) at tangent-plane positions (n,) [deg]; never negative."""
        if self.cloud_mag == 0:
            return np.zeros(len(east_deg))
        structure = self.clouds(east_deg * 60, north_deg * 60)[0] if self.cloud_rms > 0 else 0.0
        return self.cloud_mag * np.maximum(1 + self.cloud_rms * structure, 0) * np.ones(len(east_deg))


def conditions(settings: Simulate, camera: Camera, plan: ExposurePlan) -> Conditions:
    """Draw the truth about an exposure from the noise seed, its time and its name."""
    optics, weather = settings.optics, settings.weather
    when = int(plan.key.filefracday)
    night = int(plan.key.night)

    def draws(purpose: str) -> np.random.Generator:
        return stream(settings.noise_seed, purpose, when)

    def size(effect: str, value: float) -> float:
        return value if settings.on(effect) else 0.0

    def slow(purpose: str, memory_minutes: float) -> float:
        minutes = (plan.mid_jd - 2457388.5) * 1440
        return slow_series(stream(settings.noise_seed, purpose), minutes, memory_minutes)

    up = zenith(plan.mid_jd, camera.observatory)
    east, north = draws("pointing").normal(0, size("pointing_errors", optics.pointing_error_arcsec) / 3600, 2)
    drift = draws("drift").uniform(0, 2 * np.pi)
    turbulence_mas = draws("turbulence size").uniform(*optics.turbulence_mas) * (30 / plan.exptime_s) ** 0.5
    dark_mag, moon_over_dark = _sky(settings, plan, camera, up)
    extinction = camera.filter(plan.key.filter).extinction_mag_per_airmass
    extinction *= 1 + weather.extinction_scatter * stream(settings.noise_seed, "extinction", night).standard_normal()
    gradient = draws("gradient").normal(0, 1, 5) * size("sky_gradient", weather.sky_gradient)
    return Conditions(
        pointing_error_deg=(float(east), float(north)),
        rotation_error_deg=float(draws("rotation").normal(0, size("pointing_errors", optics.rotation_error_deg))),
        drift_px=(float(optics.drift_px * np.cos(drift)), float(optics.drift_px * np.sin(drift))),
        turbulence_arcsec=size("turbulence", turbulence_mas / 1000),
        turbulence=draw_field(draws("turbulence"), optics.turbulence_scale_arcmin, 2),
        fwhm_px=_fwhm_px(settings, plan, camera, slow("seeing", 40)),
        extinction_mag=size("extinction", float(extinction)),
        transparency_mag=size("transparency", weather.transparency_mag) * slow("transparency", 15),
        cloud_mag=_cloud_mag(settings, draws("clouds")),
        cloud_rms=size("cloud_structure", weather.cloud_structure),
        clouds=draw_field(draws("cloud structure"), weather.cloud_scale_arcmin, 1),
        dark_sky_mag=dark_mag,
        moon_over_dark=moon_over_dark,
        gradient=gradient * np.array([1, 1, 1 / 3, 1 / 3, 1 / 3]),
        zenith=up,
        airmass=plan.at_start.airmass,
    )


def _fwhm_px(settings: Simulate, plan: ExposurePlan, camera: Camera, slow: float) -> float:
    """Kolmogorov seeing: airmass^0.6, wavelength^-0.2."""
    optics = settings.optics
    if not settings.on("seeing_changes"):
        return optics.seeing_median_px
    colour = (camera.filter(plan.key.filter).wavelength_nm / REFERENCE_WAVELENGTH_NM) ** -0.2
    fwhm = optics.seeing_median_px * plan.at_start.airmass**0.6 * colour * np.exp(optics.seeing_scatter * slow)
    return float(np.clip(fwhm, *optics.seeing_px))


def _cloud_mag(settings: Simulate, rng: np.random.Generator) -> float:
    cloudy, size = rng.uniform(), rng.standard_normal()
    if not settings.on("clouds") or cloudy >= settings.weather.cloudy_fraction:
        return 0.0
    return float(settings.weather.cloud_mag * 1.8**size)


def _sky(settings: Simulate, plan: ExposurePlan, camera: Camera, up: Floats) -> tuple[float, float]:
    """Dark sky [mag per square arcsec] (Krisciunas & Schaefer 1991, equation 2) and moonlight relative to it."""
    target = unit_vectors(plan.ra_deg, plan.dec_deg)
    cos_zenith = float(target @ up)
    path = (1 - 0.96 * (1 - cos_zenith**2)) ** -0.5
    dark = settings.weather.dark_sky_mag[plan.key.filter] - 2.5 * np.log10(path) + 0.172 * (path - 1)
    if not settings.on("moonlight"):
        return float(dark), 0.0
    moon = moon_vector_au(plan.mid_jd) - observer_position_au(plan.mid_jd, camera.observatory)
    phase_angle_deg = float(np.degrees(np.arccos(np.clip(2 * plan.at_start.moon_phase - 1, -1, 1))))
    ratio = moon_to_dark_sky(target, moon / np.linalg.norm(moon), up, phase_angle_deg)
    return float(dark), ratio * MOON_RELATIVE_TO_V[plan.key.filter]


def psf_field(settings: Simulate, plan: ExposurePlan, truth: Conditions, rcid: int) -> PsfField:
    """The PSF over one quadrant: the telescope's own part, which stays, and focus and guiding, which change."""
    size = settings.optics.psf_variation if settings.on("psf_variation") else 0.0
    fixed = stream(settings.sky_seed, "psf", rcid).standard_normal((5, 6))
    now = stream(settings.noise_seed, "psf", int(plan.key.filefracday), rcid).standard_normal((5, 6))
    common = stream(settings.noise_seed, "guiding", int(plan.key.filefracday)).standard_normal(5)
    draw = 0.8 * fixed + 0.4 * now
    shape = np.array([1.0, 1.0, 0.7, 0.5, 0.7])
    relative = np.concatenate([[1.0], 0.5 * size * shape * draw[0, 1:]])
    weights = np.concatenate([[0.5], 0.5 * shape])
    e1, e2, skew_x, skew_y = (
        size * scale * weights * draw[k] for k, scale in zip(range(1, 5), (1, 1, 0.6, 0.6), strict=True)
    )
    e1[0] += 0.3 * size * common[1]
    e2[0] += 0.3 * size * common[2]
    return PsfField(
        fwhm_px=np.asarray(truth.fwhm_px * relative[: 6]),
        e1=e1, e2=e2, skew_x=skew_x, skew_y=skew_y,
        beta=3.0, halo_fraction=0.04, halo_fwhm_px=4.0 * truth.fwhm_px,
    )  # fmt: skip


def sky_light(
    settings: Simulate, plan: ExposurePlan, truth: Conditions, zero_point_e_s: float, pixel_arcsec: float, rcid: int
) -> SkyLight:
    """Sky of a quadrant. `zero_point_e_s`: magnitude that gives 1 e- per second through one airmass."""
    dark_e = plan.exptime_s * pixel_arcsec**2 * 10 ** (-0.4 * (truth.dark_sky_mag - zero_point_e_s))
    level_e = dark_e * (1 + truth.moon_over_dark)
    own = stream(settings.noise_seed, "gradient", int(plan.key.filefracday), rcid).standard_normal(5)
    gradient = truth.gradient + 0.3 * own * np.abs(truth.gradient)
    fringe = settings.weather.fringe_fraction[plan.key.filter] if settings.on("fringes") else 0.0
    hours = (plan.mid_jd - 2457388.5) * 24
    return SkyLight(
        level_e=level_e * np.concatenate([[1.0], gradient]),
        # Fringes come from lines of the night sky: the Moon dilutes them.
        fringe_fraction=fringe * dark_e / level_e,
        fringe_phase_rad=float(0.6 * np.sin(2 * np.pi * hours / 5.3)),
    )
