"""A matchfile of 30,000 sources and 300 epochs: made, an epoch appended, zero points solved again, and statistics."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import measure, row

SOURCES, EPOCHS, PEER_EPOCHS = 30_000, 300, 20
BUILD_S, APPEND_S, SOLVE_S, STATISTICS_S, MEMORY_MB = 60.0, 2.0, 10.0, 3.0, 2000.0


def survey(folder: str) -> Callable[[], object]:
    """Write the catalogs: one epoch more than the list has."""
    from benchmarks.lightcurve_scenes import write_list, write_survey

    def work() -> None:
        write_survey(Path(folder), SOURCES, EPOCHS + 1)
        os.chdir(Path(folder) / "archive")
        write_list(EPOCHS)

    return work


def _work(folder: str) -> Any:
    """What the step has in hand, in the archive."""
    from benchmarks.lightcurve_scenes import KEY
    from ztfpipe.camera import Camera
    from ztfpipe.config import Lightcurve
    from ztfpipe.methods.warm import warm
    from ztfpipe.products.accounts.matchepochs import read_match_epochs
    from ztfpipe.products.names import path_of
    from ztfpipe.steps.lightcurve.matching import Work

    warm()
    os.chdir(Path(folder) / "archive")
    frozen = read_match_epochs(path_of("matchepochs", KEY))
    return Work(frozen, Camera.load("quadrant"), Lightcurve.model_validate(frozen.settings))


def build(folder: str) -> Callable[[], object]:
    """The step, from catalogs on disk to the matchfile on disk."""
    from benchmarks.lightcurve_scenes import KEY, OUTPUT
    from ztfpipe.products.names import path_of
    from ztfpipe.steps.lightcurve.matching import match

    _work(folder)

    def work() -> int:
        match(OUTPUT, Path("../settings/lightcurve.json"), Path(path_of("matchepochs", KEY)))
        return Path(OUTPUT).stat().st_size

    return work


def append_one(folder: str) -> Callable[[], object]:
    """One epoch more appended to the file, in place; bytes by which it grew."""
    from benchmarks.lightcurve_scenes import OUTPUT, write_list
    from ztfpipe.products.catalogs.matchfile import read_head
    from ztfpipe.steps.lightcurve.matching import append

    os.chdir(Path(folder) / "archive")
    write_list(EPOCHS + 1)
    work_in_hand = _work(folder)
    before = Path(OUTPUT).stat().st_size

    def work() -> int:
        append(Path(OUTPUT), work_in_hand, frozenset(read_head(OUTPUT).fracdays), {})
        return Path(OUTPUT).stat().st_size - before

    return work


def solve_again(folder: str) -> Callable[[], object]:
    """Zero points solved again, magnitudes and statistics of all, and the file written."""
    from benchmarks.lightcurve_scenes import OUTPUT
    from ztfpipe.steps.lightcurve.matching import calibrate

    in_hand = _work(folder)
    return lambda: int(np.count_nonzero(calibrate(OUTPUT, Path(OUTPUT), in_hand).zero_points.calibrator))


def _light_curves() -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(1)
    n = SOURCES * EPOCHS
    source = np.tile(np.arange(SOURCES), EPOCHS)
    time = np.repeat(np.arange(EPOCHS) * 3.0, SOURCES)
    mag = rng.normal(18, 0.1, n).astype(np.float32)
    return source, time, mag, np.full(n, 0.1, np.float32)


def statistics(_: str) -> Callable[[], object]:
    """Every statistic of every light curve."""
    from ztfpipe.methods.time.grouping_nb import group
    from ztfpipe.methods.time.variability import light_curve_statistics
    from ztfpipe.methods.warm import warm

    warm()
    source, time, mag, error = _light_curves()

    def work() -> float:
        start, members = group(source, np.arange(source.size, dtype=np.int32), SOURCES)
        found = light_curve_statistics(start, members, mag, error, mag, time, stetson_pair_d=0.1)
        return float(np.nanmedian(found["magrms"]))

    return work


def pandas_statistics(_: str) -> Callable[[], object]:
    """Of the statistics, those that pandas has: nine of thirty-three and the percentiles."""
    import pandas as pd

    source, _, mag, _ = _light_curves()
    table = pd.DataFrame({"source": source, "mag": mag})

    def work() -> float:
        groups = table.groupby("source")["mag"]
        found = groups.agg(["min", "max", "mean", "median", "std", "skew", "count"])
        groups.quantile([0.05, 0.1, 0.175, 0.25, 0.325, 0.4, 0.6, 0.675, 0.75, 0.825, 0.9, 0.95])
        return float(found["std"].median())

    return work


def astropy_matching(folder: str) -> Callable[[], object]:
    """Catalogs of a few epochs read and matched by astropy, and joined by pandas."""
    import pandas as pd
    from astropy import units
    from astropy.coordinates import SkyCoord
    from astropy.table import Table

    from benchmarks.lightcurve_scenes import VERSION, key_of
    from ztfpipe.products.names import path_of

    os.chdir(Path(folder) / "archive")

    def work() -> int:
        reference = Table.read(path_of("vrefpsfcat", VERSION), hdu=1)
        sources = SkyCoord(reference["ra"], reference["dec"])
        parts = []
        for epoch in range(PEER_EPOCHS):
            table = Table.read(path_of("psfcat", key_of(epoch)), hdu=1)
            index, distance, _ = SkyCoord(table["ra"], table["dec"]).match_to_catalog_sky(sources)
            near = distance < 1.5 * units.arcsec
            parts.append(table[near].to_pandas().assign(matchid=index[near]))
        return len(pd.concat(parts))

    return work


def our_matching(folder: str) -> Callable[[], object]:
    """The same epochs matched by us and written to a matchfile, without zero points."""
    from benchmarks.lightcurve_scenes import write_list
    from ztfpipe.steps.lightcurve.matching import append, create

    os.chdir(Path(folder) / "archive")
    write_list(PEER_EPOCHS)
    in_hand = _work(folder)

    def work() -> int:
        path = Path(folder) / "part.pytable"
        create(path, in_hand)
        return append(path, in_hand, frozenset(), {})

    return work


def rows() -> list[dict[str, Any]]:
    """What light curves cost."""
    here = "benchmarks.bench_lightcurve"
    with tempfile.TemporaryDirectory(prefix="bench-lightcurve-") as folder:
        measure(f"{here}:survey", folder, repeats=1)
        whole = measure(f"{here}:build", folder, repeats=1)
        one = measure(f"{here}:append_one", folder, repeats=1)
        again = measure(f"{here}:solve_again", folder, repeats=1)
        ours, theirs = (measure(f"{here}:{name}", folder, repeats=1) for name in ("our_matching", "astropy_matching"))
    collapse, groups = (measure(f"{here}:{name}", "", repeats=1) for name in ("statistics", "pandas_statistics"))
    size = f"{SOURCES} sources x {EPOCHS} epochs"
    return [
        _row(f"matchfile of {size}, the whole step", whole, BUILD_S, f"the file has {whole.value / 1e6:.0f} MB"),
        _row(f"one epoch appended to {size}", one, APPEND_S, f"the file grew by {one.value / 1e6:.1f} MB"),
        _row(f"zero points of {size} solved again, the file written", again, SOLVE_S, f"{again.value} calibrators"),
        row(f"statistics of {size}", collapse, bar=f"<= {STATISTICS_S:g} CPU s", met=collapse.cpu_s <= STATISTICS_S,
            peer="pandas, 8 of 33 and percentiles", theirs=groups),
        row(f"{PEER_EPOCHS} epochs read, matched and kept", ours, bar="", met=True,
            peer="astropy and pandas, nothing written", theirs=theirs),
    ]  # fmt: skip


def _row(name: str, cost: Any, seconds: float, note: str) -> dict[str, Any]:
    met = cost.cpu_s <= seconds and cost.peak_mb <= MEMORY_MB
    return row(name, cost, bar=f"<= {seconds:g} CPU s, <= {MEMORY_MB:.0f} MB", met=met, note=note)
