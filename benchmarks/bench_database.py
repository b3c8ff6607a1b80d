"""The operations database at the scale of a survey: made from records, brought up to date, asked.

Records are those of `survey_nights`: thirty nights of 52 exposures of the full camera make 100,000 quadrants, to which
a night of full length is added. For questions all images are there ten times, under other names.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.measure import measure, row
from benchmarks.survey_nights import CAMERA, Pointing, night_records, nights_of, survey
from ztfpipe.model.keys import NightKey
from ztfpipe.model.operations import NightRecords, Rows
from ztfpipe.pipelines.quality.database import ZONE_DEG, night_rows
from ztfpipe.products.accounts.plan import write_plan
from ztfpipe.products.accounts.records import write_manifest, write_record
from ztfpipe.products.database.engine import writing
from ztfpipe.products.database.query import Place, Question, ask
from ztfpipe.products.database.store import SCHEMA, rebuild, update_night
from ztfpipe.products.names import path_of
from ztfpipe.steps.operations.database import reach_deg
from ztfpipe.steps.operations.records import paths_of, read_night

NIGHTS, EXPOSURES, FULL = 30, 52, 700
FILES_NIGHTS, COPIES = 1, 9
QUERY_S_MAX, UPDATE_S_MAX, UPDATE_MB_MAX = 1.0, 60.0, 2500.0
PLACE = (210.0, 25.0)
QUESTIONS = {
    "place": (
        Question(place=Place(*PLACE, reach_deg(CAMERA)), columns=("filefracday", "rcid", "seeing", "pabszp")),
        "images of a place",
    ),
    "time": (
        Question(jd_range=(2458204.7, 2458204.95), columns=("filefracday", "rcid", "maglimcat")),
        "images of six hours",
    ),
    "quality": (
        Question(
            conditions=("seeing<1.6 and status=1 and maglimcat>21.0",), columns=("filefracday", "rcid", "seeing"),
            limit=1000,
        ),
        "the first thousand images of good seeing and depth",
    ),
    "off": (
        Question(conditions=("zero_point_outlier=1",), columns=("filefracday", "rcid", "zpchange")),
        "all images off the rolling zero point",
    ),
}  # fmt: skip


def some_nights(exposures: int, count: int = NIGHTS) -> Iterator[tuple[str, list[Pointing]]]:
    """Nights that were not lost, each cut to so many exposures from its middle."""
    made = 0
    for night, pointings in survey(nights_of(date(2018, 3, 25), 3 * count)):
        if made < count and len(pointings) >= exposures:
            made += 1
            start = (len(pointings) - exposures) // 2
            yield night, pointings[start : start + exposures]


def month(url: str) -> None:
    """A database of thirty short nights."""
    rebuild(url, ((night, night_rows(night_records(night, some))) for night, some in some_nights(EXPOSURES)))


def made_of_files(folder: str) -> Callable[[], object]:
    """Work: a database of a short night from the files of their records; returns how many quadrants."""
    archive = Path(folder, "archive")
    archive.mkdir()
    nights = [(night, night_records(night, some)) for night, some in some_nights(EXPOSURES, FILES_NIGHTS)]
    with contextlib.chdir(archive):
        for _, records in nights:
            put(records)

    def read() -> Iterator[tuple[str, Rows]]:
        for night, _ in nights:
            yield night, night_rows(read_night(*paths_of(night)))

    def work() -> object:
        with contextlib.chdir(archive):
            rebuild(f"sqlite:///{folder}/of_files.sqlite", read())
        return sum(len(records.science) for _, records in nights)

    return work


def put(records: NightRecords) -> None:
    """Write all that is on record of a night into the archive that is the working directory."""
    night = NightKey(records.plan.night)
    write_manifest(path_of("manifest", night), records.manifest)
    write_plan(path_of("plan", night), records.plan)
    for product, made in (("sciqa", records.science), ("diffqa", records.differences), ("alertsqa", records.alerts)):
        for key, record in made.items():
            write_record(path_of(product, key), record)


def full_night(url: str) -> Callable[[], object]:
    """Work: the rows of a night of 700 exposures in place of those it had; returns how many quadrants."""
    ((night, pointings),) = some_nights(FULL, 1)
    rows = night_rows(night_records(night, pointings))
    update_night(url, night, rows)

    def work() -> object:
        update_night(url, night, rows)
        return len(rows["quadrants"])

    return work


def copied(url: str, copies: int) -> int:
    """Put all images and differences there so many times more, under names of their own; how many images there are."""
    with writing(url) as connection:
        for name in ("quadrants", "differences"):
            table = SCHEMA[name]
            others = [column for column in table.columns if column.name != "filefracday"]
            for number in range(1, copies + 1):
                shifted = (table.c.filefracday + number * 10**15).label("filefracday")
                some = sa.select(shifted, *others).where(table.c.filefracday < 10**15)
                names = ["filefracday", *(column.name for column in others)]
                connection.execute(table.insert().from_select(names, some))
        return int(connection.execute(sa.select(sa.func.count()).select_from(SCHEMA["quadrants"])).scalar_one())


def asked(url: str, name: str) -> Callable[[], object]:
    """Work: one question; returns how many rows answer it."""
    return lambda: len(ask(url, QUESTIONS[name][0], ZONE_DEG))


def rows() -> list[dict[str, Any]]:
    """Made of files, a full night replaced, and four questions to a million and a half of images."""
    result = []
    with tempfile.TemporaryDirectory() as scratch:
        of_files = measure("benchmarks.bench_database:made_of_files", scratch, repeats=1)
        note = f"{of_files.value} quadrants, {1000 * of_files.cpu_s / of_files.value:.2f} ms each, both records read"
        result.append(row("database made of a night of 52 exposures", of_files, bar="", met=True, note=note))
        url = f"sqlite:///{scratch}/operations.sqlite"
        month(url)
        full = measure("benchmarks.bench_database:full_night", url, repeats=1)
        note = f"{full.value} quadrants with their differences, {1000 * full.cpu_s / full.value:.2f} ms each"
        met = full.cpu_s <= UPDATE_S_MAX and full.peak_mb <= UPDATE_MB_MAX
        bar = f"<= {UPDATE_S_MAX:g} s, {UPDATE_MB_MAX:g} MB"
        result.append(row("database, rows of a night of 700 exposures replaced", full, bar=bar, met=met, note=note))
        images = copied(url, COPIES)
        for name, (_, text) in QUESTIONS.items():
            one = measure("benchmarks.bench_database:asked", url, name)
            note = f"{one.value} of {images} images, beside their differences"
            met = one.cpu_s <= QUERY_S_MAX
            result.append(row(f"database, {text}", one, bar=f"<= {QUERY_S_MAX:g} s", met=met, note=note))
    return result
