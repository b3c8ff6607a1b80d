"""What other surveys know of a piece of sky: Gaia sources, PS1 objects, and the piece itself.

Tables arrive as named columns, from the network, from a local copy or from the simulator, and all use the same names:
Gaia's own for Gaia; objid, ra, dec, g_mag, g_mag_error, g_mag_std (and r, i, z), n_detections and star_score for PS1;
ra, dec and v_mag for bright stars.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ztfpipe.model.catalogs import BrightStars
from ztfpipe.model.columns import PS1_BANDS

Floats = NDArray[np.float64]
Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class PlaneBox:
    """A box in the plane tangent to the sky at (ra_deg, dec_deg): limits east and north of that point [deg]."""

    ra_deg: float
    dec_deg: float
    east_deg: tuple[float, float]
    north_deg: tuple[float, float]


@dataclass(frozen=True)
class Cone:
    """All directions within an angle of a direction [deg]."""

    ra_deg: float
    dec_deg: float
    radius_deg: float


@dataclass(frozen=True)
class GaiaStars:
    """Gaia sources (n,) at `epoch_year`: degrees, errors [mas], motions [mas/yr, ra with cos dec; NaN unknown], G, and
    the goodness of the astrometric fit (ruwe, about 1 for single stars; NaN unknown)."""

    source_id: NDArray[np.int64]
    ra_deg: Floats
    dec_deg: Floats
    ra_error_mas: Floats
    dec_error_mas: Floats
    pmra_mas: Floats
    pmdec_mas: Floats
    g_mag: Floats
    ruwe: Floats
    epoch_year: float

    def __len__(self) -> int:
        return len(self.source_id)

    def select(self, mask: NDArray[np.bool_]) -> GaiaStars:
        """The marked sources."""
        return _selected(self, mask)

    @staticmethod
    def of(columns: Columns, epoch_year: float) -> GaiaStars:
        """Sources from columns named as in Gaia's archive, sorted by identifier. KeyError when one is missing.

        epoch_year holds where there is no column ref_epoch; a table of several epochs is a ValueError.
        """
        n = len(columns["source_id"])
        epochs = np.unique(np.asarray(columns["ref_epoch"], np.float64)) if "ref_epoch" in columns else []
        if len(epochs) > 1:
            raise ValueError(f"positions at several epochs, {epochs[0]} to {epochs[-1]}")
        order = np.argsort(columns["source_id"], kind="stable")
        names = ("ra", "dec", "ra_error", "dec_error", "pmra", "pmdec", "phot_g_mean_mag")
        return GaiaStars(
            np.asarray(columns["source_id"], np.int64)[order],
            *(_float(columns[name])[order] for name in names),
            _float(columns.get("ruwe", np.full(n, np.nan)))[order],
            float(epochs[0]) if len(epochs) else epoch_year,
        )


@dataclass(frozen=True)
class Ps1Objects:
    """PS1 mean objects (n,): degrees; magnitude, its error and the scatter of single epochs by band (NaN unknown);
    number of detections; star/galaxy score from 0 (extended) to 1 (star), NaN unknown."""

    objid: NDArray[np.int64]
    ra_deg: Floats
    dec_deg: Floats
    mag: Mapping[str, Floats]
    mag_error: Mapping[str, Floats]
    mag_std: Mapping[str, Floats]
    n_detections: NDArray[np.int64]
    star_score: Floats

    def __len__(self) -> int:
        return len(self.objid)

    def select(self, mask: NDArray[np.bool_]) -> Ps1Objects:
        """The marked objects."""
        return _selected(self, mask)

    @staticmethod
    def of(columns: Columns) -> Ps1Objects:
        """Objects from columns, one row for each identifier, sorted. KeyError when a column is missing.

        Magnitudes outside 0 to 40 (PS1 marks missing ones with -999) become NaN.
        """
        objid, first = np.unique(np.asarray(columns["objid"], np.int64), return_index=True)
        unknown = np.full(len(columns["objid"]), np.nan)
        mag, error, std = {}, {}, {}
        for band in PS1_BANDS:
            values = _float(columns[f"{band}_mag"])[first]
            mag[band] = np.where((values > 0) & (values < 40), values, np.nan)
            known = np.isfinite(mag[band])
            error[band] = np.where(known, _float(columns[f"{band}_mag_error"])[first], np.nan)
            std[band] = np.where(known, _float(columns.get(f"{band}_mag_std", unknown))[first], np.nan)
        return Ps1Objects(
            objid,
            _float(columns["ra"])[first],
            _float(columns["dec"])[first],
            mag,
            error,
            std,
            np.asarray(columns["n_detections"], np.int64)[first],
            _float(columns.get("star_score", unknown))[first],
        )


def bright_stars_of(columns: Columns) -> BrightStars:
    """Bright stars from columns, brightest first. KeyError when one is missing."""
    order = np.argsort(_float(columns["v_mag"]), kind="stable")
    return BrightStars(*(_float(columns[name])[order] for name in ("ra", "dec", "v_mag")))


def _float(column: NDArray[Any]) -> Floats:
    return np.asarray(column, np.float64)


def _selected(catalog: Any, mask: NDArray[np.bool_]) -> Any:
    def part(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: column[mask] for name, column in value.items()}
        return value[mask] if isinstance(value, np.ndarray) else value

    return replace(catalog, **{entry.name: part(getattr(catalog, entry.name)) for entry in fields(catalog)})
