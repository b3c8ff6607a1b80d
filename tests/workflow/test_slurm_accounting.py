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
    made, broken = (site.master("bias", 10, qid) for qid in (1, 2))
    content = (site.archive / made).read_bytes()
    for path in (made, broken):
        (site.archive / path).unlink()
    done = ask(site, "sacct", made)
    assert done.returncode == 0, done.stderr
    assert (site.archive / made).read_bytes() == content
    # A frame that lost half of its bytes, of the right age: the job fails, and sacct says so.
    frame = next(site.archive.glob("raw/*/*/*/*_bi_c10_b.fits.fz"))
    half = frame.read_bytes()[: frame.stat().st_size // 2]
    frame.unlink()
    frame.write_bytes(half)
    failed = ask(site, "sacct", broken)
    assert failed.returncode == 1, failed.stderr
    assert "SLURM status is: 'FAILED'" in failed.stderr
    told = slurm("sacct", "--allocations", "--noheader", "--parsable2", "--format=Partition,State")
    assert sorted(told.splitlines()) == ["calibration|COMPLETED", "calibration|FAILED"]
    assert list((site.workspace / "ledger" / "jobs").iterdir()) == []
