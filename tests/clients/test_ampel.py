"""AMPEL reads every packet: from archives of quadrants and nights, and from the stream."""

from __future__ import annotations

import contextlib
import json
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.alerts_nights import looks, nights, run_night
from tests.alerts_scene import alert_settings, plan_of, write_look
from tools.mock_cluster import mock_cluster
from ztfpipe.model.keys import ProgramKey
from ztfpipe.products.alerts.packets import read_archive, read_packet
from ztfpipe.products.names import path_of
from ztfpipe.steps.alerts import night
from ztfpipe.steps.alerts.streaming import run_publish

from .conftest import HERE

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """An archive with packets of three nights and the archives of their programs."""
    folder = tmp_path_factory.mktemp("ampel") / "archive"
    folder.mkdir()
    everything = looks()
    with contextlib.chdir(folder):
        for one in everything:
            write_look(one)
        for date in nights(everything):
            run_night(everything, date)
            for program in (1, 2):
                night(path_of("nightalerts", ProgramKey(date, program)), alert_settings(), plan_of(everything, date))
    return folder


@pytest.fixture(scope="module")
def read(archive, ampel_python, tmp_path_factory):
    """What AMPEL read, by archive and stream; all nights were published."""
    workspace = archive.parent
    paths = sorted(str(path) for path in archive.rglob("*.tar.gz"))
    home = tmp_path_factory.mktemp("home")
    # 5 MB is what a partition of the mock holds: its four take the packets of these nights.
    with mock_cluster() as (address, _):
        config = workspace / "config.yaml"
        config.write_text(
            yaml.safe_dump({"camera": "mini", "workspace": str(workspace), "stream": {"servers": address}})
        )
        for date in nights(looks()):
            assert run_publish(config, None, date, [], None) == 0
        done = subprocess.run(
            [ampel_python, HERE / "read_with_ampel.py", address, *paths],
            env={"HOME": str(home), "PATH": "/usr/bin:/bin", "MPLCONFIGDIR": str(home)},
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def expected(path: Path) -> list[dict[str, object]]:
    """What an archive's packets say, by our own reader."""
    out = []
    for candid, content in read_archive(path):
        packet = read_packet(content)
        entries = packet["prv_candidates"] or []
        found = [one for one in entries if one["candid"] is not None]
        out.append(
            {
                "candid": candid,
                "name": packet["objectId"],
                "jd": packet["candidate"]["jd"],
                "magpsf": packet["candidate"]["magpsf"],
                "detections": 1 + len(found),
                "limits": len(entries) - len(found),
                "programs": sorted({packet["candidate"]["programid"], *(one["programid"] for one in entries)}),
            }
        )
    return out


def test_archives_of_quadrants_and_programs(read, archive):
    paths = sorted(archive.rglob("*.tar.gz"))
    assert len(paths) == 12 + 6
    for path in paths:
        assert read[str(path)] == expected(path)
    everything = [one for path in paths for one in read[str(path)]]
    assert min(sum(one["limits"] for one in everything), len(everything)) > 50


def test_the_stream(read, archive):
    """Its public stream is program 1, its private one has program 2 too; what is public tells nothing of program 2."""
    by_program = {
        program: [one for path in archive.glob(f"ops/alerts/*/*/ztf_{name}_*.tar.gz") for one in expected(path)]
        for program, name in ((1, "public"), (2, "partnership"))
    }
    assert all(by_program.values())

    def ordered(alerts):
        return sorted(alerts, key=lambda one: one["candid"])

    assert ordered(read["ztf_uw_public"]) == ordered(by_program[1])
    assert ordered(read["ztf_uw_private"]) == ordered(by_program[1] + by_program[2])
    assert {tuple(one["programs"]) for one in read["ztf_uw_public"]} == {(1,)}
    assert any(one["programs"] == [1, 2] for one in read["ztf_uw_private"])
