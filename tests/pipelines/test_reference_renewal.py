"""When a reference is to be made again, and what a new version is said to change."""

from dataclasses import replace

import numpy as np
import pytest

from ztfpipe.config import Reference
from ztfpipe.model.catalogs import PsfCatalog
from ztfpipe.model.keys import ExposureKey, QuadrantKey
from ztfpipe.model.records import QaRecord
from ztfpipe.model.reference import SUSPECT, UPDATABLE, Epoch, Selection
from ztfpipe.pipelines.reference.renewal import DEEPER, GOOD, Version, changes, standing, suspicions, touched

SETTINGS = Reference()
SOUND = {"flatrms": 0.01, "flatrange": 0.02, "maglim_shortfall": 0.05}


def record(status=1, **metrics):
    return QaRecord("reference coadd", "x", status, "cloudy" if not status else "", {**SOUND, **metrics})


def chosen(count, first=0, limit=20.5):
    keys = [QuadrantKey(ExposureKey(f"20180401{k:06d}", 473, "zr", "o"), 10, 1) for k in range(first, first + count)]
    epochs = tuple(Epoch(key, 1, 2.2, 26.0, 0.1, limit, 300.0, 8.0, 0.01, 0.02) for key in keys)
    return Selection(epochs, (), SETTINGS.epochs_min)


@pytest.mark.parametrize(
    ("made", "part"),
    [
        (record(0), "STATUS is 0: cloudy"),
        (record(flatrms=0.031), "RMS against PS1 is 0.031"),
        (record(flatrange=0.046), "range over 3 x 3 cells is 0.046"),
        (record(maglim_shortfall=0.31), "depth below the promise"),
        (record(flatrange=None), "range over 3 x 3 cells was not measured"),
    ],
)
def test_each_suspicion_fires_alone(made, part):
    (reason,) = suspicions(made, "zr", SETTINGS)
    assert part in reason


def test_how_a_reference_stands():
    made_of = chosen(15)
    assert standing(record(), made_of, made_of, SETTINGS).state == GOOD
    # 40 inputs promise 1.25 log10(40 / 15) = 0.53 mag more, 20 promise 0.16: above and below 0.2.
    assert standing(record(), made_of, chosen(40), SETTINGS).state == DEEPER
    assert standing(record(), made_of, chosen(20), SETTINGS).state == GOOD
    bad = record(flatrange=0.1)
    assert standing(bad, made_of, chosen(15, first=5), SETTINGS).state == SUSPECT
    assert standing(bad, made_of, made_of, SETTINGS).state == UPDATABLE  # the same inputs would give the same
    assert standing(bad, made_of, chosen(14, first=5), SETTINGS).state == UPDATABLE


def catalog(dec_deg, flux):
    n = len(flux)
    nought = np.zeros(n)
    return PsfCatalog(
        nought, nought, nought + 150.0, dec_deg, flux, np.ones(n), nought + 1, nought, np.zeros(n, np.int16)
    )


def test_seeds_lost_new_and_moved():
    dec, flux = np.arange(10) * 0.01, np.full(10, 100.0)
    flux[9] = 5.0  # too faint to be missed
    old = Version(1, record(nframes=15), catalog(dec, flux))
    moved = dec[2:9] + 0.1 / 3600
    new = Version(2, record(nframes=40), catalog(np.r_[moved, 0.5], np.r_[flux[2:9] * 10**-0.004, 100.0]))
    rows = {row[0]: row[1:] for row in changes(old, new).rows}
    assert rows["epochs"] == (15.0, 40.0)
    assert rows["seeds above S/N 10 lost (old) and new (new)"] == (2, 1)
    assert rows["seeds moved: median, 95 % [mas]"][0] == pytest.approx(100.0, rel=1e-3)
    assert rows["seeds fainter: median, half the central 68 % [mmag]"][0] == pytest.approx(10.0, rel=1e-3)
    nothing = changes(old, replace(new, catalog=PsfCatalog.empty()))
    assert not any("moved" in str(row[0]) for row in nothing.rows)


def table(scorr, rbversion, drbversion):
    return {"scorr": np.array(scorr), "rbversion": np.array(rbversion), "drbversion": np.array(drbversion)}


def test_what_was_made_with_a_version_is_counted():
    keys = [one.key for one in chosen(3).chosen]
    other = replace(keys[2], exposure=replace(keys[2].exposure, filefracday="20180402000001"))
    tables = {
        keys[0]: table([5.0, 5.9, 6.1], ["t17"] * 3, ["d6"] * 3),
        keys[1]: table([30.0], ["t18"], [""]),
        other: {"scorr": np.zeros(0)},
    }
    rows = dict(touched(tables, 5.0).rows)
    assert (rows["difference images"], rows["nights"], rows["candidates"]) == (3, 2, 4)
    assert rows["candidates of S_corr 5 to 6, near the threshold"] == 2
    assert rows["real-bogus trees that scored them, to be retrained"] == "t17, t18"
    assert rows["deep real-bogus network that scored them, to be retrained"] == "d6"


def test_nothing_made_with_a_version_touches_nothing():
    rows = dict(touched({}, 5.0).rows)
    assert [rows[name] for name in ("difference images", "nights", "candidates")] == [0, 0, 0]
    assert rows["real-bogus trees that scored them, to be retrained"] == "none"
