"""`snakemake --profile slurm` killed while its jobs write, and started again: no job of the dead run writes on."""

import base64
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from ztfpipe.model.keys import NightKey
from ztfpipe.products.accounts.plan import read_plan
from ztfpipe.products.names import path_of

from .conftest import BIN, FRAMES, NIGHT, ROOT, Site
from .strikes import CLUSTER, Holds, differing, science, slurm, state, strange_files, wait_for

pytestmark = pytest.mark.fault

CCD = 10
BEGIN_S, END_S = 300.0, 400.0
"""Patience with the first jobs and with a whole run, on what may be a busy machine."""


def begin(site: Site, environment: dict[str, str], *options: str) -> subprocess.Popen[str]:
    """Ask SLURM for the science images of one CCD, as a person would."""
    settings = [f"workspace={site.workspace}", f"calibration={{frames_min: {FRAMES}}}", f"night={NIGHT}", f"ccd={CCD}"]
    memory = ["--set-resources", "science_image:mem_mb=1200"]
    return subprocess.Popen(
        [BIN / "snakemake", "--profile", "slurm", *memory, *options, "--config", *settings, "--", "sciimgs"],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def history(job: str) -> dict[str, str]:
    """What SLURM wrote down of a job that has ended."""
    for line in (CLUSTER / "log" / "jobcomp.txt").read_text().splitlines():
        words = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if words["JobId"] == job:
            return words
    raise AssertionError(f"job {job} has not ended")


def test_a_run_killed_while_its_jobs_write_is_started_again(cluster, site, first_run, tmp_path):
    undisturbed = science(first_run[0], f"_c{CCD}_")
    shutil.rmtree(site.archive / "sci")
    plan = read_plan(site.archive / path_of("plan", NightKey(NIGHT)))
    images = [path_of("sciimg", key) for key in plan.science if key.ccdid == CCD]
    struck = images[:2]
    holds = Holds(tmp_path / "holds")
    for image in struck:
        holds.ask(Path(image).name)
    wrong = begin(site, dict(os.environ), "--slurm-status-command", "sacct")
    said, _ = wrong.communicate(timeout=60.0)
    assert wrong.returncode == 1
    assert "this cluster keeps no accounts of its jobs; say squeue" in said

    first = begin(site, holds.environment)
    held = [holds.wait(Path(image).name, BEGIN_S) for image in struck]
    wait_for(lambda: in_hand(site) == set(struck), BEGIN_S)
    orphans = [one["job"] for one in held]
    script = slurm("scontrol", "write", "batch_script", orphans[0], "-")
    (announced,) = (site.workspace / "ledger" / "jobs").iterdir()
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert {state(job) for job in orphans} == {"RUNNING"}, "what is to be seen here does not happen"

    subprocess.run(
        [BIN / "snakemake", "--unlock", "--cores", "1", "--config", f"workspace={site.workspace}"],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    again = begin(site, dict(os.environ))
    said, _ = again.communicate(timeout=END_S)
    assert again.returncode == 0, said
    assert f"left in SLURM's queue are ended: {', '.join(sorted(orphans))}" in said
    assert said.count("Finished jobid") == len(struck) + 1, said  # and the target's own name
    assert differing(science(site), undisturbed) == []
    assert not strange_files(site)
    assert not any(Path(f"/proc/{one['pid']}").exists() for one in held)
    ended = [history(job) for job in orphans]
    assert {one["JobState"] for one in ended} == {"CANCELLED"}
    begun = [one["StartTime"] for one in map(history, jobs_of(again_name(said)))]
    assert max(one["EndTime"] for one in ended) <= min(begun), "two jobs had one product in hand"
    assert list(announced.parent.iterdir()) == []

    # A job of the dead run that reaches the queue only now does not begin its work.
    (tmp_path / "late.sh").write_text(script)
    late = subprocess.run(
        ["sbatch", "--wait", "--partition=realtime", "--mem=1200", f"--output={tmp_path}/late", tmp_path / "late.sh"],
        cwd=ROOT, env={**os.environ, "ZTFPIPE_RUN": str(announced)}, capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip
    assert late.returncode != 0
    assert "the run of this job has ended" in (tmp_path / "late").read_text()
    assert site.run("sciimgs", ccd=CCD).nothing_done


def in_hand(site: Site) -> set[str]:
    """Images that Snakemake has asked for and not heard of yet."""
    marks = (site.archive / ".snakemake" / "incomplete").iterdir()
    return {name for mark in marks if (name := base64.b64decode(mark.name).decode()).endswith("_sciimg.fits")}


def again_name(said: str) -> str:
    """The name that a run's jobs have in the queue, by its own words."""
    return next(line.split(": ", 1)[1].strip() for line in said.splitlines() if line.startswith("SLURM run ID"))


def jobs_of(name: str) -> list[str]:
    return slurm("squeue", "--noheader", "--states=all", f"--name={name}", "--format=%i").split()
