"""The night's check on records alone: who is ready, who waits and why, and that nothing frozen ever changes."""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from ztfpipe.config import Config, Reference
from ztfpipe.errors import BadFile, BadName, BadSettings, Busy
from ztfpipe.model.keys import ExposureKey, NightKey, QuadrantKey, ReferenceKey, ReferenceVersionKey
from ztfpipe.model.plan import NightPlan
from ztfpipe.model.records import QaRecord
from ztfpipe.model.reference import MADE, READY, SUSPECT, UPDATABLE, WAITING
from ztfpipe.products.accounts import references as accounts
from ztfpipe.products.accounts.locks import take_lock
from ztfpipe.products.accounts.plan import read_plan, write_plan
from ztfpipe.products.accounts.records import write_record
from ztfpipe.products.accounts.settings import write_settings
from ztfpipe.products.names import path_of
from ztfpipe.steps.reference import check
from ztfpipe.steps.reference.backfilling import add_references, late_references, planned_nights

FIRST, SECOND, THIRD = "20180401", "20180402", "20180403"
GOOD = {
    "fwhm_arcsec": 2.2, "pabszp": 26.0, "pcolterm": 0.1, "maglimcat": 20.5, "gmedian": 300.0, "gstddev": 8.0,
    "flatrms": 0.015, "flatrange": 0.02,
}  # fmt: skip
PLACE = ReferenceKey(473, "zr", 10, 1)


class Archive:
    """An archive in which science images exist as records only."""

    def __init__(self, folder: Path) -> None:
        self.settings_folder = folder / "settings"

    def settings(self, **values) -> Path:
        config = Config(camera="mini", workspace="w", reference=Reference(**values))
        return write_settings(self.settings_folder, "reference", config)

    def night(self, night: str, count: int, start: int = 0, **metrics) -> None:
        """A night of `count` epochs of one quadrant of field 473, and one exposure that is of no field."""
        keys = [
            QuadrantKey(ExposureKey(f"{night}{300000 + k:06d}", 473, "zr", "o"), 10, 1)
            for k in range(start, start + count)
        ]
        for key in keys:
            write_record(path_of("sciqa", key), QaRecord("science image", "x", 1, "", {**GOOD, **metrics}))
        plan = path_of("plan", NightKey(night))
        known = read_plan(plan).science if Path(plan).exists() else ()
        write_plan(plan, NightPlan(night, "mini", "", (*known, *keys), (), ()))

    def check(self, night: str, **values):
        output = path_of("references", NightKey(night))
        check(output, self.settings(**values), Path(path_of("plan", NightKey(night))))
        return accounts.read_candidates(output)


@pytest.fixture
def archive(tmp_path, monkeypatch):
    (tmp_path / "archive").mkdir()
    monkeypatch.chdir(tmp_path / "archive")
    return Archive(tmp_path)


def frozen(version=1):
    return Path(path_of("refinputs", ReferenceVersionKey(PLACE, version)))


def test_fourteen_good_epochs_make_no_reference_and_the_list_says_why(archive):
    archive.night(FIRST, 14)
    archive.night(FIRST, 2, start=50, maglimcat=18.0)
    (line,) = archive.check(FIRST)
    assert (line.state, line.version, line.good, line.seen) == (WAITING, None, 14, 16)
    assert line.counts == {"(v) limiting magnitude": 2}
    assert not frozen().exists()
    verdicts = pd.read_parquet(path_of("refverdicts", NightKey(FIRST)))
    failed = verdicts[verdicts.criterion != ""]
    assert (len(verdicts), len(failed)) == (16, 2)
    assert set(failed.reason) == {"limiting magnitude 18 is below 19"}


def test_epochs_of_earlier_nights_count(archive):
    archive.night(FIRST, 9)
    assert archive.check(FIRST)[0].state == WAITING
    archive.night(SECOND, 6)
    (line,) = archive.check(SECOND)
    assert (line.state, line.version, line.good) == (READY, 1, 15)
    made_of = accounts.read_frozen_inputs(frozen())
    assert {one.key.night for one in made_of.selection.chosen} == {FIRST, SECOND}
    assert (made_of.night, made_of.why) == (SECOND, "15 good epochs of 15 needed")
    assert Reference.model_validate(made_of.settings) == Reference()


def test_a_frozen_list_never_changes(archive):
    archive.night(FIRST, 15)
    archive.check(FIRST)
    content = frozen().read_bytes()
    # The same night again, also with more epochs and with other limits: still on its list, and the same inputs.
    archive.night(FIRST, 5, start=100, fwhm_arcsec=1.8)
    assert archive.check(FIRST)[0].state == READY
    assert archive.check(FIRST, epochs_max=50)[0].state == READY
    # A later night with better ones has it and does not make it again.
    archive.night(SECOND, 20, fwhm_arcsec=1.8)
    (line,) = archive.check(SECOND)
    assert (line.state, line.version) == (MADE, 1)
    assert frozen().read_bytes() == content
    assert not frozen(2).exists()


