"""Repeated epochs of one quadrant, or a cut-out of it, from raw counts through the science recipe to a matchfile.

Nights of two exposures each by the synthetic camera, some through clouds; the flats are wrong by 3 %, one way in one
half of the nights and another way in the other, and every epoch's zero point by 15 mmag. The sky has more variables
than nature's, so that a small cut-out has some of each kind.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from benchmarks.cramer_rao import bounds
from benchmarks.lightcurve_scenes import OUTPUT, VERSION, header_of
from benchmarks.pairs import constant_stars
from benchmarks.reference_scenes import KEY
from benchmarks.science_scenes import QID, Exposure, expose_ccd, sky_settings
from ztfpipe.camera import CAMERA_FOLDER, Camera
from ztfpipe.config import RECIPE_VERSIONS, Config, Lightcurve
from ztfpipe.model.lightcurve import MatchEpochs
from ztfpipe.model.science import ScienceImage
from ztfpipe.products.accounts.matchepochs import write_match_epochs
from ztfpipe.products.accounts.settings import write_settings
from ztfpipe.products.catalogs import matchfile
from ztfpipe.products.catalogs.catalogs import write_psfcat
from ztfpipe.products.names import path_of
from ztfpipe.simulate.sky.field_truth import variable_stars
from ztfpipe.simulate.sky.variables import KINDS
from ztfpipe.steps.lightcurve.matching import match

VISITS = 2
CUT_SHAPE = (780, 768)
ZP_NOISE_MAG, FLAT_ERROR = 0.015, 0.03
VARIABLES = {"rrlyrae": 0.08, "eclipsing": 0.03, "rotating": 0.05, "mira": 0.01, "stochastic": 0.02}
SNR_MIN, PAIR_PX = 7.0, 1.0
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curves:
    """What the matchfile says of the detections, and the truth.

    data: sourcedata, with `star`, the identifier of the true star (-1 for none), `true_mag` in the epoch, `bound_mag`,
    the Cramer-Rao error of bright constant stars that stand alone (NaN of others), `snr`, and of the epoch `relphotrms`
    and `cloud_mag`.
    stars: by identifier, the kind, mean magnitude and period [d] of true stars. sources: the matchfile's table.
    """

    data: pd.DataFrame
    stars: pd.DataFrame
    sources: pd.DataFrame


def observe(folder: Path, camera: str, stars_per_square_degree: float, nights: int) -> Curves:
    """Simulate, reduce and match: some twenty seconds of one processor for an epoch of full size."""
    seen = Camera.load(camera)
    return matched(folder, camera, _epochs(seen, stars_per_square_degree, nights))


def matched(folder: Path, camera: str, epochs: Iterable[tuple[Exposure, ScienceImage]]) -> Curves:
    """Epochs written as the archive has them, and what the matchfile makes of them."""
    rng = np.random.default_rng((7, 1))
    archive = folder / "archive"
    archive.mkdir()
    with contextlib.chdir(archive):
        keys, truth, best = [], [], None
        for exposure, made in epochs:
            keys.append(exposure.key)
            header = _header(exposure, made, rng)
            write_psfcat(path_of("psfcat", exposure.key), made.psf_catalog, header)
            truth.append(_truth_of(exposure, made))
            if best is None or made.limiting_mag > best[0]:
                best = made.limiting_mag, made.psf_catalog, header
        variables = variable_stars(exposure.simulate, exposure.camera, KEY.field, KEY.ccdid, KEY.qid)
        # The deepest epoch plays the reference: what it does not see begins as a transient.
        jd = float(best[2]["OBSJD"][0])
        write_psfcat(path_of("vrefpsfcat", VERSION), best[1], {**best[2], "JDSTART": (jd, ""), "JDEND": (jd, "")})
        settings = Lightcurve()
        write_settings(folder / "settings", "lightcurve", Config(camera=camera, workspace="."), exposure.camera)
        frozen = MatchEpochs(KEY, 1, RECIPE_VERSIONS["lightcurve"], settings.model_dump(mode="json"), tuple(keys))
        write_match_epochs(Path(), frozen)
        match(OUTPUT, folder / "settings" / "lightcurve.json", Path(path_of("matchepochs", KEY)))
        return _read(pd.concat(truth), variables.set_index("identifier"))


def cut_out(folder: Path) -> str:
    """The file of a camera with quadrants cut to their middle."""
    (folder / "none.csv").write_text("ccdid,qid,x0,x1,y0,y1,kind\n")
    (folder / "cut.yaml").write_text(
        f"extends: {CAMERA_FOLDER / 'ztf'}\nname: cut\nquadrant_shape: {list(CUT_SHAPE)}\n"
        "raw: {extends: true, static_bad_pixels: none.csv}\n"
    )
    return str(folder / "cut.yaml")


def _epochs(camera: Camera, density: float, nights: int) -> Iterator[tuple[Exposure, ScienceImage]]:
    rng = np.random.default_rng(7)
    days = np.cumsum(rng.integers(2, 5, nights)) - 20
    for count, day in enumerate(days):
        date = str(np.datetime64("2018-03-25") + int(day)).replace("-", "")
        hours = np.sort(rng.uniform((4.5, 8.0), (7.0, 11.0)))
        settings = sky_settings({
            "night": {"date": date, "biases": 0, "flats": 0, "filters": ["zr"], "fields": [KEY.field],
                      "visits": VISITS, "exposures_s": [30.0], "hours_ut": hours.tolist()},
            "stars": {"stars_per_square_degree": density, "variables": VARIABLES},
            "weather": {"cloudy_fraction": 0.25, "cloud_mag": 0.15},
        })  # fmt: skip
        for visit in range(VISITS):
            exposure = expose_ccd(camera, settings, visit, KEY.ccdid)[QID]
            flat = exposure.masters.flat * _wrong(camera.quadrant_shape, count >= nights // 2)
            yield exposure, exposure.science(masters=replace(exposure.masters, flat=flat))


def _wrong(quadrant_shape: tuple[int, int], second: bool) -> NDArray[np.float32]:
    """By what the flat in force is wrong: 3 % from middle to edge, or from one side to the other."""
    v, u = (np.linspace(-1, 1, n) for n in quadrant_shape)
    shape = (u[None] ** 2 + v[:, None] ** 2) / 2 if second else 0.5 * (u[None] + u[None] * v[:, None] ** 2)
    return (1 + FLAT_ERROR * (shape - shape.mean())).astype(np.float32)


def _header(exposure: Exposure, made: ScienceImage, rng: np.random.Generator) -> dict:
    fit = made.photometry
    return header_of(
        made.wcs, exposure.plan.obsjd, MAGZP=fit.zero_point + float(rng.normal(0, ZP_NOISE_MAG)),
        CLRCOEFF=fit.colour_term, MAGLIM=made.limiting_mag, SEEING=made.seeing_px, INFOBITS=made.infobits,
        STATUS=1,
    )  # fmt: skip


def _truth_of(exposure: Exposure, made: ScienceImage) -> pd.DataFrame:
    """The true star of each catalog entry."""
    stars, catalog, pairs = exposure.tables["stars"], made.psf_catalog, constant_stars(exposure, made)
    _, near = cKDTree(stars[["x_px", "y_px"]].to_numpy()).query(
        np.c_[catalog.x_px, catalog.y_px], k=3, distance_upper_bound=PAIR_PX
    )
    # Of several within a pixel it is the brightest that was measured.
    flux = np.append(stars.flux_e.to_numpy(), -np.inf)[near]
    nearest = near[np.arange(len(near)), flux.argmax(axis=1)]
    found = nearest < len(stars)
    table = stars.iloc[np.where(found, nearest, 0)]
    bound = np.full(len(catalog), np.nan)
    bright = pairs.alone & stars.mag.between(13.5, 15.5).to_numpy()[pairs.true]
    some = stars.iloc[pairs.true[bright]]
    least = bounds(exposure, *(some[name].to_numpy() for name in ("x_px", "y_px", "flux_e")))
    bound[pairs.ours[bright]] = 1.0857 * least.relative_flux
    return pd.DataFrame({
        "jd": exposure.plan.obsjd, "flux": catalog.flux_adu.astype(np.float32), "snr": catalog.snr,
        "star": np.where(found, table.identifier.to_numpy(), -1), "true_mag": table.mag.to_numpy(),
        "kind": np.array(KINDS)[table.kind.to_numpy()], "bound_mag": bound,
        "cloud_mag": exposure.tables["exposure"].cloud_mag.iloc[0],
    })  # fmt: skip


def _read(truth: pd.DataFrame, variables: pd.DataFrame) -> Curves:
    exposures = pd.DataFrame(
        {name: matchfile.read_rows(OUTPUT, "exposures")[name] for name in ("expid", "obsmjd", "relphotrms")}
    )
    columns = ("matchid", "expid", "mjd", "mag", "magerr", "uncalibmag", "psfflux", "catflags")
    parts = [pd.DataFrame(matchfile.read_columns(OUTPUT, name, columns)) for name in ("sourcedata", "transientdata")]
    data = pd.concat(parts, ignore_index=True).merge(exposures, on="expid")
    data["jd"], truth["jd"] = (np.round(one, 5) for one in (data.obsmjd + 2400000.5, truth.jd))
    data = data.merge(truth, left_on=["jd", "psfflux"], right_on=["jd", "flux"], how="left")
    stars = truth[truth.star >= 0].groupby("star").agg(kind=("kind", "first"), true_mag=("true_mag", "mean"))
    stars = stars.join(variables[["period_d", "amplitude_mag"]])
    rows = matchfile.read_rows(OUTPUT, "sources")
    sources = pd.DataFrame({name: rows[name] for name in rows.dtype.names if rows[name].ndim == 1})
    return Curves(data, stars, sources)
