"""What must not be trusted beside the detector's own defects: tracks, rays, and reflections of bright stars."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Camera
from ztfpipe.config import Science
from ztfpipe.methods.detector.cosmic_rays import find_rays, moffat_stamps, ray_filters
from ztfpipe.methods.detector.ghosts import disc_mask, ghost_discs, halo_mask
from ztfpipe.methods.detector.tracks import Track, find_tracks, track_mask
from ztfpipe.methods.detector.tracks_wide import find_wide_tracks
from ztfpipe.methods.sky.background import estimate
from ztfpipe.methods.sky.projection import follow_linearly, sky_to_pixel
from ztfpipe.methods.stars.psf import stamps
from ztfpipe.model.catalogs import BrightStars
from ztfpipe.model.keys import QuadrantKey
from ztfpipe.model.stars import PsfModel
from ztfpipe.model.wcs import TpvWcs
from ztfpipe.pipelines.science.pixels import CalibratedPixels

Mask = NDArray[np.bool_]
RAY_STAMP_HALF_PX = 8
"""Half-width of the PSF stamps from which filters against rays are made."""
RAY_PSF_PLACES = (0.03, 0.5, 0.97)
"""Where along either axis the PSF is taken for those filters, in units of the image's size."""
FIRST_RAY_SHARPNESS = 0.85
"""The Moffat of the first search is this much narrower than the seeing seen: a ray must be sharper than any star."""
PIXEL_FWHM_PX, SHARPEST_PX = 0.83, 0.7
"""What a pixel adds to a star's FWHM in quadrature, and the sharpest star there may be, which no ray resembles less."""
GUESSED_PSF_ERROR, MEASURED_PSF_ERROR = 0.08, 0.03
"""Relative error of a pixel of the PSF: of a round Moffat of the seeing seen, and of the PSF measured on the image."""


@dataclass(frozen=True)
class RaySearch:
    """Filters against rays, and the relative error of the PSF they were made from."""

    filters: NDArray[np.float32]
    psf_error: float

    @staticmethod
    def of_seeing(fwhm_px: float) -> RaySearch:
        """What can be said before there is a PSF: a Moffat that, spread over pixels, has about the seeing seen."""
        inside = max((FIRST_RAY_SHARPNESS * fwhm_px) ** 2 - PIXEL_FWHM_PX**2, SHARPEST_PX**2)
        return RaySearch(ray_filters(moffat_stamps(float(np.sqrt(inside)))), GUESSED_PSF_ERROR)

    @staticmethod
    def of_psf(psf: PsfModel) -> RaySearch:
        """With the PSF at 5 x 5 sub-pixel offsets in each of 3 x 3 places: where it is sharpest, stars are no rays."""
        ny, nx = psf.shape
        offset = (np.arange(5) + 0.5) / 5 - 0.5
        x, y = ((np.rint(np.array(RAY_PSF_PLACES) * (size - 1))[:, None] + offset).ravel() for size in (nx, ny))
        x, y = np.meshgrid(x, y)
        seen = stamps(psf, x.ravel(), y.ravel(), RAY_STAMP_HALF_PX)
        return RaySearch(ray_filters(seen.astype(np.float64)), MEASURED_PSF_ERROR)


def rays(pixels: CalibratedPixels, unusable: Mask, gain: float, search: RaySearch, settings: Science) -> Mask:
    """Pixels hit by cosmic rays."""
    return find_rays(
        pixels.image_adu - pixels.background.level,
        pixels.background.noise,
        gain,
        unusable,
        search.filters,
        threshold=settings.ray_threshold,
        psf_error=search.psf_error,
    )


def tracks(
    pixels: CalibratedPixels, bad: Mask, saturated: Mask, settings: Science
) -> tuple[CalibratedPixels, Mask, int]:
    """The pixels with a background that no wide track has lifted, the pixels on tracks, and the number of tracks.

    Wide ones first: a band of an aircraft's lights fills cells of the background's mesh, which then is estimated anew.
    Saturated pixels take part in the search, since the brightest tracks saturate.
    """
    wide = find_wide_tracks(
        pixels.image_adu, pixels.background.scatter, bad, threshold=settings.wide_track_threshold
    )  # fmt: skip
    on_track = track_mask(bad.shape, wide)
    if wide:
        known = estimate(pixels.image_adu, bad | saturated | on_track, mesh_px=settings.background_mesh_px)
        pixels = replace(pixels, background=known)
    narrow: list[Track] = find_tracks(
        pixels.image_adu - pixels.background.level,
        pixels.background.noise,
        bad | on_track,
        threshold=settings.track_threshold,
        min_length_px=settings.track_length_min_px,
    )
    return pixels, on_track | track_mask(bad.shape, narrow), len(wide) + len(narrow)


def halos(stars: BrightStars, wcs: TpvWcs, shape: tuple[int, int], camera: Camera, settings: Science) -> Mask:
    """Discs about the brightest stars, also those beside the image."""
    x, y = sky_to_pixel(wcs, stars.ra_deg, stars.dec_deg)
    radius_px = settings.halo_radius_arcsec / camera.pixel_scale_arcsec
    return halo_mask(shape, x, y, stars.v_mag, faintest_mag=settings.halo_mag, radius_px=radius_px)


def ghosts(
    stars: BrightStars, wcs: TpvWcs, commanded: TpvWcs, shape: tuple[int, int], camera: Camera, key: QuadrantKey
) -> Mask:
    """Reflections of the bright stars of the whole CCD that fall on this quadrant.

    A star of another quadrant is far outside the solution of this one, whose polynomials must not be continued there:
    it is placed where the telescope was commanded to, moved as the solution moves this quadrant, linearly.
    """
    x, y = follow_linearly(commanded, wcs, shape, *sky_to_pixel(commanded, stars.ra_deg, stars.dec_deg))
    east, north = camera.ccd_centre_deg(key.ccdid)
    amplifier, px_per_deg = camera.amplifier(key.ccdid, key.qid), 3600.0 / camera.pixel_scale_arcsec
    x0, y0 = camera.reference_pixel
    axis = x0 - (east - amplifier.east_deg) * px_per_deg, y0 - (north - amplifier.north_deg) * px_per_deg
    found = np.zeros(shape, np.bool_)
    for ghost in camera.ghosts:
        found |= disc_mask(
            shape,
            *ghost_discs(
                x,
                y,
                stars.v_mag,
                axis,
                magnification=ghost.magnification,
                radius_px=ghost.radius_arcsec / camera.pixel_scale_arcsec,
                faintest_mag=ghost.faintest_v_mag,
            ),
        )
    return found