def test_suspect_references_are_looked_at_every_night(archive):
    archive.night(FIRST, 15)
    archive.check(FIRST)
    made = ReferenceVersionKey(PLACE, 1)
    record = QaRecord("reference coadd", "x", 1, "", {"flatrms": 0.01, "flatrange": 0.02, "maglim_shortfall": 0.0})
    archive.night(SECOND, 1, fwhm_arcsec=3.0)
    write_record(path_of("vrefqa", made), record)
    assert archive.check(SECOND)[0].state == MADE
    # Not flat, and the same inputs would be chosen but for one more: still those, for fewer than 15 there is none.
    write_record(path_of("vrefqa", made), replace(record, metrics={**record.metrics, "flatrange": 0.1}))
    assert archive.check(SECOND, first_night="20180402")[0].state == UPDATABLE
    # A night later there are enough others.
    archive.night(THIRD, 15, fwhm_arcsec=1.9)
    assert archive.check(THIRD)[0].state == SUSPECT
    assert not frozen(2).exists()  # told, and left to a person


def test_a_damaged_list_is_an_error_and_not_a_new_list(archive):
    archive.night(FIRST, 15)
    archive.check(FIRST)
    frozen().write_text('{"product": "nonsense"}')
    with pytest.raises(BadFile, match="not a list"):
        archive.check(FIRST)


def test_lists_are_read_back_as_written(archive):
    archive.night(FIRST, 15, fwhm_arcsec=2.0)
    archive.night(FIRST, 3, start=60, flatrange=None)
    archive.check(FIRST)
    made_of = accounts.read_frozen_inputs(frozen())
    other = replace(made_of, key=ReferenceVersionKey(PLACE, 2))
    assert accounts.write_frozen_inputs(Path(), other)
    assert not accounts.write_frozen_inputs(Path(), replace(other, why="again"))
    again = accounts.read_frozen_inputs(frozen(2))
    assert again.why == made_of.why
    assert [one.key for one in again.selection.chosen] == [one.key for one in made_of.selection.chosen]
    assert [one.reasons for one in again.selection.rejected] == [("flatness range not measured",)] * 3
    assert json.loads(frozen(2).read_text())["version"] == 2


def test_the_version_in_force_is_the_first_until_another_is_put_there(archive):
    assert accounts.version_in_force(Path(), PLACE) is None
    archive.night(FIRST, 15)
    archive.check(FIRST)
    assert (accounts.version_in_force(Path(), PLACE), accounts.newest_version(Path(), PLACE)) == (1, 1)
    accounts.put_in_force(Path(), ReferenceVersionKey(PLACE, 2), "a test")
    assert accounts.version_in_force(Path(), PLACE) == 2
    (Path() / accounts.pin_path(PLACE)).write_text("two")
    with pytest.raises(BadFile, match="not the version in force"):
        accounts.version_in_force(Path(), PLACE)


def test_epochs_without_a_reference_are_found_again_when_there_is_one(archive):
    archive.night(FIRST, 15)
    archive.check(FIRST)
    assert not list(late_references([FIRST]))  # frozen, but not made
    made = ReferenceVersionKey(PLACE, 1)
    write_record(path_of("vrefqa", made), QaRecord("reference coadd", "x", 1, "", {}))
    late = list(late_references(planned_nights()))
    assert len(late) == 15
    assert {version for _, version in late} == {made}
    plan = Path(path_of("plan", NightKey(FIRST)))
    write_plan(plan, replace(read_plan(plan), references=(made,)))
    assert read_plan(plan).references == (made,)
    assert not list(late_references([FIRST]))
    write_record(path_of("vrefqa", made), QaRecord("reference coadd", "x", 0, "cloudy", {}))
    write_plan(plan, replace(read_plan(plan), references=()))
    assert not list(late_references([FIRST]))  # what is unusable back-fills nothing


def test_plans_gain_the_references_that_have_come_and_nothing_else(archive):
    archive.night(FIRST, 9)
    archive.night(SECOND, 6)
    for night in (FIRST, SECOND):
        archive.check(night)
    made = ReferenceVersionKey(PLACE, 1)
    write_record(path_of("vrefqa", made), QaRecord("reference coadd", "x", 1, "", {}))
    path = Path(path_of("plan", NightKey(FIRST)))
    before, age = read_plan(path), path.stat().st_mtime_ns
    assert add_references([FIRST]) == {FIRST: 9}
    assert read_plan(path) == replace(before, references=(made,))
    assert path.stat().st_mtime_ns == age  # whether it is still current is decided as before
    assert not add_references([FIRST])
    assert read_plan(path_of("plan", NightKey(SECOND))).references == ()
    # One that a plan pins stays, whatever is in force since.
    accounts.put_in_force(Path(), ReferenceVersionKey(PLACE, 2), "a test")
    write_record(path_of("vrefqa", ReferenceVersionKey(PLACE, 2)), QaRecord("reference coadd", "x", 1, "", {}))
    assert add_references(planned_nights()) == {SECOND: 6}
    assert read_plan(path).references == (made,)
    with take_lock(Path("../ledger/locks"), FIRST), pytest.raises(Busy, match=r"night 20180401"):
        add_references([FIRST])


def test_calls_that_cannot_be_done_are_refused(archive, tmp_path):
    archive.night(FIRST, 1)
    with pytest.raises(BadName):
        check(path_of("plan", NightKey(FIRST)), archive.settings(), Path(path_of("plan", NightKey(FIRST))))
    other = write_settings(tmp_path, "quality", Config(camera="mini", workspace="w"))
    with pytest.raises(BadSettings):
        check(path_of("references", NightKey(FIRST)), other, Path(path_of("plan", NightKey(FIRST))))
