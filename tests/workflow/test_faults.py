"""Faults of the machine and of people, struck into running nights: nothing is lost, nothing half-written stays."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ztfpipe.model.keys import FieldQuadrantKey, NightKey
from ztfpipe.products.accounts.plan import read_plan
from ztfpipe.products.names import path_of

from .conftest import BIN, NIGHT, ROOT, Site
from .strikes import differing, science, strange_files, wait_for

pytestmark = pytest.mark.fault


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a file system of 3 MB; mounting one needs root."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        if os.environ.get("CI"):
            pytest.fail(f"no file system to fill: {done.stderr}")
        pytest.skip(f"mounting a small file system needs root: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def start(site: Site, *targets: str) -> subprocess.Popen:
    """Start a run that leads its own group of processes, so that all of it can be struck at once."""
    configuration = site.workspace / "config.yaml"
    configuration.write_text(f"camera: mini\nworkspace: {site.workspace}\ncalibration: {{frames_min: 4}}\n")
    return subprocess.Popen(
        [str(BIN / "ztfpipe"), "worker", "--", str(BIN / "snakemake"), "--profile", "profiles/local", "--cores", "2",
         "--configfile", str(configuration), "--config", f"night={NIGHT}", "--", *targets],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


def test_a_run_killed_in_the_middle_is_taken_up_again(new_site, first_run):
    new_site.keep_one_ccd()
    run = start(new_site, "night")
    wait_for(lambda: len(list(new_site.archive.glob("ops/ingest/2018/0325/*.json"))) >= 5)
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    time.sleep(1.0)  # what the kill left must have ended by itself: children die with their worker
    again = new_site.run("night")
    if again.code != 0:  # Snakemake's own lock outlives it; the message says what to do
        assert "--unlock" in again.text
        unlock = [
            str(BIN / "snakemake"),
            "--unlock",
            "--cores",
            "1",
            "--configfile",
            f"{new_site.workspace}/config.yaml",
        ]
        subprocess.run(unlock, cwd=ROOT, check=True, capture_output=True)
        again = new_site.run("night")
    assert again.code == 0, again.text
    assert again.jobs["ingest_verify"] < 9, "what was done before is not done again"
    assert new_site.run("night").nothing_done
    assert not strange_files(new_site)
    assert differing(science(new_site), science(first_run[0], "_c10_")) == []


def test_two_runs_at_once(new_site, first_run):
    new_site.keep_one_ccd()
    first = start(new_site, "night")
    wait_for(lambda: (new_site.workspace / "ledger" / "locks" / NIGHT).exists())
    second = start(new_site, "night")
    told, _ = second.communicate(timeout=120)
    said, _ = first.communicate(timeout=300)
    assert first.returncode == 0, said
    assert second.returncode != 0
    assert f"night {NIGHT} is being worked on by process" in told or "locked" in told.lower()
    assert new_site.run("night").nothing_done
    assert differing(science(new_site), science(first_run[0], "_c10_")) == []


def test_an_operator_killed_while_images_are_made_and_started_again(new_site, first_run):
    new_site.keep_one_ccd()
    configuration = new_site.workspace / "config.yaml"
    configuration.write_text(f"camera: mini\nworkspace: {new_site.workspace}\ncalibration: {{frames_min: 4}}\n")
    call = [str(BIN / "ztfpipe"), "operate", "--night", NIGHT, "--config", str(configuration), "--cores", "2"]
    first = subprocess.Popen([*call, "--until", "now"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    memory = new_site.workspace / "ledger" / "operator" / f"{NIGHT}.json"
    wait_for(lambda: list(new_site.archive.glob("sci/2018/0325/*/*_mskimg.fits")) and memory.exists(), 120.0)
    second = subprocess.run([*call, "--until", "now"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert second.returncode == 2
    assert f"night {NIGHT} is being worked on by process {first.pid} of" in second.stderr
    first.kill()
    first.communicate()
    left = json.loads(memory.read_text())["group"]
    third = subprocess.run([*call, "--until", "now"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert third.returncode == 0, third.stdout
    assert differing(science(new_site), science(first_run[0], "_c10_")) == []
    assert "what an earlier operator left running has been ended" in third.stdout
    assert not Path(f"/proc/{left}").exists()
    assert new_site.run("night").nothing_done
    assert not strange_files(new_site)


def test_a_full_disk_leaves_no_half_written_product(site, first_run, small_disk):
    key = read_plan(site.archive / path_of("plan", NightKey(NIGHT))).science[0]
    field = FieldQuadrantKey(key.exposure.field, key.ccdid, key.qid)
    output, part = path_of("sciimg", key), f"_c{key.ccdid:02d}_o_q{key.qid}_"
    # The science products are on the full disk; all else is seen through links.
    (small_disk / "archive").mkdir()
    for folder in ("raw", "cal", "ops"):
        (small_disk / "archive" / folder).symlink_to(site.archive / folder)
    shutil.copytree(site.workspace / "settings", small_disk / "settings")
    (small_disk / "ballast").write_bytes(b"\0" * 1_500_000)
    inputs = {
        "raw": path_of("raw", key.raw),
        "bias": site.master("bias", key.ccdid, key.qid),
        "flat": site.master("hifreqflat", key.ccdid, key.qid, key.exposure.filter),
        "gaia": path_of("gaiacalibrators", field),
        "ps1": path_of("ps1calibrators", field),
        "bright": path_of("brightstars", field),
    }
    words = [word for name, path in inputs.items() for word in (f"--{name}", path)]
    call = [str(BIN / "ztfpipe"), "science", "image", output, "--settings", "../settings/science.json", *words]
    done = subprocess.run(
        call, cwd=small_disk / "archive", env={**os.environ, "ZTFPIPE_RETRY_PAUSES_S": "0.1,0.1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 75, done.stderr
    assert done.stderr.count("trying again") == 2
    assert "Traceback" not in done.stderr
    assert not (small_disk / "archive" / output).exists()
    # With room again, the same call succeeds, and the products are those of a disk that was never full.
    (small_disk / "ballast").unlink()
    shutil.rmtree(small_disk / "archive" / "sci")
    subprocess.run(["mount", "-o", "remount,size=30m", str(small_disk)], check=True)
    again = subprocess.run(call, cwd=small_disk / "archive", capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert differing(science(Site(small_disk)), science(first_run[0], part)) == []


def test_a_job_killed_while_writing_leaves_no_product(site):
    output = site.master("bias", 10, 1)
    for path in site.archive.glob(str(Path(output).parent / "*")):
        path.unlink()
    raws = sorted(str(path.relative_to(site.archive)) for path in site.archive.glob("raw/*/*/*/*_bi_c10_b.fits.fz"))
    # Strikes at the moment of the last renaming, when the temporary files are complete.
    script = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "def strike(source, to):\n"
        f"    if str(to).endswith({Path(output).name!r}): os.kill(os.getpid(), signal.SIGKILL)\n"
        "    os.replace(source, to)\n"
        "Path.replace = strike\n"
        "from ztfpipe.cli.main import run\nsys.exit(run(sys.argv[1:]))\n"
    )
    call = ["calibration", "bias", output, "--settings", "../settings/calibration.json", "--frames", *raws]
    done = subprocess.run([sys.executable, "-c", script, *call], cwd=site.archive, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (site.archive / output).exists()
    assert site.run(output, night=None).jobs == {"calibration_bias": 1}
    assert site.run("night").jobs == {
        "calibration_flat": 1,
        "science_image": 1,
        "reference_check": 1,
        "quality_coverage": 1,
        "quality_report": 1,
    }
