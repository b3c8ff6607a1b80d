"""The aperture catalog: thresholded detection, isophotal and windowed shapes, Kron and fixed apertures.

SExtractor's algorithms (Bertin & Arnouts 1996) as sep provides them, on one background-subtracted image.
"""

from __future__ import annotations

import numpy as np
import sep
from numpy.typing import NDArray

from ztfpipe.methods.statistics import FWHM_PER_SIGMA
from ztfpipe.model.catalogs import POGSON

KRON_FACTOR = 2.5
"""Kron apertures reach to 2.5 Kron radii, SExtractor's MAG_AUTO."""
KRON_MEASURE = 6.0
"""The Kron radius itself is measured within 6 times A and B."""
KRON_MIN_RADIUS_PX = 1.75
"""Below this semi-major axis (half of SExtractor's PHOT_AUTOPARAMS minimum, 3.5 px across) the aperture is a circle."""
DETECTION_KERNEL = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], dtype=np.float32)
"""The convolution mask SExtractor ships as its default."""

Columns = dict[str, NDArray]


def extract_sources(
    image_adu: NDArray[np.float32],
    rms_adu: NDArray[np.float32],
    mask: NDArray[np.bool_],
    *,
    gain_e_per_adu: float,
    fwhm_px: float,
    aperture_diameters_px: tuple[float, ...],
    threshold_sigma: float,
    pixels_min: int,
) -> Columns:
    """Detect and measure sources of a background-subtracted image.

    image_adu, rms_adu: (ny, nx) [DN]; mask: (ny, nx), True where a pixel must not be used. Returns one array per name:
    zero-based positions `x`, `y` (isophotal) and `xwin`, `ywin` (Gaussian-windowed), fluxes and errors [DN], shapes
    [px, deg], `flags` (SExtractor's first eight bits) and `label`, the source's number in the returned `segmentation`.
    """
    # sep gives up when more pixels than this are lit at once, as an unmasked track or a giant galaxy makes them.
    sep.set_extract_pixstack(max(300_000, image_adu.size))
    objects, segmentation = sep.extract(
        image_adu,
        threshold_sigma,
        err=rms_adu,
        mask=mask,
        minarea=pixels_min,
        filter_kernel=DETECTION_KERNEL,
        filter_type="conv",
        segmentation_map=True,
    )
    columns = _isophotal(objects)
    columns |= _fixed_apertures(image_adu, rms_adu, mask, columns, gain_e_per_adu, aperture_diameters_px)
    columns |= _kron(image_adu, rms_adu, mask, segmentation, columns, gain_e_per_adu)
    columns["xwin"], columns["ywin"] = windowed_positions(image_adu, mask, columns["x"], columns["y"], fwhm_px)
    columns["class_star"] = stellarity(columns["flux_radius"], columns["snr"], fwhm_px)
    columns["segmentation"] = segmentation
    return columns


def stellarity(flux_radius_px: NDArray[np.float64], snr: NDArray[np.float64], fwhm_px: float) -> NDArray[np.float64]:
    """Likeness to a point source, 1 to 0, from the half-light radius against that of the sources of the image.

    The half-light radius of a star scatters by about radius / snr (photon noise in a Gaussian core) and by 5 % (PSF
    variation); the score is the Gaussian survival of the excess over the radius of the image's own PSF, fwhm / 2.
    """
    star_radius = 0.5 * fwhm_px
    scatter = star_radius * np.hypot(1.0 / np.maximum(snr, 1.0), 0.05)
    excess = np.maximum(flux_radius_px - star_radius, 0.0) / scatter
    return np.exp(-0.5 * (excess / 3.0) ** 2)


def _isophotal(objects: NDArray) -> Columns:
    columns = {name: objects[name].astype(np.float64) for name in ("x", "y", "x2", "y2", "xy", "a", "b")}
    columns["theta_deg"] = np.degrees(objects["theta"])
    columns["flux_iso"] = objects["flux"].astype(np.float64)
    columns["peak"] = objects["peak"].astype(np.float64)
    columns["threshold"] = objects["thresh"].astype(np.float64)
    columns["area"] = objects["npix"].astype(np.int32)
    columns["flags"] = objects["flag"].astype(np.int16)
    columns["label"] = np.arange(1, len(objects) + 1, dtype=np.int32)
    return columns


