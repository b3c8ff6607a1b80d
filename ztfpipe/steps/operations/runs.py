"""Runs of Snakemake by an operator: one operator a night, and nothing left running by one that was killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from ztfpipe.products.accounts.locks import take_lock
from ztfpipe.products.formats.atomic import write_text
from ztfpipe.steps.operations.queue import end_jobs

ENDING_S = 20.0
"""A run told to end has this long before it is killed."""


@contextlib.contextmanager
def sole_operator(workspace: Path, night: str) -> Iterator[None]:
    """Hold the night as its operator. Busy naming the holder when there is another one."""
    with take_lock(workspace / "ledger" / "locks", f"operator-{night}"):
        yield


class Runs:
    """Runs Snakemake for one night, remembers the run that is on, and ends what an earlier operator left of one.

    night: or the name of a campaign, with `asked`: what every run is asked, the night when it is not given.
    """

    def __init__(
        self,
        project: Path,
        workspace: Path,
        night: str,
        options: Sequence[str],
        log: IO[str],
        environment: Mapping[str, str] | None = None,
        asked: Mapping[str, str] | None = None,
    ) -> None:
        """environment: of the runs, where it is not that of this process: it says where a warm worker is."""
        self.project, self.options, self.log = project, options, log
        self.asked = {"night": night} if asked is None else dict(asked)
        self.environment = environment
        self.ledger = workspace / "ledger"
        self.memory = self.ledger / "operator" / f"{night}.json"
        self.locks = workspace / "archive" / ".snakemake" / "locks"

    def __call__(self, targets: Sequence[str], narrowing: Mapping[str, str]) -> int:
        """Run Snakemake on named targets, in the warm worker; its words go to the log. Its exit code."""
        return self._run([*self._program(), *self.options, *self._narrowed(narrowing), "--", *targets])

    def recover(self) -> bool:
        """End what an earlier operator left, and take Snakemake's own lock away. Whether there was any.

        Raises Busy when the allocation of a run that it left does not end.
        """
        left, jobs = self._left_over()
        if left:
            _end(left)
        if jobs:
            end_jobs(self.ledger, jobs, lambda line: print(line, file=self.log, flush=True))
        self.memory.unlink(missing_ok=True)
        return self.unlock() or bool(left or jobs)

    def unlock(self) -> bool:
        """Take away Snakemake's own lock, which a run that was killed leaves. Whether there was one."""
        locked = self.locks.is_dir() and any(self.locks.iterdir())
        if locked:
            self._run([*self._program(), *self.options, "--unlock", *self._narrowed({})])
        return locked

    def _narrowed(self, narrowing: Mapping[str, str]) -> list[str]:
        words = [f"{name}={value}" for name, value in {**self.asked, **narrowing}.items()]
        return ["--config", *words] if words else []

    def _program(self) -> list[str]:
        return [str(Path(sys.executable).parent / "ztfpipe"), "snakemake"]

    def _run(self, command: list[str], jobs: str = "") -> int:
        """Run a command, and remember it meanwhile. jobs: the name of its allocation in SLURM's queue, if any."""
        process = subprocess.Popen(
            command,
            cwd=self.project,
            env=self.environment,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        words = {"group": process.pid, "started": _started(process.pid), "node": os.uname().nodename, "jobs": jobs}
        write_text(self.memory, json.dumps(words) + "\n")
        try:
            return process.wait()
        except BaseException:  # an operator that is told to stop takes its run along
            _end(process.pid)
            process.wait()
            raise
        finally:
            self.memory.unlink(missing_ok=True)

    def _left_over(self) -> tuple[int, str]:
        """What outlived its operator: a process group, 0 where there is none on this machine, and an allocation."""
        try:
            words = json.loads(self.memory.read_text())
            group, started, node = int(words["group"]), str(words["started"]), words["node"]
        except (FileNotFoundError, ValueError, KeyError):
            return 0, ""
        # A number may have been given to another process since: its start tells.
        alive = node == os.uname().nodename and started and _started(group) == started
        return group if alive else 0, str(words.get("jobs", ""))


def _started(pid: int) -> str:
    """When a process started, in ticks since the machine did; empty where there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except FileNotFoundError:
        return ""


def _end(group: int) -> None:
    """Ask a process group to end, and kill what has not ended in time."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGTERM)
        until = time.monotonic() + ENDING_S
        while time.monotonic() < until:
            os.killpg(group, 0)
            time.sleep(0.1)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(group, os.WNOHANG)
        os.killpg(group, signal.SIGKILL)
