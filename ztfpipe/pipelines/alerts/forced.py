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


@dataclass(frozen=True)
class Neighbours:
    """What a reference says of places: its nearest sources, by the names of packets, and the Julian dates of its first
    and last exposure."""

    nearest: pd.DataFrame
    jd_range: tuple[float, float]


@dataclass(frozen=True)
class Measured:
    """What one image says of places: whether each is within its edges, the flux there, and the reference's word."""

    on_image: NDArray[np.bool_]
    fluxes: Sequence[ForcedFlux]
    neighbours: Neighbours


def forced_table(images: pd.DataFrame, found: Sequence[Measured]) -> pd.DataFrame:
    """What was measured on images, rows of coverage, at the same places, by the names of packets (`fp_hist`).

    One row for each place on each image, image by image. Further columns: `on_image`; `chi2`, `aperture` and
    `sigma_aperture` [DN], `aperture_correction`; `refjdstart`, `refjdend`.
    """
    count = len(found[0].fluxes) if found else 0
    of_image = np.repeat(np.arange(len(found)), count)
    fluxes = [flux for one in found for flux in one.fluxes]
    measured = {
        "forcediffimflux": [one.flux_adu for one in fluxes],
        "forcediffimfluxunc": [one.sigma_adu for one in fluxes],
        "procstatus": [",".join(CODES[text] for text in one.warnings) or NO_WARNING for one in fluxes],
        "chi2": [one.chi2 for one in fluxes],
        "aperture": [one.aperture_adu for one in fluxes],
        "sigma_aperture": [one.sigma_aperture_adu for one in fluxes],
        "aperture_correction": [one.aperture_correction for one in fluxes],
        "on_image": [bool(one) for each in found for one in each.on_image],
        "refjdstart": [found[k].neighbours.jd_range[0] for k in of_image],
        "refjdend": [found[k].neighbours.jd_range[1] for k in of_image],
    }
    near = [one.neighbours.nearest.to_numpy(np.float64) for one in found] or [np.zeros((0, len(_NEIGHBOUR)))]
    shared = images.drop(columns="wcs").iloc[of_image].reset_index(drop=True)
    nearest = pd.DataFrame(np.concatenate(near), columns=list(_NEIGHBOUR))
    return pd.concat([shared, pd.DataFrame(measured), nearest], axis=1)


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


def forced_entries(table: pd.DataFrame, count: int, names: Mapping[str, str]) -> list[list[Row]]:
    """Entries of `fp_hists` of each of `count` places, from what `forced_table` has of images in order of time.

    An image that nothing of a place could be measured on, because the place is beyond its edge, has no entry there.
    """
    rows, there = records(table, names, _FILLERS), table["on_image"].tolist()
    return [[rows[k] for k in range(place, len(rows), count) if there[k]] for place in range(count)]
