"""The level of a difference away from sources, once more, where both images have one PSF.

The differential background is told by pixels without light; of two images, the one of the worse seeing has more of the
neighbours' light in them, and in a dense field that is a twentieth of the noise of S_corr. In D and S the PSFs are
matched and light cancels: what is left there is background.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ztfpipe.methods.difference.empty_sky import empty_sky
from ztfpipe.methods.smooth_field import field_on_grid, fit_field
from ztfpipe.methods.statistics import FWHM_PER_SIGMA
from ztfpipe.model.difference import Difference

_THIN = 2
"""Step through the pixels of a cell: S_corr is smooth over more."""
_LEAST_IN_CELL = 100
_LEAST_CELLS = 4


def levelled(difference: Difference, *, cell_px: int = 128, scale_px: float = 300.0) -> Difference:
    """The difference with the smooth level of S_corr in empty sky taken off it, and off image and fluxes likewise.

    Medians of cells of cell_px, and a function through them of correlation length scale_px that is no rougher than
    they tell. A background of c DN gives a flux of c / sum P_D^2. As it is with fewer than four cells.
    """
    typical = float(np.median(difference.flux_sigma_adu[::9, ::9]))
    empty = empty_sky(difference.scorr, difference.flux_sigma_adu, difference.bad)
    # Pixels whose noise is the same: the autocorrelation of S integrates to 4 pi sigma^2.
    together = 4 * np.pi * (difference.fwhm_px / FWHM_PER_SIGMA) ** 2
    ny, nx = empty.shape
    rows = []
    for top in range(0, ny, cell_px):
        for left in range(0, nx, cell_px):
            box = slice(top, top + cell_px, _THIN), slice(left, left + cell_px, _THIN)
            values = difference.scorr[box][empty[box]]
            if values.size >= _LEAST_IN_CELL:
                middle = left + min(cell_px, nx - left) / 2, top + min(cell_px, ny - top) / 2
                independent = max(values.size * _THIN**2 / together, 1.0)
                rows.append((*middle, np.median(values), np.sqrt(np.pi / 2 / independent)))
    if len(rows) < _LEAST_CELLS:
        return difference
    x, y, level, sigma = np.array(rows).T
    field = fit_field(x, y, level, sigma, (ny, nx), scale_px=scale_px)
    flux = field_on_grid(field, np.arange(nx), np.arange(ny)) * np.float32(typical)
    middle = difference.psf[len(difference.psf) // 2].astype(np.float64)
    return replace(
        difference,
        image_adu=difference.image_adu - flux * np.float32(np.sum(middle**2)),
        flux_adu=difference.flux_adu - flux,
        scorr=difference.scorr - flux / difference.flux_sigma_adu,
    )
