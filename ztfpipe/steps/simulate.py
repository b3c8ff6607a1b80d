"""A simulated night: raw files and the list of files sent, catalogs of calibrators, and the truth, in a workspace."""

from __future__ import annotations

import csv
import hashlib
import io
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ztfpipe.camera import Camera
from ztfpipe.config import Config
from ztfpipe.model.keys import NightKey
from ztfpipe.products.arrival.raw import write_raw_ccd
from ztfpipe.products.catalogs.local_catalogs import PS1_COLUMNS
from ztfpipe.products.formats.atomic import write_text
from ztfpipe.products.formats.plain import write_arrays, write_table
from ztfpipe.simulate.frames import CcdFrames, bias_ccd, flat_ccd, sky_ccd
from ztfpipe.simulate.headers import raw_name
from ztfpipe.simulate.night import ExposurePlan, night_start_jd, plan_night
from ztfpipe.simulate.observe import scene
from ztfpipe.simulate.pixels.detector import Shot
from ztfpipe.simulate.sky.asteroids import known_asteroids
from ztfpipe.simulate.sky.calibrators import bright_stars, gaia_like, ps1_like
from ztfpipe.simulate.sky.field_truth import asteroid_orbits, transient_events, variable_stars
from ztfpipe.steps.workspace import configured

SENT_LIST = "sent.csv"
PROGRESS_EVERY_S = 5.0
# Catalog of a survey: its maker, its identifier, and its own names of our columns.
_SURVEYS = {
    "gaia": (gaia_like, "source_id", {}),
    "ps1": (ps1_like, "objid", PS1_COLUMNS),
    "tycho2": (bright_stars, "identifier", {}),
}


@dataclass(frozen=True)
class SentFile:
    """A raw file as the telescope announces it."""

    name: str
    size: int
    md5: str


def run_simulate(
    config_path: Path = Path("config.yaml"), night: str | None = None, jobs: int = 1, workspace: Path | None = None
) -> int:
    """`ztfpipe simulate [--night YYYYMMDD] [--config config.yaml] [--jobs N] [--workspace DIR]`: simulate a night.

    Writes incoming/NIGHT/*.fits.fz and its sent.csv, calibrators/*.parquet and truth/NIGHT/* below the workspace.
    Returns exit code 0. Raises BadSettings for a bad configuration, BadKey for a night or field that cannot be
    observed, TryAgain when the disk is full.
    """
    config = configured(config_path, workspace)
    night = night or config.simulate.night.date
    NightKey(night)
    write_catalogs(config, night)
    simulate_night(config, night, jobs)
    return 0


def simulate_night(
    config: Config, night: str | None = None, jobs: int = 1, say: Callable[[str], None] | None = None
) -> list[SentFile]:
    """Write a night's raw files, its list of files sent and its truth into the workspace of `config`.

    night: YYYYMMDD, that of the configuration when None. jobs: number of processes; the files do not depend on it.
    say: called with lines of progress, which go to stderr when None. Files already there are written again.
    """
    say = say or _to_stderr
    camera = Camera.load(config.camera)
    night = night or config.simulate.night.date
    plans = plan_night(config.simulate, camera, night)
    tasks = [(config, plan, ccdid, night) for plan in plans for ccdid in camera.ccds]
    say(f"{night}: {len(plans)} exposures of {len(camera.ccds)} CCDs with camera {camera.name}")
    sent = []
    started = said = time.monotonic()
    for done in _each(tasks, jobs):
        sent.append(done)
        if time.monotonic() - said > PROGRESS_EVERY_S or len(sent) == len(tasks):
            said = time.monotonic()
            say(f"{night}: {len(sent)} of {len(tasks)} files, {said - started:.0f} s")
    write_text(incoming_folder(config, night) / SENT_LIST, _sent_list(sent))
    return sent


