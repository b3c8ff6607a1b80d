import json

import pytest

from benchmarks import __main__ as command
from benchmarks import report
from benchmarks.accuracy import row as accuracy_row
from benchmarks.measure import Cost, measure, row


def busy(megabytes):
    """Work of the size asked for, after a preparation that must not be timed."""
    prepared = sum(range(3_000_000))

    def work():
        return len(bytearray(int(megabytes) << 20)) + 0 * prepared

    return work


def test_measure_times_the_work_alone_in_its_own_process():
    small, large = (measure(f"{__name__}:busy", str(size), repeats=1) for size in (1, 300))
    assert small.value == 1 << 20
    # The preparation takes some 50 ms; 1 MB of zeros takes less than one.
    assert small.cpu_s < 0.02
    assert large.peak_mb - small.peak_mb == pytest.approx(299, abs=20)


def test_failure_of_the_work_is_told():
    with pytest.raises(RuntimeError, match="no_such_function"):
        measure(f"{__name__}:no_such_function", repeats=1)


@pytest.fixture
def pages(tmp_path, monkeypatch):
    """Results and pages of their own."""
    monkeypatch.setattr(report, "RESULTS", tmp_path / "results")
    docs = {kind: tmp_path / f"{kind}.md" for kind in ("bench", "validate")}
    for page in docs.values():
        page.write_text(f"# Page\n\n{report.BEGIN}\nold\n{report.END}\n\nafter\n")
    monkeypatch.setattr(report, "DOCS", docs)
    return docs


def test_tables_are_made_of_the_kept_results(pages):
    ours, theirs = Cost(0.5, 700), Cost(2.0, 2500)
    report.keep("bench", "one", [row("stack", ours, bar="3", met=True, peer="other", theirs=theirs, note="how")])
    report.keep("validate", "two", [accuracy_row("level", 0.01234567, unit="DN", bar="< 0.05", met=False)])
    report.write_table("bench")
    report.write_table("validate")
    bench, validate = pages["bench"].read_text(), pages["validate"].read_text()
    assert "| stack | 0.5 | 700 | other | 2 | 2500 | 4 | 3 | yes |" in bench
    assert "- stack: how" in bench
    assert "| level | 0.01235 | DN | < 0.05 | **no** |" in validate
    assert "1 of 1 bars are met." in bench
    assert "0 of 1 bars are met; missed:\n\n- [two](#two): level: 0.01235 DN (bar: < 0.05)\n" in validate
    for text in (bench, validate):
        assert "old" not in text
        assert text.startswith("# Page\n\n")
        assert text.endswith("\nafter\n")


def test_unknown_names_are_refused(capsys):
    assert command.main(["validate", "nothing"]) == 2
    assert "no validate of nothing; there are" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["bench", "validate"])
def test_pages_show_the_kept_results(kind):
    page = report.DOCS[kind].read_text()
    for path in report.RESULTS.glob(f"{kind}_*.json"):
        content = json.loads(path.read_text())
        section = page.partition(f"\n## {content['name']}\n")[2].partition("\n## ")[0]
        assert f"{content['date']}, commit {content['commit']}" in section
        for one in content["rows"]:
            assert f"| {one['name']} |" in section
