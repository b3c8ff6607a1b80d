"""What may be removed, what must stay, and whether a night finds room."""

from __future__ import annotations

import os
import time

import pytest
import yaml

from ztfpipe.config import Config, Operations
from ztfpipe.errors import BadKey
from ztfpipe.model.housekeeping import DiskUse
from ztfpipe.model.keys import ExposureKey, NightKey, QuadrantKey
from ztfpipe.model.plan import NightPlan
from ztfpipe.pipelines.operations.housekeeping import DISPOSABLES, KINDS, disk_sentence, disk_table
from ztfpipe.products.accounts.locks import take_lock
from ztfpipe.products.accounts.plan import write_plan
from ztfpipe.products.names import PRODUCTS, path_of
from ztfpipe.steps.operations.disk import expected, needed_bytes, use_of
from ztfpipe.steps.operations.tidying import ages_of, removable, run_tidy

NIGHT = "20180325"
KEYS = [QuadrantKey(ExposureKey(f"{NIGHT}187500", 473, "zg", "o"), 10, qid) for qid in (1, 2)]
DAY_S = 86400


@pytest.fixture
def site(tmp_path):
    """Two quadrants with all that may ever go, all of it 100 days old; the second has lost what its planted table and
    its split were made of."""
    archive = tmp_path / "archive"
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"camera": "mini", "workspace": str(tmp_path)}))
    for key in KEYS:
        for name in {one for kind in DISPOSABLES for one in (*kind.products, *kind.made_of, *kind.waits_for)}:
            kind = PRODUCTS[name].key_type
            one = NightKey(NIGHT) if kind is NightKey else key.raw if name == "raw" else key
            old_file(archive / path_of(name, one))
    old_file(archive / "sci" / "2018" / ".ztf.fits.12-ab.tmp")
    old_file(tmp_path / "logs" / "science" / "2018" / "0325" / "x.log", 200)
    return tmp_path


def old_file(path, days: float = 100.0, size: int = 1000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    then = time.time() - days * DAY_S
    os.utime(path, (then, then))


def names(found) -> set[str]:
    return {
        one.path.name.split("_", 2)[2].split("_o_")[-1] if "_o_" in one.path.name else one.path.name for one in found
    }


def looked(site, **ages):
    days = ages_of(Operations(), None) | ages
    return list(removable(site, KINDS, days, time.time()))


def test_what_goes_is_old_and_can_be_made_again(site):
    found = looked(site)
    assert names(found) == {
        "q1_split.fits", "q1_splitqa.json", "q2_split.fits", "q2_splitqa.json",
        "q1_sciunc.fits", "q1_sciuncqa.json", "q2_sciunc.fits", "q2_sciuncqa.json",
        "q1_planted.parquet", "q1_plantedqa.json", "q2_planted.parquet", "q2_plantedqa.json",
        "x.log", ".ztf.fits.12-ab.tmp",
    }  # fmt: skip
    archive = site / "archive"
    (archive / path_of("mskimg", KEYS[0])).unlink()
    assert {"q1_sciunc.fits", "q1_planted.parquet"}.isdisjoint(names(looked(site)))
    (archive / path_of("raw", KEYS[0].raw)).unlink()
    assert not any("split" in name for name in names(looked(site)))
    (archive / path_of("efficiency", NightKey(NIGHT))).unlink()
    assert not any("planted" in name for name in names(looked(site)))
    assert names(looked(site, uncertainty=101)) == {"x.log", ".ztf.fits.12-ab.tmp"}


def test_nothing_that_others_need_is_in_the_list():
    """Every product that may go has a rule of its own: none is made along with one that stays."""
    kept = {"raw", "sciimg", "mskimg", "psfcat", "candidates", "efficiency"}
    going = {name for kind in DISPOSABLES for name in kind.products}
    assert going.isdisjoint(kept)
    assert not {name for name in going if name.startswith(("ref", "vref", "bias", "hifreq", "lofreq", "fringe"))}
    assert {one for kind in DISPOSABLES for one in kind.made_of}.isdisjoint(going)


def test_nothing_is_removed_unless_told_and_a_busy_night_is_left_alone(site, capsys):
    call = (site / "config.yaml", site, ("split",), None)
    before = {path for path in site.rglob("*") if path.is_file()}
    assert run_tidy(*call, remove=False) == 0
    said = capsys.readouterr().out
    assert "split  4      1       4e-06" in said
    assert "nothing was removed" in said
    assert {path for path in site.rglob("*") if path.is_file()} == before
    with take_lock(site / "ledger" / "locks", NIGHT):
        assert run_tidy(*call, remove=True) == 1
    assert "night 20180325 is being worked on" in capsys.readouterr().out
    assert run_tidy(*call, remove=True) == 0
    gone = before - {path for path in site.rglob("*") if path.is_file()}
    assert {path.name.rsplit("_", 1)[1] for path in gone} == {"split.fits", "splitqa.json"}
    with pytest.raises(BadKey):
        run_tidy(site / "config.yaml", site, ("raw",), None, remove=True)
    with pytest.raises(BadKey):
        run_tidy(site / "config.yaml", site, (), 0.5, remove=True)


def test_a_second_name_frees_nothing_and_replaced_files_age_from_their_replacement(site):
    image = site / "archive" / path_of("sciimg", KEYS[0])
    kept = site / "campaigns" / "one" / "replaced" / path_of("sciimg", KEYS[0])
    kept.parent.mkdir(parents=True)
    os.link(image, kept)
    assert not [one for one in looked(site) if one.kind == "replaced"]
    (one,) = (one for one in removable(site, ("replaced",), {"replaced": 1.0}, time.time() + 2 * DAY_S))
    assert (one.path, one.freed_bytes) == (kept, 0)


def test_what_a_night_takes_and_needs(site):
    archive = site / "archive"
    use = use_of(archive, NIGHT)
    assert use.total == sum(path.stat().st_size for path in archive.rglob("ztf*") if path.is_file())
    config = Config(camera="mini", workspace=str(site))
    assert needed_bytes(config, archive)[0] == pytest.approx(6e12)
    plan = NightPlan(NIGHT, "mini", "", tuple(KEYS), (), (KEYS[0].raw,))
    write_plan(archive / path_of("plan", NightKey(NIGHT)), plan)
    # A raw file, and of each quadrant image, mask, catalog and candidates; 1000 bytes each, with the margin of 1.2.
    assert needed_bytes(config, archive)[0] == pytest.approx(1.2 * 9000)
    assert f"1.2 times that of {NIGHT}" in expected(config, site)


def test_the_disk_in_words():
    uses = [DiskUse("20180325", {"raw": 10**12, "sci": 3 * 10**12}), DiskUse("20180326", {"raw": 10**12})]
    table = disk_table(uses, 2000.0, 8 * 10**12)
    assert table.rows[0] == ("20180325", 1000.0, 3000.0, 4000.0, 200.0)
    over = "above the budget of 2000 GB a night: 20180325."
    assert table.text == f"8000 GB are free, room for 2 nights like the largest of these; {over}"
    assert "THE DISK WILL BE FULL" in disk_sentence(2e12, "the budget", 10**12)
    assert "FULL" not in disk_sentence(1e12, "the budget", 2 * 10**12)
