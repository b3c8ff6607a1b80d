"""A real SLURM with a database of its jobs: runs that ask sacct, and the message where that cannot be asked."""

import subprocess

import pytest

from .conftest import BIN, FRAMES, ROOT, Site
from .strikes import slurm

pytestmark = pytest.mark.fault


def ask(site: Site, word: str, target: str) -> subprocess.CompletedProcess[str]:
    settings = [f"workspace={site.workspace}", f"calibration={{frames_min: {FRAMES}}}"]
    return subprocess.run(
        [BIN / "snakemake", "--profile", "slurm", "--slurm-status-command", word, target, "--config", *settings],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def test_a_run_that_asks_sacct(accounting_cluster, site):
    bias, flat = site.master("bias", 10, 1), site.master("hifreqflat", 10, 1, "zg")
    path = site.archive / bias
    content = path.read_bytes()
    path.unlink()
    done = ask(site, "sacct", bias)
    assert done.returncode == 0, done.stderr
    assert path.read_bytes() == content
    # A master that lost half of its bytes: the job that needs it fails, and sacct says so.
    path.unlink()
    path.write_bytes(content[: len(content) // 2])
    failed = ask(site, "sacct", flat)
    assert failed.returncode == 1, failed.stderr
    assert "SLURM status is: 'FAILED'" in failed.stderr
    told = slurm("sacct", "--allocations", "--noheader", "--parsable2", "--format=Partition,State")
    assert sorted(told.splitlines()) == ["calibration|COMPLETED", "calibration|FAILED"]
    assert list((site.workspace / "ledger" / "jobs").iterdir()) == []
