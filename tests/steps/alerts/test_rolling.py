"""Roll-off of old candidates: every answer and every packet is the same before, in the middle and after."""

import contextlib
import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.alerts_nights import looks, nights, run_night
from tests.alerts_scene import alert_settings, write_look
from ztfpipe.cli.main import run
from ztfpipe.model.identifiers import night_jd
from ztfpipe.model.keys import NightKey
from ztfpipe.products.alerts import history
from ztfpipe.products.names import path_of
from ztfpipe.steps.alerts import exposure, names

SETTINGS = {"history_days": 12.0, "forced_days": 0.0}
"""The nights are nine days apart: the last one's history has the second in it and the first no more."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A workspace with three nights and their packets; what was looked at."""
    workspace = tmp_path_factory.mktemp("rolling")
    (workspace / "archive").mkdir()
    (workspace / "config.yaml").write_text("camera: mini\nworkspace: .\nalerts: {history_days: 12, forced_days: 0}\n")
    everything = looks()
    with contextlib.chdir(workspace / "archive"):
        for one in everything:
            write_look(one)
        for date in nights(everything):
            run_night(everything, date, **SETTINGS)
    return workspace, everything


@pytest.fixture
def site(made, tmp_path, monkeypatch):
    shutil.copytree(made[0], tmp_path / "w")
    monkeypatch.chdir(tmp_path / "w" / "archive")
    return made[1]


def packets(everything, date):
    """Bytes of a night's archives, made again."""
    found = {}
    for one in sorted({look.key.exposure for look in everything if look.key.night == date}):
        given = Path(path_of("objectnames", NightKey(date)))
        exposure(path_of("alertsqa", one), alert_settings(**SETTINGS), Path(path_of("plan", NightKey(date))), given)
    for look in everything:
        if look.key.night == date:
            found[look.key] = Path(path_of("alerts", look.key)).read_bytes()
    return found


def answers(capsys):
    assert run(["candidates", "--field", "473", "--config", "../config.yaml"]) == 0
    return capsys.readouterr().out


def rolled(before):
    assert run(["rolloff", "--before", before, "--config", "../config.yaml"]) == 0


def sizes():
    return {
        name: sum(len(pd.read_parquet(p)) for p in Path().rglob(f"*_{name}.parquet"))
        for name in ("history", "longhistory")
    }


@pytest.mark.parametrize("upto", [1, 2])
def test_answers_and_packets_are_the_same(site, capsys, upto):
    """With the first night rolled off, which is only counted; and with the second, which is in the packets."""
    dates = nights(site)
    before, asked, count = packets(site, dates[2]), answers(capsys), sizes()["history"]
    rolled(dates[upto])
    after = sizes()
    assert after["longhistory"] > 20
    assert after["history"] + after["longhistory"] == count
    assert answers(capsys) == asked
    assert packets(site, dates[2]) == before
    rolled(dates[upto])
    assert sizes() == after
    # Little by little gives the same.
    rolled(dates[2])
    assert answers(capsys) == asked
    assert packets(site, dates[2]) == before


@pytest.mark.parametrize("struck", [1, 2, 3])
def test_killed_in_the_middle_nothing_is_lost_or_counted_twice(site, capsys, monkeypatch, struck):
    dates = nights(site)
    before, asked, count = packets(site, dates[2]), answers(capsys), sizes()["history"]

    class KilledError(BaseException):
        pass

    written = []
    whole = history.write_table

    def write(path, *arguments, **named):
        written.append(path)
        if len(written) == struck:
            raise KilledError
        whole(path, *arguments, **named)

    monkeypatch.setattr(history, "write_table", write)
    with pytest.raises(KilledError):
        run(["rolloff", "--before", dates[2], "--config", "../config.yaml"])
    monkeypatch.setattr(history, "write_table", whole)
    assert answers(capsys) == asked
    assert packets(site, dates[2]) == before
    rolled(dates[2])
    assert sum(sizes().values()) == count
    assert answers(capsys) == asked


def test_an_image_made_again_replaces_what_was_rolled_off(site, capsys):
    dates = nights(site)
    rolled(dates[2])
    place = next(look.key.place for look in site if look.key.qid == 1)
    ((row, found),) = [
        (history.coverage_row(look.key, (1, 1)), look)
        for look in site
        if look.key.night == dates[0] and look.key.place == place and look.ra and look.filter == "zr"
    ][:1]
    table = pd.read_parquet(path_of("candidates", found.key))
    table.iloc[1:].to_parquet(path_of("candidates", found.key), index=False)
    before = history.read_detections(place)
    plan = Path(path_of("plan", NightKey(dates[0])))
    names(path_of("objectnames", NightKey(dates[0])), alert_settings(**SETTINGS), plan)
    after = history.read_detections(place)
    gone = set(before["candid"]) - set(after["candid"])
    assert gone == {int(table["candid"].iloc[0])}
    assert not after["candid"].duplicated().any()
    assert night_jd(dates[0]) < row["jd"]
    rolled(dates[2])
    assert set(history.read_detections(place)["candid"]) == set(after["candid"])
