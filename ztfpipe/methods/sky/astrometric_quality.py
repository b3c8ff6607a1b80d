"""Quality metrics of an astrometric solution, under the names of the survey's operations database."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ztfpipe.methods.sky import projection
from ztfpipe.methods.sky.astrometry import Detections, References, Solution
from ztfpipe.methods.statistics import percentile_sigma

Floats = NDArray[np.float64]
_GRID = 3
_SAMPLES = 9


def metrics(
    solution: Solution,
    detections: Detections,
    references: References,
    prior_scale_arcsec: float,
    shape: tuple[int, int],
) -> dict[str, float]:
    """Counts, residuals [arcsec], scales [arcsec/px] and chi-squares of a solved quadrant of `shape` (rows, columns).

    Residuals are of all matched pairs, clipped ones too. `ad*`: medians, and half the difference between the 84.13 and
    15.87 percentiles; suffix 1 is along right ascension, 2 along declination; `adminmed`, `admaxmed` are the least and
    largest median radial residual of a 3 x 3 grid, NaN when no cell has a pair. `ascmp1*` and `ascmp2*` are scatter and
    reduced chi-square (without the turbulence floor) of the first and second pass. Percentages are of reference stars
    in the image, and of detections that are matched or in the magnitude range of the references.
    """
    x, y = detections.x_px[solution.detection], detections.y_px[solution.detection]
    first, second = solution.residual_arcsec
    radial = np.hypot(first, second)
    counts, medians = grid_medians(x, y, radial, shape)
    n = float(solution.detection.size)
    in_image, in_range = _matchable(solution, detections, references, shape)
    out = {f"anmatches{row + 1}{column + 1}": float(counts[row, column]) for row in range(3) for column in range(3)}
    out |= {
        "anmatches": n,
        "anmatches_grid_min": float(counts.min()),
        "admed1": float(np.median(first)),
        "admed2": float(np.median(second)),
        "admedrad": float(np.median(radial)),
        "adpctdif1": float(percentile_sigma(first)),
        "adpctdif2": float(percentile_sigma(second)),
        "adminmed": float(np.nanmin(medians)) if counts.any() else np.nan,
        "admaxmed": float(np.nanmax(medians)) if counts.any() else np.nan,
        "arefmatchpct": 100.0 * n / max(in_image, 1),
        "adetmatchpct": 100.0 * n / max(in_range, 1),
        "andegref": float(solution.fit.dof),
        "anstarsdet": float(detections.x_px.size),
        "anstarsref": float(references.mag.size),
    }
    out |= _passes(solution, detections, references)
    return out | _scales(solution, prior_scale_arcsec, shape)


def grid_medians(
    x_px: Floats, y_px: Floats, values: Floats, shape: tuple[int, int]
) -> tuple[NDArray[np.int64], Floats]:
    """Number and median of `values` in each cell of a 3 x 3 grid, [row, column]; NaN in an empty cell."""
    column = np.clip((x_px * _GRID / shape[1]).astype(int), 0, _GRID - 1)
    row = np.clip((y_px * _GRID / shape[0]).astype(int), 0, _GRID - 1)
    cell = row * _GRID + column
    counts = np.bincount(cell, minlength=_GRID**2)
    medians = np.array([np.median(values[cell == k]) if counts[k] else np.nan for k in range(_GRID**2)])
    return counts.reshape(_GRID, _GRID), medians.reshape(_GRID, _GRID)


def _matchable(
    solution: Solution, detections: Detections, references: References, shape: tuple[int, int]
) -> tuple[int, int]:
    """References that fall on the image, and detections that are matched or in the references' magnitude range."""
    x, y = projection.sky_to_pixel(solution.wcs, references.ra_deg, references.dec_deg)
    inside = (x >= 0) & (x <= shape[1] - 1) & (y >= 0) & (y <= shape[0] - 1)
    instrumental = -2.5 * np.log10(np.where(detections.flux > 0, detections.flux, np.nan))
    zero_point = np.nanmedian(references.mag[solution.reference] - instrumental[solution.detection])
    low, high = references.mag.min(), references.mag.max()
    in_range = (instrumental + zero_point >= low) & (instrumental + zero_point <= high)
    # A star's colour may put a matched one beyond either end: it could be matched, as it was.
    in_range[solution.detection] = True
    return int(inside.sum()), int(in_range.sum())


def _passes(solution: Solution, detections: Detections, references: References) -> dict[str, float]:
    """Scatter per axis [arcsec] and reduced chi-square of the used pairs after each pass, and its change in per
    cent."""
    det, ref = solution.detection[solution.used], solution.reference[solution.used]
    scale = float(projection.pixel_scale_arcsec(solution.wcs, *solution.wcs.crpix_px))
    variance = (detections.error_px[det] * scale) ** 2 + (references.error_mas[ref] / 1e3) ** 2
    out = {}
    for name, wcs in (("ascmp1", solution.first_pass), ("ascmp2", solution.wcs)):
        ours = np.array(projection.pixel_to_plane(wcs, detections.x_px[det], detections.y_px[det]))
        theirs = np.array(projection.gnomonic(references.ra_deg[ref], references.dec_deg[ref], *wcs.crval_deg))
        residual = (ours - theirs) * projection.ARCSEC_PER_DEG
        out[f"{name}sigma1"], out[f"{name}sigma2"] = map(float, np.sqrt(np.mean(residual**2, axis=1)))
        out[f"{name}chi2"] = float(np.sum(residual**2 / variance) / solution.fit.dof)
    out["apctchi2"] = 100.0 * (out["ascmp2chi2"] / out["ascmp1chi2"] - 1.0)
    return out


def _scales(solution: Solution, prior_scale_arcsec: float, shape: tuple[int, int]) -> dict[str, float]:
    """Pixel scales over the image, and where its centre moved from the commanded place [arcsec on the sky]."""
    ny, nx = shape
    x, y = np.meshgrid(np.linspace(0, nx - 1, _SAMPLES), np.linspace(0, ny - 1, _SAMPLES))
    scale = projection.pixel_scale_arcsec(solution.wcs, x, y)
    ra, dec = projection.pixel_to_sky(solution.wcs, (nx - 1) / 2, (ny - 1) / 2)
    ra0, dec0 = projection.pixel_to_sky(solution.prior, (nx - 1) / 2, (ny - 1) / 2)
    shift = np.array(projection.gnomonic(ra, dec, float(ra0), float(dec0))) * projection.ARCSEC_PER_DEG
    return {
        "awmeanscale": float(scale.mean()),
        "awminscale": float(scale.min()),
        "awmaxscale": float(scale.max()),
        "apctscale": 100.0 * (float(scale.mean()) / prior_scale_arcsec - 1.0),
        "aimshiftra": float(shift[0]),
        "aimshiftdec": float(shift[1]),
    }
