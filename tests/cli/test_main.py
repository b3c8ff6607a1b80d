"""What a call of `ztfpipe` becomes: one function of one step, and an exit code."""

import errno
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from ztfpipe.cli import main
from ztfpipe.cli.table import STEPS
from ztfpipe.errors import BadFile, TryAgain
from ztfpipe.steps import calibration
from ztfpipe.steps import difference as steps_of_difference

BIAS = ["calibration", "bias", "cal/x.fits", "--settings", "../settings/calibration.json", "--frames", "a", "b"]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setenv("ZTFPIPE_RETRY_PAUSES_S", "0,0")


@pytest.fixture
def calls(monkeypatch):
    """The arguments that the bias step was called with."""
    seen = []
    monkeypatch.setattr(calibration, "bias", lambda *given, **named: seen.append((given, named)))
    return seen


def test_a_step_gets_what_the_call_says(calls, capsys):
    assert main.run([*BIAS, "--previous", "../archive/cal/earlier.fits", "--note", ""]) == 0
    ((given, named),) = calls
    assert given == ("cal/x.fits", Path("../settings/calibration.json"))
    # An earlier night's product is spelt from outside the archive by the workflow, and from inside by steps.
    assert named == {"frames": [Path("a"), Path("b")], "previous": Path("cal/earlier.fits"), "note": ""}
    assert "ztfpipe calibration bias: " in capsys.readouterr().err


def test_an_optional_input_may_be_named_without_a_value(calls):
    # Snakemake writes `--previous` and nothing after it when a rule has no such input.
    assert main.run([*BIAS, "--previous"]) == 0
    assert calls[0][1]["previous"] is None


@pytest.mark.parametrize("argv", [[], ["calibration"], ["nosuch"], ["calibration", "bias"], [*BIAS, "--nosuch", "1"]])
def test_a_call_that_cannot_be_parsed(argv, capsys):
    assert main.run(argv) == 2
    assert capsys.readouterr().err


IMAGE = "sci/2018/0325/200000/ztf_20180325200000_000300_zr_c10_o_q1_sciimg.fits"
REFERENCE = "ref/000/field000300/zr/ccd10/q1/v002/ztf_000300_zr_c10_q1_refimg.fits"


def test_what_the_same_jobs_made_is_found_beside(monkeypatch):
    """Not named: of the same key, or of the field's quadrant. Named without a file: none."""
    found = {}
    monkeypatch.setattr(steps_of_difference, "image", lambda *given, **named: found.update(named), raising=False)
    words = ["difference", "image", IMAGE.replace("sciimg.fits", "scimrefdiffimg.fits.fz"), "--settings", "s.json"]
    assert main.run([*words, "--image", IMAGE, "--refimg", f"../archive/{REFERENCE}", "--gaia", "--bodies"]) == 0
    assert {name: str(path) for name, path in found.items() if path} == {
        "image": IMAGE,
        "mask": IMAGE.replace("sciimg", "mskimg"),
        "psfcat": IMAGE.replace("sciimg", "psfcat"),
        "refimg": REFERENCE,
        "refmsk": REFERENCE.replace("refimg", "refmsk"),
        "refunc": REFERENCE.replace("refimg", "refunc"),
        "refpsfcat": REFERENCE.replace("refimg", "refpsfcat"),
        "ps1": "ops/static/rc36/context/ps1_000300_c10_q1.fits",
    }
    assert found["gaia"] is None
    assert found["bodies"] is None


def test_beside_a_file_of_another_name_nothing_is_found(capsys):
    words = ["difference", "image", IMAGE, "--settings", "s.json", "--image", "a.fits", "--refimg", REFERENCE]
    assert main.run(words) == 2
    assert "a.fits" in capsys.readouterr().err


def test_a_refusal_is_one_sentence_and_2(monkeypatch, capsys):
    def refuse(*_, **__):
        raise BadFile("a.fits", "not a FITS file")

    monkeypatch.setattr(calibration, "bias", refuse)
    assert main.run(BIAS) == 2
    assert capsys.readouterr().err == "ztfpipe: a.fits: not a FITS file\n"


