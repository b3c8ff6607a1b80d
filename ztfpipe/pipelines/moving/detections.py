"""Which candidates and streaks of a quadrant may be moving objects, in the form in which nights are linked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ztfpipe.config.moving_tracks import Sources, TrackReport
from ztfpipe.methods.sky.projection import pixel_to_sky
from ztfpipe.methods.statistics import FWHM_PER_SIGMA
from ztfpipe.model.catalogs import POGSON
from ztfpipe.model.dates import DAY_S, mid_exposure
from ztfpipe.model.identifiers import short_name
from ztfpipe.model.keys import QuadrantKey
from ztfpipe.model.tracks import DETECTION_TABLE
from ztfpipe.model.wcs import TpvWcs

Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class ExposureFacts:
    """What all quadrants of an exposure share: start [JD UTC], exposure time [s], seeing [arcsec], pixel [arcsec]."""

    obsjd: float
    exptime_s: float
    seeing_arcsec: float
    pixel_arcsec: float

    @property
    def jd_mid(self) -> float:
        """Middle of the exposure: `jd` of alerts is its start, in which a body moves another 0.2 arcsec."""
        return mid_exposure(self.obsjd, self.exptime_s)


def moving_candidates(candidates: Columns, key: QuadrantKey, facts: ExposureFacts, settings: Sources) -> Columns:
    """The columns of DETECTION_TABLE of the candidates of a quadrant that may be moving objects.

    candidates: columns of the quadrant's table; those of neighbours on the reference and of scores are used where the
    table has them.
    """
    chosen = _may_move(candidates, facts, settings)
    own = {name: np.asarray(values)[chosen] for name, values in candidates.items()}
    n = int(np.count_nonzero(chosen))
    core = facts.seeing_arcsec / FWHM_PER_SIGMA
    columns = {
        **{name: own[name] for name in ("candid", "ra", "dec", "xpos", "ypos")},
        "jd_mid": np.full(n, facts.jd_mid),
        "sigma": np.hypot(core / own["scorr"], settings.position_floor_arcsec),
        "mag": own["magpsf"],
        "sigma_mag": own["sigmapsf"],
        "snr": own["scorr"],
        "exptime": np.full(n, facts.exptime_s),
        **_place(key, n),
    }
    return {column.name: columns[column.name] for column in DETECTION_TABLE}


def _may_move(candidates: Columns, facts: ExposureFacts, settings: Sources) -> NDArray[np.bool_]:
    chosen = (
        candidates["isdiffpos"]
        & candidates["converged"]
        & (candidates["scorr"] >= settings.scorr_min)
        & (candidates["nbad"] <= settings.bad_pixels_max)
        & np.isfinite(candidates["ra"])
        & np.isfinite(candidates["magpsf"])
    )
    if "rb" in candidates:
        chosen &= ~(candidates["rb"] < settings.rb_min)
    if "distnr" in candidates and "magnr" in candidates:
        distance_arcsec = candidates["distnr"] * facts.pixel_arcsec
        on_source = (candidates["distnr"] >= 0) & (distance_arcsec < settings.bright_star_arcsec)
        chosen &= ~(on_source & (candidates["magnr"] > 0) & (candidates["magnr"] < settings.bright_star_mag))
    return np.asarray(chosen, np.bool_)


def streaks_to_vet(
    streaks: Columns, wcs: TpvWcs, zero_point_mag: float, key: QuadrantKey, facts: ExposureFacts, settings: TrackReport
) -> Columns:
    """The columns of STREAK_TABLE of the streaks of a quadrant that a person is asked about."""
    good = (
        (streaks["snr"] >= settings.streak_snr_min)
        & (streaks["length"] <= settings.streak_length_max_px)
        & (streaks["chi2"] <= settings.streak_chi2_max)
    )
    rows = np.flatnonzero(good)
    own = {name: np.asarray(values, np.float64)[rows] for name, values in streaks.items()}
    x, y = 0.5 * (own["x0"] + own["x1"]), 0.5 * (own["y0"] + own["y1"])
    ra, dec = pixel_to_sky(wcs, x - 1.0, y - 1.0)
    ends = [pixel_to_sky(wcs, own[f"x{k}"] - 1.0, own[f"y{k}"] - 1.0) for k in "01"]
    east = ((ends[1][0] - ends[0][0] + 180.0) % 360.0 - 180.0) * np.cos(np.radians(dec)) * 3600.0
    north = (ends[1][1] - ends[0][1]) * 3600.0
    length = np.hypot(east, north)
    # The middle's variance, from those of the ends.
    variance = [0.25 * (own[f"cov_{a}0_{a}0"] + own[f"cov_{a}1_{a}1"] + 2 * own[f"cov_{a}0_{a}1"]) for a in "xy"]
    sigma = np.sqrt(np.nanmax([*variance, np.zeros(len(rows))], axis=0)) * facts.pixel_arcsec
    name = f"{key.exposure.filefracday} {key.ccdid} {key.qid}"
    return {
        "streak": np.array([short_name("S", f"{name} {row}") for row in rows], object),
        "jd_mid": np.full(len(rows), facts.jd_mid),
        "ra": ra,
        "dec": dec,
        "sigma": np.maximum(sigma, 0.1),
        "length_arcsec": length,
        "angle": np.degrees(np.arctan2(east, north)) % 180.0,
        "rate": length / 3600.0 / (facts.exptime_s / DAY_S),
        "mag": zero_point_mag - 2.5 * np.log10(own["flux"]),
        "sigma_mag": float(POGSON) * own["sigflux"] / own["flux"],
        "snr": own["snr"],
        "xpos": x,
        "ypos": y,
        "exptime": np.full(len(rows), facts.exptime_s),
        **_place(key, len(rows)),
    }


def look(wcs: TpvWcs, shape: tuple[int, int], limit_mag: float, key: QuadrantKey, facts: ExposureFacts) -> Columns:
    """The row of LOOK_TABLE of a quadrant whose difference was searched. shape: of its image, (y, x)."""
    height, width = shape
    x, y = np.array([0.0, width, width, 0.0]) - 0.5, np.array([0.0, 0.0, height, height]) - 0.5
    ra, dec = pixel_to_sky(wcs, x, y)
    corners = {f"{name}{k}": values[[k]] for k in range(4) for name, values in (("ra", ra), ("dec", dec))}
    return {
        "jd_mid": np.array([facts.jd_mid]), "limit_mag": np.array([limit_mag]), **corners, **_place(key, 1),
    }  # fmt: skip


def _place(key: QuadrantKey, n: int) -> dict[str, NDArray[Any]]:
    exposure = key.exposure
    return {
        "filefracday": np.full(n, exposure.filefracday, object),
        "field": np.full(n, exposure.field),
        "filter": np.full(n, exposure.filter, object),
        "ccdid": np.full(n, key.ccdid),
        "qid": np.full(n, key.qid),
    }
