"""A campaign from its plan to its products: what it takes, and batch after batch of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import numpy as np

from ztfpipe.camera import Camera
from ztfpipe.config import Config, load_config
from ztfpipe.errors import BadFile, BadKey, BadSettings
from ztfpipe.model.campaign import BACKFILL, FRINGE, REFERENCE, Batch, Campaign, Estimate, Progress
from ztfpipe.model.keys import CalibrationKey, NightKey
from ztfpipe.model.plan import TemplateChoice
from ztfpipe.model.records import QaRecord
from ztfpipe.model.templates import FRINGE as FRINGE_TEMPLATE
from ztfpipe.pipelines.operations.campaigns import estimate, estimate_lines, progress_line
from ztfpipe.products.accounts.campaigns import (
    campaign_folder,
    note_batch,
    read_batches,
    read_campaign,
    size_of,
    write_campaign,
)
from ztfpipe.products.accounts.locks import take_lock
from ztfpipe.products.accounts.records import read_record
from ztfpipe.products.names import PRODUCTS, path_of
from ztfpipe.steps.ingest import templates_in_force, usable
from ztfpipe.steps.operations.campaigns.fringe import FringeWork
from ztfpipe.steps.operations.campaigns.others import (
    BackfillWork,
    ReferenceWork,
    frozen_versions,
    references_to_renew,
)
from ztfpipe.steps.operations.runs import Runs

HOPELESS = 3
"""After so many batches in a row of which nothing was made, something is wrong with more than units."""
SAMPLED = 200
"""Units whose records tell what a campaign takes."""
ALL_NIGHTS = "99999999"

Work = FringeWork | BackfillWork | ReferenceWork
Snakemake = Callable[[Sequence[str], Mapping[str, str]], int]
_VERSION_FILES = tuple(name for name in PRODUCTS if name.startswith("vref"))


def workspace_of(config_path: Path, workspace: Path | None, project: Path) -> tuple[Config, Path]:
    """The configuration and the site's workspace; a relative one stands beside the Snakefile."""
    config = load_config(config_path, {"workspace": str(workspace)} if workspace else None)
    return config, Path(project, config.workspace).resolve()


def campaign_of(asked: Campaign, config: Config, workspace: Path, templates: str | None) -> Campaign:
    """The campaign as it was frozen, or as it would be now. Raises BadFile when it was frozen to something else."""
    frozen = read_campaign(campaign_folder(workspace, asked.name))
    if frozen is None:
        return _with_templates(asked, config, workspace, templates) if asked.kind == FRINGE else asked
    same = ("kind", "filter", "first", "last", "narrowed")
    different = [name for name in same if getattr(frozen, name) != getattr(asked, name)]
    if different:
        path = campaign_folder(workspace, asked.name)
        raise BadFile(path, f"this campaign has another {different[0]}: {getattr(frozen, different[0])}")
    return frozen


def work_of(campaign: Campaign, config: Config, workspace: Path) -> Work:
    """What a kind of campaign is made of."""
    kinds = {FRINGE: FringeWork, BACKFILL: BackfillWork, REFERENCE: ReferenceWork}
    return kinds[campaign.kind](campaign, config, workspace)


def _with_templates(asked: Campaign, config: Config, workspace: Path, night: str | None) -> Campaign:
    """The campaign with the version of the fringe template for each quadrant: that of a night, or the newest."""
    camera = Camera.load(config.camera)
    with contextlib.chdir(workspace / "archive"):
        if night is None:
            found = [
                one
                for one in templates_in_force(ALL_NIGHTS, camera)
                if (one.kind, one.filter) == (FRINGE_TEMPLATE, asked.filter)
            ]
        else:
            keys = (CalibrationKey(night, asked.filter, *place) for place in camera.quadrants())
            found = [
                TemplateChoice(FRINGE_TEMPLATE, key.filter, key.ccdid, key.qid, key.night)
                for key in keys
                if usable(FRINGE_TEMPLATE, key)
            ]
    if not found:
        raise BadKey("filter", asked.filter, "one that has a usable fringe template; the target `fringes` makes them")
    return replace(asked, templates=tuple(sorted(found)))


