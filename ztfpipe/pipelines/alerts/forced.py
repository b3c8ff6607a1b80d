"""Forced photometry of places on many images: which images, and tables of what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ztfpipe.methods.sky.matching import unit_vectors
from ztfpipe.model.alerts import MISSING, Floats, ForcedFlux, Row
from ztfpipe.pipelines.alerts.rows import records

CODES = {"partly masked": "56", "masked": "61"}
"""procstatus of warnings, as in packets: with 56 there is a flux, with 61 there is none."""
NO_WARNING = "0"
_NEIGHBOUR = ("distnr", "ranr", "decnr", "magnr", "sigmagnr", "chinr", "sharpnr")
_FILLERS = dict.fromkeys(("forcediffimflux", "forcediffimfluxunc", *_NEIGHBOUR), MISSING)


@dataclass(frozen=True)
class Sources:
    """Sources of a reference: places [deg], calibrated magnitudes, DAOPHOT's chi and sharp, each (n,)."""

    ra_deg: Floats
    dec_deg: Floats
    mag: Floats
    sigma_mag: Floats
    chi: Floats
    sharp: Floats


def forced_table(image: pd.Series, fluxes: Sequence[ForcedFlux], neighbours: pd.DataFrame) -> pd.DataFrame:
    """What was measured on one image at many places, by the names of packets (`fp_hist`), and `chi2`, `aperture` and
    `sigma_aperture` [DN], `aperture_correction`: one row for each place."""
    measured = pd.DataFrame(
        {
            "forcediffimflux": [one.flux_adu for one in fluxes],
            "forcediffimfluxunc": [one.sigma_adu for one in fluxes],
            "procstatus": [",".join(CODES[text] for text in one.warnings) or NO_WARNING for one in fluxes],
            "chi2": [one.chi2 for one in fluxes],
            "aperture": [one.aperture_adu for one in fluxes],
            "sigma_aperture": [one.sigma_aperture_adu for one in fluxes],
            "aperture_correction": [one.aperture_correction for one in fluxes],
        }
    )
    shared = {name: [image[name]] * len(fluxes) for name in image.index if name != "wcs"}
    return pd.concat([pd.DataFrame(shared), measured, neighbours.reset_index(drop=True)], axis=1)


def nearest_sources(sources: Sources | None, ra_deg: Floats, dec_deg: Floats, radius_arcsec: float) -> pd.DataFrame:
    """The nearest source of a reference to each place, by the names of packets; NaN where none is near enough."""
    table = pd.DataFrame(np.nan, index=range(len(ra_deg)), columns=list(_NEIGHBOUR))
    if sources is None or not len(sources.ra_deg):
        return table
    closeness = unit_vectors(ra_deg, dec_deg) @ unit_vectors(sources.ra_deg, sources.dec_deg).T
    best = np.argmax(closeness, axis=1)
    chord = np.linalg.norm(
        unit_vectors(ra_deg, dec_deg) - unit_vectors(sources.ra_deg[best], sources.dec_deg[best]), axis=1
    )
    distance = np.degrees(2 * np.arcsin(chord / 2)) * 3600.0
    near: NDArray[np.bool_] = distance <= radius_arcsec
    values = (
        distance,
        *(getattr(sources, name)[best] for name in ("ra_deg", "dec_deg", "mag", "sigma_mag", "chi", "sharp")),
    )
    for name, column in zip(_NEIGHBOUR, values, strict=True):
        table.loc[near, name] = np.asarray(column, np.float64)[near]
    return table


def forced_entries(tables: Sequence[pd.DataFrame], count: int, names: Mapping[str, str]) -> list[list[Row]]:
    """Entries of `fp_hists` of each of `count` places, from the tables of images in order of time.

    An image that nothing of a place could be measured on, because the place is beyond its edge, has no entry there.
    """
    rows = [records(table, names, _FILLERS) for table in tables]
    there = [table["on_image"].to_numpy(bool) for table in tables]
    return [[made[k] for made, on in zip(rows, there, strict=True) if on[k]] for k in range(count)]
