"""PSF-fit photometry: neighbours fitted together, two passes with re-detection on the residual image, forced fluxes.

As DAOPHOT's ALLSTAR (Stetson 1987, PASP 99, 191) every star's position and flux is improved on the image less all other
stars, and stars that touch are solved for together. Pixel variances are those of the model (background, read noise and
the photons of the fitted stars), never of the data: weights that follow the noise would bias every flux low.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import sep
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ztfpipe.methods.stars import photometry_nb as kernels
from ztfpipe.methods.stars.detection import detect, psf_filters, weight_with_sources
from ztfpipe.methods.stars.psf import stamps
from ztfpipe.methods.stars.wings import take_off_wings
from ztfpipe.model.stars import Detections, FittedStars, PsfModel

_RADIUS_FWHM = 2.0
"""Radius of the pixels fitted, in FWHM: 0.999 of the information on a faint star's flux."""
_LINK_FWHM = 1.6
"""Stars nearer than this are fitted together: beyond, the correlation of two fluxes is below 3 %."""
_MAX_GROUP = 12
_TOLERANCE = 0.03
"""A group is left alone once no parameter moves by more than this part of its uncertainty."""


def fit_stars(
    image_adu: NDArray[np.float32],
    weight: NDArray[np.float32],
    psf: PsfModel,
    x_px: NDArray,
    y_px: NDArray,
    flux_adu: NDArray,
    *,
    gain_e_per_adu: float,
    psf_error: float = 0.0,
    hold_positions: bool = False,
    max_sweeps: int = 6,
    fit_radius_px: float | None = None,
) -> tuple[FittedStars, NDArray[np.float32]]:
    """Fit all stars at once from starting values; returns them in the same order, and the residual image.

    image_adu: float32 (ny, nx), background taken off. weight: float32 (ny, nx), 1 / variance of background and read
    noise [ADU^-2], 0 where masked. x_px, y_px, flux_adu: (n,). psf_error: the PSF's relative error, part of every
    pixel's variance. hold_positions: fit fluxes only (forced photometry; they may then be negative). fit_radius_px: of
    the pixels fitted to a star; 2 FWHM when None.
    """
    x, y, flux = (np.array(v, np.float64) for v in (x_px, y_px, flux_adu))
    residual = image_adu.copy()
    if len(x) == 0:
        return _table(x, y, flux, np.zeros((0, 3)), *np.zeros((3, 0)), np.zeros(0, int), np.zeros(0, bool)), residual
    half = _half_widths(psf, flux, weight)
    kernels.add_stars(residual, x, y, -flux, half, psf.coefficients, psf.oversampling, psf.order)
    first, members = group_stars(x, y, _LINK_FWHM * psf.fwhm_px, _MAX_GROUP)
    radius, reach = _fit_sizes(psf, fit_radius_px)
    noise = (float(gain_e_per_adu), float(psf_error))
    model = (psf.coefficients, psf.oversampling, psf.order, radius, reach)
    change, active = np.full(len(x), np.inf), np.ones(len(first) - 1, bool)
    start_x, start_y = x.copy(), y.copy()
    for _ in range(max_sweeps):
        kernels.sweep(
            image_adu, residual, weight, *noise, x, y, flux, start_x, start_y, half, first, members, active, change,
            hold_positions, *model, 0.6 * psf.fwhm_px,
        )  # fmt: skip
        active = np.maximum.reduceat(change[members], first[:-1]) > _TOLERANCE
        if not active.any():
            break
    sigma = np.full((len(x), 3), np.nan)
    chi, sharp, good = np.empty((3, len(x)))
    kernels.measure(
        image_adu, residual, weight, *noise, x, y, flux, first, members, hold_positions, *model, psf.fwhm_px, sigma,
        chi, sharp, good,
    )  # fmt: skip
    neighbours = np.empty(len(x), np.int64)
    neighbours[members] = np.repeat(np.diff(first), np.diff(first)) - 1
    return _table(x, y, flux, sigma, chi, sharp, good, neighbours, change <= 3 * _TOLERANCE), residual


def forced_flux(
    image_adu: NDArray[np.float32],
    weight: NDArray[np.float32],
    psf: PsfModel,
    x_px: NDArray,
    y_px: NDArray,
    *,
    gain_e_per_adu: float,
    psf_error: float = 0.0,
) -> FittedStars:
    """Fluxes at fixed positions, neighbours among them fitted together; fluxes may be negative.

    Arguments as of `fit_stars`. Only what is in the list is fitted: give the neighbours too, or an image without them.
    """
    zero = np.zeros(len(x_px))
    fitted, _ = fit_stars(
        image_adu, weight, psf, x_px, y_px, zero, gain_e_per_adu=gain_e_per_adu, psf_error=psf_error,
        hold_positions=True,
    )  # fmt: skip
    return fitted


