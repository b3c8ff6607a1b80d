"""The step `moving known` on files: a site's catalog becomes a night's table, and a night goes on without one."""

import json
from pathlib import Path

import pytest

from tests.products.catalogs.test_orbits import CERES, VESTA, write_lines
from ztfpipe.config import Config
from ztfpipe.errors import BadName, BadSettings
from ztfpipe.model.keys import NightKey
from ztfpipe.products.accounts.settings import write_settings
from ztfpipe.products.catalogs.orbits import read_known
from ztfpipe.products.names import path_of
from ztfpipe.steps.moving import known

NIGHT = NightKey("20260401")
OUTPUT, RECORD = path_of("known", NIGHT), path_of("knownqa", NIGHT)


@pytest.fixture
def settings(tmp_path, monkeypatch):
    (tmp_path / "archive").mkdir()
    monkeypatch.chdir(tmp_path / "archive")
    return write_settings(tmp_path / "settings", "moving", Config(camera="mini", workspace=str(tmp_path)))


def record():
    return json.loads(Path(RECORD).read_text())


def test_the_site_s_catalog_becomes_the_night_s_table(settings):
    known(OUTPUT, settings, write_lines(Path("MPCORB.DAT.gz"), CERES, VESTA))
    bodies = read_known(OUTPUT)
    assert sorted(bodies.designation) == ["(1) Ceres", "(4) Vesta"]
    # Between 6th and 10th magnitude all year, and slower than a degree a day.
    assert ((bodies.places.v_mag > 5) & (bodies.places.v_mag < 10)).all()
    assert (abs(bodies.rate_ra_arcsec_h) < 150).all()
    said = record()
    assert (said["status"], said["reason"]) == (1, "")
    assert said["metrics"]["n_orbits"] == said["metrics"]["n_known"] == 2
    assert said["inputs"] == {"MPCORB.DAT.gz": "2 orbits"}
    first = Path(OUTPUT).read_bytes()
    known(OUTPUT, settings, Path("MPCORB.DAT.gz"))
    assert Path(OUTPUT).read_bytes() == first


def test_a_night_without_a_catalog_goes_on_and_says_so(settings):
    known(OUTPUT, settings)
    assert len(read_known(OUTPUT)) == 0
    assert record()["status"] == 0
    assert "no catalog of orbits" in record()["reason"]


@pytest.mark.parametrize("content", [b"SIMPLE  = T", b"", CERES.encode()[:120]])
def test_a_catalog_of_the_wrong_kind_stops_no_night(settings, content):
    Path("orbits.dat").write_bytes(content)
    known(OUTPUT, settings, Path("orbits.dat"))
    assert len(read_known(OUTPUT)) == 0
    assert record()["status"] == 0
    assert record()["reason"].startswith("orbits.dat: ")


def test_calls_that_make_no_sense(settings):
    with pytest.raises(BadName, match="not the path of product known"):
        known(path_of("plan", NIGHT), settings)
    with pytest.raises(BadSettings, match="no such settings file"):
        known(OUTPUT, Path("none.json"))
