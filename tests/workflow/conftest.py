"""Whole nights through Snakemake: one simulated mini night, made once, run once, and copied for each test.

A copy shares the files of the finished night by hard links, which is safe because everything that changes a file here
replaces it; only Snakemake's own notes, logs and the configuration are copied.
"""

from __future__ import annotations

import atexit
import contextlib
import csv
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
import yaml
from astropy.io import fits
from xdist.scheduler import LoadScopeScheduling

from ztfpipe.cli.worker import held_worker
from ztfpipe.config import Config
from ztfpipe.model.keys import CalibrationKey
from ztfpipe.products.names import path_of
from ztfpipe.steps.simulate import simulate_night, write_catalogs

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
NIGHT, NEXT_NIGHT = "20180325", "20180326"
FRAMES = 4
"""Frames of each master of these nights; the survey asks for 20."""


LONG_FIRST = ("test_templates", "test_slurm", "test_operate", "test_differences", "test_references")
"""Modules that are begun early, so that the end of the tests doesn't wait for one of them."""


TOGETHER = ("test_slurm", "test_references", "test_templates", "test_matchfiles")
"""Modules whose tests share a cluster or nights of their own: all tests of one in one process."""


class _ByModule(LoadScopeScheduling):
    """Tests one by one to the processes, those of TOGETHER a module at a time. Groups by mark need an older pytest."""

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return module if Path(module).stem in TOGETHER else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    return _ByModule(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One process begins with the night that most tests copy, another with a module that needs none of it."""
    rank = {name: place for place, name in enumerate(("test_one_command_makes_a_new_night", *LONG_FIRST))}

    def place(item: pytest.Item) -> int:
        return rank.get(item.name, rank.get(item.path.stem, len(rank)))

    items.sort(key=place)


@dataclass
class Run:
    """What one call of Snakemake did: exit code, all it said, and how many jobs of each rule ended well."""

    code: int
    text: str
    jobs: Counter[str] = field(default_factory=Counter)

    @property
    def nothing_done(self) -> bool:
        return "Nothing to be done" in self.text and not self.jobs


class Site:
    """A workspace, and Snakemake run on it as a person would run it."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.archive = workspace / "archive"

    def incoming(self, night: str = NIGHT) -> Path:
        return self.workspace / "incoming" / night

    def run(
        self,
        *targets: str,
        night: str | None = NIGHT,
        sections: dict | None = None,
        alone: bool = False,
        **asked: object,
    ) -> Run:
        """Run Snakemake in the warm worker of these tests, or `alone` with one of its own, as a person would.

        sections: replaces parts of config.yaml.
        """
        configuration = self.workspace / "config.yaml"
        content = {"camera": "mini", "workspace": str(self.workspace), "calibration": {"frames_min": FRAMES}}
        configuration.write_text(yaml.safe_dump(content | (sections or {})))
        asked |= {"night": night} if night else {}
        narrowing = ["--config", *(f"{name}={value}" for name, value in asked.items())] if asked else []
        return snakemake(
            *("--profile", "profiles/local", "--cores", "2", "--configfile", str(configuration)),
            *(*narrowing, "--", *targets),
            alone=alone,
        )

    def master(self, kind: str, ccdid: int, qid: int, filter_code: str = "00", night: str = NIGHT) -> str:
        return path_of(kind, CalibrationKey(night, filter_code, ccdid, qid))

    def raw(self, pattern: str, night: str = NIGHT) -> list[Path]:
        return sorted(self.incoming(night).glob(f"ztf_*{pattern}.fits.fz"))

    def keep_one_ccd(self) -> None:
        """As if CCD 10 alone had been sent: half the work, where a second one shows nothing new."""
        for path in self.raw("_c11_?"):
            path.unlink()
        self.announce(self.incoming())

    def send_again(self, path: Path) -> None:
        """Put a file with other, valid content in the place of one sent before."""
        with fits.open(path, disable_image_compression=True) as hdus:
            hdus[0].header["COMMENT"] = "sent again"
            hdus[0].add_checksum()
            temporary = path.with_name("new.tmp")
            hdus.writeto(temporary)
        temporary.rename(path)
        self.announce(path.parent)

    def damage(self, path: Path, hdu: int) -> None:
        """Flip one bit in the data of an extension."""
        with fits.open(path, disable_image_compression=True) as hdus:
            at = hdus[hdu].fileinfo()["datLoc"] + 1000
        content = bytearray(path.read_bytes())
        content[at] ^= 1
        path.unlink()
        path.write_bytes(content)

    @staticmethod
    def announce(folder: Path) -> None:
        """Write the list of files sent anew from what is there."""
        (folder / "sent.csv").unlink(missing_ok=True)
        with (folder / "sent.csv").open("w", newline="") as stream:
            rows = csv.writer(stream, lineterminator="\n")
            rows.writerow(("name", "size", "md5"))
            for path in sorted(folder.glob("ztf_*")):
                content = path.read_bytes()
                rows.writerow((path.name, len(content), hashlib.md5(content).hexdigest()))


@cache
def warm() -> dict[str, str]:
    """The environment of a warm worker that lives as long as these tests: a run in it starts in half a second."""
    worker = contextlib.ExitStack()
    atexit.register(worker.close)
    return worker.enter_context(held_worker())


def snakemake(*arguments: str, cwd: Path = ROOT, alone: bool = False) -> Run:
    """Call Snakemake in the tests' warm worker, or `alone` with its own before it, and count the jobs it finished."""
    program = str(BIN / "ztfpipe")
    command = [program, "worker", "--", str(BIN / "snakemake")] if alone else [program, "snakemake"]
    done = subprocess.run(
        [*command, *arguments],
        cwd=cwd,
        env={**(os.environ if alone else warm()), "TERM": "dumb"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    jobs = Counter(re.findall(r"Finished jobid: \d+ \(Rule: (\w+)\)", done.stdout))
    for named in (
        "night",
        "alerts",
        "manifest",
        "plan",
        "raws",
        "biases",
        "flats",
        "splits",
        "sciimgs",
        "lofreqflats",
        "fringes",
        "measured",
        "references",
        "diffimgs",
        "matchfiles",
        "planted",
    ):
        jobs.pop(named, None)
    return Run(done.returncode, done.stdout, jobs)


def simulated(workspace: Path, night: str, biases: int) -> Path:
    """Simulate a small night: biases, g flats and one exposure of two CCDs."""
    plan = {"date": night, "biases": biases, "flats": FRAMES, "fields": [473], "filters": ["zg"], "visits": 1}
    config = Config.model_validate({"camera": "mini", "workspace": str(workspace), "simulate": {"night": plan}})
    write_catalogs(config, night)
    simulate_night(config, say=lambda line: None)
    return workspace / "incoming" / night


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all processes of this test run share."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@contextlib.contextmanager
def only_once(folder: Path) -> Iterator[bool]:
    """Whether `folder` is still to be made; other processes of the tests wait for it."""
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield not folder.exists()


@pytest.fixture(scope="session")
def night_sent(shared: Path) -> Path:
    """The workspace of a night that was sent and not yet looked at: 5 biases, 4 flats and 1 exposure of 2 CCDs."""
    workspace = shared / "sent"
    with only_once(workspace) as missing:
        if missing:
            simulated(workspace, NIGHT, FRAMES + 1)
    return workspace


@pytest.fixture(scope="session")
def next_night(shared: Path) -> Path:
    """The workspace of the night after, without biases."""
    workspace = shared / "next"
    with only_once(workspace) as missing:
        if missing:
            simulated(workspace, NEXT_NIGHT, biases=0)
    return workspace


@pytest.fixture
def new_site(night_sent: Path, tmp_path: Path) -> Site:
    """A site that received the night, but for its last bias, and has done nothing yet."""
    return _without_last_bias(_copy(night_sent, tmp_path / "site"))


@pytest.fixture(scope="session")
def first_run(night_sent: Path, shared: Path) -> tuple[Site, Run]:
    """A site after its first run of the night."""
    folder = shared / "done"
    with only_once(folder) as missing:
        if missing:
            site = _without_last_bias(_copy(night_sent, folder))
            run = site.run("night", alone=True)
            (folder / "run.json").write_text(json.dumps([run.code, run.text, run.jobs]))
    code, text, jobs = json.loads((folder / "run.json").read_text())
    return Site(folder), Run(code, text, Counter(jobs))


@pytest.fixture
def site(first_run: tuple[Site, Run], tmp_path: Path) -> Site:
    """A copy of the site after its first run."""
    assert first_run[1].code == 0, first_run[1].text
    return _copy(first_run[0].workspace, tmp_path / "site")


@pytest.fixture
def late_bias(night_sent: Path) -> Callable[[Site], list[Path]]:
    """Deliver the night's last bias, which the sites did not receive at first."""

    def deliver(site: Site) -> list[Path]:
        late = sorted((night_sent / "incoming" / NIGHT).glob("*_bi_*"))[-2:]
        for path in late:
            shutil.copy2(path, site.incoming() / path.name)
        site.announce(site.incoming())
        return late

    return deliver


EXIT_NOT_HERE = 77


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """The one-machine cluster; skipped where it cannot be, which in CI is a failure."""
    yield from _cluster()


@pytest.fixture(scope="module")
def accounting_cluster() -> Iterator[None]:
    """The same, with a database of its jobs."""
    yield from _cluster("ACCOUNTING=1")


def _cluster(*options: str) -> Iterator[None]:
    up = _make("slurm-up", *options)
    if f"Error {EXIT_NOT_HERE}" in up.stderr and not os.environ.get("CI"):
        pytest.skip(up.stderr.splitlines()[0])
    assert up.returncode == 0, up.stderr
    yield
    down = _make("slurm-down")
    assert down.returncode == 0, down.stderr
    assert not Path("/run/ztfpipe-slurm").exists()
    assert not Path("/etc/slurm/slurm.conf").is_symlink()


def _make(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["make", "--no-print-directory", *words], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )


def _copy(workspace: Path, to: Path) -> Site:
    def link(source: str, destination: str) -> None:
        written_in_place = any(part in source for part in ("/.snakemake/", "/logs/", "/ledger/", "/config.yaml"))
        if written_in_place:
            shutil.copy2(source, destination)
        else:
            os.link(source, destination)

    shutil.copytree(workspace, to, copy_function=link)
    return Site(to)


def _without_last_bias(site: Site) -> Site:
    for path in site.raw("_bi_c*_b")[-2:]:
        path.unlink()
    site.announce(site.incoming())
    return site
