"""Questions to the operations database: places against pixels, conditions, and words that are no columns."""

import numpy as np
import pytest

from tests.night_scene import CAMERA, night_records, wcs_of
from ztfpipe.errors import BadKey
from ztfpipe.methods.sky.projection import pixel_to_sky, sky_to_pixel
from ztfpipe.pipelines.quality.database import ZONE_DEG, night_rows
from ztfpipe.products.database.query import Place, Question, ask
from ztfpipe.products.database.store import update_night
from ztfpipe.steps.operations.database import reach_deg

NIGHTS = ("20180325", "20180326")
RECORDS = {night: night_records(night) for night in NIGHTS}


@pytest.fixture
def filled(database):
    """A database of two nights, and their records."""
    for night, records in RECORDS.items():
        update_night(database, night, night_rows(records))
    return database, RECORDS


def question(**given):
    return Question(**given)


def test_a_place_finds_the_images_that_have_it_on_their_pixels(filled):
    database, nights = filled
    rng = np.random.default_rng(1)
    every = [key for records in nights.values() for key in records.science]
    ny, nx = CAMERA.quadrant_shape
    found_any = 0
    for _ in range(12):
        key = every[rng.integers(len(every))]
        x, y = rng.uniform(-0.2, 1.2, 2) * (nx, ny)
        ra, dec = (float(value) for value in pixel_to_sky(wcs_of(key), x, y))
        there = []
        for one in every:
            px, py = sky_to_pixel(wcs_of(one), ra, dec)
            inside = -0.5 <= px <= nx - 0.5 and -0.5 <= py <= ny - 0.5
            made = "ra" in nights[one.night].science[one].metrics
            if inside and made:
                there.append((int(one.exposure.filefracday), one.rcid))
        place = Place(ra, dec, reach_deg(CAMERA))
        answer = ask(database, question(place=place), ZONE_DEG)
        assert sorted(zip(answer["filefracday"], answer["rcid"], strict=True)) == sorted(there)
        exposures = ask(database, question(place=place, table="exposures"), ZONE_DEG)
        assert sorted(exposures["filefracday"]) == sorted({filefracday for filefracday, _ in there})
        found_any += bool(there)
    assert 3 <= found_any < 12


def test_conditions_mean_what_they_say(filled):
    database, nights = filled
    rows = [row for records in nights.values() for row in night_rows(records)["quadrants"]]
    for condition, passes in (
        ("seeing<2", lambda row: row["seeing"] is not None and row["seeing"] < 2),
        ("seeing >= 2.0 and filter = zr", lambda row: row["filter"] == "zr" and (row["seeing"] or 0) >= 2),
        ("reason != ''", lambda row: row["reason"] != ""),
        ("status=0", lambda row: row["status"] == 0),
        ("seeing = null", lambda row: row["seeing"] is None),
        ("seeing != null", lambda row: row["seeing"] is not None),
        ("gmedian>3e2", lambda row: (row["gmedian"] or 0) > 300),
    ):
        answer = ask(database, question(conditions=(condition,), table="quadrants"), ZONE_DEG)
        assert len(answer) == sum(map(passes, rows)), condition
    both = ask(database, question(conditions=("pabszp>26", "ncandscimref>5")), ZONE_DEG)
    assert (both["ncandscimref"] > 5).all()
    assert len(both)


def test_nights_dates_columns_and_a_limit(filled):
    database, _ = filled
    one = ask(database, question(nights=(NIGHTS[1], NIGHTS[1]), columns=("night", "rcid", "drbmedian")), ZONE_DEG)
    assert list(one) == ["night", "rcid", "drbmedian"]
    assert set(one["night"]) == {NIGHTS[1]}
    jd = ask(database, question(table="exposures"), ZONE_DEG)["obsjd"]
    later = ask(database, question(table="exposures", jd_range=(float(jd[1]), float(jd[2]))), ZONE_DEG)
    assert later["obsjd"].tolist() == jd[1:3].tolist()
    assert len(ask(database, question(limit=4), ZONE_DEG)) == 4


WORDS = [
    ({"conditions": ("seing<2",)}, "column 'seing'"),
    ({"conditions": ("seeing<2; DROP TABLE runs",)}, "value of seeing"),
    ({"conditions": ("1=1",)}, "condition '1=1'"),
    ({"conditions": ("seeing",)}, "condition 'seeing'"),
    ({"conditions": ("seeing<",)}, "condition"),
    ({"conditions": ("seeing<(select 1)",)}, "value of seeing"),
    ({"columns": ("count(*)",)}, r"column 'count\(\*\)'"),
    ({"table": "sqlite_master"}, "table 'sqlite_master'"),
    ({"table": "runs", "place": Place(1.0, 1.0, 1.0)}, "table 'runs'"),
    ({"table": "runs", "jd_range": (1.0, 2.0)}, "table 'runs'"),
]


def test_words_that_mean_nothing_are_refused_before_the_database_is_asked():
    for given, says in WORDS:
        with pytest.raises(BadKey, match=says):
            ask("sqlite:////no/such/file", question(**given), ZONE_DEG)


def test_a_text_is_a_text_whatever_it_says(filled):
    wicked = "reason = x' OR '1'='1"
    assert not len(ask(filled[0], question(conditions=(wicked,), table="quadrants"), ZONE_DEG))
    assert len(ask(filled[0], question(table="quadrants"), ZONE_DEG))