def _fixed_apertures(image, rms, mask, columns, gain, diameters) -> Columns:
    shape = (len(columns["x"]), len(diameters))
    flux, error = np.empty(shape), np.empty(shape)
    for k, diameter in enumerate(diameters):
        flux[:, k], error[:, k], _ = sep.sum_circle(
            image, columns["x"], columns["y"], diameter / 2, err=rms, mask=mask, gain=gain
        )
    return {"flux_aper": flux, "fluxerr_aper": error}


def _kron(image, rms, mask, segmentation, columns, gain) -> Columns:
    x, y, label = columns["x"], columns["y"], columns["label"]
    # A source of one pixel row has b = 0, for which the ellipse is not defined: half a pixel is its true extent.
    a, b = np.maximum(columns["a"], 0.5), np.maximum(columns["b"], 0.5)
    theta = np.radians(columns["theta_deg"])
    theta = np.clip(theta, -np.pi / 2, np.pi / 2)
    own = {"seg_id": label, "segmap": segmentation}
    radius, kron_flags = sep.kron_radius(image, x, y, a, b, theta, KRON_MEASURE, mask=mask, **own)
    radius = np.where(np.isfinite(radius) & (radius > 0), radius, 0.0)
    circle = KRON_FACTOR * radius * np.sqrt(a * b) < KRON_MIN_RADIUS_PX
    scale = np.where(circle, 1.0, KRON_FACTOR * radius)
    major, minor = np.where(circle, KRON_MIN_RADIUS_PX, a), np.where(circle, KRON_MIN_RADIUS_PX, b)
    flux, error, _ = sep.sum_ellipse(image, x, y, major, minor, theta, scale, err=rms, mask=mask, gain=gain, **own)
    half, _ = sep.flux_radius(image, x, y, np.maximum(6.0 * a, 4.0), 0.5, normflux=flux, mask=mask, subpix=5)
    with np.errstate(invalid="ignore", divide="ignore"):
        snr = np.where(error > 0, flux / error, 0.0)
    disturbed = (columns["flags"] & sep.OBJ_MERGED) > 0
    kron_area = np.maximum(np.pi * major * minor * scale**2, 1.0)
    return {
        "kron_radius": radius,
        "flux_auto": flux,
        "fluxerr_auto": error,
        "flux_best": np.where(disturbed, columns["flux_iso"], flux),
        "fluxerr_best": np.where(disturbed, error * np.sqrt(columns["area"] / kron_area), error),
        "flux_radius": half,
        "fwhm": 2.0 * half,
        "snr": snr,
        "kron_flags": kron_flags.astype(np.int16),
    }


def windowed_positions(
    image_adu: NDArray[np.float32],
    mask: NDArray[np.bool_],
    x_px: NDArray[np.float64],
    y_px: NDArray[np.float64],
    fwhm_px: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gaussian-windowed positions near given ones; where the iteration leaves the source, the given one stays.

    The window is that of the image's PSF: optimal for stars, and unbiased for everything symmetric.
    """
    sigma = np.full(len(x_px), fwhm_px / FWHM_PER_SIGMA)
    xwin, ywin, flag = sep.winpos(image_adu, x_px, y_px, sigma, mask=mask)
    lost = (flag != 0) | (np.hypot(xwin - x_px, ywin - y_px) > fwhm_px)
    return np.where(lost, x_px, xwin), np.where(lost, y_px, ywin)


def magnitudes(flux_adu: NDArray[np.float64], error_adu: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
    """Instrumental magnitudes and errors; 99 and 99, SExtractor's sign, where the flux is not positive."""
    with np.errstate(invalid="ignore", divide="ignore"):
        good = flux_adu > 0
        mag = np.where(good, -2.5 * np.log10(np.where(good, flux_adu, 1.0)), 99.0)
        error = np.where(good, POGSON * error_adu / np.where(good, flux_adu, 1.0), 99.0)
    return mag, error
