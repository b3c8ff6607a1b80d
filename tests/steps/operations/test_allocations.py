"""An operator's runs in allocations: one that is lost is begun again, and none outlives its operator."""

from __future__ import annotations

import json
import os

import pytest

from ztfpipe.errors import BadSettings
from ztfpipe.steps.operations.allocations import PAUSES_S, AllocatedRuns, asked_of_slurm, check_allocation

NIGHT = "20180325"


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Runs with an srun that notes its words and ends as `ends` says, and a squeue that says `states`, line by line."""
    programs = tmp_path / "bin"
    programs.mkdir()
    take = "head -n 1 {0}; sed -i 1d {0}"
    scripts = {
        "srun": 'echo "$@" >>srun; exit $(' + take.format("ends") + ")",
        "squeue": take.format("states"),
        "scancel": 'echo "$@" >>scancel',
        "ztfpipe": 'echo "$@" >>unlocked; rm -f archive/.snakemake/locks/*',
    }
    for name, script in scripts.items():
        (programs / name).write_text(f"#!/bin/sh\ncd {tmp_path}\n{script}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_MEM_PER_CPU", "100")
    monkeypatch.setattr(AllocatedRuns, "_program", lambda self: [str(programs / "ztfpipe"), "snakemake"])
    with (tmp_path / "log").open("w") as log:
        runs = AllocatedRuns(tmp_path, tmp_path, NIGHT, ["--profile", "profiles/local"], log)
        runs.words = asked_of_slurm("realtime", 4, ["--account=ztf"])
        runs.said, runs.paused = [], []
        runs.say, runs.pause = runs.said.append, runs.paused.append
        yield runs


def tell(runs, ends: list[int], states: list[str]) -> list[str]:
    """Run once with such ends; what srun was asked each time."""
    folder = runs.project
    (folder / "ends").write_text("".join(f"{end}\n" for end in ends))
    (folder / "states").write_text("".join(f"{state}\n" * 3 for state in states))  # asked so often after each
    runs.code = runs(("sciimgs",), {"exposure": "1"})
    return (folder / "srun").read_text().splitlines()


def test_a_run_is_one_allocation_with_a_warm_worker(runs):
    (asked,) = tell(runs, [0], ["7|COMPLETED"])
    assert runs.code == 0
    words = asked.split()
    assert words[0].startswith(f"--job-name=ztfpipe-{NIGHT}-")
    assert {"--partition=realtime", "--cpus-per-task=4", "--mem=10000M", "--account=ztf", "--nodes=1"} <= set(words)
    told = asked[asked.index("worker") :]
    assert told.endswith("snakemake --profile profiles/local --config night=20180325 exposure=1 -- sciimgs")
    assert told.startswith("worker -- ")
    assert "SLURM_MEM_PER_CPU" not in runs.environment
    assert (runs.said, runs.paused) == ([], [])


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY"])
def test_a_run_that_ended_badly_is_not_begun_again(runs, state):
    runs.locks.mkdir(parents=True)
    (runs.locks / "0.input.lock").touch()
    assert len(tell(runs, [1], [f"7|{state}"])) == 1
    assert runs.code == 1
    assert "--unlock" in (runs.project / "unlocked").read_text(), "a killed Snakemake leaves its lock"


def test_a_lost_node_costs_one_try_and_no_allocation_a_pause(runs):
    # Lost with its node, which srun calls a success; then a controller that knows nothing of it; then made.
    asked = tell(runs, [0, 1, 0], ["7|NODE_FAIL", "", "8|COMPLETED"])
    assert runs.code == 0
    assert len({line.split()[0] for line in asked}) == 3, "each allocation has a name of its own"
    assert "its allocation was lost" in runs.said[0]
    assert "no allocation" in runs.said[1]
    assert runs.paused == list(PAUSES_S[:2])


def test_a_cluster_that_stays_away_is_given_up(runs):
    assert len(tell(runs, [1] * 9, [])) == len(PAUSES_S) + 1
    assert runs.code == 1


def test_an_operator_that_is_told_to_stop_takes_its_allocation_along(runs, monkeypatch):
    def told(command, name):
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "_run", told)
    (runs.project / "states").write_text("7|RUNNING\n")
    with pytest.raises(KeyboardInterrupt):
        runs(("sciimgs",), {})
    assert (runs.project / "scancel").read_text() == "7\n"


def test_the_allocation_of_a_killed_operator_is_ended(runs):
    words = {"group": 1, "started": "1", "node": "another", "jobs": "ztfpipe-run"}
    runs.memory.parent.mkdir(parents=True)
    runs.memory.write_text(json.dumps(words))
    (runs.project / "states").write_text("7|RUNNING\n")
    assert runs.recover()
    assert (runs.project / "scancel").read_text() == "7\n"
    assert not runs.memory.exists()


def test_an_allocation_that_cannot_be_had_is_told_at_once(runs):
    (runs.project / "ends").write_text("0\n1\n")
    check_allocation(runs.words)
    with pytest.raises(BadSettings, match="srun says"):
        check_allocation(runs.words)
