"""How far a night is: counts, pace and end against a night whose times are known."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.night_scene import night_records
from ztfpipe.pipelines.quality.database import night_rows
from ztfpipe.pipelines.quality.running import RECENT_S, pace, progress_of, running_summary

NOW = datetime(2018, 3, 25, 10, tzinfo=UTC)


def test_the_pace_is_that_of_the_last_half_hour_and_idleness_slows_it():
    now = NOW.timestamp()
    early = [now - 7200 + k for k in range(1000)]
    late = [now - 600 + 10 * k for k in range(61)]
    assert pace(early + late, now) == pytest.approx(0.1)
    assert pace(late, now + 600) == pytest.approx(0.05)
    assert pace(late, now + RECENT_S + 1) is None
    assert pace(late[:1], now) is None
    assert pace([], now) is None
    # What is not yet cannot be done.
    assert pace([*late, now + 500], now) == pytest.approx(0.1)


def test_a_stage_ends_when_what_is_left_is_done_at_its_pace():
    ended = [NOW.timestamp() - 600 + 10 * k for k in range(61)]
    one = progress_of("Science images", 100, [1] * 58 + [0] * 3, ended, 9, NOW)
    assert (one.usable, one.unusable, one.failed, one.left) == (58, 3, 9, 30)
    assert one.per_hour == pytest.approx(360.0)
    assert one.ends == NOW + timedelta(seconds=300)
    assert progress_of("x", 61, [1] * 61, ended, 0, NOW).ends is None
    assert progress_of("x", 100, [1] * 61, [], 0, NOW).ends is None


def test_a_night_in_tables():
    records = night_records("20180325")
    ended = max(record.ended_unix for record in records.science.values() if record.ended_unix)
    now = datetime.fromtimestamp(ended + 10, UTC)
    failed = {"Science images": [], "Differences": ["logs/a.log"]}
    summary = running_summary(records, night_rows(records)["trends"], failed, now)
    tables = {table.title: table for table in summary.tables}
    assert [row[:6] for row in tables["Progress"].rows] == [
        ("Science images", 24, 22, 1, 0, 1), ("Differences", 24, 22, 0, 1, 1),
        ("Exposures with packets", 3, 3, 0, 0, 0),
    ]  # fmt: skip
    assert tables["Failed so far"].rows == (("Differences", "logs/a.log"),)
    assert [row[:2] for row in tables["So far"].rows] == [("zg", 14), ("zr", 8)]
    assert "23 of 24 quadrants, ends about 2018-03-25" in summary.headline
    assert not summary.complete
