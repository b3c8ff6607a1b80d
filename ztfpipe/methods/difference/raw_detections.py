"""Raw detections: every peak of S_corr below the threshold of candidates, down to a signal-to-noise ratio of 3.

They make the histories of objects: a source that is a candidate tonight was perhaps a peak of 4 sigma last week. A
quadrant of noise alone has ten thousand of them, so they are measured by the matched filter, not by fits: its peak
between the pixels, by parabolas through three pixels along each axis.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ztfpipe.methods.difference import candidates_nb as kernels
from ztfpipe.model.candidates import RawDetections
from ztfpipe.model.difference import Difference

Floats = NDArray[np.float64]


def find_raw(
    difference: Difference, *, threshold: float = 3.0, below: float = 5.0, edge_px: int = 10, max_count: int = 50_000
) -> RawDetections:
    """Peaks with threshold <= |S_corr| < below, of good pixels; the most significant max_count when there are more.

    edge_px: pixels at the edges without detections, at least one. Fluxes are positive: a peak beside a steep slope,
    whose matched flux is not, is none.
    """
    rows, columns, _ = kernels.extrema(
        difference.scorr, difference.bad, threshold, max(edge_px, 1), difference.scorr.size
    )
    significance = np.abs(difference.scorr[rows, columns]).astype(np.float64)
    faint = np.flatnonzero(significance < below)
    capped = len(faint) > max_count
    if capped:
        faint = np.sort(faint[np.argsort(-significance[faint], kind="stable")[:max_count]])
    rows, columns, significance = rows[faint], columns[faint], significance[faint]
    positive = difference.scorr[rows, columns] > 0
    dx, dy, flux = _between_pixels(difference.flux_adu, rows, columns, np.where(positive, 1.0, -1.0))
    kept = flux > 0
    return RawDetections(
        x_px=(columns + dx)[kept],
        y_px=(rows + dy)[kept],
        positive=positive[kept],
        scorr=significance[kept],
        flux_adu=flux[kept],
        sigma_flux_adu=difference.flux_sigma_adu[rows, columns].astype(np.float64)[kept],
        capped=capped,
    )


def _between_pixels(image: NDArray, rows: NDArray, columns: NDArray, sign: Floats) -> tuple[Floats, Floats, Floats]:
    """Offsets of peaks from their pixels, at most half a pixel per axis, and the height there, sign turned."""
    middle = sign * image[rows, columns]
    offsets, height = [], middle.copy()
    for down, across in ((0, 1), (1, 0)):
        before, after = sign * image[rows - down, columns - across], sign * image[rows + down, columns + across]
        slope, bend = 0.5 * (after - before), before - 2.0 * middle + after
        # S_corr has its peak there; S itself may lean to one side where the noise is uneven.
        peaked = bend < 0
        offset = np.where(peaked, np.clip(-slope / np.where(peaked, bend, -1.0), -0.5, 0.5), 0.0)
        offsets.append(offset)
        height += slope * offset + 0.5 * bend * offset**2
    return offsets[0], offsets[1], height
