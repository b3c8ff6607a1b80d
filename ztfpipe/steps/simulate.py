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
from ztfpipe.config import Config, load_config
from ztfpipe.model.keys import NightKey
from ztfpipe.products.atomic import write_text
from ztfpipe.products.plain import write_arrays, write_table
from ztfpipe.products.raw import write_raw_ccd
from ztfpipe.simulate.asteroids import known_asteroids
from ztfpipe.simulate.calibrators import bright_stars, gaia_like, ps1_like
from ztfpipe.simulate.detector import Shot
from ztfpipe.simulate.frames import CcdFrames, bias_ccd, flat_ccd, sky_ccd
from ztfpipe.simulate.headers import raw_name
from ztfpipe.simulate.night import ExposurePlan, plan_night
from ztfpipe.simulate.observe import scene

SENT_LIST = "sent.csv"
PROGRESS_EVERY_S = 5.0


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
    config = load_config(config_path, {"workspace": str(workspace)} if workspace else None)
    night = night or config.simulate.night.date
    NightKey(night)
    write_catalogs(config)
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


def write_catalogs(config: Config) -> None:
    """Write what other surveys know of the fields: `{gaia,ps1,tycho2}_<field>_c<CC>_q<Q>.parquet` per field and
    quadrant, columns as in simulate/calibrators.py, and `known_asteroids.parquet`."""
    camera, folder = Camera.load(config.camera), calibrators_folder(config)
    makers = {"gaia": gaia_like, "ps1": ps1_like, "tycho2": bright_stars}
    for field in config.simulate.night.fields:
        for ccdid, qid in camera.quadrants():
            for name, make in makers.items():
                table = make(config.simulate, camera, field, ccdid, qid)
                write_table(folder / f"{name}_{field:06d}_c{ccdid:02d}_q{qid}.parquet", table)
    write_table(folder / "known_asteroids.parquet", known_asteroids(config.simulate, camera))


def calibrators_folder(config: Config) -> Path:
    """Where the catalogs of other surveys lie."""
    return Path(config.workspace) / "calibrators"


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
    # A fork would copy locks of numba's and BLAS's threads; a fresh interpreter costs a second, once.
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
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
