"""Stars of an image beside the photometric calibrators they match: what every comparison of magnitudes starts from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Filter
from ztfpipe.methods.sky.matching import match_sky
from ztfpipe.model.catalogs import PhotometricCalibrators, PsfCatalog


@dataclass(frozen=True)
class CalibratorPairs:
    """Matched stars, arrays (n,): rows of the image's catalog and of the calibrators, and what these say [mag].

    considered: the number of calibrators in the range of magnitudes, matched or not.
    """

    ours: NDArray[np.int64]
    theirs: NDArray[np.int64]
    mag: NDArray[np.float64]
    mag_error: NDArray[np.float64]
    colour_mag: NDArray[np.float64]
    considered: int

    def __len__(self) -> int:
        return self.ours.size


def match_calibrators(
    catalog: PsfCatalog,
    calibrators: PhotometricCalibrators,
    band: Filter,
    *,
    mag_range: tuple[float, float],
    snr_min: float,
    radius_arcsec: float,
) -> CalibratorPairs:
    """One-to-one pairs of unflagged stars of at least `snr_min` and calibrators of a range of magnitudes in `band`."""
    magnitude = calibrators.mag[band.letter]
    in_range = np.flatnonzero((magnitude >= mag_range[0]) & (magnitude <= mag_range[1]))
    bright = np.flatnonzero((catalog.snr >= snr_min) & (catalog.flags == 0))
    pairs = match_sky(
        catalog.ra_deg[bright],
        catalog.dec_deg[bright],
        calibrators.ra_deg[in_range],
        calibrators.dec_deg[in_range],
        radius_arcsec,
    )
    theirs = in_range[pairs.second]
    blue, red = band.colour
    return CalibratorPairs(
        ours=bright[pairs.first],
        theirs=theirs,
        mag=magnitude[theirs],
        mag_error=calibrators.mag_error[band.letter][theirs],
        colour_mag=calibrators.mag[blue][theirs] - calibrators.mag[red][theirs],
        considered=in_range.size,
    )
