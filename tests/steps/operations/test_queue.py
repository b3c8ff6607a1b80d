"""What is asked of SLURM's queue: how it can be asked, and that jobs of a dead run are ended before another begins."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ztfpipe.errors import BadSettings, Busy
from ztfpipe.products.accounts import queued
from ztfpipe.products.accounts.locks import take_lock
from ztfpipe.steps.operations.queue import check_status_command, end_jobs, jobs_in_queue

RUN, NIGHT = "0b5c-run", "20180325"


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A cluster of shell scripts: `jobs` lists ID|STATE lines, scancel empties it unless `deaf` is there."""
    programs = tmp_path / "bin"
    programs.mkdir()

    def program(name: str, script: str) -> None:
        path = programs / name
        path.write_text(f"#!/bin/sh\ncd {tmp_path}\n{script}\n")
        path.chmod(0o755)

    (tmp_path / "jobs").write_text("")
    program("squeue", 'echo "$@" >>asked; cat jobs')
    program(
        "scancel", 'echo "$@" >cancelled; [ -e deaf ] && { echo "not yours" >&2; exit 1; }; echo "7|CANCELLED" >jobs'
    )
    program("scontrol", "cat config")
    program("sacct", "[ ! -e down ] || { echo 'no database' >&2; exit 1; }")
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return tmp_path


def configure(slurm: Path, accounts: str, age: str) -> None:
    (slurm / "config").write_text(
        f"Configuration data as of now\nAccountingStorageType   = {accounts}\nMinJobAge               = {age}\n"
    )


@pytest.mark.parametrize(
    ("accounts", "age", "word"),
    [
        ("accounting_storage/none", "300 sec", "squeue"),
        ("accounting_storage/slurmdbd", "300 sec", "squeue"),
        ("accounting_storage/slurmdbd", "2 sec", "sacct"),
    ],
)
def test_ways_to_ask_that_work(slurm, accounts, age, word):
    configure(slurm, accounts, age)
    check_status_command(word, 2)


@pytest.mark.parametrize(
    ("accounts", "age", "word", "first_look_s", "told"),
    [
        ("accounting_storage/none", "300 sec", "sacct", 2, "keeps no accounts of its jobs; say squeue"),
        ("(null)", "300 sec", "sacct", 2, "say squeue"),
        ("accounting_storage/slurmdbd", "60 sec", "squeue", 2, "forgets jobs 60 s after their end; say sacct"),
        ("accounting_storage/none", "60 sec", "squeue", 2, "MinJobAge must be more than 180 s"),
        # The executor itself turns to sacct when jobs may be forgotten before its third look.
        ("accounting_storage/none", "300 sec", "squeue", 120, "MinJobAge"),
    ],
)
def test_ways_to_ask_that_would_wait_for_ever(slurm, accounts, age, word, first_look_s, told):
    configure(slurm, accounts, age)
    with pytest.raises(BadSettings, match=f"slurm-status-command: {word}.*{told}"):
        check_status_command(word, first_look_s)


def test_a_database_that_is_down_is_told(slurm):
    configure(slurm, "accounting_storage/slurmdbd", "300 sec")
    (slurm / "down").touch()
    with pytest.raises(BadSettings, match="sacct says: no database"):
        check_status_command("sacct", 2)


def test_jobs_that_have_ended_are_not_in_the_queue(slurm):
    (slurm / "jobs").write_text("1|RUNNING\n2|COMPLETED\n3_4|PENDING\n5|COMPLETING\n6|NODE_FAIL\n")
    assert jobs_in_queue(RUN) == {"1": "RUNNING", "3_4": "PENDING", "5": "COMPLETING"}
    assert f"--name={RUN}" in (slurm / "asked").read_text()


def test_jobs_of_a_dead_run_are_ended_and_forgotten(slurm):
    (slurm / "jobs").write_text("7|RUNNING\n8|COMPLETING\n")
    path = queued.announce(slurm / "ledger", RUN, "process 1")
    assert queued.may_begin(path)
    said: list[str] = []
    end_jobs(slurm / "ledger", RUN, said.append, pause_s=0.0)
    assert said == ["jobs that a killed run left in SLURM's queue are ended: 7, 8"]
    assert (slurm / "cancelled").read_text() == "7\n"
    assert not queued.may_begin(path)
    assert not queued.unfinished(slurm / "ledger", RUN)
    end_jobs(slurm / "ledger", RUN, said.append)
    assert len(said) == 1, "there is nothing to say when nothing is left"


def test_jobs_that_do_not_end_stop_the_next_run_and_begin_no_more(slurm):
    (slurm / "jobs").write_text("7|RUNNING\n")
    (slurm / "deaf").touch()
    path = queued.announce(slurm / "ledger", RUN, "process 1")
    with pytest.raises(Busy, match=r"its jobs 7: they do not end; .*not yours"):
        end_jobs(slurm / "ledger", RUN, print, within_s=0.2, pause_s=0.05)
    assert not queued.may_begin(path)
    assert queued.unfinished(slurm / "ledger", RUN), "the next run asks again"


def test_without_slurm_nobody_knows(slurm, monkeypatch):
    monkeypatch.setenv("PATH", str(slurm / "empty"))
    with pytest.raises(Busy, match="this machine has no squeue"):
        jobs_in_queue(RUN)


def test_who_locks_a_night_ends_the_jobs_of_the_run_that_held_it(tmp_path):
    ledger = tmp_path / "ledger"
    with take_lock(ledger / "locks", NIGHT, RUN):
        queued.announce(ledger, RUN, "process 1")
        with pytest.raises(Busy, match=rf"process \d+ of .* with jobs {RUN} in the queue"):
            take_lock(ledger / "locks", NIGHT)
    # The run is no more, and has not taken back what it announced.
    with pytest.raises(Busy, match=f"jobs {RUN} of a run that was killed"):
        take_lock(ledger / "locks", NIGHT)
    ended: list[str] = []
    with pytest.raises(Busy, match="SLURM"):
        take_lock(ledger / "locks", NIGHT, end=failing)
    with take_lock(ledger / "locks", NIGHT, end=ended.append):
        assert ended == [RUN]
    # What follows knows nothing of them, and a run that ended well leaves nothing to end.
    take_lock(ledger / "locks", NIGHT).close()
    with take_lock(ledger / "locks", NIGHT, RUN):
        queued.forget(ledger, RUN)
    take_lock(ledger / "locks", NIGHT).close()


def failing(name: str) -> None:
    raise Busy(name, "SLURM")
