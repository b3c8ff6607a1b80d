"""Where the quadrant looks: from the commanded pointing to a fourth-order TPV solution (system paper 3.5.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ztfpipe.camera import Camera
from ztfpipe.config import Science
from ztfpipe.errors import Unusable
from ztfpipe.methods.sky import astrometric_quality, astrometry
from ztfpipe.methods.sky.matching import move_to_epoch
from ztfpipe.methods.sky.projection import tangent_wcs
from ztfpipe.model.catalogs import AstrometricCalibrators
from ztfpipe.model.keys import QuadrantKey
from ztfpipe.model.science import AstrometrySummary
from ztfpipe.model.wcs import TpvWcs

ARCSEC_PER_DEG = 3600.0


def commanded_wcs(camera: Camera, key: QuadrantKey, ra_deg: float, dec_deg: float) -> TpvWcs:
    """The WCS a perfect telescope would have: gnomonic about the commanded field centre, axes to west and south.

    The tangent point is the field's, far outside the quadrant, so that the turn of north across the field is right.
    """
    amplifier = camera.amplifier(key.ccdid, key.qid)
    return tangent_wcs(
        ra_deg,
        dec_deg,
        amplifier.east_deg,
        amplifier.north_deg,
        reference_pixel=camera.reference_pixel,
        pixel_scale_arcsec=camera.pixel_scale_arcsec,
    )


def references_at(
    catalog: AstrometricCalibrators, epoch_year: float, g_mag_range: tuple[float, float]
) -> astrometry.References:
    """Calibrators within a range of G, moved to the epoch of the exposure."""
    chosen = (catalog.g_mag >= g_mag_range[0]) & (catalog.g_mag <= g_mag_range[1])
    ra, dec = move_to_epoch(
        catalog.ra_deg[chosen],
        catalog.dec_deg[chosen],
        catalog.pmra_mas[chosen],
        catalog.pmdec_mas[chosen],
        epoch_year - catalog.epoch_year,
    )
    return astrometry.References(ra, dec, catalog.error_mas[chosen], catalog.g_mag[chosen])


@dataclass(frozen=True)
class Astrometry:
    """A solution with its calibrators, the summary for the header and the quality metrics."""

    solution: astrometry.Solution
    references: astrometry.References
    summary: AstrometrySummary
    metrics: dict[str, float]


def solve_quadrant(
    detections: astrometry.Detections,
    catalog: AstrometricCalibrators | None,
    prior: TpvWcs,
    shape: tuple[int, int],
    *,
    epoch_year: float,
    pixel_scale_arcsec: float,
    settings: Science,
) -> Astrometry:
    """Both passes and their quality metrics. Raises Unusable when nothing can be solved."""
    if catalog is None or catalog.ra_deg.size == 0:
        raise Unusable("astrometry", "no astrometric calibrators")
    references = references_at(catalog, epoch_year, settings.astrometric_mag)
    solution = astrometry.solve(
        detections,
        references,
        prior,
        shape,
        max_offset_arcsec=settings.pointing_error_max_arcsec,
        max_rotation_deg=settings.rotation_error_max_deg,
        floor_mas=settings.turbulence_mas,
        match_radius_arcsec=settings.match_radius_arcsec,
    )
    if not solution.solved:
        raise Unusable("astrometry", solution.reason)
    return _summed_up(solution, detections, references, shape, pixel_scale_arcsec)


def refine_quadrant(
    found: Astrometry,
    detections: astrometry.Detections,
    shape: tuple[int, int],
    *,
    pixel_scale_arcsec: float,
    settings: Science,
) -> Astrometry:
    """The solution fitted again to the positions of the PSF fit, which are those of the catalog.

    They are as precise as the light allows, and the place of a skewed PSF that the fit calls its centre differs
    smoothly over the image from that of a windowed centroid.
    """
    solution = astrometry.refine(
        found.solution,
        detections,
        found.references,
        shape,
        floor_mas=settings.turbulence_mas,
        match_radius_arcsec=settings.match_radius_arcsec,
    )
    if solution is found.solution:
        return found
    return _summed_up(solution, detections, found.references, shape, pixel_scale_arcsec)


def _summed_up(
    solution: astrometry.Solution,
    detections: astrometry.Detections,
    references: astrometry.References,
    shape: tuple[int, int],
    pixel_scale_arcsec: float,
) -> Astrometry:
    metrics = astrometric_quality.metrics(solution, detections, references, pixel_scale_arcsec, shape)
    used = solution.residual_arcsec[:, solution.used]
    rms = np.sqrt(np.mean(used**2, axis=1)) / ARCSEC_PER_DEG
    summary = AstrometrySummary(int(solution.used.sum()), (float(rms[0]), float(rms[1])), metrics["ascmp2chi2"])
    return Astrometry(solution, references, summary, metrics)
