"""Lists of matchfiles grow by command, from the nights' tables of epochs."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.lightcurve_scene import KEY, VERSION, key_of
from tests.reference_scene import frozen_inputs
from ztfpipe.cli.main import run
from ztfpipe.config import Reference
from ztfpipe.model.keys import NightKey
from ztfpipe.model.records import QaRecord
from ztfpipe.model.reference import Epoch
from ztfpipe.products.accounts import references as accounts
from ztfpipe.products.accounts.matchepochs import read_match_epochs
from ztfpipe.products.accounts.records import write_record
from ztfpipe.products.catalogs.epochs import write_epochs
from ztfpipe.products.names import path_of

MATCHFILE, LIST = path_of("matchfile", KEY), path_of("matchepochs", KEY)
CALL = ["lightcurve", "extend", "--config", "../config.yaml"]


def night(number: int, status: int = 1) -> None:
    """The table of a night with one epoch of the field."""
    key = key_of(number)
    epoch = Epoch(key, status, 2.2, 26.0, 0.0, 20.5, 300.0, 7.0, 0.01, 0.01)
    write_epochs(path_of("epochs", NightKey(key.night)), [epoch])


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """An archive with a reference in force and three nights, one of whose images is unusable."""
    (tmp_path / "archive").mkdir()
    monkeypatch.chdir(tmp_path / "archive")
    Path("../config.yaml").write_text(yaml.safe_dump({"camera": "mini", "workspace": str(tmp_path)}))
    for version in (VERSION, replace(VERSION, version=2)):
        accounts.write_frozen_inputs(Path(), frozen_inputs(version, [], Reference()))
        write_record(path_of("vrefqa", version), QaRecord("reference coadd", "", 1, "", {}))
    for number, status in ((0, 1), (1, 0), (2, 1)):
        night(number, status)


def extended(capsys, *more: str) -> str:
    assert run([*CALL, *more]) == 0
    return capsys.readouterr().out.strip()


def test_a_list_begins_with_all_usable_epochs_and_grows_at_its_end(archive, capsys):
    assert extended(capsys) == MATCHFILE
    assert read_match_epochs(LIST).epochs == (key_of(0), key_of(2))
    content = Path(LIST).read_bytes()
    assert extended(capsys) == ""
    assert Path(LIST).read_bytes() == content
    night(4)
    night(1)  # made again, and usable now
    assert extended(capsys, "--least", "3") == ""
    assert extended(capsys, MATCHFILE) == MATCHFILE
    assert read_match_epochs(LIST).epochs == (key_of(0), key_of(2), key_of(1), key_of(4))


def test_settings_and_version_stay_until_the_list_is_begun_anew(archive, capsys):
    extended(capsys)
    accounts.put_in_force(Path(), replace(VERSION, version=2), "a test")
    settings = yaml.safe_load(Path("../config.yaml").read_text()) | {"lightcurve": {"reject_sigma": 5.0}}
    Path("../config.yaml").write_text(yaml.safe_dump(settings))
    night(4)
    assert extended(capsys) == MATCHFILE
    frozen = read_match_epochs(LIST)
    assert (frozen.version, frozen.settings["reject_sigma"]) == (1, 4.0)
    assert extended(capsys, "--again") == MATCHFILE
    frozen = read_match_epochs(LIST)
    assert (frozen.version, frozen.settings["reject_sigma"]) == (2, 5.0)
    assert frozen.epochs == (key_of(0), key_of(2), key_of(4))


def test_a_field_without_a_usable_reference_has_no_list(archive, capsys):
    write_record(path_of("vrefqa", VERSION), QaRecord("reference coadd", "", 0, "clouds", {}))
    assert extended(capsys) == ""
    assert not Path(LIST).exists()
    assert run([*CALL, MATCHFILE]) == 2
    assert "no usable reference is in force" in capsys.readouterr().err
