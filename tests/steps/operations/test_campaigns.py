"""Campaigns: batches of whole exposures, units that fail, swaps that a kill cannot halve, and what the table says."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pytest

from ztfpipe.config import Config
from ztfpipe.errors import BadFile, BadKey
from ztfpipe.model.campaign import BACKFILL, FRINGE, Campaign, Metric, Pairs, Progress, Unit
from ztfpipe.model.keys import CalibrationKey, ExposureKey, NightKey, QuadrantKey
from ztfpipe.model.plan import MasterChoice, NightPlan, TemplateChoice
from ztfpipe.model.records import QaRecord
from ztfpipe.pipelines.operations.campaigns import changes, comparison_summary, estimate, progress_line
from ztfpipe.products.accounts import campaigns as files
from ztfpipe.products.accounts.campaigns import CAMPAIGN_FILE, Swap
from ztfpipe.products.accounts.plan import read_plan, write_plan
from ztfpipe.products.accounts.records import to_json
from ztfpipe.products.names import path_of
from ztfpipe.steps.operations.campaigns import running
from ztfpipe.steps.operations.campaigns.adopting import run_adopt
from ztfpipe.steps.operations.campaigns.comparing import run_compare
from ztfpipe.steps.operations.campaigns.fringe import FringeWork, Materials

NIGHTS = ("20180325", "20180326")
TEMPLATE = "20180401"
CONFIG = Config(camera="mini", workspace="unused")


def quadrants(night: str) -> list[QuadrantKey]:
    """Three exposures in i and one in r, of one CCD."""
    times = ((f"{night}{200000 + 1000 * k}", "zi" if k < 3 else "zr") for k in range(4))
    return [QuadrantKey(ExposureKey(time, 473, code, "o"), 10, qid) for time, code in times for qid in (1, 2, 3, 4)]


@pytest.fixture
def work(tmp_path) -> FringeWork:
    """Two nights with old images; quadrant 4 has no template, and one raw file of the second night is gone."""
    archive = tmp_path / "archive"
    masters = [
        MasterChoice(kind, code, 10, qid, CalibrationKey(NIGHTS[0], code, 10, qid), (), True, "")
        for kind, code in (("bias", "00"), ("hifreqflat", "zi"))
        for qid in (1, 2, 3, 4)
    ]
    templates = tuple(TemplateChoice("fringe", "zi", 10, qid, TEMPLATE) for qid in (1, 2, 3))
    campaign = Campaign(FRINGE, "test", "zi", *NIGHTS, {}, templates)
    found = FringeWork(campaign, CONFIG, tmp_path)
    for night in NIGHTS:
        plan = NightPlan(night, "mini", "", tuple(quadrants(night)), tuple(masters), ())
        write_plan(archive / path_of("plan", NightKey(night)), plan)
        for key in quadrants(night):
            for path in Materials(found.plan(night)).needed(key):
                touch(archive / path, f"material {path}")
            make(archive, found, key, "old")
    (archive / path_of("raw", quadrants(NIGHTS[1])[0].raw)).unlink()
    return found


def touch(path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def make(archive, work: FringeWork, key: QuadrantKey, what: str) -> None:
    """The files of a quadrant, as a step leaves them."""
    for path in work.files(work.plan(key.night), key):
        if path.endswith("qa.json"):
            metrics = {"pabszprms": 0.04 if what == "old" else 0.02}
            (archive / path).unlink(missing_ok=True)
            touch(archive / path, to_json(QaRecord("science image", path, 1, "", metrics, timings_s={"cpu": 36.0})))
        else:
            (archive / path).unlink(missing_ok=True)
            touch(archive / path, what)


class Maker:
    """A Snakemake that makes what it is asked of the plan in the area, except for what is broken."""

    def __init__(self, work: FringeWork) -> None:
        self.work, self.broken, self.calls = work, set(), []

    def __call__(self, targets, narrowing) -> int:
        self.calls.append((targets, narrowing))
        plan = read_plan(self.work.area / path_of("plan", NightKey(narrowing["night"])))
        assert {key.exposure.filefracday for key in plan.science} == set(narrowing["exposure"].split(","))
        for key in plan.science:
            assert all((self.work.area / path).exists() for path in Materials(plan).needed(key))
            if key not in self.broken:
                make(self.work.area, self.work, key, "new")
        return int(bool(self.broken))


def run(work: FringeWork, maker: Maker, size: int = 6) -> tuple[Progress, list[str]]:
    said: list[str] = []
    work.runs_in.mkdir(parents=True, exist_ok=True)
    files.write_campaign(work.runs_in, work.campaign)
    return running.work_through(work, maker, work.runs_in, size, said.append), said


def test_units_are_what_has_a_template_and_all_that_it_is_made_of(work):
    """Three exposures of three quadrants a night; one exposure of the second night has lost its raw file."""
    counts = [len(list(work.units(work.plan(night)))) for night in NIGHTS]
    assert counts == [9, 6]
    found, left_out = running.estimated(work)
    assert (found.units, left_out, found.files) == (15, 3 + 6, 150)
    assert found.cpu_hours == pytest.approx(15 * 36 / 3600)
    narrowed = FringeWork(Campaign(FRINGE, "t", "zi", *NIGHTS, {"quadrant": 2}, work.campaign.templates), CONFIG,
                          work.workspace)  # fmt: skip
    assert {key.qid for key in narrowed.units(narrowed.plan(NIGHTS[0]))} == {2}


def test_batches_are_whole_exposures_and_what_fails_is_tried_again_by_the_next_run(work):
    maker = Maker(work)
    maker.broken = {quadrants(NIGHTS[0])[0]}
    progress, said = run(work, maker)
    # Of nine quadrants, two exposures and one; of six, two.
    assert [len(call[1]["exposure"].split(",")) for call in maker.calls] == [2, 1, 2]
    assert (progress.done, progress.failed, progress.left) == (14, 1, 0)
    assert any("failed" in line and "_q1" in line for line in said)
    assert [row["made"] for row in files.read_batches(work.runs_in)] == ["5", "3", "6"]

    maker = Maker(work)
    progress, _ = run(work, maker)
    assert [call[1]["exposure"] for call in maker.calls] == [quadrants(NIGHTS[0])[0].exposure.filefracday]
    assert (progress.done, progress.total) == (15, 15)
    maker = Maker(work)
    run(work, maker)
    assert not maker.calls


def test_a_campaign_that_makes_nothing_stops(work):
    maker = Maker(work)
    maker.broken = {key for night in NIGHTS for key in quadrants(night)}
    progress, said = run(work, maker, size=1)
    assert len(maker.calls) == running.HOPELESS
    assert progress.left == 15 - 9
    assert "stopped" in said[-1]


def contents(work: FringeWork, root, key: QuadrantKey) -> set[str]:
    paths = [path for path in work.files(work.plan(key.night), key) if not path.endswith("qa.json")]
    return {(root / path).read_text() for path in paths}


def test_a_kill_within_a_swap_leaves_no_unit_half_old(work, monkeypatch):
    run(work, Maker(work))
    swap = Swap(work.area, work.archive, work.runs_in)
    key = next(iter(work.units(work.plan(NIGHTS[0]))))
    paths = work.files(work.plan(NIGHTS[0]), key)
    n = len(paths)  # first all are kept, then all are replaced
    for killed_after in (0, 1, n - 1, n, n + 1, 2 * n - 1):
        for path in paths:
            kept = swap.kept / path
            if kept.exists():
                files.link_over(kept, work.archive / path)
                kept.unlink()
        assert contents(work, work.archive, key) == {"old"}
        with monkeypatch.context() as patch:
            patch.setattr(files, "link_over", dying_after(killed_after))
            with pytest.raises(Killed):
                swap(paths)
        assert swap.journal.exists()
        assert swap.finish()
        assert contents(work, work.archive, key) == {"new"}
        assert contents(work, swap.kept, key) == {"old"}
        assert swap.done(path_of("sciqa", key))
        assert not swap.finish()


class Killed(BaseException):
    """The process was killed here."""


def dying_after(calls: int):
    left, real = [calls], files.link_over

    def dying(source, path):
        if not left[0]:
            raise Killed
        left[0] -= 1
        real(source, path)

    return dying


def test_adoption_waits_for_all_units_keeps_the_old_ones_and_tells_the_plan(work, capsys):
    args = (work.campaign, CONFIG, work.workspace)
    with pytest.raises(BadFile, match="nothing is made"):
        run_adopt(*args, incomplete=False, discard=False)
    maker = Maker(work)
    maker.broken = {quadrants(NIGHTS[0])[0]}
    run(work, maker)
    with pytest.raises(BadFile, match="1 of 15 units are missing"):
        run_adopt(*args, incomplete=False, discard=False)
    assert run_adopt(*args, incomplete=True, discard=False) == 0
    assert "14 units" in capsys.readouterr().out
    first, second = quadrants(NIGHTS[0])[:2]
    assert contents(work, work.archive, first) == {"old"}
    assert contents(work, work.archive, second) == {"new"}
    plan = read_plan(work.archive / path_of("plan", NightKey(NIGHTS[0])))
    assert plan.templates == work.campaign.templates
    assert len(plan.science) == 16

    # The rest, and the old ones removed: asked for.
    run(work, Maker(work))
    assert run_adopt(*args, incomplete=False, discard=True) == 0
    assert contents(work, work.archive, first) == {"new"}
    assert not (work.runs_in / "replaced").exists()


def test_products_of_other_settings_are_not_adopted(work):
    run(work, Maker(work))
    for root, text in ((work.runs_in, "{}"), (work.workspace, "{ }")):
        touch(root / "settings" / "science.json", text)
    with pytest.raises(BadFile, match="not the settings of the archive"):
        run_adopt(work.campaign, CONFIG, work.workspace, incomplete=False, discard=False)


def test_the_table_is_robust_and_knows_which_way_is_better():
    rng = np.random.default_rng(3)
    old = 0.05 + 0.005 * rng.standard_normal(401)
    new = old - 0.01 + 0.002 * rng.standard_normal(401)
    new[:4] += 5.0  # a few failures do not move the medians
    units = [
        Unit(str(k), {"rms": a, "old_only": 1.0}, {"rms": b}) for k, (a, b) in enumerate(zip(old, new, strict=True))
    ]
    metrics = [Metric("rms", "RMS", -1, 0.005), Metric("old_only", "", 1, 0.0)]
    (found,) = changes(Pairs(metrics, units), metrics)
    assert found.units == 401
    # Standard error of a median: 1.25 * 0.002 / sqrt(401) = 0.00013; of the percentile sigma: 1.5 times that. 5 sigma.
    assert found.change == pytest.approx(-0.01, abs=0.0007)
    assert found.sigma == pytest.approx(0.002, abs=0.001)
    assert found.losses == pytest.approx(4 / 401)
    # A change of -0.010 +- 0.002 is beyond 0.005 in 99.4 % of the units, give or take 0.4 %, but for the failures.
    assert found.gains == pytest.approx(0.984, abs=0.02)
    more = [Metric("rms", "", 1, 0.5)]
    lost = [Unit("a", {"rms": 1.0}, {"rms": 0.0})]
    assert changes(Pairs(more, lost), more)[0].losses == 1.0


def test_what_is_counted_is_added_up():
    """A unit in the middle that has none would hide what the others have lost."""
    metrics = [Metric("n", "candidates", -1, 5.0, summed=True)]
    units = [Unit(str(k), {"n": 0.0}, {"n": 0.0}) for k in range(3)] + [Unit("b", {"n": 9.0}, {"n": 2.0})]
    (found,) = changes(Pairs(metrics, units), metrics)
    assert (found.old, found.new, found.change, found.gains) == (9.0, 2.0, -7.0, 0.25)
    table = comparison_summary(Campaign(FRINGE, "c", "zi", *NIGHTS), 4, 4, [found]).tables[0]
    assert [dict(zip(table.columns, row, strict=True)) for row in table.rows] == [
        {"what": "candidates, in all", "wanted": "less", "units": 4, "old": 9.0, "new": 2.0, "change": -7.0,
         "sigma": found.sigma, "better [%]": 25.0, "worse [%]": 0.0, "is": "better"}
    ]  # fmt: skip


def test_what_a_campaign_takes_and_when_it_ends():
    found = estimate(1_000_000, 10, [20.0, 40.0], [10**8, 3 * 10**8])
    assert (found.cpu_hours, found.terabytes) == (pytest.approx(1e6 * 30 / 3600), pytest.approx(200.0))
    assert np.isnan(estimate(3, 30, [], []).cpu_hours)
    line = progress_line(Progress(10, 1, 31, 11, 3960.0), datetime(2018, 3, 25, 10, 0, tzinfo=UTC))
    assert line == "10 of 31 done, 20 left, 1 failed; at this pace until 2018-03-25 12:00 UT (2 hours)"


def test_what_a_campaign_is_frozen_to_and_refusals(work, tmp_path):
    files.write_campaign(work.runs_in, work.campaign)
    assert files.read_campaign(work.runs_in) == work.campaign
    asked = running.asked_for(FRINGE, "test", "zi", NIGHTS[0], "20180327", {})
    with pytest.raises(BadFile, match="another last: 20180326"):
        running.campaign_of(asked, CONFIG, tmp_path, None)
    (work.runs_in / CAMPAIGN_FILE).write_text(json.dumps({"kind": 1}))
    with pytest.raises(BadFile, match="not a campaign"):
        files.read_campaign(work.runs_in)
    assert running.asked_for(FRINGE, None, "zi", *NIGHTS, {"ccd": 10}).name == f"fringe_zi_{NIGHTS[0]}_{NIGHTS[1]}_c10"
    for name, nights in (("../x", NIGHTS), (None, ("20180230", NIGHTS[1]))):
        with pytest.raises(BadKey):
            running.asked_for(FRINGE, name, "zi", *nights, {})
    backfill = Campaign(BACKFILL, "b", "zi", *NIGHTS)
    with pytest.raises(BadFile, match="nothing to be compared with"):
        run_compare(backfill, CONFIG, tmp_path)
