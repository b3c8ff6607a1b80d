"""Campaigns that work in the archive itself: late differences, and new versions of references."""

from __future__ import annotations

import pytest

from ztfpipe.config import Config
from ztfpipe.errors import BadFile
from ztfpipe.model.campaign import BACKFILL, REFERENCE, Campaign
from ztfpipe.model.keys import ExposureKey, NightKey, QuadrantKey, ReferenceKey, ReferenceVersionKey
from ztfpipe.model.plan import NightPlan
from ztfpipe.model.records import QaRecord
from ztfpipe.products.accounts import references as accounts
from ztfpipe.products.accounts.plan import read_plan, write_plan
from ztfpipe.products.accounts.records import write_record
from ztfpipe.products.names import PRODUCTS, path_of
from ztfpipe.steps.operations.campaigns.adopting import run_adopt
from ztfpipe.steps.operations.campaigns.comparing import run_compare
from ztfpipe.steps.operations.campaigns.others import BackfillWork, ReferenceWork
from ztfpipe.steps.operations.campaigns.running import work_through

NIGHT = "20180325"
CONFIG = Config(camera="mini", workspace="unused")
VERSIONS = [ReferenceVersionKey(ReferenceKey(473, "zi", 10, qid), 1) for qid in (1, 2)]


@pytest.fixture
def site(tmp_path):
    """Two exposures of four quadrants, two of which got a reference after the night was planned."""
    archive = tmp_path / "archive"
    times = (f"{NIGHT}{200000 + 1000 * k}" for k in range(2))
    keys = tuple(QuadrantKey(ExposureKey(time, 473, "zi", "o"), 10, qid) for time in times for qid in (1, 2, 3, 4))
    write_plan(archive / path_of("plan", NightKey(NIGHT)), NightPlan(NIGHT, "mini", "", keys, (), ()))
    for one in VERSIONS:
        make_version(archive, one, 21.0)
        accounts.put_in_force(archive, one, "the first")
    return tmp_path


def make_version(archive, key: ReferenceVersionKey, limit_mag: float) -> None:
    for name in PRODUCTS:
        if name.startswith("vref"):
            path = archive / path_of(name, key)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{name} {key.version}")
    (archive / path_of("refinputs", key)).write_text("frozen")
    record = QaRecord("reference coadd", "", 1, "", {"maglimcat": limit_mag})
    write_record(archive / path_of("vrefqa", key), record)


def test_late_differences_are_planned_and_made_in_batches(site):
    archive = site / "archive"
    work = BackfillWork(Campaign(BACKFILL, "late", "zi", NIGHT, NIGHT), CONFIG, site)
    assert len(work.units(work.plan(NIGHT))) == 4
    assert not read_plan(archive / path_of("plan", NightKey(NIGHT))).references
    work.begin()
    assert read_plan(archive / path_of("plan", NightKey(NIGHT))).references == tuple(VERSIONS)
    calls = []

    def make(targets, narrowing):
        calls.append((targets, narrowing["filter"], len(narrowing["exposure"].split(","))))
        for key in work.units(work.plan(NIGHT)):
            if key.exposure.filefracday in narrowing["exposure"] and (key.qid, len(calls)) != (2, 2):
                write_record(archive / path_of("diffqa", key), QaRecord("difference image", "", 1, "", {}))
        return 0

    said: list[str] = []
    progress = work_through(work, make, site, 2, said.append)
    assert calls == [(("diffimgs",), "zi", 1)] * 2
    assert (progress.done, progress.failed, progress.total) == (3, 1, 4)
    assert work_through(work, make, site, 2, said.append).done == 4
    with pytest.raises(BadFile, match="in its place already"):
        run_adopt(work.campaign, CONFIG, site, incomplete=False, discard=False)


def test_new_versions_are_made_compared_and_come_in_force_when_told_to(site, capsys):
    archive = site / "archive"
    new = [ReferenceVersionKey(one.reference, 2) for one in VERSIONS]
    for one in new:
        (archive / path_of("refinputs", one)).parent.mkdir(parents=True)
        (archive / path_of("refinputs", one)).write_text("frozen")
    paths = tuple(path_of("vrefimg", one) for one in new)
    campaign = Campaign(REFERENCE, "deeper", "zi", NIGHT, NIGHT, products=paths)
    work = ReferenceWork(campaign, CONFIG, site)
    asked = []

    def make(targets, narrowing):
        asked.extend(targets)
        make_version(archive, new[len(asked) - 1], 21.5)
        return 0

    assert work_through(work, make, site, 1, lambda line: None).done == 2
    assert asked == list(paths)
    assert run_compare(campaign, CONFIG, site) == 0
    limits = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("limiting"))
    assert limits.split() == [
        "limiting",
        "magnitude",
        "[mag]",
        "more",
        "2",
        "21",
        "21.5",
        "0.5",
        "0",
        "100",
        "0",
        "better",
    ]
    assert accounts.version_in_force(archive, new[0].reference) == 1
    for _ in range(2):  # a second time changes nothing
        assert run_adopt(campaign, CONFIG, site, incomplete=False, discard=False) == 0
        assert [accounts.version_in_force(archive, one.reference) for one in new] == [2, 2]
        assert (archive / path_of("refimg", new[0].reference)).read_text() == "vrefimg 2"
        assert (archive / path_of("vrefimg", VERSIONS[0])).read_text() == "vrefimg 1"