def run_plan(campaign: Campaign, config: Config, workspace: Path, cores: int) -> int:
    """Print what a campaign takes: products, hours, terabytes, and what its batches have cost so far."""
    work = work_of(campaign, config, workspace)
    if isinstance(work, ReferenceWork):
        versions = campaign.products or tuple(references_to_renew(campaign, config, work.archive))
        found, nights, left_out = _estimate_references(work, len(versions)), 0, 0
    else:
        found, left_out = estimated(work)
        nights = len(work.nights)
    print("\n".join(estimate_lines(campaign, found, nights, cores, left_out)))
    batches = read_batches(campaign_folder(workspace, campaign.name))
    if batches:
        planning = float(np.median([float(one["planning_s"]) for one in batches]))
        units = float(np.median([int(one["units"]) for one in batches]))
        print(f"{len(batches)} batches so far, of {units:.0f} units and {planning:.1f} s of planning in the middle")
    return 0


def estimated(work: FringeWork | BackfillWork) -> tuple[Estimate, int]:
    """What the campaign takes, by a sample of what the archive has of the same kind, and how many units it leaves out.

    A night's units are looked at, and forgotten: the memory is that of one night.
    """
    units = files = left_out = 0
    cpu_s: list[float] = []
    sizes: list[int] = []
    each = max(1, SAMPLED // max(1, len(work.nights)))
    for night in work.nights:
        plan = work.plan(night)
        keys = list(work.units(plan))
        left_out += len(work.asked(plan)) - len(keys)
        units += len(keys)
        files += sum(len(work.products(plan, key)) for key in keys)
        for key in keys[:: max(1, len(keys) // each)][:each]:
            records = [work.archive / path for path in work.records(plan, key)]
            if all(path.exists() for path in records):
                cpu_s.append(sum(read_record(QaRecord, path).timings_s.get("cpu", 0.0) for path in records))
                sizes.append(size_of(work.archive, work.files(plan, key)))
    return estimate(units, files, cpu_s, sizes), left_out


def _estimate_references(work: ReferenceWork, units: int) -> Estimate:
    with contextlib.chdir(work.archive):
        records = sorted(Path().glob("ref/*/field*/*/ccd*/q*/v*/*_refqa.json"))
    records = records[:: max(1, len(records) // SAMPLED)]
    cpu_s = [read_record(QaRecord, work.archive / path).timings_s.get("cpu", 0.0) for path in records]
    sizes = [sum(one.stat().st_size for one in (work.archive / path).parent.iterdir()) for path in records]
    return estimate(units, units * len(_VERSION_FILES), cpu_s, sizes)


def run_run(
    campaign: Campaign,
    config: Config,
    workspace: Path,
    project: Path,
    options: Sequence[str],
    size: int,
    environment: Mapping[str, str] | None = None,
) -> int:
    """Make what a campaign asks for and is not made yet. 0 when nothing is missing at the end, else 1.

    environment: that of its runs, in which they find a warm worker.

    Started again after whatever ended it, it goes on from the files. Raises Busy when the campaign is being worked on.
    """
    if not (project / "Snakefile").exists():
        raise BadSettings(project, "there is no Snakefile; say --project FOLDER")
    folder = campaign_folder(workspace, campaign.name)
    folder.mkdir(parents=True, exist_ok=True)
    with take_lock(workspace / "ledger" / "locks", f"campaign-{campaign.name}"), (folder / "run.log").open("a") as log:

        def say(line: str) -> None:
            text = f"{datetime.now(UTC):%H:%M:%S} {line}"
            print(text, flush=True)
            print(text, file=log, flush=True)

        campaign = _frozen(campaign, config, workspace)
        work = work_of(campaign, config, workspace)
        (work.runs_in / "archive").mkdir(parents=True, exist_ok=True)
        snakemake = _runs(work, project, options, log, environment)
        # In the main archive another run may be alive: what it holds is not to be taken for a dead run's.
        if (snakemake.memory.exists() or work.runs_in != workspace) and snakemake.recover():
            say("what an earlier run left running has been ended; going on from there")
        say(f"campaign {campaign.name}: Snakemake's words are in {log.name}")
        progress = work_through(work, snakemake, folder, size, say)
        say(
            f"{progress.done} of {progress.total} units are made"
            + (f", {progress.failed} failed" * bool(progress.failed))
        )
        return 0 if progress.done == progress.total else 1


def _frozen(campaign: Campaign, config: Config, workspace: Path) -> Campaign:
    """Write down what the campaign is frozen to, once."""
    folder = campaign_folder(workspace, campaign.name)
    frozen = read_campaign(folder)
    if frozen is None:
        frozen = campaign
        if campaign.kind == REFERENCE:
            frozen = replace(campaign, products=frozen_versions(campaign, config, workspace / "archive"))
        write_campaign(folder, frozen)
    work = work_of(frozen, config, workspace)
    if isinstance(work, BackfillWork):
        work.begin()
    return frozen


def _runs(
    work: Work, project: Path, options: Sequence[str], log: IO[str], environment: Mapping[str, str] | None
) -> Runs:
    asked = {"workspace": str(work.runs_in)}
    return Runs(project, work.runs_in, f"campaign-{work.campaign.name}", options, log, environment, asked)


def work_through(work: Work, snakemake: Snakemake, folder: Path, size: int, say: Callable[[str], None]) -> Progress:
    """Batch after batch; a unit that fails is tried once, and holds nothing up.

    Ended early when several batches in a row have made nothing.
    """
    progress, in_vain = counted(work), 0
    say(progress_line(progress, datetime.now(UTC)))
    for number, batch in enumerate(work.batches(size), start=1):
        started, at = time.monotonic(), time.time()
        code = snakemake(batch.targets, batch.narrowing)
        seconds = time.monotonic() - started
        made = sum(work.made(records) for records in batch.units.values())
        failed = len(batch.units) - made
        planning_s = _planning_s(work, at, seconds)
        ended = datetime.now(UTC)
        note_batch(folder, f"{ended:%Y-%m-%dT%H:%M:%S}", batch.title, len(batch.units), made, f"{seconds:.1f}",
                   f"{planning_s:.1f}", code)  # fmt: skip
        progress = replace(
            progress,
            done=progress.done + made,
            failed=progress.failed + failed,
            worked=progress.worked + len(batch.units),
            seconds=progress.seconds + seconds,
        )
        say(f"batch {number}, {batch.title}: {seconds:.0f} s, of them {planning_s:.1f} s to plan it")
        for name in _missing(work, batch)[:20]:
            say(f"  failed: {name}")
        say(progress_line(progress, ended))
        in_vain = 0 if made else in_vain + 1
        if in_vain == HOPELESS:
            say(f"{HOPELESS} batches in a row have made nothing: stopped; Snakemake's words say why")
            break
    return progress


def _missing(work: Work, batch: Batch) -> list[str]:
    return [name for name, records in batch.units.items() if not work.made(records)]


def counted(work: Work) -> Progress:
    """How many units there are, and how many of them are made."""
    done = total = 0
    for _, records in all_units(work):
        total += 1
        done += work.made(records)
    return Progress(done, 0, total)


def all_units(work: Work) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each unit's files, and its records."""
    if isinstance(work, ReferenceWork):
        for version in work.versions:
            yield path_of("vrefimg", version), work.records(version)
        return
    for night in work.nights:
        plan = work.plan(night)
        for key in work.units(plan):
            yield path_of("sciimg", key), work.records(plan, key)


def _planning_s(work: Work, started: float, seconds: float) -> float:
    """Seconds from the start of Snakemake until its graph was drawn, when it takes the locks of nights and fields.

    All of it when it took none: then it had nothing to do, or could not be drawn.
    """
    locks = (work.runs_in / "ledger" / "locks").glob("*")
    times = [one.stat().st_mtime - started for one in locks if not one.name.startswith(("campaign-", "operator-"))]
    return min((one for one in times if one >= 0), default=seconds)


def asked_for(
    kind: str, name: str | None, filter_code: str, first: str, last: str, narrowed: Mapping[str, int]
) -> Campaign:
    """What a call asks for; its name says it when none was given. BadKey for what is no night, or a bad name."""
    for night in (first, last):
        NightKey(night)
    words = [kind, filter_code, first, last, *(f"{key[0]}{value}" for key, value in narrowed.items())]
    name = name or "_".join(words)
    if not name.replace("_", "").replace("-", "").isalnum():
        raise BadKey("campaign", name, "a name of letters, digits, - and _")
    return Campaign(kind, name, filter_code, first, last, dict(narrowed))
