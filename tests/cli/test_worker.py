"""The warm worker as a caller sees it: whatever a call does in a process of its own, it does through the worker."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ZTFPIPE = str(Path(sys.executable).parent / "ztfpipe")
# A worker whose calls do what the test needs instead of a step; clients are the real program.
SERVER = """
import os, signal, sys, threading, time
from pathlib import Path
from ztfpipe.cli import worker

def run(argv):
    match argv:
        case ["exit", code]: return int(code)
        case ["bug"]: raise ValueError("a bug")
        case ["die", number]: os.kill(os.getpid(), int(number)); time.sleep(60)
        case ["streams"]:
            print(sys.stdin.read().upper(), end=""); print("to stderr", file=sys.stderr)
        case ["where"]: print(os.getcwd(), os.environ["COLOUR"], oct(os.umask(0)), sys.argv)
        case ["snakemake"]: print("snakemake.cli" in sys.modules, len(list(Path("/proc/self/task").iterdir())))
        case ["threads"]: print(len(list(Path("/proc/self/task").iterdir())))
        case ["sleep", name]:
            Path(name).write_text(str(os.getpid())); time.sleep(60)
        case ["patient", name]:
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
            Path(name).write_text(str(os.getpid())); time.sleep(60)
    return 0

worker.PRELOADED = PRELOADED
sys.exit(worker.serve(sys.argv[1:], run))
"""


def serve(script: str, folder: Path, preloaded: tuple[str, ...] = (), **options) -> subprocess.CompletedProcess:
    """Run a shell script beside a test worker."""
    command = [sys.executable, "-c", SERVER.replace("= PRELOADED", f"= {preloaded}"), "bash", "-c", script]
    environment = {**os.environ, "Z": ZTFPIPE}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False, **options
    )


def gone(pid: int, within_s: float = 5.0) -> bool:
    """Whether a process ends within a time; a zombie has ended."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False


