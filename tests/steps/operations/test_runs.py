"""One operator a night, and what a killed one leaves running is ended by the next."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from ztfpipe.errors import Busy
from ztfpipe.steps.operations import runs
from ztfpipe.steps.operations.runs import Runs, sole_operator

NIGHT = "20180325"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs whose Snakemake is a Python that writes down its words, or sleeps when asked for `sleep`."""
    script = tmp_path / "snakemake.py"
    script.write_text(
        "import sys, time\n"
        "print(' '.join(sys.argv[1:]), flush=True)\n"
        "if 'sleep' in sys.argv: time.sleep(60)\n"
        "sys.exit(3 if 'fail' in sys.argv else 0)\n"
    )
    monkeypatch.setattr(Runs, "_program", lambda self: [sys.executable, str(script)])
    with (tmp_path / "log").open("w") as log:
        yield Runs(tmp_path, tmp_path, NIGHT, ["--profile", "p"], log)


def test_what_snakemake_is_asked_and_its_exit_code(run, tmp_path):
    assert run(("sciimgs", "diffimgs"), {"exposure": "20180325187500"}) == 0
    assert (tmp_path / "log").read_text() == (
        "--profile p --config night=20180325 exposure=20180325187500 -- sciimgs diffimgs\n"
    )
    assert run(("fail",), {}) == 3
    assert not run.memory.exists()


def sleeping(run) -> subprocess.Popen:
    return subprocess.Popen([*run._program(), "sleep"], start_new_session=True, stdout=subprocess.DEVNULL)


def remember(run, pid: int, **changed) -> None:
    words = {"group": pid, "started": runs._started(pid), "node": os.uname().nodename}
    run.memory.parent.mkdir(parents=True, exist_ok=True)
    run.memory.write_text(json.dumps(words | changed))


def test_what_is_left_running_is_ended(run):
    left = sleeping(run)
    remember(run, left.pid)
    assert run.recover()
    assert left.wait(timeout=10) is not None
    assert not run.memory.exists()
    assert not run.recover()


@pytest.mark.parametrize("changed", [{"started": "1"}, {"node": "another"}, {"started": ""}])
def test_a_process_that_is_not_the_one_remembered_is_left_alone(run, changed):
    other = sleeping(run)
    remember(run, other.pid, **changed)
    assert not run.recover()
    assert other.poll() is None
    other.kill()
    other.wait()


def test_a_memory_that_cannot_be_read_ends_nothing(run):
    run.memory.parent.mkdir(parents=True)
    run.memory.write_text("{")
    assert not run.recover()


def test_snakemakes_own_lock_is_taken_away(run, tmp_path):
    run.locks.mkdir(parents=True)
    (run.locks / "0.input.lock").write_text("x")
    assert run.recover()
    assert (tmp_path / "log").read_text() == "--profile p --unlock --config night=20180325\n"


def test_two_operators_of_a_night(tmp_path):
    with sole_operator(tmp_path, NIGHT):
        held = rf"night {NIGHT} is being worked on by process {os.getpid()} of"
        with pytest.raises(Busy, match=held), sole_operator(tmp_path, NIGHT):
            pytest.fail("two at once")
        with sole_operator(tmp_path, "20180326"):
            pass
    with sole_operator(tmp_path, NIGHT):
        pass


def test_an_operator_told_to_stop_takes_its_run_along(run, monkeypatch):
    seen = []

    def wait(self, timeout=None):
        seen.append(self.pid)
        monkeypatch.undo()
        raise KeyboardInterrupt

    program = run._program()
    monkeypatch.setattr(subprocess.Popen, "wait", wait)
    with pytest.raises(KeyboardInterrupt):
        run._run([*program, "sleep"])
    until = time.monotonic() + 10
    while runs._started(seen[0]) and time.monotonic() < until:
        time.sleep(0.05)
    assert not runs._started(seen[0])
