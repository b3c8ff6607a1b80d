"""A night run while it arrives: rounds of Snakemake over what has come, then the end of the night.

A thin driver: it says what to ask for and in which order; what there is to do, and what is done already, Snakemake
knows from the files. Started again after whatever ended it, it therefore goes on where the last one stopped.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from ztfpipe.config import Lightcurve, load_config
from ztfpipe.errors import BadFile, BadSettings, TryAgain
from ztfpipe.model.keys import CutoffKey, ExposureKey, NightKey, QuadrantKey
from ztfpipe.model.plan import NightPlan
from ztfpipe.pipelines.quality.database import night_rows
from ztfpipe.products.accounts.plan import read_plan
from ztfpipe.products.arrival.incoming import incoming_digest
from ztfpipe.products.database.engine import database_url
from ztfpipe.products.database.store import update_night
from ztfpipe.products.names import path_of
from ztfpipe.steps import quality
from ztfpipe.steps.lightcurve.extending import extend
from ztfpipe.steps.operations.allocations import AllocatedRuns, check_allocation
from ztfpipe.steps.operations.disk import expected
from ztfpipe.steps.operations.linking import SO_FAR, cutoff_due
from ztfpipe.steps.operations.publishing import Publisher, publisher
from ztfpipe.steps.operations.records import paths_of, read_night
from ztfpipe.steps.operations.runs import Runs, sole_operator

REAL_TIME = ("sciimgs", "diffimgs")
"""Named targets of each batch of exposures."""
PACKETS = ("alerts",)
"""What follows from the differences of a batch. It asks for those that were made: one that failed stops no packets."""
MADE = {"made": "true"}
END_OF_NIGHT = ((REAL_TIME, {}), (("night",), {}), (PACKETS, MADE), (("references",), {}))
"""What is asked for when the night has ended, one run of Snakemake each; first what failed when it was tried."""
URGENT = Path("ledger", "urgent")
"""Folder of lists NIGHT.txt below the workspace: fields or exposures, a line each, that go before all others."""

Snakemake = Callable[[Sequence[str], Mapping[str, str]], int]
"""Runs Snakemake on named targets, narrowed by a mapping, and returns its exit code."""


@dataclass
class Watch:
    """What an operator has in hand: where to look, how to run, whom to tell."""

    night: str
    workspace: Path
    snakemake: Snakemake
    ended: Callable[[], bool]
    say: Callable[[str], None]
    batch: int
    pause_s: float
    pause: Callable[[float], None] = time.sleep
    link_every_h: float = 0.0
    linked: set[CutoffKey] = field(default_factory=set)
    lists_grown: Callable[[], int] = lambda: 0
    """Lets the lists of light curves that are due take in the night's epochs; how many did."""
    tried: set[ExposureKey] = field(default_factory=set)
    database: str | None = None
    publish: Publisher = lambda exposures: None

    @property
    def incoming(self) -> Path:
        return self.workspace / "incoming" / self.night

    @property
    def archive(self) -> Path:
        return self.workspace / "archive"


def work_through(watch: Watch) -> bool:
    """Work on what arrives until `watch.ended()` says that nothing more will, then end the night.

    Returns whether everything that was planned has its record at the end. A unit that fails holds nothing up: it is
    tried once when it arrives and once at the end, and the report names it.
    """
    seen = ""
    while True:
        over = watch.ended()  # asked before looking: what came until then is still taken
        now = incoming_digest(watch.incoming)
        if watch.incoming.is_dir() and now != seen:
            seen = now
            if watch.snakemake(("plan",), {}):
                watch.say("the plan could not be made: see above; trying again with the next file")
            _work_on_batches(watch, seen)
        elif over:
            break
        else:
            watch.pause(watch.pause_s)
    watch.say("no more will come: the night is ended")
    codes = [watch.snakemake(targets, narrowing) for targets, narrowing in END_OF_NIGHT]
    watch.publish(None)
    if grown := watch.lists_grown():
        watch.say(f"{grown} matchfiles are due")
        codes.append(watch.snakemake(("matchfiles",), {}))
    complete = close(watch, failed=any(codes))
    remember(watch)
    return complete