def written(path: Path, within_s: float = 20.0) -> int:
    """The process number that a call wrote."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if path.exists() and path.read_text():
            return int(path.read_text())
        time.sleep(0.02)
    raise AssertionError(f"{path} was not written in {within_s} s")


@pytest.mark.parametrize("code", [0, 2, 75])
def test_exit_code_of_a_call_is_the_clients(tmp_path, code):
    assert serve(f"$Z exit {code}; echo got $?", tmp_path).stdout == f"got {code}\n"


def test_a_bug_ends_with_its_traceback_and_1(tmp_path):
    done = serve("$Z bug; echo got $?", tmp_path)
    assert done.stdout == "got 1\n"
    assert "ValueError: a bug" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_signal_that_ends_the_call_ends_the_client(tmp_path, number):
    # bash shows death by a signal as 128 + its number
    assert f"got {128 + number}\n" in serve(f"$Z die {number:d}; echo got $?", tmp_path).stdout


def test_streams_are_the_callers(tmp_path):
    done = serve("echo hello | $Z streams 2> err.txt > out.txt; cat out.txt err.txt", tmp_path)
    assert done.stdout == "HELLO\nto stderr\n"


def test_folder_environment_and_mask_are_the_callers(tmp_path):
    (tmp_path / "sub").mkdir()
    done = serve("cd sub; umask 027; COLOUR=blue $Z where", tmp_path)
    assert done.stdout == f"{tmp_path}/sub blue 0o27 ['ztfpipe', 'where']\n"


def test_a_closed_stdin_is_no_fault(tmp_path):
    assert serve("$Z exit 0 <&-; echo got $?", tmp_path).stdout == "got 0\n"


def test_many_calls_at_once(tmp_path):
    done = serve(
        "for i in $(seq 20); do $Z exit $((i % 3)) & done; for p in $(jobs -p); do wait $p; echo $?; done", tmp_path
    )
    assert sorted(done.stdout.split()) == sorted(str(i % 3) for i in range(1, 21))


def test_worker_is_single_threaded_when_it_forks(tmp_path):
    done = serve("$Z threads", tmp_path, preloaded=("numpy", "scipy.ndimage", "numba", "astropy.io.fits"))
    assert done.stdout == "1\n"


def test_snakemake_is_imported_before_a_run_of_it_is_forked(tmp_path):
    assert serve("$Z snakemake; $Z snakemake", tmp_path).stdout == "True 1\nTrue 1\n"


def test_snakemake_gets_its_own_words_and_its_exit_code_is_the_calls(tmp_path):
    (tmp_path / "Snakefile").write_text("import sys\nprint(sys.argv)\nrule all:\n    shell: 'echo made; exit 3'\n")
    words = ["--cores", "1", "--quiet", "all", "--directory", str(tmp_path), "--snakefile", str(tmp_path / "Snakefile")]
    done = subprocess.run([ZTFPIPE, "snakemake", *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"{['snakemake', *words]}\n" in done.stdout
    assert "made\n" in done.stdout


def test_a_held_worker_ends_with_its_holder(tmp_path):
    script = (
        "import os, signal, subprocess, sys\nfrom ztfpipe.cli.worker import held_worker\n"
        "with held_worker() as environment:\n"
        "    print(environment['ZTFPIPE_WORKER'], flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    address, until = Path(done.stdout.strip()), time.monotonic() + 20
    while address.parent.exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert address.name == "worker"
    assert not address.parent.exists()


def test_a_killed_client_takes_its_child_with_it(tmp_path):
    wait_and_kill = "until [ -s pid ]; do sleep 0.05; done; kill -9 $c; wait $c; sleep 0.5"
    done = serve(f"$Z sleep pid & c=$!; {wait_and_kill}; kill -0 $(cat pid) && echo alive || echo gone", tmp_path)
    assert done.stdout == "gone\n"


def test_a_signal_to_the_client_reaches_its_child(tmp_path):
    done = serve(
        "$Z patient pid & c=$!; until [ -s pid ]; do sleep 0.05; done; kill -TERM $c; wait $c; echo got $?", tmp_path
    )
    assert done.stdout == "got 7\n"


def test_children_end_with_the_worker(tmp_path):
    script = "$Z sleep pid; echo got $? > saying; mv saying code"  # a file that is there is complete
    command = [sys.executable, "-c", SERVER.replace("= PRELOADED", "= ()"), "bash", "-c", script]
    with subprocess.Popen(command, cwd=tmp_path, env={**os.environ, "Z": ZTFPIPE}, stderr=subprocess.DEVNULL) as worker:
        child = written(tmp_path / "pid")
        worker.kill()
    assert gone(child)
    until = time.monotonic() + 10
    while not (tmp_path / "code").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert (tmp_path / "code").read_text() == "got 75\n"  # the caller is told to try again


def test_without_a_worker_the_client_works_alone(tmp_path):
    environment = {**os.environ, "ZTFPIPE_WORKER": str(tmp_path / "nobody")}
    done = subprocess.run([ZTFPIPE, "--help"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "usage: ztfpipe" in done.stdout


@pytest.mark.parametrize("other", ["ZTFPIPE_CAMERAS=/elsewhere", "SLURM_JOB_ID=7"])
def test_a_worker_with_other_cameras_or_of_another_allocation_refuses(tmp_path, other):
    # The worker knows no --help: what answers is the client itself.
    done = serve(f"{other} $Z --help", tmp_path)
    assert "usage: ztfpipe" in done.stdout


def test_the_commands_exit_code_is_the_workers_and_nothing_is_left(tmp_path):
    done = serve("echo $ZTFPIPE_WORKER; exit 9", tmp_path)
    assert done.returncode == 9
    assert not Path(done.stdout.strip()).parent.exists()


def test_a_command_that_cannot_be_run(tmp_path):
    done = subprocess.run([ZTFPIPE, "worker", "--", "/no/such"], capture_output=True, text=True, check=False)
    assert done.returncode == 127
    assert done.stderr == "ztfpipe: /no/such cannot be run: No such file or directory\n"