def find_and_fit(
    image_adu: NDArray[np.float32],
    weight: NDArray[np.float32],
    psf: PsfModel,
    *,
    gain_e_per_adu: float,
    min_snr: float = 4.65,
    threshold: float = 4.2,
    model_error: float = 0.015,
    background_mesh_px: int = 128,
) -> tuple[FittedStars, NDArray[np.float32], NDArray[np.float32]]:
    """The catalog of an image in two passes: detect and fit, then detect again on the residual and fit all together.

    Arguments as of `fit_stars`. threshold: of the matched-filter significance; min_snr: of flux over uncertainty, for a
    star to stay. The first is lower because significance is that at a whole pixel, up to 15 % below that of the fit
    when stars are undersampled. model_error: relative error of the stars' model that the second detection allows for.
    background_mesh_px: mesh of a second background, taken from the residual image, where the wings of stars that bias
    the first one are gone; 0 for none.

    The wings of bright stars beyond the PSF's stamp are taken off before the second detection (methods.stars.wings).

    Returns the stars, the residual image, and the background that was taken off in addition (ny, nx).
    """
    filters = psf_filters(psf)
    found = detect(image_adu, weight, filters, threshold=threshold)
    options = {"gain_e_per_adu": gain_e_per_adu, "psf_error": psf.core_error}
    stars, residual = fit_stars(image_adu, weight, psf, found.x_px, found.y_px, found.flux_adu, **options, max_sweeps=3)
    background = _second_background(residual, weight, background_mesh_px)
    image_adu, residual = image_adu - background, residual - background
    take_off_wings(image_adu, residual, weight, stars, psf)
    noise = weight_with_sources(image_adu, residual, weight, gain_e_per_adu=gain_e_per_adu, model_error=model_error)
    more = detect(residual, noise, filters, threshold=threshold)
    x, y, flux = joined(stars, _real(stars, psf, min_snr), more, psf)
    stars, residual = fit_stars(image_adu, weight, psf, x, y, flux, **options, max_sweeps=4)
    for _ in range(3):
        keep = _real(stars, psf, min_snr)
        if keep.all():
            break
        stars, residual = _without(stars, residual, keep, weight, psf, options)
    sigma = np.hypot(stars.sigma_flux_adu, psf.flux_error * stars.flux_adu)
    return select(replace(stars, sigma_flux_adu=sigma), stars.snr >= min_snr), residual, background


