"""Other projects' readers in an environment of their own, and products for them to read.

`make test-clients` runs these. Without it, and without the package index, they are skipped; in CI they fail.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.science_scenes import expose_sky, sky_settings, write_inputs
from tests.workflow.conftest import NIGHT, Site, simulated
from ztfpipe.camera import Camera
from ztfpipe.products.names import path_of
from ztfpipe.steps.science import image

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
INSTALL_TIMEOUT_S = 600

Client = Callable[..., dict[str, Any]]


def without_clients(reason: str) -> None:
    """The tests cannot run here: seen as skipped by a person, a failure in CI."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def python() -> Path:
    """The interpreter of the environment of ztfquery and ztfimg."""
    return interpreter_of(ROOT / ".venv-clients", HERE / "requirements.txt")


@pytest.fixture(scope="session")
def ampel_python() -> Path:
    """The interpreter of AMPEL's environment, whose libraries are too new for the others."""
    return interpreter_of(ROOT / ".venv-ampel", HERE / "requirements-ampel.txt")


def interpreter_of(environment: Path, requirements: Path) -> Path:
    """The interpreter of an environment of clients, which is made or brought up to date first."""
    ready, interpreter = environment / ".ready", environment / "bin" / "python"
    if ready.exists() and ready.read_text() == requirements.read_text():
        return interpreter
    if not (os.environ.get("ZTFPIPE_CLIENTS") or os.environ.get("CI")):
        without_clients("the clients' environment is not there: make test-clients makes it")
    uv = Path(sys.executable).with_name("uv")
    for command in (
        [uv, "venv", "--quiet", "--clear", "--python", "3.11", environment],
        [uv, "pip", "sync", "--quiet", "--require-hashes", "--python", interpreter, requirements],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False)
        if done.returncode:
            without_clients(f"the clients cannot be installed from the package index: {done.stderr.strip()[-300:]}")
    ready.write_text(requirements.read_text())
    return interpreter


@pytest.fixture(scope="session")
def lsdb_python() -> Path:
    """The interpreter of LSDB's environment, which goes with no other client's."""
    return interpreter_of(ROOT / ".venv-clients-lsdb", HERE / "requirements-lsdb.txt")


@pytest.fixture(scope="session")
def client(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Client:
    """Run one of the scripts beside this file on an archive; what it printed, read as JSON."""
    home = tmp_path_factory.mktemp("home")

    def run(script: str, archive: Path, *arguments: str) -> dict[str, Any]:
        done = subprocess.run(
            [python, HERE / script, *arguments],
            env={"ZTFDATA": f"{archive}/", "HOME": str(home), "PATH": "/usr/bin:/bin", "MPLCONFIGDIR": str(home)},
            cwd=home,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.fixture(scope="session")
def night(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of a mini night, made from one command."""
    workspace = tmp_path_factory.mktemp("night")
    simulated(workspace, NIGHT, 5)
    site = Site(workspace)
    done = site.run("night")
    assert done.code == 0, done.text
    return site.archive


@pytest.fixture(scope="session")
def quadrant(python: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """An archive with the products of one quadrant of full size, which is what ztfimg takes; and its exposure."""
    exposure = expose_sky(Camera.load("quadrant"), sky_settings())
    workspace = tmp_path_factory.mktemp("quadrant")
    arguments = write_inputs(exposure, workspace)
    with contextlib.chdir(workspace / "archive"):
        image(path_of("sciimg", exposure.key), **arguments)
    return workspace / "archive", exposure