def _work_on_batches(watch: Watch, seen: str) -> None:
    """Batch after batch of the exposures that wait, until none does or other files than those `seen` are there."""
    plan = plan_of(watch)
    while plan and (batch := next_batch(plan, watch.archive, watch.tried, urgent(watch), watch.batch)):
        started = time.monotonic()
        watch.tried.update(batch)
        exposures = {"exposure": ",".join(key.filefracday for key in batch)}
        watch.snakemake(REAL_TIME, exposures)
        if plan.references:
            watch.snakemake(PACKETS, exposures | MADE)
            watch.publish(batch)
        watch.say(progress(plan, watch.archive, len(batch), time.monotonic() - started))
        if (due := cutoff_due(plan, watch.archive, watch.link_every_h)) and due not in watch.linked:
            watch.linked.add(due)
            watch.snakemake((SO_FAR,), {"cutoff": due.cutoff})
        if incoming_digest(watch.incoming) != seen:
            return


def close(watch: Watch, *, failed: bool) -> bool:
    """Whether everything planned has its record; where not, or where a run `failed`, the report is of what there is.

    A unit that failed keeps Snakemake from making the report, which is when people need it most.
    """
    night = NightKey(watch.night)
    names = {name: Path(path_of(name, night)) for name in ("manifest", "plan", "references")}
    plan = plan_of(watch)
    if plan is None or not (watch.archive / names["manifest"]).exists():
        watch.say("there is no report: the night has no accounts or no plan")
        return False
    with contextlib.chdir(watch.archive):
        listed = names["references"] if names["references"].exists() else None
        complete = quality.night_summary(names["manifest"], names["plan"], listed).complete
        if failed or not complete:
            made = [Path(path_of(one.kind, one.key)) for one in plan.masters if one.made_tonight and one.key]
            masters = [path for path in made if path.exists()]
            settings = Path("../settings/quality.json")
            report = path_of("nightreport", night)
            quality.report(report, settings, names["manifest"], names["plan"], listed, masters, ())
    return complete


def remember(watch: Watch) -> None:
    """Put the night as it ended into the operations database; the report did so before the alerts were made."""
    if watch.database is None or plan_of(watch) is None:
        return
    with contextlib.chdir(watch.archive):
        try:
            update_night(watch.database, watch.night, night_rows(read_night(*paths_of(watch.night))))
        except (BadFile, TryAgain) as error:
            watch.say(f"the operations database lacks the end of this night (ztfpipe database update): {error}")


def lists_grown(watch: Watch, settings: Lightcurve, due: int) -> int:
    """Let the lists of the night's light curves grow that have so many new epochs; how many did."""
    plan = plan_of(watch)
    observed = {key.reference for key in plan.science if key.reference} if plan else set()
    with contextlib.chdir(watch.archive):
        return len(list(extend(sorted(observed), settings, new_min=due, again=False)))


def plan_of(watch: Watch) -> NightPlan | None:
    """The night's plan, None while there is none."""
    path = watch.archive / path_of("plan", NightKey(watch.night))
    return read_plan(path) if path.exists() else None


def urgent(watch: Watch) -> frozenset[str]:
    """Fields and exposures that go first, as the list says now. BadFile for what is neither."""
    path = watch.workspace / URGENT / f"{watch.night}.txt"
    if not path.exists():
        return frozenset()
    words = [line.split("#")[0].strip() for line in path.read_text().splitlines()]
    for word in filter(None, words):
        if not word.isdigit() or len(word) not in (*range(1, 7), 14):
            raise BadFile(path, f"{word!r} is neither a field nor the 14 digits of an exposure")
    return frozenset(word.lstrip("0") if len(word) < 14 else word for word in words if word)


