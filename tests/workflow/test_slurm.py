"""A mini night on a real SLURM: `snakemake --profile slurm TARGET`, from a shell without the environment active."""

import os
import subprocess
from pathlib import Path

import pytest
from astropy.io import fits

from .conftest import BIN, FRAMES, NIGHT, ROOT

pytestmark = pytest.mark.slurm

EXIT_NOT_HERE = 77


def make(target: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["make", "--no-print-directory", target], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def cluster():
    """The one-machine cluster; skipped where it cannot be, which in CI is a failure."""
    up = make("slurm-up")
    if f"Error {EXIT_NOT_HERE}" in up.stderr and not os.environ.get("CI"):
        pytest.skip(up.stderr.splitlines()[0])
    assert up.returncode == 0, up.stderr
    yield
    down = make("slurm-down")
    assert down.returncode == 0, down.stderr
    assert not Path("/run/ztfpipe-slurm").exists()
    assert not Path("/etc/slurm/slurm.conf").is_symlink()


def test_a_mini_night_on_slurm(cluster, new_site):
    bias, flat = new_site.master("bias", 10, 1), new_site.master("hifreqflat", 10, 1, "zg")
    settings = [f"workspace={new_site.workspace}", f"calibration={{frames_min: {FRAMES}}}"]
    # One CCD is enough to see every rule in its partition.
    for path in new_site.raw("_c11_?"):
        path.unlink()
    new_site.announce(new_site.incoming())
    bare = {"HOME": os.environ.get("HOME", "/"), "PATH": "/usr/local/bin:/usr/bin:/bin"}
    done = subprocess.run(
        [str(BIN / "snakemake"), "--profile", "slurm", flat, "--config", *settings],
        cwd=ROOT,
        env=bare,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert fits.getval(new_site.archive / flat, "NFRAMES") == FRAMES
    assert fits.getval(new_site.archive / bias, "STATUS") == 1
    jobs = Path("/run/ztfpipe-slurm/log/jobcomp.txt").read_text().splitlines()
    assert all("JobState=COMPLETED" in job for job in jobs)
    partitions = [word for job in jobs for word in job.split() if word.startswith("Partition=")]
    # 9 files sent are verified; the 8 biases and flats are archived; one master of each kind.
    assert (partitions.count("Partition=realtime"), partitions.count("Partition=calibration")) == (17, 2)
    assert new_site.run(flat, night=None).nothing_done, f"night {NIGHT} is not finished"
