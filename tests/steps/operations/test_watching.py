"""What a season in the database lets the report say, and the report with and without a database."""

import base64
import io
import re
from datetime import date, timedelta
from pathlib import Path

import matplotlib.image
import pytest

from tests.night_scene import night_records, write_night
from ztfpipe.config import Config, Database, Quality, Trends
from ztfpipe.model.keys import NightKey
from ztfpipe.pipelines.quality.database import night_rows
from ztfpipe.products.accounts.settings import write_settings
from ztfpipe.products.database.store import update_night
from ztfpipe.products.names import path_of
from ztfpipe.steps.operations.watching import watch_night
from ztfpipe.steps.quality import report

NIGHTS = [f"{date(2018, 3, 1) + timedelta(days=k):%Y%m%d}" for k in range(8)]
FEW = Trends(nights_min=6, fields=(473,))


@pytest.fixture(scope="module")
def season(tmp_path_factory):
    """A database of eight nights; on the last channel 36 lost a quarter of a magnitude."""
    url = f"sqlite:///{tmp_path_factory.mktemp('season') / 'operations.sqlite'}"
    for night in NIGHTS:
        lost = {"pabszp": -0.4, "zpchange": -0.4, "zero_point_outlier": 1.0} if night == NIGHTS[-1] else {}
        update_night(url, night, night_rows(night_records(night, exposures=4, **lost)))
    return url


def test_a_channel_that_changed_is_named_with_its_exposures_and_the_test_field_is_shown(season):
    watched = watch_night(season, NIGHTS[-1], FEW)
    tables = {table.title: table for table in watched.tables}
    assert list(tables) == ["Outliers", "Rolling zero points", "Test fields"]
    assert {row[:3] for row in tables["Outliers"].rows} == {
        ("zg", "CCD 10 q1", "zero point"), ("zr", "CCD 10 q1", "zero point"),
    }  # fmt: skip
    assert {row[6] for row in tables["Rolling zero points"].rows} == {"10/1"}
    assert {row[1] for row in tables["Test fields"].rows} == {"field 473"}
    assert watched.sentence.startswith("2 outliers against the nights before, ")
    earlier = watch_night(season, NIGHTS[-2], FEW)
    assert [table.title for table in earlier.tables] == ["Test fields"]
    assert earlier.sentence == ""


def test_pictures_are_pictures_and_say_since_when(season):
    captions, pictures = zip(*watch_night(season, NIGHTS[-1], FEW).pictures, strict=True)
    assert ["Run time" in captions[0], "end of the exposure" in captions[1], "night by night" in captions[2]] == [
        True
    ] * 3
    for one in pictures:
        image = matplotlib.image.imread(io.BytesIO(one))
        assert image.shape[1] == 900
        # Something is drawn: white paper has no scatter.
        assert image[..., :3].std() > 0.03


def test_a_night_made_years_later_counts_from_the_arrival(tmp_path):
    url = f"sqlite:///{tmp_path / 'a.sqlite'}"
    rows = night_rows(night_records(NIGHTS[0]))
    for row in rows["quadrants"]:
        if row["ended_unix"]:
            row["ended_unix"] += 3e8
            row["arrived_unix"] = row["ended_unix"] - 120.0
    update_night(url, NIGHTS[0], rows)
    captions = [caption for caption, _ in watch_night(url, NIGHTS[0], Trends()).pictures]
    assert "arrival of the raw file" in captions[1]
    assert len(captions) == 2  # of one night there is no trend


def written(tmp_path, monkeypatch, url=""):
    """The report of the first night with its database at `url`."""
    quality = Quality(database=Database(url=url), picture_pixels=100)
    config = Config(camera="mini", workspace=str(tmp_path), quality=quality)
    settings = write_settings(tmp_path / "settings", "quality", config)
    write_night(tmp_path / "archive", night_records(NIGHTS[0]))
    monkeypatch.chdir(tmp_path / "archive")
    night = NightKey(NIGHTS[0])
    paths = (Path(path_of(name, night)) for name in ("manifest", "plan"))
    report(path_of("nightreport", night), settings, *paths, None, [], [])
    return Path(path_of("nightreport", night)).read_text()


def test_the_report_updates_the_database_and_shows_its_pictures(tmp_path, monkeypatch):
    page = written(tmp_path, monkeypatch)
    assert (tmp_path / "database" / "operations.sqlite").exists()
    pictures = re.findall('base64,([^"]*)"', page)
    assert len(pictures) == 2
    assert base64.b64decode(pictures[0]).startswith(b"\x89PNG")
    assert "operations database is of no use" not in page


def test_a_report_is_made_when_the_database_is_away_and_says_so_first(tmp_path, monkeypatch):
    page = written(tmp_path, monkeypatch, f"postgresql://someone@/nothing?host={tmp_path}")
    assert "the operations database is of no use for this night: postgresql://someone@" in page.split("<table>")[0]
    assert "Science images" in page
