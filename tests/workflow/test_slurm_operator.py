"""An operator on a login node, each of its runs in an allocation of its own: itself killed, then a node lost."""

import subprocess
import time
from pathlib import Path

import pytest

from ztfpipe.model.keys import NightKey
from ztfpipe.products.accounts.plan import read_plan
from ztfpipe.products.names import path_of

from .conftest import BIN, NIGHT, ROOT, Site
from .strikes import CLUSTER, Holds, bring_back, differing, lose_node, science, state, strange_files, wait_for

pytestmark = pytest.mark.fault

BEGIN_S, END_S = 400.0, 500.0
"""Patience with the first images and with the rest of a night, on what may be a busy machine."""


def operate(site: Site, environment: dict[str, str]) -> subprocess.Popen[str]:
    configuration = site.workspace / "config.yaml"
    configuration.write_text(f"camera: mini\nworkspace: {site.workspace}\ncalibration: {{frames_min: 4}}\n")
    return subprocess.Popen(
        [BIN / "ztfpipe", "operate", "--night", NIGHT, "--config", configuration, "--until", "now",
         "--partition", "realtime", "--cores", "2", "--srun=--mem=4000M"],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def test_an_operator_killed_and_a_node_lost(cluster, new_site, first_run, tmp_path):
    new_site.keep_one_ccd()
    plan = read_plan(first_run[0].archive / path_of("plan", NightKey(NIGHT)))
    image = Path(path_of("sciimg", plan.science[0])).name
    holds = Holds(tmp_path / "holds")
    holds.ask(image)
    killed = operate(new_site, holds.environment)
    struck = holds.wait(image, BEGIN_S)
    killed.kill()
    killed.communicate()
    time.sleep(1.0)
    assert state(struck["job"]) == "RUNNING", "what is to be seen here does not happen"

    operator = operate(new_site, holds.environment)
    wait_for(lambda: state(struck["job"]) not in ("RUNNING", "COMPLETING", ""), BEGIN_S)
    holds.let_go(image)
    holds.ask(image)
    lost = holds.wait(image, BEGIN_S)
    assert not Path(f"/proc/{struck['pid']}").exists()
    assert lost["job"] != struck["job"]
    lose_node(lost["node"])
    wait_for(lambda: state(lost["job"]) != "RUNNING", 120.0)
    bring_back(lost["node"])
    said, _ = operator.communicate(timeout=END_S)
    words = said + (new_site.workspace / "logs" / "operations" / f"{NIGHT}.log").read_text()
    assert operator.returncode == 0, words
    assert "what an earlier operator left running has been ended" in said
    assert said.count("its allocation was lost") == 1, words
    assert differing(science(new_site), science(first_run[0], "_c10_")) == []
    assert not strange_files(new_site)
    assert new_site.run("night").nothing_done
    partitions = (CLUSTER / "log" / "jobcomp.txt").read_text()
    assert partitions.count("Partition=realtime") > 5, "plan, images, night, alerts and references, in allocations"
