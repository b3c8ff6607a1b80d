"""Recipe: does an input look where it says and shine as it says, whatever its record promised."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ztfpipe.camera import Filter
from ztfpipe.config import Reference
from ztfpipe.methods.sky.matching import match_sky, move_to_epoch
from ztfpipe.methods.sky.projection import pixel_to_sky
from ztfpipe.methods.stars.calibrator_pairs import match_calibrators
from ztfpipe.methods.stars.flatness import Flatness, throughput_flatness
from ztfpipe.methods.statistics import robust
from ztfpipe.model.catalogs import AstrometricCalibrators, PhotometricCalibrators, PsfCatalog
from ztfpipe.model.coadd import Agreement, ReferenceInput
from ztfpipe.model.dates import julian_year

SNR_MIN = 10.0
"""S/N of stars that are compared with calibrators."""


def agreement(
    one: ReferenceInput,
    astrometric: AstrometricCalibrators | None,
    photometric: PhotometricCalibrators | None,
    band: Filter,
    settings: Reference,
) -> Agreement:
    """Compare the stars of an input with calibrators by its own WCS, zero point and colour coefficient.

    Stars are placed by their pixels and the WCS of the image, which is what co-addition goes by, not by the catalog.
    """
    ra, dec = pixel_to_sky(one.wcs, one.catalog.x_px, one.catalog.y_px)
    catalog = replace(one.catalog, ra_deg=ra, dec_deg=dec)
    east, north = _offsets(catalog, one.jd, astrometric, settings)
    flat, median = compare_with_ps1(
        catalog, one.zero_point_mag, one.colour_coefficient, one.shape, photometric, band, settings
    )
    positions = robust(east), robust(north)
    return Agreement(
        matches=min(len(east), flat.count),
        east_arcsec=positions[0].median,
        north_arcsec=positions[1].median,
        scatter_arcsec=max(positions[0].sigma, positions[1].sigma),
        zero_point_mag=median,
        flatness_rms_mag=flat.rms_mag,
        flatness_range_mag=flat.range_mag,
    )


def faults(found: Agreement, filter_code: str, settings: Reference) -> Iterator[str]:
    """Sentences on what disqualifies an input; none for a good one."""
    limits = settings.inputs[filter_code]
    if found.matches < settings.matches_min:
        yield f"only {found.matches} of its stars are calibrators by place and light, {settings.matches_min} are needed"
        return
    offset = math.hypot(found.east_arcsec, found.north_arcsec)
    if offset > settings.offset_max_arcsec or found.scatter_arcsec > settings.scatter_max_arcsec:
        yield f"its WCS is off by {offset:.2f} arcsec with a scatter of {found.scatter_arcsec:.2f}"
    if abs(found.zero_point_mag) > settings.zero_point_error_max_mag:
        yield f"its zero point is off by {found.zero_point_mag:+.3f} mag"
    if found.flatness_rms_mag > limits.flatness_rms_max_mag or found.flatness_range_mag > limits.flatness_range_max_mag:
        yield (
            f"its zero point is not flat: RMS {found.flatness_rms_mag:.3f} mag,"
            f" range over cells {found.flatness_range_mag:.3f}"
        )


def compare_with_ps1(
    catalog: PsfCatalog,
    zero_point_mag: float,
    colour_coefficient: float,
    shape: tuple[int, int],
    photometric: PhotometricCalibrators | None,
    band: Filter,
    settings: Reference,
) -> tuple[Flatness, float]:
    """Flatness of the calibrated magnitudes' residuals (PS1 less ours), and their median [mag], NaN without stars."""
    if photometric is None:
        nothing = np.zeros(0)
        return throughput_flatness(nothing, nothing, nothing, shape), math.nan
    pairs = match_calibrators(
        catalog,
        photometric,
        band,
        mag_range=settings.flatness_mag,
        snr_min=SNR_MIN,
        radius_arcsec=settings.match_radius_arcsec,
    )
    ours = pairs.ours
    residual = pairs.mag - (catalog.mag[ours] + zero_point_mag + colour_coefficient * pairs.colour_mag)
    flat = throughput_flatness(residual, catalog.x_px[ours], catalog.y_px[ours], shape)
    return flat, robust(residual).median


def _offsets(
    catalog: PsfCatalog, jd: float, astrometric: AstrometricCalibrators | None, settings: Reference
) -> tuple[np.ndarray, np.ndarray]:
    """East and north [arcsec] of a catalog's bright stars from astrometric calibrators at its epoch."""
    if astrometric is None:
        return np.zeros(0), np.zeros(0)
    ra, dec = move_to_epoch(
        astrometric.ra_deg, astrometric.dec_deg, astrometric.pmra_mas, astrometric.pmdec_mas,
        julian_year(jd) - astrometric.epoch_year,
    )  # fmt: skip
    bright = np.flatnonzero((catalog.snr >= SNR_MIN) & (catalog.flags == 0))
    pairs = match_sky(catalog.ra_deg[bright], catalog.dec_deg[bright], ra, dec, settings.match_radius_arcsec)
    ours = bright[pairs.first]
    north = 3600 * (catalog.dec_deg[ours] - dec[pairs.second])
    turn = (catalog.ra_deg[ours] - ra[pairs.second] + 180) % 360 - 180
    return 3600 * turn * np.cos(np.radians(dec[pairs.second])), north
