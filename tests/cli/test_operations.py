"""What `ztfpipe operate` makes of its words: an allocation for each run, or one warm worker here."""

import pytest

from ztfpipe.cli import main
from ztfpipe.steps.operations import night

CALL = ["operate", "--night", "20180325", "--until", "now"]


@pytest.fixture
def asked(monkeypatch):
    """The words for srun that the operator was given."""
    seen = []
    monkeypatch.setattr(night, "run_operate", lambda *given, allocation=(): seen.append(allocation) or 0)
    return seen


def test_an_allocation_is_asked_as_the_words_say(asked):
    words = ["--partition", "realtime", "--cores", "32", "--srun", "--account=ztf --mem=80G"]
    assert main.run([*CALL, *words]) == 0
    (srun,) = asked
    assert {"--partition=realtime", "--cpus-per-task=32", "--account=ztf", "--nodes=1", "--ntasks=1"} <= set(srun)
    # Of two that differ srun takes the last.
    assert srun.index("--mem=80G") > srun.index("--mem=80000M")


@pytest.mark.parametrize("cores", [[], ["--cores", "all"], ["--cores", "0"]])
def test_an_allocation_needs_a_number_of_processors(asked, capsys, cores):
    assert main.run([*CALL, "--partition", "realtime", *cores]) == 2
    assert "a number of processors, which --partition needs" in capsys.readouterr().err
    assert asked == []