@pytest.mark.parametrize("fault", [TryAgain("a", "disk full"), OSError(errno.ENOSPC, "disk full", "a")])
def test_a_passing_fault_is_tried_again_and_ends_with_75(monkeypatch, capsys, fault):
    tries = []

    def fail(*_, **__):
        tries.append(1)
        raise fault

    monkeypatch.setattr(calibration, "bias", fail)
    assert main.run(BIAS) == 75
    assert len(tries) == 3
    assert capsys.readouterr().err.splitlines()[-1] == "ztfpipe: a: disk full"


def test_a_fault_that_passes_is_forgotten(monkeypatch):
    outcomes = [TryAgain("a", "disk full"), None]

    def work(*_, **__):
        if (outcome := outcomes.pop(0)) is not None:
            raise outcome

    monkeypatch.setattr(calibration, "bias", work)
    assert main.run(BIAS) == 0
    assert not outcomes


@pytest.mark.parametrize("bug", [ValueError("a bug"), FileNotFoundError(errno.ENOENT, "no such file", "a")])
def test_a_bug_is_nobodys_to_catch(monkeypatch, bug):
    def fail(*_, **__):
        raise bug

    monkeypatch.setattr(calibration, "bias", fail)
    with pytest.raises(type(bug)):
        main.run(BIAS)


def test_every_step_of_the_table_exists():
    for step in STEPS:
        module = importlib.import_module(f"ztfpipe.steps.{step.pipeline}")
        parameters = getattr(module, step.action).__code__.co_varnames
        assert parameters[:2] == ("output", "settings")
        assert {one.name for one in step.inputs} <= set(parameters)


def test_help_imports_no_science():
    code = (
        "import sys; from ztfpipe.cli.main import run; run(['--help']); print('numpy' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "False\n"
    assert "calibration" in done.stdout


def test_help_says_what_holds_when_an_option_is_not_given(capsys):
    assert main.run(["lightcurve", "show", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "[1.5]" in said
    assert "[config.yaml]" in said
    assert "None" not in said
    assert main.run(["candidates", "--help"]) == 0
    assert "inf]" not in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--ra", "10"], ["--dec", "10"], ["--ra", "361", "--dec", "0"]])
@pytest.mark.parametrize("command", [["candidates"], ["forced"], ["lightcurve", "show"], ["database", "query"]])
def test_a_place_off_the_sky_or_half_a_place(command, words, capsys):
    assert main.run([*command, *words]) == 2
    assert capsys.readouterr().err.startswith("ztfpipe: place (")


def test_words_of_a_query_stand_on_both_sides_of_an_option(capsys):
    call = main.parsed(["lightcurve", "query", "ID=1", "--group", "FORMAT=csv"])
    assert call.words == ["ID=1", "FORMAT=csv"]
    assert call.group
    for late in ("nonsense", "--nosuch=1"):
        assert main.run(["lightcurve", "query", "ID=1", "--group", late]) == 2
        assert f"unrecognized arguments: {late}" in capsys.readouterr().err
    assert main.run(["stale", "ID=1"]) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["operate", "--night", "2018", "--project", "."], "night '2018' is not a UT date YYYYMMDD"),
        (["database", "query", "--from", "2018"], "night '2018' is not a UT date YYYYMMDD"),
        (["database", "query", "--from", "20180402", "--to", "20180401"], "last night '20180401' is not 20180402 or"),
        (["candidates", "--score", "drb>0.5"], "score 'drb>0.5' is not a column and its least value"),
        (["forced", "--list", "nosuch.txt"], "nosuch.txt: No such file or directory"),
        (["moving", "designations", "nosuch.txt"], "nosuch.txt: cannot be read: No such file or directory"),
        (
            ["lightcurve", "release", "1", "--from", "20180402", "--to", "20180401", "--on", "20200101"],
            "last night '20180401' is not 20180402 or later",
        ),
    ],
    ids=lambda one: " ".join(one[:2]) if isinstance(one, list) else "",
)
def test_what_is_wrong_with_a_word_is_said(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text("camera: mini\nworkspace: work\n")
    (tmp_path / "work" / "archive").mkdir(parents=True)
    assert main.run(words) == 2
    assert capsys.readouterr().err.startswith(f"ztfpipe: {said}")
