"""What records of candidates cost beyond the difference: neighbours, filters, cutouts, raw detections, files."""

from __future__ import annotations

import pickle
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import measure, row

CASES = {"sparse": (5_000, 12_000), "dense": (30_000, 120_000)}
"""Stars of the pair, and rows of each context catalog."""
BAR_S = 0.5


def record_of(path: str, rows_of_context: str) -> Callable[[], object]:
    """All of it on one pair, context catalogs from their files; returns seconds by stage and megabytes by file."""
    import numpy as np

    from benchmarks.difference_pairs import subtract_taken
    from ztfpipe.camera import Camera
    from ztfpipe.config import Difference
    from ztfpipe.methods.difference.raw_detections import find_raw
    from ztfpipe.methods.warm import warm
    from ztfpipe.model.candidates import EXPOSURE_COLUMNS, Surroundings
    from ztfpipe.model.catalogs import PsfCatalog
    from ztfpipe.model.difference import DifferenceProducts
    from ztfpipe.model.skycatalogs import GaiaStars, Ps1Objects
    from ztfpipe.pipelines.difference import description
    from ztfpipe.products.catalogs import calibrators, events

    warm()
    pair = pickle.loads(Path(path).read_bytes())
    result = subtract_taken(*pair)
    image, template = pair[0].exposed.image_adu, pair[1].exposed.image_adu
    rng, n, camera, settings = np.random.default_rng(2), int(rows_of_context), Camera.load("ztf"), Difference()

    def sky(count: int) -> tuple:
        return rng.uniform(150.0, 151.0, count), rng.uniform(30.0, 30.87, count)

    mag, zero = rng.uniform(13, 22, n), np.zeros(n)
    bands = dict.fromkeys("griz", mag)
    folder = Path(path).parent
    calibrators.write_ps1_context(
        folder / "ps1", Ps1Objects(np.arange(n), *sky(n), bands, bands, bands, zero, zero), {}
    )
    stars = GaiaStars(np.arange(n), *sky(n), zero, zero, zero, zero, mag, zero, 2016.0)
    calibrators.write_gaia_context(folder / "gaia", stars, {})
    few, flux = n // 4, 10 ** (-0.4 * (mag[: n // 4] - 26))
    catalog = PsfCatalog(zero[:few], zero[:few], *sky(few), flux, flux / 50, mag[:few], mag[:few], zero[:few])
    words = {one.name: "" if one.dtype == "str" else 7 for one in EXPOSURE_COLUMNS if one.name != "tblid"}

    class Reference:
        zero_point_mag = 26.0

    Reference.catalog = catalog

    def work() -> dict[str, float]:
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
        place = sky(len(found))
        more = description.neighbours(*place, Reference, around, camera)
        mark("neighbours")
        more["filterbits"] = description.light_filters(found, settings.light_filters)
        cut = description.cut_out(found, image, image - image + template, difference)
        mark("filters, cutouts")
        raw = find_raw(difference)
        mark("raw detections")
        made = DifferenceProducts(
            difference.bad.shape, None, found, *place, None, {}, 1, (), more, raw, *sky(len(raw)), cut
        )
        events.write_candidates(folder / "candidates", made, words)
        events.write_raw_detections(folder / "raw", made, 7, 26.0)
        mark("files")
        sizes = {f"{name} MB": (folder / name).stat().st_size / 1e6 for name in ("candidates", "raw")}
        return {**seconds, **sizes, "candidates": len(found), "peaks": len(raw)}

    return work


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
