"""Queries of a release of 10^6 light curves: one position, ten thousand, and what grows with a release."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import measure, row

RELEASE, FILES, STARS, EPOCHS = 1, 39, 25_700, 50.0
"""10^6 light curves of files as large as the archive's: 4.29e9 in 164,846 files, 26,000 each."""
ARCHIVE_FILES, ARCHIVE_CURVES = 164_846, 4.293_893_672e9
ONE, MANY, ONE_S, MANY_S, RADIUS_DEG = 1, 10_000, 0.1, 10.0, 1.5 / 3600


def synthetic(folder: str) -> Callable[[], object]:
    """The release written: objects, index, measurements."""
    from benchmarks.release_scenes import write_release

    os.chdir(folder)

    def work() -> int:
        return sum(one["curves_1"] for one in write_release(RELEASE, FILES, STARS, EPOCHS))

    return work


def _positions(count: int, seed: int) -> np.ndarray:
    """Places of random stars."""
    from benchmarks.release_scenes import tile

    tiles = FILES // 3
    sky = [tile(number, STARS) for number in range(tiles)]
    places = np.concatenate([np.stack([one.ra_deg, one.dec_deg], axis=1) for one in sky])
    return places[np.random.default_rng(seed).choice(len(places), count, replace=False)]


def cones(folder: str, count: str) -> Callable[[], object]:
    """Light curves of all objects near positions, the release opened anew."""
    from ztfpipe.model.release import Query
    from ztfpipe.steps.lightcurve.querying import answer
    from ztfpipe.steps.lightcurve.searching import OpenRelease

    os.chdir(folder)
    warm = Query(positions=_positions(1, 2), radius_deg=RADIUS_DEG)
    answer(OpenRelease(RELEASE), warm)
    query = Query(positions=_positions(int(count), 1), radius_deg=RADIUS_DEG)

    def work() -> int:
        return len(answer(OpenRelease(RELEASE), query))

    return work


def found(folder: str, count: str) -> Callable[[], object]:
    """Objects near positions, and nothing of their light curves."""
    from ztfpipe.model.release import Query
    from ztfpipe.steps.lightcurve.searching import OpenRelease

    os.chdir(folder)
    query = Query(positions=_positions(int(count), 1), radius_deg=RADIUS_DEG)
    return lambda: len(OpenRelease(RELEASE).find(query))


