"""The night operator with Snakemake itself: a night that arrives in two parts, and a unit that fails."""

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import yaml

from benchmarks.replay import Replay, send, steps_used
from ztfpipe.model.keys import NightKey
from ztfpipe.products.accounts.plan import read_plan
from ztfpipe.products.names import path_of

from .conftest import BIN, FRAMES, NIGHT, ROOT, Site

pytestmark = pytest.mark.workflow


def operate(site: Site, until: str = "now", *options: str) -> subprocess.CompletedProcess[str]:
    """Be the operator of the night, with the site's settings."""
    configuration = site.workspace / "config.yaml"
    content = {"camera": "mini", "workspace": str(site.workspace), "calibration": {"frames_min": FRAMES}}
    configuration.write_text(yaml.safe_dump(content))
    return subprocess.run(
        [str(BIN / "ztfpipe"), "operate", "--night", NIGHT, "--config", str(configuration), "--cores", "2",
         "--until", until, "--batch", "1", *options],
        cwd=ROOT, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip


def words(site: Site, done: subprocess.CompletedProcess[str]) -> str:
    """All that an operator and Snakemake said, for a test that fails."""
    return done.stdout + done.stderr + (site.workspace / "logs" / "operations" / f"{NIGHT}.log").read_text()


def report(site: Site) -> str:
    return (site.archive / path_of("nightreport", NightKey(NIGHT))).read_text()


def test_a_night_is_worked_through_as_it_arrives_and_a_second_operator_finds_nothing_to_do(new_site, late_bias):
    new_site.keep_one_ccd()
    staged = new_site.incoming().rename(new_site.workspace / "staged")
    begun = datetime.now(UTC)
    with ThreadPoolExecutor() as telescope:
        # Nine exposures in 4 s, while the operator looks each second and waits for another 8 s.
        arriving = telescope.submit(send, staged, new_site.incoming(), 0.5)
        done = operate(new_site, (begun + timedelta(seconds=12)).isoformat(), "--pause", "1")
    assert done.returncode == 0, words(new_site, done)
    assert "1 of 1 exposures done, 0 waiting" in done.stdout
    assert "every unit has its record" in done.stdout
    assert "Without a record" not in report(new_site)
    wall_s, steps_s = steps_used(new_site.workspace, NIGHT)
    night = Replay(NIGHT, new_site.archive, arriving.result(), steps_s, steps_s, 0.0, done.returncode)
    took_s = (datetime.now(UTC) - begun).total_seconds()
    assert np.all((night.waited_s("science image") > 0) & (night.waited_s("science image") < took_s))
    assert night.backlog("science image")[1].tolist()[:1] + night.backlog("science image")[1].tolist()[-1:] == [4, 0]
    assert wall_s > 0
    assert steps_s > 0
    assert new_site.run("night").nothing_done
    late_bias(new_site)
    again = operate(new_site)
    assert again.returncode == 0, words(new_site, again)
    (plan,) = [read_plan(new_site.archive / path_of("plan", NightKey(NIGHT)))]
    assert {len(one.frames) for one in plan.masters if one.kind == "bias" and one.ccdid == 10} == {FRAMES + 1}
    assert new_site.run("night").nothing_done


def test_a_unit_that_fails_is_named_first_by_the_report(site):
    # A bias master on a disk that lost half of it: no reader takes it.
    plan = read_plan(site.archive / path_of("plan", NightKey(NIGHT)))
    key = plan.science[0]
    broken = site.archive / site.master("bias", key.ccdid, key.qid)
    for path in (site.archive / path_of("sciqa", key)).parent.glob(f"*_c{key.ccdid:02d}_o_q{key.qid}_*"):
        path.unlink()
    times = broken.stat()
    content = broken.read_bytes()
    broken.unlink()
    broken.write_bytes(content[: len(content) // 2])
    os.utime(broken, ns=(times.st_atime_ns, times.st_mtime_ns))
    done = operate(site)
    assert done.returncode == 1, words(site, done)
    assert "not everything was made" in done.stdout
    assert "Without a record: 1 of 8 science images. Night 20180325" in report(site)
    # Put right, the next operator makes what was missing and no more.
    broken.write_bytes(content)
    os.utime(broken, ns=(times.st_atime_ns, times.st_mtime_ns))
    again = operate(site)
    assert again.returncode == 0, words(site, again)
    assert "Without a record" not in report(site)


def test_a_folder_without_a_workflow_is_no_place_to_operate_from(site, tmp_path):
    shutil.copy(ROOT / "config.yaml", tmp_path / "config.yaml")
    done = subprocess.run(
        [str(BIN / "ztfpipe"), "operate", "--night", NIGHT, "--until", "now"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "there is no Snakefile" in done.stderr
