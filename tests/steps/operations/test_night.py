"""An operator's rounds, with a Snakemake that only writes what a real one would leave."""

from __future__ import annotations

from pathlib import Path

import pytest

from ztfpipe.config import Lightcurve
from ztfpipe.errors import BadFile
from ztfpipe.model.keys import ExposureKey, NightKey, QuadrantKey, ReferenceKey, ReferenceVersionKey
from ztfpipe.model.manifest import Manifest
from ztfpipe.model.plan import NightPlan
from ztfpipe.model.records import QaRecord
from ztfpipe.products.accounts.plan import write_plan
from ztfpipe.products.accounts.records import write_manifest, write_record
from ztfpipe.products.arrival.incoming import incoming_digest
from ztfpipe.products.names import path_of
from ztfpipe.steps.operations import night as operations
from ztfpipe.steps.operations.night import URGENT, Watch, work_through

NIGHT = "20180325"
ENDING = [targets for targets, _ in operations.END_OF_NIGHT]


def exposure(minute: int, field: int = 473) -> ExposureKey:
    return ExposureKey(f"{NIGHT}{100000 + 700 * minute:06d}", field, "zg", "o")


class Night:
    """A workspace, and a Snakemake that plans one exposure for each file and makes what it is asked for."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.calls: list[tuple[tuple[str, ...], str]] = []
        self.broken: set[str] = set()
        self.arrivals: list[ExposureKey] = []
        self.said: list[str] = []
        self.made_only: list[tuple[str, ...]] = []
        self.references: tuple[ReferenceVersionKey, ...] = ()
        (workspace / "incoming" / NIGHT).mkdir(parents=True)

    def send(self, *keys: ExposureKey) -> None:
        for key in keys:
            (self.workspace / "incoming" / NIGHT / key.filefracday).write_text(str(key.field))

    def __call__(self, targets, narrowing) -> int:
        self.calls.append((tuple(targets), narrowing.get("exposure", "")))
        self.made_only += [tuple(targets)] if narrowing.get("made") == "true" else []
        if targets == ("plan",):
            return self.plan()
        asked = set(narrowing["exposure"].split(",")) if "exposure" in narrowing else None
        code = 0
        for key in self.planned().science:
            name = key.exposure.filefracday
            if asked is None or name in asked:
                if name in self.broken:
                    code = 1
                else:
                    path = self.workspace / "archive" / path_of("sciqa", key)
                    write_record(path, QaRecord("science image", "x", 1, "", {}))
        if self.arrivals:
            self.send(self.arrivals.pop(0))
        return code

    def plan(self) -> int:
        folder = self.workspace / "incoming" / NIGHT
        keys = [ExposureKey(path.name, int(path.read_text()), "zg", "o") for path in sorted(folder.iterdir())]
        science = tuple(QuadrantKey(key, 10, qid) for key in keys for qid in (1, 2))
        accounts = Manifest(NIGHT, f"Night {NIGHT}", True, incoming_digest(folder), {}, ())
        write_manifest(self.workspace / "archive" / path_of("manifest", NightKey(NIGHT)), accounts)
        path = self.workspace / "archive" / path_of("plan", NightKey(NIGHT))
        write_plan(path, NightPlan(NIGHT, "mini", incoming_digest(folder), science, (), (), (), self.references))
        return 0

    def planned(self) -> NightPlan:
        return operations.read_plan(self.workspace / "archive" / path_of("plan", NightKey(NIGHT)))

    def watch(self, ended=lambda: True, batch: int = 2, pause=lambda seconds: None) -> Watch:
        return Watch(NIGHT, self.workspace, self, ended, self.said.append, batch, 5.0, pause)

    @property
    def batches(self) -> list[str]:
        return [asked for targets, asked in self.calls if targets == operations.REAL_TIME and asked]


@pytest.fixture
def night(tmp_path):
    return Night(tmp_path)


def test_what_is_there_is_done_in_batches_in_order_of_time_and_then_the_night_is_ended(night):
    keys = [exposure(minute) for minute in range(5)]
    night.send(*keys)
    assert work_through(night.watch())
    names = [key.filefracday for key in keys]
    assert night.batches == [",".join(names[:2]), ",".join(names[2:4]), names[4]]
    assert [targets for targets, asked in night.calls if not asked] == [
        ("plan",),
        *(one for one, _ in operations.END_OF_NIGHT),
    ]
    assert "2 of 5 exposures done, 3 waiting" in night.said[0]
    assert "5 of 5 exposures done, 0 waiting" in night.said[2]


def test_packets_follow_each_batch_and_wait_for_no_difference_that_failed(night, monkeypatch):
    night.references = (ReferenceVersionKey(ReferenceKey(473, "zg", 10, 1), 1),)
    night.send(exposure(0), exposure(1))
    night.broken = {exposure(0).filefracday}
    monkeypatch.setattr(operations.quality, "report", lambda *words: None)
    sent = []
    watch = night.watch(batch=1)
    watch.publish = sent.append
    work_through(watch)
    assert sent == [[exposure(0)], [exposure(1)], None]
    first, second = exposure(0).filefracday, exposure(1).filefracday
    real_time, packets = operations.REAL_TIME, operations.PACKETS
    expected = [(real_time, first), (packets, first), (real_time, second), (packets, second)]
    assert [call for call in night.calls if call[1]] == expected
    assert night.made_only == [packets] * 3


def test_a_file_that_arrives_during_a_batch_is_planned_before_the_next(night):
    first, second, third = (exposure(minute) for minute in (3, 4, 1))
    night.send(first, second)
    night.arrivals = [third]
    work_through(night.watch(batch=1))
    assert night.batches == [key.filefracday for key in (first, third, second)]
    assert [targets for targets, _ in night.calls].count(("plan",)) == 2


def test_an_operator_waits_for_files_until_the_end_of_the_night(night):
    arriving = [exposure(1), exposure(2)]

    def pause(seconds: float) -> None:
        assert seconds == 5.0
        night.send(arriving.pop(0))

    assert work_through(night.watch(ended=lambda: not arriving, pause=pause))
    assert night.batches == [exposure(1).filefracday, exposure(2).filefracday]


def test_urgent_exposures_and_fields_go_first_also_when_named_late(night):
    keys = [exposure(0), exposure(1), exposure(2, field=600), exposure(3), exposure(4)]
    night.send(*keys)
    path = night.workspace / URGENT / f"{NIGHT}.txt"
    path.parent.mkdir(parents=True)
    path.write_text("000600  # the neutrino's field\n\n")
    watch = night.watch(batch=1)
    told = watch.say

    def say(line: str) -> None:
        path.write_text(f"600\n{keys[4].filefracday}\n")
        told(line)

    watch.say = say
    work_through(watch)
    assert night.batches == [keys[index].filefracday for index in (2, 4, 0, 1, 3)]


@pytest.mark.parametrize("line", ["x", "12345678", "-1"])
def test_a_list_of_urgent_ones_that_says_something_else_is_refused(night, line):
    night.send(exposure(0))
    path = night.workspace / URGENT / f"{NIGHT}.txt"
    path.parent.mkdir(parents=True)
    path.write_text(f"{line}\n")
    with pytest.raises(BadFile, match="neither a field nor the 14 digits"):
        work_through(night.watch())


def test_a_unit_that_fails_holds_nothing_up_and_is_tried_again_at_the_end_only(night, monkeypatch):
    keys = [exposure(minute) for minute in range(3)]
    night.send(*keys)
    night.broken = {keys[0].filefracday}
    reported = []
    monkeypatch.setattr(operations.quality, "report", lambda *words: reported.append(words[0]))
    assert not work_through(night.watch(batch=1))
    assert night.batches == [key.filefracday for key in keys]
    assert [targets for targets, asked in night.calls if not asked] == [
        ("plan",),
        *(one for one, _ in operations.END_OF_NIGHT),
    ]
    assert reported == [path_of("nightreport", NightKey(NIGHT))]
    night.calls.clear()
    night.broken.clear()
    # Started again, the operator does what has no record and nothing else.
    assert work_through(night.watch(batch=1))
    assert night.batches == [keys[0].filefracday]


def test_matchfiles_that_are_due_end_the_night(night):
    night.send(exposure(0))
    watch = night.watch()
    watch.lists_grown = lambda: 2
    assert work_through(watch)
    assert night.calls[-1] == (("matchfiles",), "")
    assert "2 matchfiles are due" in night.said


def test_no_list_grows_without_a_plan_or_a_reference(night):
    watch = night.watch()
    watch.archive.mkdir()
    assert operations.lists_grown(watch, Lightcurve(), 1) == 0
    night.send(exposure(0))
    night.plan()
    assert operations.lists_grown(watch, Lightcurve(), 1) == 0


def test_a_night_without_a_file_ends_without_a_plan(night):
    (night.workspace / "incoming" / NIGHT).rmdir()
    night.calls = []
    watch = night.watch()
    watch.snakemake = lambda targets, narrowing: 1
    assert not work_through(watch)
    assert night.said[-1] == "there is no report: the night has no accounts or no plan"
