"""A mini night on a real SLURM: `snakemake --profile slurm TARGET`, from a shell without the environment active."""

import os
import subprocess
from pathlib import Path

import pytest
from astropy.io import fits

from .conftest import BIN, FRAMES, NIGHT, ROOT

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("slurm")]


def test_a_mini_night_on_slurm(cluster, new_site):
    bias, flat = new_site.master("bias", 10, 1), new_site.master("hifreqflat", 10, 1, "zg")
    settings = [f"workspace={new_site.workspace}", f"calibration={{frames_min: {FRAMES}}}"]
    # One CCD is enough to see every rule in its partition.
    new_site.keep_one_ccd()
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
