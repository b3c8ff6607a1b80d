"""The steps `difference planted` and `difference efficiency` on files."""

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tests.difference_scene import NEW, VERSION, difference_settings, inputs_of, write_epochs, write_reference
from ztfpipe.config import Config, Planted
from ztfpipe.errors import BadFile
from ztfpipe.model.keys import NightKey
from ztfpipe.model.planted import PLANTED_COLUMNS
from ztfpipe.products.accounts.efficiency import read_efficiencies
from ztfpipe.products.accounts.settings import write_settings
from ztfpipe.products.catalogs.events import read_planted
from ztfpipe.products.names import path_of
from ztfpipe.steps.difference import efficiency, image, planted

OUTPUT, NIGHT = path_of("planted", NEW), NightKey(NEW.exposure.night)


def settings() -> Path:
    config = Config(camera="mini", workspace="w", planted=Planted(points_per_megapixel=300))
    return write_settings(Path("../settings"), "planted", config)


def inputs() -> dict[str, Path]:
    files = {name: Path(path_of(name, NEW)) for name in ("candidates", "diffqa")}
    return {"planting": settings(), **inputs_of(NEW, VERSION), **files}


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """An archive with a difference, and sources planted."""
    archive = tmp_path_factory.mktemp("planted") / "archive"
    archive.mkdir()
    with contextlib.chdir(archive):
        write_epochs()
        write_reference()
        image(path_of("scimrefdiffimg", NEW), difference_settings(), **inputs_of(NEW, VERSION))
        before = {path: path.read_bytes() for path in Path().rglob("*_c10_*") if path.is_file()}
        planted(OUTPUT, difference_settings(), **inputs())
        changed = [path for path, content in before.items() if path.read_bytes() != content]
    assert not changed
    return archive


def test_table_record_and_the_night(archive, monkeypatch):
    monkeypatch.chdir(archive)
    table = read_planted(OUTPUT)
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == {
        column.name: str(np.dtype(column.dtype)) for column in PLANTED_COLUMNS
    }
    record = json.loads(Path(path_of("plantedqa", NEW)).read_text())
    assert record["status"] == 1
    points = table[~table.streak]
    assert record["metrics"]["nplanted"] == len(points)
    assert record["metrics"]["nfound"] == points.found.sum()
    assert 0 < points.found.sum() < len(points)
    efficiency(path_of("efficiency", NIGHT), settings(), [Path(OUTPUT)])
    curves = read_efficiencies(path_of("efficiency", NIGHT))
    assert [(one.filter, one.hosted) for one in curves] == [("zr", False), ("zr", True)]
    assert sum(sum(one.planted) for one in curves) == len(points)
    assert Path(path_of("efficiencyplot", NIGHT)).read_bytes().startswith(b"\x89PNG")


def test_the_same_call_gives_the_same_bytes(archive, monkeypatch):
    monkeypatch.chdir(archive)
    content = Path(OUTPUT).read_bytes()
    planted(OUTPUT, difference_settings(), **inputs())
    assert Path(OUTPUT).read_bytes() == content


def test_a_quadrant_of_status_0_has_no_rows_and_counts_for_nothing(archive, monkeypatch):
    monkeypatch.chdir(archive)
    path = Path(path_of("sciimg", NEW))
    content, table = path.read_bytes(), Path(OUTPUT).read_bytes()
    with fits.open(path) as hdus:
        hdus[0].header["STATUS"] = 0
        hdus.writeto("new.fits", checksum=True)
    Path("new.fits").rename(path)
    planted(OUTPUT, difference_settings(), **inputs())
    assert len(read_planted(OUTPUT)) == 0
    record = json.loads(Path(path_of("plantedqa", NEW)).read_text())
    assert (record["status"], "STATUS 0" in record["reason"]) == (0, True)
    efficiency(path_of("efficiency", NIGHT), settings(), [Path(OUTPUT)])
    assert read_efficiencies(path_of("efficiency", NIGHT)) == ()
    path.write_bytes(content)
    Path(OUTPUT).write_bytes(table)


def test_a_table_of_something_else_is_refused(archive, monkeypatch):
    monkeypatch.chdir(archive)
    with pytest.raises(BadFile, match="column streak missing"):
        efficiency(path_of("efficiency", NIGHT), settings(), [Path(path_of("candidates", NEW))])