def group_stars(
    x_px: NDArray, y_px: NDArray, link_px: float, max_size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Groups of stars linked by distances below `link_px`: (first, members), group g = members[first[g]:first[g + 1]].

    A group of more than `max_size` stars is linked again at ever shorter distances, so that the closest stay together.
    """
    n = len(x_px)
    positions = np.column_stack([x_px, y_px])
    pairs = cKDTree(positions).query_pairs(link_px, output_type="ndarray")
    distance = np.hypot(*(positions[pairs[:, 0]] - positions[pairs[:, 1]]).T)
    while True:
        graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
        _, label = connected_components(graph, directed=False)
        too_large = np.bincount(label)[label[pairs[:, 0]]] > max_size if len(pairs) else np.zeros(0, bool)
        if not too_large.any():
            break
        link_px *= 0.8
        keep = ~too_large | (distance < link_px)
        pairs, distance = pairs[keep], distance[keep]
    # Groups in order of their first star, for the sake of the processor's cache.
    _, lead, label = np.unique(label, return_index=True, return_inverse=True)
    members = np.lexsort((np.arange(n), lead[label]))
    sizes = np.bincount(label)[np.argsort(lead)]
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), members.astype(np.int64)


def select(stars: FittedStars, keep: NDArray) -> FittedStars:
    """The stars picked by a mask or indices."""
    return FittedStars(**{name: values[keep] for name, values in vars(stars).items()})


def _table(x, y, flux, sigma, chi, sharp, good, neighbours, converged) -> FittedStars:
    return FittedStars(
        x, y, flux, sigma[:, 1], sigma[:, 2], sigma[:, 0], chi, sharp, good, neighbours.astype(np.int32), converged
    )


def _fit_sizes(psf: PsfModel, radius_px: float | None = None) -> tuple[float, int]:
    """Radius of the pixels fitted, and how far a star's profile is followed into its neighbours' pixels."""
    wanted = max(_RADIUS_FWHM * psf.fwhm_px, 3.0) if radius_px is None else radius_px
    radius = min(wanted, psf.radius_px - 1.0)
    return radius, min(int(np.ceil(radius + _LINK_FWHM * psf.fwhm_px)), psf.radius_px)


def _half_widths(psf: PsfModel, flux: NDArray, weight: NDArray) -> NDArray[np.int64]:
    """Half-width of the stamp taken off for each star: to where its profile is a tenth of the noise of a pixel."""
    ny, nx = psf.shape
    central = stamps(psf, np.array([nx // 2]), np.array([ny // 2]), psf.radius_px)[0]
    offset = np.abs(np.arange(-psf.radius_px, psf.radius_px + 1))
    ring = np.maximum.outer(offset, offset)
    height = np.array([central[ring == r].max() for r in range(psf.radius_px + 1)])
    height = np.maximum.accumulate(height[::-1])[::-1]
    thinned = weight[:: max(1, weight.shape[0] // 100), :: max(1, weight.shape[1] // 100)]
    seen = thinned[thinned > 0]
    noise = 1 / np.sqrt(np.median(seen)) if len(seen) else np.inf
    smallest = int(np.ceil(_fit_sizes(psf)[0]))
    wanted = np.searchsorted(-height, -0.1 * noise / np.maximum(np.abs(flux), 1e-3))
    return np.clip(wanted, smallest, psf.radius_px).astype(np.int64)


def _second_background(residual: NDArray, weight: NDArray, mesh_px: int) -> NDArray[np.float32]:
    if mesh_px == 0 or not (weight > 0).any():
        return np.zeros_like(residual)
    masked = weight <= 0
    return sep.Background(np.where(masked, np.float32(0), residual), mask=masked, bw=mesh_px, bh=mesh_px).back()


def _real(stars: FittedStars, psf: PsfModel, min_snr: float) -> NDArray[np.bool_]:
    """Stars that are significant, and not a second description of a brighter one within half a FWHM.

    Two stars given to one take each other's significance. Of insignificant stars that touch, therefore, only the
    faintest goes; a further look after a further fit decides about the others.
    """
    low = ~(stars.snr >= min_snr)
    pairs = cKDTree(np.column_stack([stars.x_px, stars.y_px])).query_pairs(
        _LINK_FWHM * psf.fwhm_px, output_type="ndarray"
    )
    first_fainter = stars.flux_adu[pairs[:, 0]] < stars.flux_adu[pairs[:, 1]]
    fainter = np.where(first_fainter, pairs[:, 0], pairs[:, 1])
    brighter = np.where(first_fainter, pairs[:, 1], pairs[:, 0])
    distance = np.hypot(stars.x_px[fainter] - stars.x_px[brighter], stars.y_px[fainter] - stars.y_px[brighter])
    same = distance < 0.5 * psf.fwhm_px
    goes = low.copy()
    goes[brighter[low[fainter] | same]] = False
    goes[fainter[same]] = True
    return ~goes


def _without(
    stars: FittedStars, residual: NDArray, keep: NDArray, weight: NDArray, psf: PsfModel, options: dict[str, float]
) -> tuple[FittedStars, NDArray[np.float32]]:
    """The stars kept and their residual image, those near a star that went fitted again; the others stay subtracted."""
    gone, stars = select(stars, ~keep), select(stars, keep)
    positions = np.column_stack([stars.x_px, stars.y_px])
    image = residual.copy()
    _add(image, gone, psf, weight)
    if len(stars) == 0:
        return stars, image
    lists = cKDTree(positions).query_ball_point(np.column_stack([gone.x_px, gone.y_px]), 3 * psf.fwhm_px)
    near = np.unique(np.concatenate([np.array(some, int) for some in lists]))
    again = select(stars, near)
    _add(image, again, psf, weight)
    fitted, residual = fit_stars(image, weight, psf, again.x_px, again.y_px, again.flux_adu, **options)
    columns = {name: values.copy() for name, values in vars(stars).items()}
    for name, values in vars(fitted).items():
        columns[name][near] = values
    return FittedStars(**columns), residual


def _add(image: NDArray[np.float32], stars: FittedStars, psf: PsfModel, weight: NDArray[np.float32]) -> None:
    """Put stars into an image."""
    half = _half_widths(psf, stars.flux_adu, weight)
    model = (psf.coefficients, psf.oversampling, psf.order)
    kernels.add_stars(image, stars.x_px, stars.y_px, stars.flux_adu, half, *model)


def joined(stars: FittedStars, keep: NDArray, more: Detections, psf: PsfModel) -> tuple[NDArray, NDArray, NDArray]:
    """Positions and fluxes of the stars kept and of new detections that are not within half a FWHM of one of them."""
    x, y, flux = stars.x_px[keep], stars.y_px[keep], stars.flux_adu[keep]
    if len(more) and len(x):
        distance, _ = cKDTree(np.column_stack([x, y])).query(np.column_stack([more.x_px, more.y_px]))
        new = distance > 0.5 * psf.fwhm_px
    else:
        new = np.ones(len(more), bool)
    return (
        np.concatenate([x, more.x_px[new]]),
        np.concatenate([y, more.y_px[new]]),
        np.concatenate([flux, more.flux_adu[new]]),
    )
