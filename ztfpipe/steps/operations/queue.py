"""A SLURM cluster's queue: whether it can tell how jobs end, and the end of jobs that a killed run left in it."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from ztfpipe.errors import BadSettings, Busy
from ztfpipe.products.accounts.queued import forget, withdraw

ANSWER_S = 60.0
"""A controller that does not answer for so long is away."""
ENDING_S = 150.0
"""Jobs that are cancelled have this long to end; SLURM kills them after its KillWait, 30 s as delivered."""
POLL_MAX_S = 180.0
"""The longest pause between two looks of Snakemake's SLURM executor at its jobs."""
_ENDED = {
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "REVOKED",
    "TIMEOUT",
}
_WORD = "slurm-status-command"


def jobs_in_queue(name: str) -> dict[str, str]:
    """Jobs of a name that have not ended, with their states. Raises Busy when SLURM does not say."""
    return {job: state for job, state in _states(name).items() if state not in _ENDED}


def last_state(name: str) -> str:
    """How the one job of a name is, or has ended; empty when SLURM knows of none. Raises Busy when it does not say."""
    return next(iter(_states(name).values()), "")


def _states(name: str) -> dict[str, str]:
    answer = asked("squeue", "--noheader", "--states=all", f"--name={name}", "--format=%i|%T", about=name)
    return dict(line.split("|", 1) for line in answer.splitlines() if "|" in line)


def end_jobs(
    ledger: Path,
    name: str,
    say: Callable[[str], None],
    within_s: float = ENDING_S,
    pause_s: float = 0.5,
) -> None:
    """End the jobs that a killed run has in the queue, and return when none can write any more.

    Raises Busy when they do not end, or SLURM does not answer: they are asked about again by the next run.
    """
    withdraw(ledger, name)
    until = time.monotonic() + within_s
    refusal = ""
    if jobs := jobs_in_queue(name):
        say(f"jobs that a killed run left in SLURM's queue are ended: {', '.join(sorted(jobs))}")
    while jobs:
        if time.monotonic() > until:
            raise Busy("what a killed run worked on", f"its jobs {', '.join(sorted(jobs))}: they do not end{refusal}")
        if alive := sorted(job for job, state in jobs.items() if state != "COMPLETING"):
            try:
                asked("scancel", *alive, about="the queue")
            except Busy as error:  # some may have ended by themselves: what SLURM lists next tells
                refusal = f"; {error}"
        time.sleep(pause_s)
        jobs = jobs_in_queue(name)
    forget(ledger, name)


def check_status_command(word: str, first_look_s: float) -> None:
    """Raise BadSettings where Snakemake would wait for ever, asking a cluster in this way how its jobs have ended.

    word: squeue, which knows jobs for some minutes after their end, or sacct, which needs a database of jobs.
    first_look_s: the pause before Snakemake first looks at a job.
    """
    try:
        facts = _facts(asked("scontrol", "show", "config", about="the cluster"))
        keeps_accounts = facts.get("AccountingStorageType", "").rpartition("/")[2] not in ("none", "(null)", "")
        if word == "sacct":
            if not keeps_accounts:
                raise BadSettings(_WORD, "sacct: this cluster keeps no accounts of its jobs; say squeue")
            asked("sacct", "--allocations", "--noheader", "--name=none", about="its jobs")
            return
    except Busy as error:
        raise BadSettings(_WORD, f"{word}: {error}") from None
    remembered_s = float(re.match(r"\d+", facts.get("MinJobAge", "0"))[0])
    if remembered_s < max(POLL_MAX_S, 3 * first_look_s):
        other = "say sacct" if keeps_accounts else f"SLURM's MinJobAge must be more than {POLL_MAX_S:.0f} s"
        raise BadSettings(_WORD, f"squeue: this cluster forgets jobs {remembered_s:.0f} s after their end; {other}")


def _facts(config: str) -> dict[str, str]:
    """What `scontrol show config` says, by name."""
    pairs = (line.split("=", 1) for line in config.splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def asked(*words: str, about: str) -> str:
    """What a program of SLURM answers. Raises Busy when it is not there or fails."""
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=ANSWER_S).stdout
    except FileNotFoundError:
        reason = "SLURM, and this machine has no " + words[0]
    except subprocess.TimeoutExpired:
        reason = f"SLURM, and {words[0]} does not answer"
    except subprocess.CalledProcessError as error:
        reason = f"SLURM, and {words[0]} says: {(error.stderr or error.stdout).strip() or error.returncode}"
    raise Busy(about, reason)
