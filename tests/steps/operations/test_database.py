"""`ztfpipe database`: files to rows, a damaged record, what is printed; and the operator's last word of a night."""

import pytest
import yaml

from tests.night_scene import night_records, write_night
from tests.products.database.test_store import content, same
from ztfpipe.cli.main import run
from ztfpipe.errors import BadFile
from ztfpipe.model.keys import NightKey
from ztfpipe.products.names import path_of
from ztfpipe.steps.operations.night import Watch, remember

NIGHTS = ("20180325", "20180326")


@pytest.fixture
def site(tmp_path):
    """A workspace with two nights on record and its configuration; the call of a command on it."""
    for night in NIGHTS:
        write_night(tmp_path / "archive", night_records(night))
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"camera": "mini", "workspace": "."}))

    def call(*words: str) -> int:
        return run(["database", words[0], "--config", str(config), *words[1:]])

    return tmp_path, call


def url(workspace) -> str:
    return f"sqlite:///{workspace / 'database' / 'operations.sqlite'}"


def test_updated_night_by_night_is_what_a_rebuild_finds_in_the_files(site):
    workspace, call = site
    for night in NIGHTS[::-1]:
        assert call("update", "--night", night) == 0
    updated = content(url(workspace))
    (workspace / "database" / "operations.sqlite").unlink()
    assert call("rebuild") == 0
    assert same(content(url(workspace)), updated)
    assert len(updated["quadrants"]) == 2 * 23
    assert len(updated["runs"]) == 2 * (23 + 22 + 3 + 1)


def test_failures_are_named_with_their_reasons(site, capsys):
    workspace, call = site
    broken = next((workspace / "archive" / "sci" / "2018" / "0325").glob("*/*_diffqa.json"))
    broken.write_text("{")
    call("update", "--night", NIGHTS[0])
    assert call("query", "--table", "failures", "--csv") == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    night = [line.removeprefix(f"{NIGHTS[0]},") for line in lines]
    assert (
        sum("without a record" in line for line in night) == 1 + 1 + 1 + 1
    )  # image, its difference, bad one's, broken
    assert "Files,torn,set aside,torn: no FITS" in night
    assert any(line.startswith("Science images,sci/") and line.endswith("STATUS 0,clouds") for line in night)
    assert any(
        line.startswith(f"Records,{broken.relative_to(workspace / 'archive')},unreadable,not a rec") for line in night
    )


def test_a_question_is_answered_as_a_table_and_as_values(site, capsys):
    _, call = site
    call("rebuild")
    capsys.readouterr()
    words = ("--ra", "185.3", "--dec", "4.71", "--where", "seeing<2.5", "--columns", "filefracday,rcid,seeing")
    assert call("query", *words, "--csv") == 0
    values, count = capsys.readouterr()
    assert call("query", *words) == 0
    table = capsys.readouterr().out
    assert count == f"{len(values.splitlines()) - 1} rows\n"
    assert values.splitlines()[0] == "filefracday,rcid,seeing"
    assert [line.split()[:2] for line in table.splitlines()[1:]] == [
        line.split(",")[:2] for line in values.splitlines()[1:]
    ]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("query",), "there is no operations database"),
        (("query", "--ra", "1"), "place (1.0, None)"),
        (("query", "--where", "x<1"), "column 'x'"),
        (("update", "--night", "20180401"), "no such file"),
        (("update", "--night", "spring"), "night 'spring'"),
        (("snapshot",), "there is no operations database"),
    ],
)
def test_a_call_that_cannot_be_done_says_why(site, capsys, words, says):
    _, call = site
    assert call(*words) == 2
    assert says in capsys.readouterr().err


def test_a_password_in_the_configuration_is_refused(site, capsys):
    workspace, call = site
    content = {"quality": {"database": {"url": "postgresql://me:secret@host/ops"}}}
    (workspace / "config.yaml").write_text(yaml.safe_dump({"camera": "mini", "workspace": ".", **content}))
    assert call("rebuild") == 2
    assert "PGPASSWORD" in capsys.readouterr().err


def test_the_operator_puts_the_ended_night_into_the_database_and_says_when_he_cannot(site):
    workspace, _ = site
    said = []
    watch = Watch(NIGHTS[0], workspace, lambda *_: 0, lambda: True, said.append, 1, 0.0, database=url(workspace))
    remember(watch)
    assert content(url(workspace))["nights"]["packets"].tolist() == [36]
    (workspace / "archive" / path_of("manifest", NightKey(NIGHTS[0]))).unlink()
    remember(watch)
    assert "the operations database lacks the end of this night" in said[0]
    with pytest.raises(BadFile):
        content(url(workspace / "nowhere"))