def every_file(folder: str) -> Callable[[], object]:
    """Light curves at one position in each tile: every file of the release is opened."""
    from benchmarks.release_scenes import tile
    from ztfpipe.model.release import Query
    from ztfpipe.steps.lightcurve.querying import answer
    from ztfpipe.steps.lightcurve.searching import OpenRelease

    os.chdir(folder)
    sky = [tile(number, STARS) for number in range(FILES // 3)]
    at = np.array([(one.ra_deg[0], one.dec_deg[0]) for one in sky])
    answer(OpenRelease(RELEASE), Query(positions=at[:1], radius_deg=RADIUS_DEG))

    def work() -> int:
        return len(answer(OpenRelease(RELEASE), Query(positions=at, radius_deg=RADIUS_DEG)))

    return work


def scan(folder: str, count: str) -> Callable[[], object]:
    """The same objects found by astropy in all of the objects table, which is in memory."""
    import pandas as pd
    from astropy import units
    from astropy.coordinates import SkyCoord, search_around_sky

    os.chdir(folder)
    at = _positions(int(count), 1)

    def work() -> int:
        parts = [pd.read_parquet(path, columns=["ra", "dec"]) for path in Path().glob("objects_dr1/*/*/*.parquet")]
        table = pd.concat(parts)
        sky = SkyCoord(table["ra"].to_numpy() * units.deg, table["dec"].to_numpy() * units.deg)
        asked = SkyCoord(at[:, 0] * units.deg, at[:, 1] * units.deg)
        return len(search_around_sky(asked, sky, 1.5 * units.arcsec)[0])

    return work


def answered(folder: str) -> Callable[[], object]:
    """The answer to ten thousand positions written as CSV."""
    from ztfpipe.model.release import Query
    from ztfpipe.products.catalogs.answers import write_answer
    from ztfpipe.steps.lightcurve.querying import answer
    from ztfpipe.steps.lightcurve.searching import OpenRelease

    os.chdir(folder)
    table = answer(OpenRelease(RELEASE), Query(positions=_positions(MANY, 1), radius_deg=RADIUS_DEG))

    def work() -> int:
        write_answer(Path(folder) / "answer.csv", table, "csv")
        return (Path(folder) / "answer.csv").stat().st_size

    return work


def filtered(folder: str) -> Callable[[], object]:
    """Objects of a square degree with a limit on a statistic."""
    from ztfpipe.model.regions import Box
    from ztfpipe.model.release import Limit, Query
    from ztfpipe.steps.lightcurve.querying import answer
    from ztfpipe.steps.lightcurve.searching import OpenRelease

    os.chdir(folder)
    query = Query(regions=(Box(359.0, 0.15, 30.3, 31.3),), limits=(Limit("magrms", ">", 0.2),))

    def work() -> int:
        return len(answer(OpenRelease(RELEASE), query, objects=True))

    return work


def whole_sky(folder: str, count: str) -> Callable[[], object]:
    """Files found for positions among as many as the archive's release 12 has, all over the sky."""
    from ztfpipe.methods.sky.matching import unit_vectors
    from ztfpipe.methods.sky.regions import Caps

    rng, n = np.random.default_rng(3), ARCHIVE_FILES
    dec = np.degrees(np.arcsin(rng.uniform(np.sin(np.radians(-31)), 1, n)))
    places, at = unit_vectors(rng.uniform(0, 360, n), dec), _positions(int(count), 1)
    direction = unit_vectors(at[:, 0], at[:, 1])

    def work() -> int:
        return int(Caps(places, np.full(n, 0.61)).touching(direction, np.full(len(at), RADIUS_DEG))[1].size)

    return work


def rows() -> list[dict[str, Any]]:
    """What queries cost."""
    here = "benchmarks.bench_release"
    with tempfile.TemporaryDirectory(prefix="bench-release-") as folder:
        made = measure(f"{here}:synthetic", folder, repeats=1)
        one, many = (measure(f"{here}:cones", folder, str(n)) for n in (ONE, MANY))
        table, limited = (measure(f"{here}:{name}", folder, repeats=1) for name in ("answered", "filtered"))
        spread = measure(f"{here}:every_file", folder)
        ours, peer = (measure(f"{here}:{name}", folder, str(MANY), repeats=1) for name in ("found", "scan"))
    sky_one, sky_many = (measure(f"{here}:whole_sky", "", str(n)) for n in (ONE, MANY))
    # Of a larger release only the choice of files grows; and positions that are farther apart open more files.
    file_s = max(spread.cpu_s - one.cpu_s, 0.0) / (FILES - 3)
    whole_one = one.cpu_s + sky_one.cpu_s
    whole_many = many.cpu_s + sky_many.cpu_s + (3 * MANY - FILES) * file_s
    size = f"{made.value / 1e6:.2f} million light curves"
    note = (
        f"of {ARCHIVE_CURVES:.3g} light curves in {ARCHIVE_FILES} files: the same and {sky_one.cpu_s:.2f} s to choose"
        f" the files, {whole_one:.2f} s for one position; {MANY} positions all over the sky, each in three files of its"
        f" own at {1000 * file_s:.2g} ms each, {whole_many:.0f} s"
    )
    return [
        row(f"light curves at one position, of {size}", one, bar=f"<= {ONE_S:g} CPU s", met=one.cpu_s <= ONE_S,
            note=note),
        row(f"light curves at {MANY} positions, of {size}", many, bar=f"<= {MANY_S:g} CPU s",
            met=many.cpu_s <= MANY_S, note=f"{many.value} measurements"),
        row(f"objects at {MANY} positions", ours, bar="", met=ours.value == peer.value,
            peer="astropy, the whole table", theirs=peer, note=f"{ours.value} objects, astropy {peer.value}"),
        row("their answer as CSV", table, bar="", met=True, note=f"{table.value / 1e6:.0f} MB"),
        row("objects of a square degree, by a statistic", limited, bar="", met=True, note=f"{limited.value} objects"),
    ]  # fmt: skip
