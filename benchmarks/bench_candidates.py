"""What records of candidates cost beyond the difference: neighbours, filters, cutouts, raw detections, files."""

from __future__ import annotations

import pickle
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.difference_pairs import Subtracted
from benchmarks.measure import measure, row
from ztfpipe.camera import Camera
from ztfpipe.config import Difference
from ztfpipe.methods.difference.raw_detections import find_raw
from ztfpipe.model.candidates import Surroundings
from ztfpipe.model.catalogs import PsfCatalog
from ztfpipe.model.difference import CANDIDATE_COLUMNS, CANDIDATE_TABLE, DifferenceProducts
from ztfpipe.model.skycatalogs import GaiaStars, Ps1Objects
from ztfpipe.pipelines.difference import description
from ztfpipe.products.catalogs import calibrators, events

CASES = {"sparse": (5_000, 12_000), "dense": (30_000, 120_000)}
"""Stars of the pair, and rows of each context catalog."""
BAR_S = 0.5


def record_of(path: str, rows_of_context: str) -> Callable[[], object]:
    """All of it on one pair, context catalogs from their files; returns seconds by stage and megabytes by file."""
    from benchmarks.difference_pairs import subtract_taken
    from ztfpipe.methods.warm import warm

    warm()
    folder = Path(path).parent
    pair = pickle.loads(Path(path).read_bytes())
    result = subtract_taken(*pair)
    catalog = write_contexts(folder, int(rows_of_context))
    images = [one.exposed.image_adu for one in pair]
    return lambda: recorded(folder, result, images, catalog)


def places(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Right ascensions and declinations over a quadrant."""
    rng = np.random.default_rng(2)
    return rng.uniform(150.0, 151.0, count), rng.uniform(30.0, 30.87, count)


def write_contexts(folder: Path, n: int) -> PsfCatalog:
    """Context catalogs of n rows as files, and a reference's catalog of a quarter as many."""
    mag, zero = np.random.default_rng(3).uniform(13, 22, n), np.zeros(n)
    bands = dict.fromkeys("griz", mag)
    objects = Ps1Objects(np.arange(n), *places(n), bands, bands, bands, zero, zero)
    calibrators.write_ps1_context(folder / "ps1", objects, {})
    stars = GaiaStars(np.arange(n), *places(n), zero, zero, zero, zero, mag, zero, 2016.0)
    calibrators.write_gaia_context(folder / "gaia", stars, {})
    zero, mag = zero[: n // 4], mag[: n // 4]
    flux = 10 ** (-0.4 * (mag - 26))
    return PsfCatalog(zero, zero, *places(n // 4), flux, flux / 50, mag, mag, zero)


def recorded(folder: Path, result: Subtracted, images: list[np.ndarray], catalog: PsfCatalog) -> dict[str, float]:
    """The stages of the recipe and of its writer, in their order."""
    seconds, begun = {}, time.process_time()

    def mark(name: str) -> None:
        nonlocal begun
        now = time.process_time()
        seconds[name], begun = now - begun, now

    found, difference = result.candidates, result.difference
    around = Surroundings(
        calibrators.read_ps1_context(folder / "ps1"), calibrators.read_gaia_context(folder / "gaia"), 2025.0
    )
    mark("context catalogs read")
    place, reference = places(len(found)), SimpleNamespace(catalog=catalog, zero_point_mag=26.0)
    more = description.neighbours(*place, reference, around, Camera.load("ztf"))
    mark("neighbours")
    more["filterbits"] = description.light_filters(found, Difference().light_filters)
    template = images[0] - images[0] + images[1]
    cut = description.cut_out(found, images[0], template, difference)
    mark("filters, cutouts")
    raw = find_raw(difference)
    mark("raw detections")
    # What other stages add to the table and the exposure's words: there is nothing to find out for them here.
    rest = {*more, "tblid", *(one.name for one in CANDIDATE_TABLE[: 3 + len(CANDIDATE_COLUMNS)])}
    words = {one.name: "" if one.dtype == "str" else 7 for one in CANDIDATE_TABLE if one.name not in rest}
    made = DifferenceProducts(
        difference.bad.shape, None, found, *place, None, {}, 1, (), more, raw, *places(len(raw)), cut
    )
    events.write_candidates(folder / "candidates", made, words)
    events.write_raw_detections(folder / "raw", made, 7, 26.0)
    mark("files")
    sizes = {f"{name} MB": (folder / name).stat().st_size / 1e6 for name in ("candidates", "raw")}
    return {**seconds, **sizes, "candidates": len(found), "peaks": len(raw)}


def rows() -> list[dict[str, Any]]:
    """A sparse and a dense quadrant."""
    table = []
    for case, (count, context) in CASES.items():
        with tempfile.TemporaryDirectory(prefix="bench-candidates-") as folder:
            path = str(Path(folder) / "pair")
            measure("benchmarks.bench_difference:make_pair", path, str(count), repeats=1)
            cost = measure("benchmarks.bench_candidates:record_of", path, str(context))
        table.append(
            row(
                f"records of candidates and raw detections of a {case} full-size quadrant, {context} PS1 and Gaia rows",
                cost,
                bar=f"<= {BAR_S} CPU s",
                met=cost.cpu_s <= BAR_S,
                note=", ".join(f"{name} {value:.3g}" for name, value in cost.value.items()),
            )
        )
    return table
