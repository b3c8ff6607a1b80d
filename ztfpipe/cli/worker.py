"""The warm worker: imports the science once, then forks a child for each call that a client hands over.

`ztfpipe worker -- COMMAND` runs COMMAND with the worker's address in its environment; every `ztfpipe` call below it
is then answered in a few hundredths of a second. The worker is one thread and one event loop: fork is safe only while
no other thread holds a lock, so kernels and linear algebra are told to stay single-threaded before they are imported.
A child never outlives its client (the socket closes) nor the worker (the kernel's parent-death signal).
`ztfpipe snakemake ...` is a call like any other: a run of Snakemake then starts without its second of imports.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ztfpipe.cli.agreement import WORKER_VARIABLE, identity

PRELOADED = (
    "ztfpipe.steps.ingest",
    "ztfpipe.pipelines.ingest",
    "ztfpipe.products.arrival.raw_facts",
    "ztfpipe.steps.calibration",
    "ztfpipe.steps.science.quadrant",
    "ztfpipe.steps.science.catalogs",
    "ztfpipe.steps.science.usual",
    "ztfpipe.steps.reference.checking",
    "ztfpipe.steps.reference.coadding",
    "ztfpipe.steps.difference.quadrant",
    "ztfpipe.steps.alerts.packaging",
    "ztfpipe.steps.templates",
    "ztfpipe.steps.quality",
)
"""What a step imports; a module that is missing here costs each job its import, nothing else."""
PRELOADED_FOR = {"snakemake": ("snakemake.cli",)}
"""What calls of these names import besides; the worker does so once, before the first of them."""
EXIT_CANNOT_RUN = 127
_SINGLE_THREADED = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_PR_SET_PDEATHSIG = 1
_REQUEST_BYTES_MAX = 16 * 2**20


@dataclass
class _Call:
    """A connection: first its request piles up in `buffer`, then `pid` is the child that does it."""

    connection: socket.socket
    buffer: bytes = b""
    streams: list[int] = field(default_factory=list)
    pid: int = 0


def serve(command: list[str], do: Callable[[list[str]], int]) -> int:
    """Run `command` beside a warm worker and return its exit code (128 + signal when a signal ended it).

    do: does one call, given its arguments, and returns its exit code; it runs in a child of its own.
    """
    for name in _SINGLE_THREADED:
        os.environ.setdefault(name, "1")
    folder = Path(tempfile.mkdtemp(prefix="ztfpipe-"))
    try:
        return _Worker(folder / "worker", do).run(command)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def held_worker() -> Iterator[dict[str, str]]:
    """A warm worker for as long as the caller holds it; the environment in which `ztfpipe` calls find it.

    It has a session of its own, so that Ctrl-C is the holder's to deal with, and ends with the holder, however that
    ends: its command waits for the end of a pipe from it. What runs in it is then ended too.
    """
    program = str(Path(sys.executable).parent / "ztfpipe")
    hold = [program, "worker", "--", "sh", "-c", f'echo "${WORKER_VARIABLE}"; exec cat']
    pipe = subprocess.PIPE
    with subprocess.Popen(hold, stdin=pipe, stdout=pipe, text=True, start_new_session=True) as worker:
        address = worker.stdout.readline().strip()
        yield {**os.environ, WORKER_VARIABLE: address}


class _Worker:
    def __init__(self, address: Path, do: Callable[[list[str]], int]) -> None:
        self.do = do
        self.calls: dict[int, _Call] = {}  # by descriptor of the connection
        self.selector = selectors.DefaultSelector()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(address))
        self.listener.listen(128)
        self.listener.setblocking(False)
        self.address = str(address)
        self.command_status: int | None = None

    def run(self, command: list[str]) -> int:
        wake_read, wake_write = socket.socketpair()
        wake_read.setblocking(False)
        wake_write.setblocking(False)
        signal.set_wakeup_fd(wake_write.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        environment = {**os.environ, WORKER_VARIABLE: self.address}
        try:
            command_pid = os.posix_spawnp(command[0], command, environment, setsigdef=[signal.SIGINT])
        except OSError as error:
            print(f"ztfpipe: {command[0]} cannot be run: {error.strerror}", file=sys.stderr)
            return EXIT_CANNOT_RUN
        # Ctrl-C reaches the whole terminal group: the command decides what it means, its clients pass it on.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda received, _frame: self._signal_command(command_pid, received))
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.selector.register(wake_read, selectors.EVENT_READ)
        _preload()
        try:
            while self.command_status is None:
                self._reap(command_pid)  # also before the first wait: the command may have ended during the imports
                if self.command_status is not None:
                    break
                for key, _ in self.selector.select():
                    if key.fileobj is self.listener:
                        self._accept()
                    elif key.fileobj is wake_read:
                        with suppress(BlockingIOError):
                            wake_read.recv(4096)
                    else:
                        self._hear(self.calls[key.fd])
        finally:
            for call in list(self.calls.values()):
                self._kill(call, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(self.command_status)
        return code if code >= 0 else 128 - code

    def _signal_command(self, pid: int, number: int) -> None:
        if self.command_status is None:
            os.kill(pid, number)

    def _accept(self) -> None:
        connection, _ = self.listener.accept()
        peer = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if peer[1] != os.getuid():
            connection.close()
            return
        connection.setblocking(False)
        self.calls[connection.fileno()] = _Call(connection)
        self.selector.register(connection, selectors.EVENT_READ)

    def _hear(self, call: _Call) -> None:
        """Take in part of a request, or a signal for the child, or the death of the client."""
        try:
            data, streams, _, _ = socket.recv_fds(call.connection, 65536, 3, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return
        except ConnectionError:
            data, streams = b"", []
        if call.pid:
            for number in data:
                self._kill(call, number)
        if not data:
            if call.pid:
                self._kill(call, signal.SIGKILL)
            self._forget(call)
            return
        if call.pid:
            return
        call.streams += streams
        call.buffer += data
        length = int.from_bytes(call.buffer[:4], "big")
        if length > _REQUEST_BYTES_MAX:
            self._forget(call)
        elif len(call.buffer) >= 4 + length > 4:
            self._start(call, json.loads(call.buffer[4 : 4 + length]))

    def _start(self, call: _Call, request: dict) -> None:
        if {name: request[name] for name in identity()} != identity():
            self._answer(call, {"refused": True})
            return
        for name in PRELOADED_FOR.get(request["argv"][0] if request["argv"] else "", ()):
            importlib.import_module(name)
        worker = os.getpid()
        pid = os.fork()
        if pid == 0:
            _become(request, call.streams, worker, self.do)
        with suppress(OSError):  # the child does the same; whoever comes first
            os.setpgid(pid, pid)
        call.pid, call.buffer = pid, b""
        _close(call.streams)

    def _reap(self, command_pid: int) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == command_pid:
                self.command_status = status
            for call in [call for call in self.calls.values() if call.pid == pid]:
                code = os.waitstatus_to_exitcode(status)
                call.pid = 0
                self._answer(
                    call,
                    {
                        "code": max(code, 0),
                        "signal": max(-code, 0),
                        "cpu_s": usage.ru_utime + usage.ru_stime,
                        "peak_mb": usage.ru_maxrss / 1024,
                    },
                )

    def _answer(self, call: _Call, reply: dict[str, object]) -> None:
        with suppress(OSError):  # a client that is gone needs no answer
            call.connection.send(json.dumps(reply).encode() + b"\n")
        self._forget(call)

    def _forget(self, call: _Call) -> None:
        _close(call.streams)
        self.calls.pop(call.connection.fileno(), None)
        self.selector.unregister(call.connection)
        call.connection.close()

    def _kill(self, call: _Call, number: int) -> None:
        if call.pid:
            with suppress(ProcessLookupError):
                os.killpg(call.pid, number)


def _close(streams: list[int]) -> None:
    while streams:
        os.close(streams.pop())


def _preload() -> None:
    for name in PRELOADED:
        importlib.import_module(name)
    if PRELOADED:
        from ztfpipe.methods.warm import warm

        warm()
    # What is alive now stays shared with the children: a collection there would copy its pages.
    gc.collect()
    gc.freeze()


def _become(request: dict, streams: list[int], worker: int, do: Callable[[list[str]], int]) -> None:
    """In the child: take on the caller's streams, folder, environment and mask, do the call, and end."""
    code = 1
    try:
        os.setpgid(0, 0)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != worker:
            os._exit(1)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for target, stream in enumerate(streams):
            os.dup2(stream, target)
        os.closerange(3, 1024)
        sys.stdout.reconfigure(line_buffering=os.isatty(1))
        os.chdir(request["cwd"])
        os.umask(request["umask"])
        os.environ.clear()
        os.environ.update(request["env"])
        sys.argv = ["ztfpipe", *request["argv"]]
        code = do(request["argv"])
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    finally:
        # Whatever happens, this copy of the worker must end here and not go on with the worker's loop.
        if (bug := sys.exception()) is not None:
            traceback.print_exception(bug)
        with suppress(OSError):
            sys.stdout.flush()
        with suppress(OSError):
            sys.stderr.flush()
        os._exit(code)