def write_catalogs(config: Config, night: str | None = None) -> None:
    """Write what other surveys know of the fields, and what is true of them beyond single exposures.

    calibrators/: `{gaia,ps1,tycho2}/field<field>.parquet`, columns as in the surveys' own tables, a source that two
    quadrants share once, and `known_asteroids.parquet`. truth/fields/: `{variables,transients}_<field>_c<CC>_q<Q>` and
    `asteroids_<field>`, Parquet, columns as in simulate/sky/field_truth.py; transients are those around `night`.
    """
    settings, camera = config.simulate, Camera.load(config.camera)
    known, true = Path(config.workspace) / "calibrators", Path(config.workspace) / "truth" / "fields"
    jd = night_start_jd(night or settings.night.date)
    for field in settings.night.fields:
        for name, (make, identifier, names) in _SURVEYS.items():
            parts = [make(settings, camera, field, ccdid, qid) for ccdid, qid in camera.quadrants()]
            table = pd.concat(parts, ignore_index=True).drop_duplicates(identifier, ignore_index=True)
            write_table(known / name / f"field{field:06d}.parquet", table.rename(columns=names))
        for ccdid, qid in camera.quadrants():
            place = (settings, camera, field, ccdid, qid)
            tile = f"{field:06d}_c{ccdid:02d}_q{qid}.parquet"
            write_table(true / f"variables_{tile}", variable_stars(*place))
            write_table(true / f"transients_{tile}", transient_events(*place, jd))
        write_table(true / f"asteroids_{field:06d}.parquet", asteroid_orbits(settings, camera, field))
    write_table(known / "known_asteroids.parquet", known_asteroids(settings, camera))


def incoming_folder(config: Config, night: str) -> Path:
    """Where a night's raw files and its list of files sent lie."""
    return Path(config.workspace) / "incoming" / night


def truth_folder(config: Config, night: str) -> Path:
    """Where the truth of a night lies."""
    return Path(config.workspace) / "truth" / night


Task = tuple[Config, ExposurePlan, int, str]


def _each(tasks: list[Task], jobs: int) -> Iterator[SentFile]:
    """Results in the order of the tasks."""
    if jobs <= 1:
        yield from map(_make_file, tasks)
        return
    # A fork of this process could copy locks held by its threads; the server has none and pays for the imports once.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with context.Pool(jobs) as pool:
        yield from pool.imap(_make_file, tasks, chunksize=1)


def _make_file(task: Task) -> SentFile:
    """Simulate one CCD of one exposure and write what belongs to it."""
    config, plan, ccdid, night = task
    camera = Camera.load(config.camera)
    shot = Shot(camera, config.simulate.detector, config.simulate.noise_seed, plan, ccdid)
    frames, tables = _frames(config, shot)
    name = raw_name(plan.key, ccdid)
    path = incoming_folder(config, night) / name
    write_raw_ccd(path, frames.raw, camera)
    stem = name.removesuffix(".fits.fz")
    arrays = {}
    for qid, truth in frames.truth.items():
        arrays[f"mask_q{qid}"], arrays[f"row_level_adu_q{qid}"] = truth.mask, truth.row_level_adu
    write_arrays(truth_folder(config, night) / f"{stem}_pixels.npz", arrays)
    for table_name, table in tables.items():
        write_table(truth_folder(config, night) / f"{stem}_{table_name}.parquet", table)
    content = path.read_bytes()
    return SentFile(name, len(content), hashlib.md5(content, usedforsecurity=False).hexdigest())


def _frames(config: Config, shot: Shot) -> tuple[CcdFrames, dict[str, pd.DataFrame]]:
    """The frames of a CCD and, for a look at the sky, the truth tables of its quadrants together."""
    if shot.plan.key.imgtype == "b":
        return bias_ccd(shot), {}
    if shot.plan.key.imgtype == "f":
        return flat_ccd(shot), {}
    scenes, parts = {}, {}
    for qid in shot.camera.qids:
        scenes[qid], tables = scene(config.simulate, shot.camera, shot.plan, shot.ccdid, qid)
        for name, table in tables.items():
            parts.setdefault(name, []).append(table.assign(ccdid=shot.ccdid, qid=qid))
    return sky_ccd(shot, scenes), {name: pd.concat(tables, ignore_index=True) for name, tables in parts.items()}


def _sent_list(sent: Iterable[SentFile]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("name", "size", "md5"))
    writer.writerows((file.name, file.size, file.md5) for file in sent)
    return text.getvalue()


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
