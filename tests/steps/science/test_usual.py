"""The window of nights that tells what zero points are usual."""

import shutil
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from ztfpipe.config import Config, Science
from ztfpipe.errors import BadFile
from ztfpipe.model.keys import ExposureKey, NightKey, QuadrantKey
from ztfpipe.model.reference import Epoch
from ztfpipe.products.accounts.settings import write_settings
from ztfpipe.products.accounts.zero_points import read_zero_points
from ztfpipe.products.catalogs.epochs import write_epochs
from ztfpipe.products.formats.plain import read_table, write_table
from ztfpipe.products.names import path_of
from ztfpipe.steps.science import zero_points

NIGHT = "20180325"


def night_of(back):
    return f"{date(2018, 3, 25) - timedelta(days=back):%Y%m%d}"


def put(night, zero_mag, n=5):
    """A night's table of epochs: `n` images of channel 36 with one zero point."""
    keys = [QuadrantKey(ExposureKey(f"{night}{200000 + k:06d}", 473, "zr", "o"), 10, 1) for k in range(n)]
    write_epochs(
        path_of("epochs", NightKey(night)),
        [Epoch(key, 1, 2.2, 26.0, 0.0, 20.5, 300.0, 7.0, 0.01, 0.01, zero_mag) for key in keys],
    )


@pytest.fixture
def usual(tmp_path, monkeypatch):
    """Make the table of NIGHT and read it."""
    settings = write_settings(tmp_path / "settings", "science", Config(camera="mini", workspace="w", science=Science()))
    (tmp_path / "archive").mkdir()
    monkeypatch.chdir(tmp_path / "archive")
    output = path_of("zeropoints", NightKey(NIGHT))

    def made():
        zero_points(output, settings)
        return read_zero_points(output)

    return made


def test_the_window_is_the_ten_days_before_the_night(usual):
    for back, zero_mag in ((11, 10.0), (10, 26.0), (1, 26.2), (0, 30.0), (-1, 40.0)):
        put(night_of(back), zero_mag)
    found = usual()
    assert found.nights == (night_of(10), night_of(1))
    one = found.channels["zr", 36]
    # Five of 26.0 and five of 26.2, whose tables are in float32.
    assert (one.median_mag, one.images) == (pytest.approx(26.1, abs=1e-5), 10)


def test_the_same_nights_give_the_same_bytes_whatever_the_night_itself_became(usual):
    put(night_of(3), 26.2)
    usual()
    first = Path(path_of("zeropoints", NightKey(NIGHT))).read_bytes()
    put(NIGHT, 20.0)
    usual()
    assert Path(path_of("zeropoints", NightKey(NIGHT))).read_bytes() == first


def test_a_first_night_and_tables_from_before_it_was_known_have_nothing_usual(usual):
    assert usual().channels == {}
    put(night_of(2), 26.2)
    path = path_of("epochs", NightKey(night_of(2)))
    write_table(path, read_table(path).drop(columns="standard_zero_point_mag"))
    assert usual().channels == {}
    put(night_of(1), np.nan)
    assert usual().channels == {}


def test_what_is_no_such_table(usual, tmp_path):
    usual()
    path = tmp_path / "other.json"
    with pytest.raises(BadFile, match="no such file"):
        read_zero_points(path)
    shutil.copy(path_of("zeropoints", NightKey(NIGHT)), path)
    path.write_text(path.read_text()[:-5])
    with pytest.raises(BadFile, match="no table of usual zero points"):
        read_zero_points(path)
