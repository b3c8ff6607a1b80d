"""The low-frequency responsivity of a quadrant and filter, from stars of many nights (design document 7.5)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Filter
from ztfpipe.config import Templates
from ztfpipe.errors import BadFile, Unusable
from ztfpipe.methods.detector.responsivity import responsivity_map
from ztfpipe.methods.stars.calibration import fit_zero_point
from ztfpipe.methods.stars.calibrator_pairs import match_calibrators
from ztfpipe.model.templates import MadeResponsivity, StarFrame

Floats = NDArray[np.float64]
Frames = Iterable[tuple[str, StarFrame | BadFile]]
"""Stars of images by name; one that could not be read comes as its error."""
ROUNDS = 3
"""Zero points and map are found in turn; the second time the map takes out what the zero points took of it."""


@dataclass(frozen=True)
class _Pairs:
    """Stars of one image and their calibrators, arrays (n,): pixel index, magnitudes, errors, colour; where_deg (n, 2):
    the calibrators' positions [deg], which tell that a star is the same as in another image."""

    x_px: Floats
    y_px: Floats
    mag: Floats
    mag_error: Floats
    true_mag: Floats
    true_error: Floats
    colour: Floats
    where_deg: Floats


def make_lofreqflat(frames: Frames, band: Filter, shape: tuple[int, int], settings: Templates) -> MadeResponsivity:
    """Map the response to stars: back out the map an image was divided by, match its stars with calibrators, fit its
    zero point and colour term, bin the residuals of all images by position, and smooth.

    Images whose zero point cannot be found are left out. With fewer than `lofreqflat_frames_min` images or `stars_min`
    residuals the STATUS is 0.
    """
    pairs: dict[str, _Pairs] = {}
    left_out: dict[str, str] = {}
    for name, frame in frames:
        if isinstance(frame, BadFile):
            left_out[name] = str(frame)
            continue
        found = _paired(frame, band, settings)
        try:
            _residuals(found, np.ones(shape, np.float32))
        except Unusable as reason:
            left_out[name] = str(reason)
            continue
        pairs[name] = found
    n_stars = sum(len(one.mag) for one in pairs.values())
    metrics: dict[str, float | int | str | None] = {
        "frames_used": len(pairs), "frames_left_out": len(left_out), "stars": n_stars,
    }  # fmt: skip
    if len(pairs) < settings.lofreqflat_frames_min or n_stars < settings.stars_min:
        reason = (
            f"{len(pairs)} images of {settings.lofreqflat_frames_min}, {n_stars} star residuals of {settings.stars_min}"
        )
        nothing = np.full(shape, np.nan, np.float32)
        return MadeResponsivity(0, reason, tuple(pairs), left_out, metrics, np.ones(shape, np.float32), nothing)
    response, error = np.ones(shape, np.float32), np.zeros(shape, np.float32)
    for _ in range(ROUNDS):
        response, error = _mapped(list(pairs.values()), response, settings)
    metrics |= {
        "response_rms": float(np.std(response)),
        "response_range": float(np.ptp(response)),
        "error_median": float(np.median(error)),
    }
    return MadeResponsivity(1, "", tuple(pairs), left_out, metrics, response, error)


def _paired(frame: StarFrame, band: Filter, settings: Templates) -> _Pairs:
    """Bright unflagged stars and the calibrators they match, magnitudes as without the map the image was divided by."""
    stars, calibrators = frame.stars, frame.calibrators
    matched = match_calibrators(
        stars,
        calibrators,
        band,
        mag_range=settings.star_mag,
        snr_min=settings.star_snr_min,
        radius_arcsec=settings.match_radius_arcsec,
    )
    ours, theirs = matched.ours, matched.theirs
    mag = stars.mag[ours]
    if frame.divided_by is not None:
        mag = mag - 2.5 * np.log10(_at(frame.divided_by, stars.x_px[ours], stars.y_px[ours]))
    return _Pairs(
        stars.x_px[ours],
        stars.y_px[ours],
        mag,
        stars.mag_error[ours],
        matched.mag,
        matched.mag_error,
        matched.colour_mag,
        np.stack([calibrators.ra_deg[theirs], calibrators.dec_deg[theirs]], axis=1),
    )


def _residuals(pairs: _Pairs, response: NDArray[np.float32]) -> tuple[Floats, Floats]:
    """Calibrated minus catalog magnitude (n,), and its error, with zero point and colour term as of an image divided by
    `response`. Raises Unusable when there are too few calibrators."""
    lost_mag = -2.5 * np.log10(_at(response, pairs.x_px, pairs.y_px))
    fit = fit_zero_point(pairs.mag - lost_mag, pairs.mag_error, pairs.true_mag, pairs.true_error, pairs.colour)
    error = np.sqrt(pairs.mag_error**2 + pairs.true_error**2 + fit.intrinsic_mag**2)
    return lost_mag - fit.residual_mag, error


def _mapped(
    images: list[_Pairs], response: NDArray[np.float32], settings: Templates
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The next map and its error, from zero points that the present one makes."""
    residuals = [_residuals(one, response) for one in images]
    where_deg = np.concatenate([one.where_deg for one in images])
    return responsivity_map(
        np.concatenate([one.x_px for one in images]),
        np.concatenate([one.y_px for one in images]),
        np.concatenate([residual for residual, _ in residuals]),
        np.concatenate([error for _, error in residuals]),
        np.unique(where_deg, axis=0, return_inverse=True)[1].ravel(),
        response.shape,
        cell_px=settings.cell_px,
        smooth_cells=settings.smooth_cells,
    )


def _at(image: NDArray[np.float32], x_px: Floats, y_px: Floats) -> Floats:
    """Values of the pixels that positions lie in."""
    row = np.clip(np.rint(y_px), 0, image.shape[0] - 1).astype(int)
    column = np.clip(np.rint(x_px), 0, image.shape[1] - 1).astype(int)
    return image[row, column].astype(np.float64)
