"""A mini night on a real SLURM: `snakemake --profile slurm TARGET`, from a shell without the environment active."""

import contextlib
import os
import subprocess
from pathlib import Path

import pytest
import yaml
from astropy.io import fits

from tests.reference_scene import KEY, frozen_inputs, stars, write_calibrators, write_science
from ztfpipe.config import Reference
from ztfpipe.model.campaign import Campaign
from ztfpipe.model.campaign_kinds import REFERENCE
from ztfpipe.model.keys import ReferenceVersionKey
from ztfpipe.products.accounts import references as accounts
from ztfpipe.products.accounts.campaigns import campaign_folder, write_campaign
from ztfpipe.products.names import path_of

from .conftest import BIN, FRAMES, NIGHT, ROOT, warm

pytestmark = pytest.mark.slurm


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
    # 9 files sent are verified, which archives them; one master of each kind.
    assert (partitions.count("Partition=realtime"), partitions.count("Partition=calibration")) == (9, 2)
    assert new_site.run(flat, night=None).nothing_done, f"night {NIGHT} is not finished"


def test_a_campaign_on_the_partition_for_bulk_work(cluster, tmp_path):
    """A reference of three images; the campaign is one that was frozen before."""
    version = ReferenceVersionKey(KEY, 1)
    image = path_of("vrefimg", version)
    archive = tmp_path / "archive"
    archive.mkdir()
    with contextlib.chdir(archive):
        field = stars()
        write_calibrators(field)
        keys = [write_science(field, k) for k in range(3)]
        accounts.write_frozen_inputs(Path(), frozen_inputs(version, keys, Reference(epochs_min=3)))
    campaign = Campaign(REFERENCE, "bulk", KEY.filter, NIGHT, NIGHT, products=(image,))
    folder = campaign_folder(tmp_path, "bulk")
    write_campaign(folder, campaign)
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"camera": "mini", "workspace": str(tmp_path), "reference": {"epochs_min": 3}}))
    words = ["campaign", REFERENCE, "run", "--name", "bulk", "--filter", KEY.filter, "--from", NIGHT, "--to", NIGHT]
    done = subprocess.run(
        [BIN / "ztfpipe", *words, "--profile", "profiles/bulk", "--config", config],
        cwd=ROOT,
        env=warm(),
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr + (folder / "run.log").read_text()
    assert "1 of 1 units are made" in done.stdout
    assert fits.getval(archive / image, "NFRAMES") == 3
    last = Path("/run/ztfpipe-slurm/log/jobcomp.txt").read_text().splitlines()[-1]
    assert {"Partition=bulk", "JobState=COMPLETED"} <= set(last.split())
