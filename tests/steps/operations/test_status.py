"""`ztfpipe status` on files: what failed by its log, what is at work, what is not there."""

import pytest
import yaml

from tests.night_scene import night_records, write_night
from ztfpipe.cli.main import run
from ztfpipe.products.names import path_of

NIGHT = "20180325"


@pytest.fixture
def site(tmp_path):
    """A workspace with a night on record, two exposures of three done, and its configuration."""
    records = night_records(NIGHT)
    write_night(tmp_path / "archive", records)
    last = [key for key in records.plan.science if key.exposure == records.plan.science[-1].exposure]
    for key in last:
        (tmp_path / "archive" / path_of("sciqa", key)).unlink(missing_ok=True)
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"camera": "mini", "workspace": "."}))
    return tmp_path, config, last


@pytest.mark.parametrize(
    ("words", "failed"),
    [
        ("Traceback (most recent call last):\nKeyError: 'x'\n", 1),
        ("ztfpipe: raw.fits: truncated\n", 1),
        ("", 0),
        ("ztfpipe: disk: full; trying again in 5 s\n", 0),
        ("ztfpipe science image: 1.20 s, 1.01 CPU s, 300 MB\n", 0),
    ],
)
def test_a_unit_failed_when_the_last_words_of_its_log_say_so(site, capsys, words, failed):
    workspace, config, last = site
    log = workspace / "logs" / "science" / "2018" / "0325" / f"{path_of('sciimg', last[0]).rpartition('/')[2]}.log"
    log.parent.mkdir(parents=True)
    log.write_text(words)
    assert run(["status", "--night", NIGHT, "--config", str(config)]) == 1
    said = capsys.readouterr().out
    (line,) = [line.split() for line in said.splitlines() if line.startswith("Science images") and "logs" not in line]
    assert line[2:7] == ["24", "16", "0", str(failed), str(8 - failed)]
    assert (f"logs/science/2018/0325/{log.name}" in said) == bool(failed)
    assert "16 of 24 quadrants" in said


def test_a_night_without_a_plan_is_said_to_have_none(site, capsys):
    _, config, _ = site
    assert run(["status", "--night", "20180401", "--config", str(config)]) == 2
    assert "night 20180401 has no plan yet" in capsys.readouterr().err
