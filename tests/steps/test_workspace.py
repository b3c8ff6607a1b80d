"""Where a command works: whatever the folder it is given in, and whatever the spelling."""

from pathlib import Path

import pytest

from ztfpipe.cli.main import run
from ztfpipe.errors import BadSettings
from ztfpipe.steps.workspace import archive_of, configured


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A configuration with a relative workspace, and another folder to be in."""
    (tmp_path / "site").mkdir()
    (tmp_path / "elsewhere").mkdir()
    path = tmp_path / "site" / "config.yaml"
    path.write_text("camera: mini\nworkspace: work\n")
    monkeypatch.chdir(tmp_path / "elsewhere")
    return path


def test_a_relative_workspace_stands_beside_its_configuration(site, tmp_path):
    assert configured(site, None).workspace == str(tmp_path / "site" / "work")
    assert configured(Path("../site/config.yaml"), None).workspace == str(tmp_path / "site" / "work")


def test_that_of_the_command_stands_where_the_command_is_given(site, tmp_path):
    assert configured(site, Path("other")).workspace == str(tmp_path / "elsewhere" / "other")
    assert configured(site, tmp_path / "third").workspace == str(tmp_path / "third")


def test_an_absolute_workspace_is_what_it_says(site, tmp_path):
    site.write_text(f"camera: mini\nworkspace: {tmp_path / 'data'}\n")
    assert configured(site, None).workspace == str(tmp_path / "data")


def test_the_archive(site, tmp_path):
    archive = tmp_path / "site" / "work" / "archive"
    archive.mkdir(parents=True)
    assert archive_of(configured(site, None)) == archive


def test_a_configuration_that_is_none(site):
    with pytest.raises(BadSettings, match=r"absent\.yaml"):
        configured(site.with_name("absent.yaml"), None)


COMMANDS = [
    ["candidates"],
    ["forced", "--ra", "1", "--dec", "1"],
    ["publish", "--night", "20180325", "--dry-run", "there"],
    ["rolloff", "--before", "20180325"],
    ["database", "update", "--night", "20180325"],
    ["database", "rebuild"],
    ["status", "--night", "20180325"],
    ["stale"],
    ["tidy"],
    ["disk"],
    ["coverage"],
    ["most", "--elements", "epoch_mjd=58000 a_au=2.5 e=0.1 i_deg=5 node_deg=1 peri_deg=1 mean_anomaly_deg=1 h_mag=18"],
    ["reference", "renew"],
    ["reference", "compare", "ref/000/field000314/zg/ccd10/q1/ztf_000314_zg_c10_q1_refimg.fits"],
    ["reference", "adopt", "ref/000/field000314/zg/ccd10/q1/ztf_000314_zg_c10_q1_refimg.fits"],
    ["reference", "backfill"],
    ["lightcurve", "extend"],
    ["lightcurve", "release", "1", "--from", "20180325", "--to", "20180326", "--on", "20200101"],
    ["lightcurve", "show", "--ra", "1", "--dec", "1"],
    ["lightcurve", "query", "POS=CIRCLE 1 1 0.01"],
    ["lightcurve", "export", "1", "there"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: " ".join(words[:2]))
def test_without_an_archive_a_command_says_which_one_is_missing(site, tmp_path, command, capsys):
    assert run([*command, "--config", str(site)]) == 2
    missing = tmp_path / "site" / "work" / "archive"
    assert capsys.readouterr().err == f"ztfpipe: {missing}: there is no archive\n"
    assert not missing.parent.exists()