def next_batch(
    plan: NightPlan, archive: Path, tried: set[ExposureKey], first: frozenset[str], size: int
) -> list[ExposureKey]:
    """Up to `size` exposures that have quadrants without a record and were not tried yet: urgent ones, then by time."""
    waiting = {key.exposure for key in plan.science if key.exposure not in tried and not _done(archive, key)}
    return sorted(waiting, key=lambda one: (not {one.filefracday, str(one.field)} & first, one.filefracday))[:size]


def progress(plan: NightPlan, archive: Path, size: int, took_s: float) -> str:
    """How far the night is, for people."""
    exposures: dict[ExposureKey, list[bool]] = {}
    for key in plan.science:
        exposures.setdefault(key.exposure, []).append(_done(archive, key))
    done = sum(all(each) for each in exposures.values())
    part = sum(any(each) and not all(each) for each in exposures.values())
    left = len(exposures) - done - part
    text = f"{done} of {len(exposures)} exposures done, {left} waiting; the last {size} took {took_s:.0f} s"
    if part:
        text += f"; {part} lack quadrants"
    return text + (f"; {left} more take about {left * took_s / size / 60:.0f} minutes" if left else "")


def _done(archive: Path, key: QuadrantKey) -> bool:
    return (archive / path_of("sciqa", key)).exists()


def run_operate(
    night: str,
    config_path: Path,
    workspace: Path | None,
    project: Path,
    options: Sequence[str],
    until: datetime,
    batch: int,
    pause_s: float,
    due: int,
    environment: Mapping[str, str] | None = None,
    allocation: Sequence[str] = (),
) -> int:
    """`ztfpipe operate`: be the operator of a night until a time (UT). 0 when nothing is missing at its end, else 1.

    project: the folder with the Snakefile. options: profile and cores for Snakemake. due: a matchfile grows when it has
    so many new epochs. environment: that of its runs, in which they find a warm worker. allocation: words for srun
    where each run has an allocation of its own. Raises Busy when the night has an operator, BadSettings for a bad
    configuration, BadKey for what is no night.
    """
    NightKey(night)
    config = load_config(config_path, {"workspace": str(workspace)} if workspace else None)
    if not (project / "Snakefile").exists():
        raise BadSettings(project, "there is no Snakefile; say --project FOLDER")
    place = Path(project, config.workspace).resolve()
    options = [*options, "--configfile", str(config_path.resolve())]
    # One list of words: a second `--config` would take the place of the first.
    asked = {"night": night, **({"workspace": str(place)} if workspace else {})}
    with sole_operator(place, night), _log(place, night) as log:

        def say(line: str) -> None:
            text = f"{datetime.now(UTC):%H:%M:%S} {line}"
            print(text, flush=True)
            print(text, file=log, flush=True)

        runs = (AllocatedRuns if allocation else Runs)(project, place, night, options, log, environment, asked)
        if isinstance(runs, AllocatedRuns):
            check_allocation(allocation)
            runs.words, runs.say = allocation, say
        if runs.recover():
            say("what an earlier operator left running has been ended; going on from there")
        say(expected(config, place))
        say(f"watching {place / 'incoming' / night} until {until:%H:%M} UT; Snakemake's words are in {log.name}")
        database = database_url(config.quality.database.url, place)
        watch = Watch(night, place, runs, lambda: datetime.now(UTC) >= until, say, batch, pause_s, database=database)
        watch.link_every_h = config.moving.tracks.linking.every_h
        watch.publish = publisher(config, watch.archive, night, say)
        watch.lists_grown = lambda: lists_grown(watch, config.lightcurve, due)
        complete = work_through(watch)
        say("every unit has its record" if complete else "not everything was made: the report says what is missing")
        say(f"report: {watch.archive / path_of('nightreport', NightKey(night))}")
        return 0 if complete else 1


@contextlib.contextmanager
def _log(workspace: Path, night: str) -> Iterator[IO[str]]:
    path = workspace / "logs" / "operations" / f"{night}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as log:
        yield log
