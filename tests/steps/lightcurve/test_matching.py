"""The step that makes matchfiles: grown equals made at once, and what comes of bad input."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.lightcurve_scene import (
    FAST,
    FIRST_JD,
    GAP_D,
    KEY,
    LIMIT,
    N_STARS,
    VERSION,
    ZERO_POINT,
    header_of,
    key_of,
    listed,
    scene,
    sigma_mag,
    with_epochs,
    write_epoch,
    write_reference,
)  # fmt: skip
from ztfpipe.config import Config
from ztfpipe.errors import BadFile
from ztfpipe.model.catalogs import PsfCatalog
from ztfpipe.model.keys import ReferenceVersionKey
from ztfpipe.model.lightcurve import FIRST_TRANSIENT_ID, MATCH_TABLES
from ztfpipe.model.records import QaRecord
from ztfpipe.model.skycatalogs import Ps1Objects
from ztfpipe.products.accounts.matchepochs import read_match_epochs, write_match_epochs
from ztfpipe.products.accounts.records import read_record
from ztfpipe.products.accounts.settings import write_settings
from ztfpipe.products.catalogs import calibrators as catalog_files
from ztfpipe.products.catalogs import matchfile
from ztfpipe.products.catalogs.catalogs import write_psfcat
from ztfpipe.products.formats.plain import read_table
from ztfpipe.products.names import path_of
from ztfpipe.steps.lightcurve.extending import longer
from ztfpipe.steps.lightcurve.matching import match

OUTPUT = path_of("matchfile", KEY)
N = 10
DELTA_ZP = np.random.default_rng(3).normal(0, 0.03, N)


@pytest.fixture
def keys(tmp_path, monkeypatch):
    """An archive with a reference and epochs, and their keys."""
    (tmp_path / "archive").mkdir()
    monkeypatch.chdir(tmp_path / "archive")
    truth = scene()
    write_reference(truth)
    return [write_epoch(truth, k, delta_zp=DELTA_ZP[k], INFOBITS=1 << 25 if k == 4 else 0) for k in range(N)]


def call(frozen) -> QaRecord:
    settings = write_settings(Path("../settings"), "lightcurve", Config(camera="mini", workspace=".."))
    write_match_epochs(Path(), frozen)
    match(OUTPUT, settings, Path(path_of("matchepochs", KEY)))
    return read_record(QaRecord, Path(path_of("matchqa", KEY)))


def content() -> dict:
    """All of a matchfile but when it was made."""
    head = matchfile.read_head(OUTPUT)
    attributes = {name: value for name, value in head.attributes.items() if not name.startswith("datetime")}
    return {name: matchfile.read_rows(OUTPUT, name).tobytes() for name in MATCH_TABLES} | {
        "attributes": str(attributes), "model": str(head.error_model),
    }  # fmt: skip


def test_a_file_that_grew_is_the_one_made_at_once(keys):
    assert call(listed(keys[:4])).metrics["appended"] == 4
    assert call(listed(keys[:9])).metrics["appended"] == 5
    assert call(listed(keys)).metrics["appended"] == 1
    grown = content()
    Path(OUTPUT).unlink()
    assert call(listed(keys)).metrics["appended"] == N
    assert content() == grown


def test_zero_points_magnitudes_and_flags(keys):
    truth = scene()
    call(listed(keys))
    exposures, data = matchfile.read_rows(OUTPUT, "exposures"), matchfile.read_rows(OUTPUT, "sourcedata")
    good = np.arange(N) != 4
    expected = -(DELTA_ZP - DELTA_ZP[good].mean())
    # 300 calibrators tell a zero point to 0.0003 mag; five sigma.
    assert exposures["relphotzp"] == pytest.approx(expected, abs=0.0016)
    assert np.all(exposures["relphotzperr"] < 0.0006)
    bright = truth.mag[data["matchid"]] < 16
    scatter = (data["mag"] - truth.mag[data["matchid"]] - DELTA_ZP[good].mean())[bright]
    assert np.std(scatter) < 1.2 * np.sqrt(np.mean(sigma_mag(truth.mag[data["matchid"]][bright]) ** 2)) + 0.001
    assert np.std((data["uncalibmag"] - truth.mag[data["matchid"]])[bright]) > 0.02
    assert set(data["catflags"][data["expid"] == exposures["expid"][4]]) == {1 << 15}
    assert set(data["catflags"][data["expid"] != exposures["expid"][4]]) == {0}
    mjd = dict(zip(exposures["expid"], exposures["obsmjd"] + 15 / 86400, strict=True))
    assert data["mjd"] == pytest.approx([mjd[one] for one in data["expid"]], abs=1e-8)
    assert np.abs(data["hjd"] - 2400000.5 - data["mjd"]).max() < 0.006


def test_sources_transients_and_upper_limits(keys):
    truth = scene()
    call(listed(keys))
    sources, data = matchfile.read_rows(OUTPUT, "sources"), matchfile.read_rows(OUTPUT, "sourcedata")
    limits, transients = matchfile.read_rows(OUTPUT, "nondetections"), matchfile.read_rows(OUTPUT, "transients")
    assert sources["matchid"].tolist() == list(range(N_STARS))
    assert sources["refmag"] == pytest.approx(truth.mag, abs=1e-3)
    # Each source is measured or has an upper limit in every epoch.
    pairs = sorted(
        [*zip(data["matchid"], data["expid"], strict=True), *zip(limits["matchid"], limits["expid"], strict=True)]
    )
    expids = matchfile.read_rows(OUTPUT, "exposures")["expid"]
    assert pairs == [(m, e) for m in range(N_STARS) for e in sorted(expids)]
    assert set(limits["limitmag"]) == {LIMIT}
    # One epoch in ten is bad.
    measured = np.bincount(data["matchid"], minlength=N_STARS)
    assert sources["nobs"].tolist() == measured.tolist()
    assert np.all(sources["ngoodobs"] >= sources["nobs"] - 1)
    assert transients["matchid"].tolist() == [FIRST_TRANSIENT_ID + k for k in range(len(transients))]
    assert transients["nobs"].max() == N
    assert (sources["pmdec"][FAST], sources["pmdec"][FAST + 1]) == (900.0, 0.0)


def test_a_star_that_moves_is_not_lost_over_three_years(keys):
    """It moves by 2.7 arcsec, beyond the radius of a match."""
    late = [write_epoch(scene(), round(365.25 * year / GAP_D)) for year in (1, 2, 3)]
    call(listed([*keys, *late]))
    data = matchfile.read_rows(OUTPUT, "sourcedata")
    missed = sum(k % 50 == FAST for k in (*range(N), *(round(365.25 * year / GAP_D) for year in (1, 2, 3))))
    assert np.count_nonzero(data["matchid"] == FAST) == N + 3 - missed


def test_an_epoch_twice_is_taken_once(keys):
    record = call(listed([*keys, keys[2]]))
    assert (record.metrics["epochs"], record.metrics["left_out"]) == (N, 0)
    assert longer(listed(keys[:5]), [*keys, *keys]).epochs == tuple(keys)


def test_epochs_out_of_order_give_the_same_statistics(keys):
    call(listed(keys))
    expected = matchfile.read_rows(OUTPUT, "sources")
    Path(OUTPUT).unlink()
    call(listed(keys[::-1]))
    found = matchfile.read_rows(OUTPUT, "sources")
    for name in ("maxslope", "vonneumannratio", "stetsonj", "lineartrend", "npairposslope", "medianmag"):
        # The solution sums in another order: to float32.
        assert found[name] == pytest.approx(expected[name], rel=2e-3, abs=2e-6, nan_ok=True), name


def test_an_epoch_of_another_field_and_one_that_is_gone_are_left_out_and_named(keys):
    other = replace(keys[3], exposure=replace(keys[3].exposure, field=474))
    Path(path_of("psfcat", keys[1])).unlink()
    record = call(listed([*keys[:3], other, *keys[4:]]))
    assert (record.metrics["epochs"], record.metrics["left_out"]) == (N - 2, 2)
    assert "another field" in record.inputs[path_of("psfcat", other)]
    assert path_of("psfcat", keys[1]) in record.inputs


def test_an_epoch_that_was_left_out_and_is_there_again_comes_to_its_place(keys):
    path = Path(path_of("psfcat", keys[1]))
    hidden = path.rename(path.with_suffix(".away"))
    assert call(listed(keys[:6])).metrics["epochs"] == 5
    hidden.rename(path)
    call(listed(keys))
    grown = content()
    Path(OUTPUT).unlink()
    call(listed(keys))
    assert content() == grown


def test_a_catalog_with_zero_rows_adds_upper_limits(keys):
    write_psfcat(path_of("psfcat", keys[5]), PsfCatalog.empty(), header_of(keys[5], FIRST_JD + 5 * GAP_D))
    assert call(listed(keys)).metrics["epochs"] == N
    exposures, limits = matchfile.read_rows(OUTPUT, "exposures"), matchfile.read_rows(OUTPUT, "nondetections")
    assert np.count_nonzero(limits["expid"] == exposures["expid"][5]) == N_STARS
    assert np.isnan(exposures["relphotzperr"][5])


def test_no_epoch_at_all_is_a_file_with_status_0(keys):
    record = call(listed([]))
    assert (record.status, record.reason) == (0, "no epoch could be used")
    assert len(matchfile.read_rows(OUTPUT, "sources")) == N_STARS


def test_another_version_of_the_reference_maps_old_ids_to_new(keys):
    call(listed(keys))
    truth = scene()
    second = ReferenceVersionKey(KEY, 2)
    order = np.argsort(truth.mag)[: N_STARS - 5]
    from tests.lightcurve_scene import catalog_of

    write_psfcat(
        path_of("vrefpsfcat", second), catalog_of(truth.ra_deg[order], truth.dec_deg[order], truth.mag[order]),
        header_of(None, FIRST_JD, JDSTART=FIRST_JD - 30, JDEND=FIRST_JD + 30, MAGZP=ZERO_POINT),
    )  # fmt: skip
    call(replace(listed(keys), version=2))
    ids = read_table(path_of("matchids", KEY))
    expected = np.full(N_STARS, -1)
    expected[order] = np.arange(order.size)
    assert ids["newmatchid"].tolist() == expected.tolist()
    assert set(ids["version"]) == {1}
    assert matchfile.read_head(OUTPUT).made_of[0] == 2


def test_magnitudes_are_brought_to_those_of_ps1_where_there_are_calibrators(keys):
    """Calibrators that are fainter than the stars toward one edge, by 0.03 mag."""
    truth = scene()
    call(listed(keys))
    before = matchfile.read_rows(OUTPUT, "sourcedata")
    place = (truth.ra_deg - truth.ra_deg.mean()) / np.ptp(truth.ra_deg)
    true = truth.mag + 0.06 * place
    number, small = np.arange(N_STARS), np.full(N_STARS, 0.01)
    # CLRCOEFF is 0.1: of colour zero, so that it plays no part.
    magnitudes, errors = dict.fromkeys("griz", true), dict.fromkeys("griz", small)
    objects = Ps1Objects(
        number, truth.ra_deg, truth.dec_deg, magnitudes, errors, errors, number * 0 + 12, small * 0 + 1
    )
    catalog_files.write_ps1_calibrators(path_of("ps1calibrators", KEY.place), objects, {})
    Path(OUTPUT).unlink()
    record = call(listed(keys, bias_stars_min=100, bias_degree=1))
    assert record.metrics["bias"] == 1
    after = matchfile.read_rows(OUTPUT, "sourcedata")
    assert matchfile.read_head(OUTPUT).attributes["biasSurface"].shape == (15,)
    bright = truth.mag[after["matchid"]] < 16
    assert np.std((before["mag"] - true[before["matchid"]])[bright]) > 0.012
    # 133 stars of 0.005 mag seen ten times, and medians of bins of 33 stars: 1 mmag.
    left = (after["mag"] - true[after["matchid"]])[bright]
    assert np.std(left) < 0.006
    assert abs(np.median(left)) < 0.003


def test_lists_of_something_else_are_refused(keys):
    with pytest.raises(BadFile, match="begins the list anew"):
        call(replace(listed(keys), recipe_version=0))
    with pytest.raises(BadFile, match="not those of this version"):
        call(replace(listed(keys), settings={"colour": 1}))
    with pytest.raises(BadFile, match="no such file"):
        read_match_epochs("nowhere.json")
    Path(path_of("vrefpsfcat", VERSION)).unlink()
    with pytest.raises(BadFile):
        call(listed(keys))


def test_a_list_is_read_as_it_was_written(keys):
    frozen = with_epochs(listed([]), keys)
    write_match_epochs(Path(), frozen)
    assert read_match_epochs(path_of("matchepochs", KEY)) == frozen
    assert frozen.epochs[0] == key_of(0)
