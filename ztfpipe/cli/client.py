"""The `ztfpipe` command: hands its call to the warm worker when there is one, else does it in this process.

Imports only what a bare interpreter has at hand, because a night starts this program a hundred thousand times.
The talk over the worker's Unix socket: the client sends the length of a JSON request (four bytes, with its three
standard streams as ancillary data), then the request; from then on each byte it sends is the number of a signal to
pass on. The worker answers with one JSON line when the child has ended. Whoever goes first, the socket closes.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys

from ztfpipe.cli.agreement import WORKER_VARIABLE, identity

EXIT_TRY_AGAIN = 75
"""As in errors.py, which is not imported here: it would double the time to start."""
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def main() -> int:
    """Entry point of the console script: returns the exit code of the call."""
    argv = sys.argv[1:]
    address = os.environ.get(WORKER_VARIABLE)
    if address and argv[:1] != ["worker"]:
        connection = _connect(address)
        if connection is not None:
            with connection:
                reply = _ask(connection, argv)
            if not reply.get("refused"):
                return _end_as(reply)
    from ztfpipe.cli.main import run

    return run(argv)


def _connect(address: str) -> socket.socket | None:
    """The worker's socket, None when the worker is gone: the caller then does the work itself."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(address)
    except OSError:
        connection.close()
        return None
    return connection


def _ask(connection: socket.socket, argv: list[str]) -> dict[str, object]:
    """Send the call and wait for its end, passing signals on; an empty reply means that the worker died."""
    umask = os.umask(0)
    os.umask(umask)
    folder = os.getcwd()  # noqa: PTH109 - pathlib would be another import
    request = {"argv": argv, "cwd": folder, "env": dict(os.environ), "umask": umask, **identity()}
    content = json.dumps(request).encode()
    for number in _FORWARDED:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda received, _frame: _pass_on(connection, received))
    try:
        socket.send_fds(connection, [len(content).to_bytes(4, "big")], [_open_stream(number) for number in range(3)])
        connection.sendall(content)
        answer = b""
        while not answer.endswith(b"\n"):
            part = connection.recv(4096)
            if not part:
                return {}
            answer += part
    except ConnectionError:
        return {}
    return json.loads(answer)


def _pass_on(connection: socket.socket, number: int) -> None:
    try:
        connection.send(bytes([number]))
    except ConnectionError:
        os._exit(128 + number)


def _open_stream(number: int) -> int:
    """File descriptor `number`, or /dev/null in its place when the caller closed it."""
    try:
        os.fstat(number)
    except OSError:
        return os.open(os.devnull, os.O_RDWR)
    return number


def _end_as(reply: dict[str, object]) -> int:
    """Exit code of the child; a child that a signal ended makes this process end by the same signal."""
    if not reply:
        print("ztfpipe: the worker went away while this step ran; it may be run again", file=sys.stderr)
        return EXIT_TRY_AGAIN
    number = int(reply["signal"])
    if number:
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    return int(reply["code"])


if __name__ == "__main__":
    sys.exit(main())
