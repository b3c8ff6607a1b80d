"""A night's science jobs struck on a real SLURM while they write, all in one run: what is left is as if undisturbed.

Each quadrant of the night meets with another mishap. Those that SLURM starts again end well in the same run; the others
fail alone, are named by the report, and are made by the next run, which makes nothing else.
"""

import os
import shutil
import signal
import subprocess
import time

import pytest

from ztfpipe.model.keys import NightKey
from ztfpipe.products.accounts.plan import read_plan
from ztfpipe.products.names import path_of
from ztfpipe.steps.operations.night import Watch, close

from .conftest import BIN, FRAMES, NIGHT, ROOT
from .strikes import (
    Holds,
    bring_back,
    differing,
    lose_node,
    restart_scheduler,
    science,
    slurm,
    state,
    strange_files,
    wait_for,
)

pytestmark = pytest.mark.fault

KILLED, LOST, LATE, GREEDY = ((10, qid) for qid in (1, 2, 3, 4))
RESTARTED, CANCELLED, CORRUPT, QUIET = ((11, qid) for qid in (1, 2, 3, 4))
FAILED = (KILLED, LATE, GREEDY, CANCELLED, CORRUPT)
MEMORY_MB = 1200
"""More than a job needs, with the two Snakemakes around it, on so small an image."""
BEGIN_S, END_S = 300.0, 400.0
"""Patience with the cluster's first job and with its last one: eight start at once, on what may be a busy machine."""


def begin(site, holds: Holds) -> subprocess.Popen:
    """Ask SLURM for the night's science images, as a person would."""
    settings = [f"workspace={site.workspace}", f"calibration={{frames_min: {FRAMES}}}", f"night={NIGHT}"]
    command = [BIN / "snakemake", "--profile", "slurm", "--set-resources", f"science_image:mem_mb={MEMORY_MB}"]
    return subprocess.Popen(
        [*command, "--config", *settings, "--", "sciimgs"],
        cwd=ROOT,
        env=holds.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_science_jobs_struck_while_they_write(cluster, site, first_run, tmp_path):
    undisturbed = science(first_run[0])
    shutil.rmtree(site.archive / "sci")
    keys = {(key.ccdid, key.qid): key for key in read_plan(site.archive / path_of("plan", NightKey(NIGHT))).science}
    images = {place: path_of("sciimg", key) for place, key in keys.items()}
    names = {place: image.rsplit("/", 1)[1] for place, image in images.items()}
    holds = Holds(tmp_path / "holds")
    for place in (KILLED, LOST, LATE, GREEDY, RESTARTED, CANCELLED):
        holds.ask(names[place])
    broken = site.archive / site.master("bias", *CORRUPT)
    content, times = broken.read_bytes(), broken.stat()
    broken.unlink()
    broken.write_bytes(content[: len(content) // 2])
    os.utime(broken, ns=(times.st_atime_ns, times.st_mtime_ns))
    run = begin(site, holds)
    try:
        strike(holds, names)
        said, _ = run.communicate(timeout=END_S)
    finally:
        run.kill()
    assert run.returncode == 1, said

    # Those that were struck for good have no image, whole or half; the report names them and their number.
    assert {place for place, image in images.items() if not (site.archive / image).exists()} == set(FAILED), said
    assert not strange_files(site)
    watch = Watch(NIGHT, site.workspace, lambda *words: 1, lambda: True, print, 1, 1.0)
    assert not close(watch, failed=True)
    report = (site.archive / path_of("nightreport", NightKey(NIGHT))).read_text()
    assert f"Without a record: {len(FAILED)} of 8 science images" in report

    # The next run makes them and nothing else, and then all is as it would have been.
    broken.write_bytes(content)
    os.utime(broken, ns=(times.st_atime_ns, times.st_mtime_ns))
    again = site.run("sciimgs")
    assert again.jobs == {"science_image": len(FAILED)}, again.text
    assert differing(science(site), undisturbed) == []
    assert site.run("sciimgs").nothing_done


def strike(holds: Holds, names: dict[tuple[int, int], str]) -> None:
    """First the controller's crash, with all jobs held; then each job's mishap; last the node, which takes longest."""
    struck = {place: holds.wait(names[place], BEGIN_S) for place in (LATE, KILLED, LOST, GREEDY, RESTARTED, CANCELLED)}
    restart_scheduler()
    for who in struck.values():
        wait_for(lambda who=who: state(who["job"]) == "RUNNING")
    holds.let_go(names[RESTARTED])
    slurm("scontrol", "update", f"JobId={struck[LATE]['job']}", "TimeLimit=1")
    os.kill(struck[KILLED]["pid"], signal.SIGKILL)
    holds.take_memory(names[GREEDY], MEMORY_MB)
    slurm("scancel", struck[CANCELLED]["job"])
    for place, ends in ((KILLED, {"FAILED"}), (CANCELLED, {"CANCELLED"}), (GREEDY, {"FAILED", "OUT_OF_MEMORY"})):
        wait_for(lambda place=place, ends=ends: state(struck[place]["job"]) in ends)
    wait_for(lambda: state(struck[LATE]["job"]) == "TIMEOUT", 150.0)
    lose_node(struck[LOST]["node"])
    wait_for(lambda: state(struck[LOST]["job"]) != "RUNNING", 120.0)
    time.sleep(1.0)
    bring_back(struck[LOST]["node"])
