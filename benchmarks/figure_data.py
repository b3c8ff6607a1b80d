"""Simulated nights and what the science recipe makes of them, for the pictures in the form of the system paper's.

Sparse and dense quadrants of full size through a night, at airmass 1.14 to 1.85, in g and r; one in i; and one exposure
of the whole focal plane in three filters, of whose quadrants the middle 768 pixels are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from benchmarks.science_scenes import DENSE, SPARSE, Exposure, expose_ccd, expose_sky, sky_settings
from ztfpipe.camera import CAMERA_FOLDER, Camera
from ztfpipe.config import Simulate
from ztfpipe.model.science import ScienceImage

FILTERS = ("zg", "zr", "zi")
VISITS = {"sparse": 6, "dense": 4}
DENSITY = {"sparse": SPARSE, "dense": DENSE}
PLANE_SHAPE = (780, 768)
MATCH_PX, ALONE_PX = 0.7, 8.0
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Epoch:
    """A quadrant of one exposure.

    Sources of the PSF catalog without flags, paired with constant stars of the truth: `star`, its identifier; true
    magnitude in the filter; `calibrated_mag`, after zero point and colour term; `stated_error`, of the flux as its
    fraction; `offset_mas` (2, n), east and north of the true position; `alone`: no other star of a hundredth of its
    light within 8 px; `calibrator_mag`: of the photometric calibrator there, NaN where there is none.
    """

    code: str
    ccdid: int
    qid: int
    airmass: float
    limiting_mag: float
    star: NDArray[np.int64]
    mag: Floats
    calibrated_mag: Floats
    stated_error: Floats
    snr: Floats
    offset_mas: Floats
    alone: NDArray[np.bool_]
    calibrator_mag: Floats


@dataclass(frozen=True)
class Nights:
    """Epochs of the sparse and the dense quadrant through a night, one in i, and those of the focal plane."""

    through: dict[str, list[Epoch]]
    infrared: Epoch
    plane: list[Epoch]


def observe() -> Nights:
    """Simulate and reduce everything: some six minutes of one processor."""
    through = {case: list(_night(case)) for case in VISITS}
    quadrant = Camera.load("quadrant")
    infrared = expose_sky(quadrant, _settings(DENSITY["sparse"], 1, ("zi",)))
    return Nights(through, epoch(infrared, infrared.science()), list(_plane()))


def _settings(density: float, visits: int, filters: tuple[str, ...]) -> Simulate:
    return sky_settings({
        "night": {"biases": 0, "flats": 0, "filters": list(filters), "fields": [473], "visits": visits,
                  "exposures_s": [30.0]},
        "stars": {"stars_per_square_degree": density},
    })  # fmt: skip


def _night(case: str) -> Iterator[Epoch]:
    camera, filters = Camera.load("quadrant"), ("zg", "zr") if case == "sparse" else ("zr",)
    settings = _settings(DENSITY[case], VISITS[case], filters)
    for index in range(VISITS[case] * len(filters)):
        exposure = expose_sky(camera, settings, index)
        yield epoch(exposure, exposure.science())


def _plane() -> Iterator[Epoch]:
    with TemporaryDirectory(prefix="focal-plane-") as folder:
        path = Path(folder) / "plane.yaml"
        (Path(folder) / "none.csv").write_text("ccdid,qid,x0,x1,y0,y1,kind\n")
        path.write_text(
            f"extends: {CAMERA_FOLDER / 'ztf'}\nname: plane\nquadrant_shape: {list(PLANE_SHAPE)}\n"
            "raw: {extends: true, static_bad_pixels: none.csv}\n"
        )
        camera = Camera.load(str(path))
    settings = _settings(DENSITY["sparse"], 3, FILTERS)
    for code in range(len(FILTERS)):
        for ccdid in camera.ccds:
            for exposure in expose_ccd(camera, settings, len(FILTERS) + code, ccdid).values():
                yield epoch(exposure, exposure.science())


def epoch(exposure: Exposure, made: ScienceImage) -> Epoch:
    """Pair the catalog with the truth."""
    stars, catalog, fit = exposure.tables["stars"], made.psf_catalog, made.photometry
    places, flux = stars[["x_px", "y_px"]].to_numpy(), stars.flux_e.to_numpy()
    distance, nearest = cKDTree(places).query(np.column_stack([catalog.x_px, catalog.y_px]))
    ours = np.flatnonzero((distance < MATCH_PX) & (catalog.flags == 0) & (stars.kind.to_numpy()[nearest] == 0))
    theirs = nearest[ours]
    around, index = cKDTree(places).query(places[theirs], k=6, distance_upper_bound=ALONE_PX)
    other = np.isfinite(around) & (index != theirs[:, None])
    disturbed = (other & (np.append(flux, 0.0)[index] > 0.01 * flux[theirs][:, None])).any(axis=1)
    chosen = stars.iloc[theirs]
    colour, dec = chosen.colour_mag.to_numpy(), chosen.dec_deg.to_numpy()
    nothing = np.full(len(ours), np.nan)
    east = (catalog.ra_deg[ours] - chosen.ra_deg.to_numpy()) * np.cos(np.radians(dec))
    return Epoch(
        code=exposure.key.exposure.filter,
        ccdid=exposure.ccdid,
        qid=exposure.qid,
        airmass=exposure.pointing.airmass,
        limiting_mag=made.limiting_mag,
        star=chosen.identifier.to_numpy(),
        mag=chosen.mag.to_numpy(),
        calibrated_mag=nothing if fit is None else catalog.mag[ours] + fit.zero_point + fit.colour_term * colour,
        stated_error=catalog.flux_error_adu[ours] / catalog.flux_adu[ours],
        snr=catalog.snr[ours],
        offset_mas=3.6e6 * np.stack([east, catalog.dec_deg[ours] - dec]),
        alone=~disturbed,
        calibrator_mag=_calibrators_at(exposure, catalog.ra_deg[ours], catalog.dec_deg[ours]),
    )


def _calibrators_at(exposure: Exposure, ra_deg: Floats, dec_deg: Floats) -> Floats:
    """Magnitude of the photometric calibrator within an arcsecond of a place, in the filter's band; NaN elsewhere."""
    known, band = exposure.calibrators.photometric, exposure.camera.filter(exposure.key.exposure.filter).letter
    scale = np.cos(np.radians(exposure.pointing.dec_deg))
    tree = cKDTree(np.column_stack([known.ra_deg * scale, known.dec_deg]))
    distance, index = tree.query(np.column_stack([ra_deg * scale, dec_deg]), distance_upper_bound=1 / 3600)
    return np.where(np.isfinite(distance), np.append(known.mag[band], np.nan)[index], np.nan)
