"""Whole nights through Snakemake: one simulated mini night, made once, run once, and copied for each test.

A copy shares the files of the finished night by hard links, which is safe because everything that changes a file here
replaces it; only Snakemake's own notes are copied.
"""

from __future__ import annotations

import csv
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from astropy.io import fits

from ztfpipe.config import Config
from ztfpipe.model.keys import CalibrationKey
from ztfpipe.products.names import path_of
from ztfpipe.steps.simulate import simulate_night, write_catalogs

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
NIGHT, NEXT_NIGHT = "20180325", "20180326"
FRAMES = 4
"""Frames of each master of these nights; the survey asks for 20."""


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

    def run(self, *targets: str, night: str | None = NIGHT, sections: dict | None = None, **asked: object) -> Run:
        """Run the warm worker with Snakemake in it; `sections` replaces parts of config.yaml."""
        configuration = self.workspace / "config.yaml"
        content = {"camera": "mini", "workspace": str(self.workspace), "calibration": {"frames_min": FRAMES}}
        configuration.write_text(yaml.safe_dump(content | (sections or {})))
        asked |= {"night": night} if night else {}
        narrowing = ["--config", *(f"{name}={value}" for name, value in asked.items())] if asked else []
        return snakemake(
            *("--profile", "profiles/local", "--cores", "2", "--configfile", str(configuration)),
            *(*narrowing, "--", *targets),
        )

    def master(self, kind: str, ccdid: int, qid: int, filter_code: str = "00", night: str = NIGHT) -> str:
        return path_of(kind, CalibrationKey(night, filter_code, ccdid, qid))

    def raw(self, pattern: str, night: str = NIGHT) -> list[Path]:
        return sorted(self.incoming(night).glob(f"ztf_*{pattern}.fits.fz"))

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


def snakemake(*arguments: str, cwd: Path = ROOT, warm: bool = True) -> Run:
    """Call Snakemake, with the warm worker before it, and count the jobs it finished."""
    command = [str(BIN / "ztfpipe"), "worker", "--"] if warm else []
    done = subprocess.run(
        [*command, str(BIN / "snakemake"), *arguments],
        cwd=cwd,
        env={**os.environ, "TERM": "dumb"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    jobs = Counter(re.findall(r"Finished jobid: \d+ \(Rule: (\w+)\)", done.stdout))
    for named in (
        "night",
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
def night_sent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace of a night that was sent and not yet looked at: 5 biases, 4 flats and 1 exposure of 2 CCDs."""
    workspace = tmp_path_factory.mktemp("sent")
    simulated(workspace, NIGHT, FRAMES + 1)
    return workspace


@pytest.fixture
def new_site(night_sent: Path, tmp_path: Path) -> Site:
    """A site that received the night, but for its last bias, and has done nothing yet."""
    return _without_last_bias(_copy(night_sent, tmp_path / "site"))


@pytest.fixture(scope="session")
def first_run(night_sent: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, Run]:
    """A site after its first run of the night."""
    site = _without_last_bias(_copy(night_sent, tmp_path_factory.mktemp("done") / "site"))
    return site, site.run("night")


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


def _copy(workspace: Path, to: Path) -> Site:
    def link(source: str, destination: str) -> None:
        if "/.snakemake/" in source or "/logs/" in source or "/ledger/" in source:
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
