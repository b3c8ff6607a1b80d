"""Where a position on the sky falls on a quadrant: atmosphere, pointing, distortion, the places of the detectors.

The order is that of the light: refraction lifts the star, turbulence shakes it, the telescope (which points elsewhere
than commanded) projects it, its optics distort the image, and a displaced detector receives it. No step is a
polynomial.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ztfpipe.camera import Camera
from ztfpipe.config import Simulate
from ztfpipe.simulate.geometry import ARCSEC_PER_RADIAN, Floats, from_gnomonic, gnomonic, unit_vectors
from ztfpipe.simulate.night import ExposurePlan
from ztfpipe.simulate.seeds import stream
from ztfpipe.simulate.telescope.random_field import RandomField, draw_field
from ztfpipe.simulate.telescope.weather import Conditions

FIELD_RADIUS_DEG = 3.6
MEAN_COLOUR_MAG = 0.6
"""g - r for which the telescope's tracking corrects refraction."""


@dataclass(frozen=True)
class QuadrantOptics:
    """All that is needed to place sources of one exposure on one quadrant."""

    centre: Floats
    zenith: Floats
    wavelength_nm: float
    nm_per_mag: float
    pressure: float
    rotation_deg: float
    radial_deg: float
    tangential_deg: float
    turbulence_deg: float
    turbulence: RandomField
    pattern_px: float
    pattern: RandomField
    offset_deg: tuple[float, float]
    ccd_centre_deg: tuple[float, float]
    ccd_shift_px: tuple[float, float]
    ccd_rotation_deg: float
    reference_pixel: tuple[float, float]
    pixel_scale_arcsec: float

    def tangent_plane(self, vectors: Floats, g_r_mag: Floats | float = MEAN_COLOUR_MAG) -> tuple[Floats, Floats]:
        """East and north [deg] about the actual pointing of directions (n, 3), refracted; no turbulence, no optics."""
        return gnomonic(self._refracted(vectors, g_r_mag), self.centre)

    def place(
        self, vectors: Floats, g_r_mag: Floats | float = MEAN_COLOUR_MAG, turbulent: bool = True
    ) -> tuple[Floats, Floats]:
        """Zero-based pixels x, y (n,) of ICRS unit vectors (n, 3) of stars of a colour g - r."""
        east, north = self.tangent_plane(vectors, g_r_mag)
        if turbulent and self.turbulence_deg > 0:
            shake = self.turbulence_deg * self.turbulence(east * 60, north * 60)
            east, north = east + shake[0], north + shake[1]
        return self._to_pixels(*self._distorted(east, north))

    def sky(self, x_px: Floats, y_px: Floats) -> Floats:
        """ICRS unit vectors (n, 3) seen by pixels (n,), for a star of mean colour and without turbulence.

        The inverse of `place`, by iteration: each step corrects by the miss in pixels, to 1e-6 px.
        """
        x, y = np.array(x_px, dtype=float), np.array(y_px, dtype=float)
        for _ in range(12):
            east, north = self._from_nominal_pixels(x, y)
            vectors = from_gnomonic(east, north, self.centre)
            x_now, y_now = self.place(vectors, turbulent=False)
            miss_x, miss_y = x_px - x_now, y_px - y_now
            x, y = x + miss_x, y + miss_y
            if max(np.abs(miss_x).max(), np.abs(miss_y).max()) < 1e-6:
                break
        return vectors

    @property
    def slack_px(self) -> float:
        """How far `rough_pixels` may be wrong."""
        turn_deg = abs(np.radians(self.rotation_deg)) * 2 * FIELD_RADIUS_DEG
        small_deg = 2 * (self.radial_deg + self.tangential_deg) + 10 * self.turbulence_deg + turn_deg
        return small_deg * 3600 / self.pixel_scale_arcsec + 10 * self.pattern_px + 2 * np.hypot(*self.ccd_shift_px) + 20

    def rough_pixels(self, east: Floats, north: Floats) -> tuple[Floats, Floats]:
        """Pixels of the nominal camera for tangent-plane positions [deg]."""
        per_px = self.pixel_scale_arcsec / 3600
        return (
            self.reference_pixel[0] - (east - self.offset_deg[0]) / per_px,
            self.reference_pixel[1] - (north - self.offset_deg[1]) / per_px,
        )

    def _refracted(self, vectors: Floats, g_r_mag: Floats | float) -> Floats:
        return refracted(
            vectors, self.zenith, self.wavelength_nm + self.nm_per_mag * (g_r_mag - MEAN_COLOUR_MAG), self.pressure
        )

    def _distorted(self, east: Floats, north: Floats) -> tuple[Floats, Floats]:
        """Radial displacement like 1 - cos, a swirl like tanh, and the camera's rotation; all about the axis."""
        radius = np.hypot(east, north)
        angle = np.arctan2(north, east) + np.radians(self.rotation_deg)
        turn = self.tangential_deg * np.tanh((radius / FIELD_RADIUS_DEG) ** 2) / np.tanh(1.0)
        stretch = self.radial_deg * (1 - np.cos(1.9 * radius / FIELD_RADIUS_DEG)) / (1 - np.cos(1.9))
        cosine, sine = np.cos(angle), np.sin(angle)
        return (radius + stretch) * cosine - turn * sine, (radius + stretch) * sine + turn * cosine

    def _to_pixels(self, east: Floats, north: Floats) -> tuple[Floats, Floats]:
        """The quadrant's place and that of its displaced CCD; +x is west, +y is south."""
        per_px = self.pixel_scale_arcsec / 3600
        turn = np.radians(self.ccd_rotation_deg)
        from_ccd_e, from_ccd_n = east - self.ccd_centre_deg[0], north - self.ccd_centre_deg[1]
        east = self.ccd_centre_deg[0] + np.cos(turn) * from_ccd_e - np.sin(turn) * from_ccd_n
        north = self.ccd_centre_deg[1] + np.sin(turn) * from_ccd_e + np.cos(turn) * from_ccd_n
        x = self.reference_pixel[0] - (east - self.offset_deg[0]) / per_px + self.ccd_shift_px[0]
        y = self.reference_pixel[1] - (north - self.offset_deg[1]) / per_px + self.ccd_shift_px[1]
        if self.pattern_px > 0:
            wave = self.pattern_px * self.pattern(x, y)
            x, y = x + wave[0], y + wave[1]
        return x, y

    def _from_nominal_pixels(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        per_px = self.pixel_scale_arcsec / 3600
        return (
            self.offset_deg[0] - (x - self.reference_pixel[0]) * per_px,
            self.offset_deg[1] - (y - self.reference_pixel[1]) * per_px,
        )


def quadrant_optics(
    settings: Simulate, camera: Camera, plan: ExposurePlan, truth: Conditions, ccdid: int, qid: int
) -> QuadrantOptics:
    """The optics of one quadrant in one exposure. What belongs to the telescope comes from the sky's seed."""
    sizes = settings.optics
    amplifier = camera.amplifier(ccdid, qid)
    filter_ = camera.filter(plan.key.filter)
    ccd = [camera.amplifiers[ccdid, other] for other in (1, 2, 3, 4) if (ccdid, other) in camera.amplifiers]
    pressure = float(np.exp(-camera.observatory.height_m / 8435.0))
    chromatic = settings.on("refraction")
    commanded = unit_vectors(plan.ra_deg, plan.dec_deg)[None, :]
    lifted = refracted(commanded, truth.zenith, filter_.wavelength_nm, pressure if chromatic else 0.0)[0]
    error_east, error_north = (np.array([value]) for value in truth.pointing_error_deg)
    shift, turn = _ccd_place(settings, ccdid)
    quadrant_px = max(camera.quadrant_shape)
    return QuadrantOptics(
        centre=from_gnomonic(error_east, error_north, lifted / np.linalg.norm(lifted))[0],
        zenith=truth.zenith,
        wavelength_nm=filter_.wavelength_nm,
        nm_per_mag=sizes.refraction_colour_nm_per_mag[plan.key.filter],
        pressure=pressure if chromatic else 0.0,
        rotation_deg=truth.rotation_error_deg,
        radial_deg=sizes.radial_distortion_arcsec / 3600 if settings.on("distortion") else 0.0,
        tangential_deg=sizes.tangential_distortion_arcsec / 3600 if settings.on("distortion") else 0.0,
        turbulence_deg=truth.turbulence_arcsec / 3600,
        turbulence=truth.turbulence,
        pattern_px=sizes.pattern_mas / 1000 / camera.pixel_scale_arcsec if settings.on("pattern") else 0.0,
        pattern=draw_field(stream(settings.sky_seed, "pattern", ccdid, qid), PATTERN_SCALE * quadrant_px, 2, (1.0,)),
        offset_deg=(amplifier.east_deg, amplifier.north_deg),
        ccd_centre_deg=(float(np.mean([a.east_deg for a in ccd])), float(np.mean([a.north_deg for a in ccd]))),
        ccd_shift_px=shift,
        ccd_rotation_deg=turn,
        reference_pixel=camera.reference_pixel,
        pixel_scale_arcsec=camera.pixel_scale_arcsec,
    )


PATTERN_SCALE = 0.6
"""Correlation length of the fixed pattern, in units of a quadrant's side: nearly, not quite, of fourth order."""


def _ccd_place(settings: Simulate, ccdid: int) -> tuple[tuple[float, float], float]:
    """Shift [px] and rotation [deg] of a CCD from its nominal place."""
    if not settings.on("ccd_displacements"):
        return (0.0, 0.0), 0.0
    draws = stream(settings.sky_seed, "ccd place", ccdid).normal(0, settings.optics.ccd_shift_px, 3)
    return (float(draws[0]), float(draws[1])), float(np.degrees(draws[2] / 3000))


def refracted(vectors: Floats, up: Floats, wavelength_nm: Floats | float, pressure: float) -> Floats:
    """Directions (n, 3), not normalised, lifted towards the zenith by (n - 1) tan z; `pressure` in atmospheres."""
    cosine = vectors @ up
    lift = refractivity(wavelength_nm) * pressure / cosine
    return vectors * (1 - lift * cosine)[:, None] + lift[:, None] * up


def refractivity(wavelength_nm: Floats | float) -> Floats | float:
    """n - 1 of dry air at 15 C and one atmosphere: Birch & Downs 1994 (the corrected form of Edlen 1966)."""
    per_um2 = (1e3 / np.asarray(wavelength_nm)) ** 2
    return (8342.54 + 2406147 / (130 - per_um2) + 15998 / (38.9 - per_um2)) * 1e-8


def refraction_arcsec(cos_zenith: float, wavelength_nm: float, pressure: float) -> float:
    """Refraction angle of this model at one direction."""
    tangent = np.sqrt(1 - cos_zenith**2) / cos_zenith
    return float(refractivity(wavelength_nm) * pressure * tangent * ARCSEC_PER_RADIAN)
