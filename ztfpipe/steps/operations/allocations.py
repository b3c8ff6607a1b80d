"""Runs of Snakemake from a login node, each in a SLURM allocation of its own with a warm worker inside."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ztfpipe.errors import BadSettings, Busy
from ztfpipe.steps.operations.queue import asked, end_jobs, jobs_in_queue, last_state
from ztfpipe.steps.operations.runs import Runs

MEMORY_MB = 2500
"""Of each processor of an allocation: what the largest job of the real-time chain takes at full size, rounded up."""
PAUSES_S = (2.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""A run whose allocation was lost, or could not be had, is begun again after such pauses, and then given up."""
STOPPING_S = 20.0
"""The allocation of an operator that is told to stop has this long to end."""
LEAVING_S = 10.0
"""An allocation whose srun has ended leaves the queue by itself within this long."""
_RAN = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "DEADLINE"}
"""States of allocations that were not lost: the run ended by itself, or was ended by somebody or by its limits."""


def asked_of_slurm(partition: str, cores: int, more: Sequence[str] = ()) -> tuple[str, ...]:
    """Words for srun: one allocation on one node. more: others of srun, the last of two that differ counts."""
    words = (f"--partition={partition}", f"--cpus-per-task={cores}", f"--mem={cores * MEMORY_MB}M", *more)
    return ("--nodes=1", "--ntasks=1", *words, "--kill-on-bad-exit=1", "--input=none")


def check_allocation(words: Sequence[str]) -> None:
    """Raise BadSettings when the cluster would never give such an allocation."""
    try:
        asked("srun", "--test-only", *words, "true", about="the allocation")
    except Busy as error:
        raise BadSettings("--partition", str(error)) from None


class AllocatedRuns(Runs):
    """Runs of Snakemake for one night, one allocation each. A node that is lost costs what was being made on it.

    words: what is asked of srun. say: tells people. pause: waits.
    """

    words: Sequence[str] = ()
    say: Callable[[str], None] = print
    pause: Callable[[float], None] = time.sleep

    def __call__(self, targets: Sequence[str], narrowing: Mapping[str, str]) -> int:
        """Run Snakemake on named targets in an allocation; again, on another node, when its node was lost."""
        command = [*self._program(), *self.options, *self._narrowed(narrowing), "--", *targets]
        for pause_s in (*PAUSES_S, 0.0):
            code, state = self._allocated(command)
            if code:
                self.unlock()
            if code == 0 or state in _RAN:
                break
            lost = "its allocation was lost" if state else "no allocation"
            self.say(f"{' '.join(targets)}: {lost}, srun ended with {code}")
            self.pause(pause_s)
        return code

    def _allocated(self, command: Sequence[str]) -> tuple[int, str]:
        """One run in an allocation: its exit code, and how SLURM says that the allocation ended, empty if unknown."""
        name = f"ztfpipe-{self.memory.stem}-{secrets.token_hex(4)}"
        program = [str(Path(sys.executable).parent / "ztfpipe"), "worker", "--"]
        # Within an allocation of another's, srun would take a part of that one instead of asking for its own.
        kept = {key: value for key, value in os.environ.items() if key == "SLURM_CONF" or not key.startswith("SLURM_")}
        self.environment = kept
        try:
            code = self._run(["srun", f"--job-name={name}", *self.words, *program, *command], name)
        except BaseException:  # an operator that is told to stop takes its allocation along
            with contextlib.suppress(Busy):
                end_jobs(self.ledger, name, self.say, STOPPING_S)
            raise
        state = self._ended(name)
        # srun ends with 0 when its node is lost.
        return code or int(state not in ("COMPLETED", "")), state

    def _ended(self, name: str) -> str:
        """How an allocation has ended; srun may be gone before what it started, which is ended here."""
        until = time.monotonic() + LEAVING_S
        try:
            while jobs_in_queue(name) and time.monotonic() < until:
                time.sleep(0.2)
            end_jobs(self.ledger, name, self.say)
            return last_state(name)
        except Busy:
            return ""
