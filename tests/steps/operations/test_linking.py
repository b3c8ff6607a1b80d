"""When tracks are asked for within the night: by what is done, once for each stretch of hours."""

import pytest

from tests.steps.operations.test_night import NIGHT, Night, exposure
from ztfpipe.model.keys import CutoffKey, ExposureKey
from ztfpipe.model.records import QaRecord
from ztfpipe.products.accounts.records import write_record
from ztfpipe.products.names import path_of
from ztfpipe.steps.operations.linking import SO_FAR, cutoff_due
from ztfpipe.steps.operations.night import plan_of, work_through


def planned(tmp_path, hours, done):
    """A night with exposures at some hours, the first `done` of which have records."""
    night = Night(tmp_path)
    keys = [ExposureKey(f"{NIGHT}{round(hour / 24 * 1e6):06d}", 473, "zg", "o") for hour in hours]
    night.send(*keys)
    night.plan()
    plan = plan_of(night.watch())
    for key in plan.science:
        if key.exposure in keys[:done]:
            write_record(tmp_path / "archive" / path_of("sciqa", key), QaRecord("science image", "x", 1, "", {}))
    return plan, tmp_path / "archive"


@pytest.mark.parametrize(
    ("done", "cutoff"),
    [(0, None), (1, None), (2, "0600"), (3, "0600"), (4, "1200")],
)
def test_the_last_hour_passed_is_due(tmp_path, done, cutoff):
    plan, archive = planned(tmp_path, [3.5, 6.1, 7.0, 12.2], done)
    due = cutoff_due(plan, archive, 3.0)
    assert due == (CutoffKey(NIGHT, cutoff) if cutoff else None)
    assert cutoff_due(plan, archive, 0.0) is None


def test_what_was_linked_is_not_due_again(tmp_path):
    plan, archive = planned(tmp_path, [3.5, 6.1], 2)
    path = archive / path_of("sofartracks", cutoff_due(plan, archive, 3.0))
    path.parent.mkdir(parents=True)
    path.touch()
    assert cutoff_due(plan, archive, 3.0) is None
    assert cutoff_due(plan, archive, 2.0) is None  # six o'clock is a multiple of two as well
    assert cutoff_due(plan, archive, 1.5) is None


def test_the_operator_asks_within_the_night_and_a_run_that_fails_holds_nothing_up(tmp_path):
    night = Night(tmp_path)
    night.send(*(exposure(minute) for minute in range(0, 240, 60)))
    asked = []

    def snakemake(targets, narrowing):
        if targets == (SO_FAR,):
            asked.append(narrowing["cutoff"])
            return 1
        return night(targets, narrowing)

    watch = night.watch(batch=1)
    watch.snakemake, watch.link_every_h = snakemake, 3.0
    assert work_through(watch)
    # From 02:24 UT to 05:26: once, though it fails, and the night goes on.
    assert asked == ["0300"]
    assert len(night.batches) == 4
