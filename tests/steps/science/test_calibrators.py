"""The step that makes calibrator and context catalogs: from local copies and from the simulator's tables."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ztfpipe.camera import Camera
from ztfpipe.config import RECIPE_VERSIONS, Calibrators, Config, Science, Simulate
from ztfpipe.errors import BadFile, BadName, TryAgain
from ztfpipe.model.keys import FieldQuadrantKey, NightKey
from ztfpipe.products.accounts.settings import write_settings
from ztfpipe.products.catalogs import calibrators as files
from ztfpipe.products.catalogs import remote_catalogs
from ztfpipe.products.names import path_of
from ztfpipe.simulate.sky import calibrators as synthetic
from ztfpipe.simulate.sky.catalog import stars_around
from ztfpipe.steps.science.catalogs import PRODUCTS, SourceTables, calibrators, covered, write_catalogs

KEY = FieldQuadrantKey(473, 10, 1)
OUTPUT = path_of("gaiacalibrators", KEY)


@pytest.fixture(scope="module")
def tables():
    where = (Simulate(), Camera.load("mini"), KEY.field, KEY.ccdid, KEY.qid)
    gaia, ps1, bright = (make(*where) for make in (synthetic.gaia_like, synthetic.ps1_like, synthetic.bright_stars))
    return SourceTables(gaia, ps1, bright, "simulator")


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """An empty archive as working directory; `settings(**values)` writes the science settings beside it."""
    folder = tmp_path / "archive"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def settings(**values):
        section = Science(calibrators=Calibrators(**values))
        return write_settings(tmp_path / "settings", "science", Config(camera="mini", workspace="w", science=section))

    return folder, settings


def record():
    return json.loads(Path(path_of("calibratorsqa", KEY)).read_text())


def test_simulators_tables_become_catalogs(tables, tmp_path):
    camera = Camera.load("mini")
    write_catalogs(tmp_path, KEY, tables, Calibrators(), camera)
    path = {product: tmp_path / path_of(product, KEY) for product in PRODUCTS}
    solvable = files.read_astrometric_calibrators(path["gaiacalibrators"])
    stable = files.read_photometric_calibrators(path["ps1calibrators"])
    context = files.read_ps1_context(path["ps1context"])
    assert solvable.epoch_year == synthetic.GAIA_EPOCH_YEAR
    assert solvable.g_mag.min() >= 12
    assert solvable.g_mag.max() <= 18
    assert np.isfinite(solvable.pmra_mas).all()
    # The simulator cuts with the same border; only stars that noise moved over the edge may go.
    assert len(tables.ps1) - 5 <= len(context) <= len(tables.ps1)
    assert 50 < len(stable.ra_deg) < 0.5 * len(context)
    assert set(stable.ra_deg) <= set(context.ra_deg)
    # Its scores and identifiers are those of the table.
    scores = dict(zip(tables.ps1["objid"], tables.ps1["star_score"], strict=True))
    np.testing.assert_allclose(context.star_score, [scores[objid] for objid in context.objid], rtol=1e-6)
    qa = json.loads(path["calibratorsqa"].read_text())
    assert (qa["status"], qa["reason"], qa["product"]) == (1, "", OUTPUT)
    assert qa["metrics"]["n_photometric"] == len(stable.ra_deg)
    assert qa["versions"]["recipe"] == str(RECIPE_VERSIONS["science"])


def test_variables_and_galaxies_do_not_calibrate(tables, tmp_path):
    """No galaxy is taken, and no star whose single epochs scatter by 0.35 x 0.3 mag, three times the floor."""
    camera = Camera.load("mini")
    write_catalogs(tmp_path, KEY, tables, Calibrators(), camera)
    ra = files.read_photometric_calibrators(tmp_path / path_of("ps1calibrators", KEY)).ra_deg
    taken = tables.ps1[tables.ps1["ra"].isin(ra)]["objid"].to_numpy() - synthetic.PS1_OBJID_ZERO
    centre = camera.field(KEY.field)
    truth = stars_around(Simulate(), centre.ra_deg, centre.dec_deg, 1.0, 1.0)
    amplitude = dict(zip(truth.identifier, truth.amplitude_mag, strict=True))
    assert all(identifier in amplitude for identifier in taken)  # no galaxy among them
    bright = truth.r_mag < 19
    assert np.sum(truth.amplitude_mag[bright] > 0.3) > 10
    assert max(amplitude[identifier] for identifier in taken) < 0.3


def test_the_same_tables_give_the_same_bytes(tables, tmp_path):
    for name in "ab":
        write_catalogs(tmp_path / name, KEY, tables, Calibrators(), Camera.load("mini"))
    for product in PRODUCTS[:-1]:
        first, second = ((tmp_path / name / path_of(product, KEY)).read_bytes() for name in "ab")
        assert first == second


def test_step_from_local_copies(tables, archive, tmp_path):
    """Copies of more sky than the quadrant, the PS1 one with names of its own, give what the tables give directly."""
    _, settings = archive
    far = tables.gaia.assign(ra=(tables.gaia["ra"] + 5) % 360, source_id=tables.gaia["source_id"] + 10**15)
    pd.concat([tables.gaia, far]).to_parquet(tmp_path / "gaia.parquet", index=False)
    tables.ps1.to_parquet(tmp_path / "ps1.parquet", index=False)
    tables.bright.to_parquet(tmp_path / "bright.parquet", index=False)
    own = {name: name for name in tables.ps1.columns if name not in ("objid",)}
    written = settings(
        gaia="../gaia.parquet", ps1="../ps1.parquet", bright="../bright.parquet", ps1_columns={**own, "objid": "objid"}
    )
    calibrators(OUTPUT, written)
    write_catalogs(tmp_path / "direct", KEY, tables, Calibrators(), Camera.load("mini"))
    for product, read in (("gaiacontext", files.read_gaia_context), ("ps1context", files.read_ps1_context)):
        got, expected = read(path_of(product, KEY)), read(tmp_path / "direct" / path_of(product, KEY))
        np.testing.assert_array_equal(got.ra_deg, expected.ra_deg)
    got = files.read_photometric_calibrators(path_of("ps1calibrators", KEY))
    expected = files.read_photometric_calibrators(tmp_path / "direct" / path_of("ps1calibrators", KEY))
    np.testing.assert_array_equal(got.mag["r"], expected.mag["r"])
    assert record()["status"] == 1


def test_an_empty_sky_is_told_not_hidden(tables, archive, tmp_path):
    _, settings = archive
    for name, table in (("gaia", tables.gaia), ("ps1", tables.ps1), ("bright", tables.bright)):
        table.iloc[:0].to_parquet(tmp_path / f"{name}.parquet", index=False)
    written = settings(
        gaia="../gaia.parquet", ps1="../ps1.parquet", bright="../bright.parquet",
        ps1_columns={name: name for name in tables.ps1.columns},
    )  # fmt: skip
    calibrators(OUTPUT, written)
    assert len(files.read_astrometric_calibrators(OUTPUT).ra_deg) == 0
    assert (record()["status"], record()["reason"]) == (0, "no astrometric and no photometric calibrators")


def test_offline_nothing_is_written(archive, monkeypatch):
    folder, settings = archive

    def unreachable(url, adql):
        raise TryAgain(url, "the catalog service cannot be reached")

    monkeypatch.setattr(remote_catalogs, "ask_tap", unreachable)
    with pytest.raises(TryAgain, match="cannot be reached"):
        calibrators(OUTPUT, settings())
    assert not list(folder.rglob("*"))


def test_network_answers_are_kept_beside_the_archive(tables, archive, tmp_path, monkeypatch):
    """Each service is asked once; making the catalogs again, even of changed settings, asks nobody."""
    _, settings = archive
    asked = []

    def network(url, adql):
        asked.append(url)
        if "gaia_source" in adql:
            return {name: tables.gaia[name].to_numpy() for name in tables.gaia} | {"ruwe": np.ones(len(tables.gaia))}
        if "MeanObjectView" in adql:
            return {name: tables.ps1[name].to_numpy() for name in tables.ps1}
        if "hlsp_ps1_tm" in adql:
            return {name: tables.ps1[name].to_numpy() for name in ("objid", "ra", "dec", "star_score")}
        star = {"ra": tables.bright["ra"].to_numpy(), "dec": tables.bright["dec"].to_numpy()}
        magnitude = tables.bright["v_mag"].to_numpy()
        return {name: column[: len(magnitude)] for name, column in star.items()} | {
            "bt_mag": magnitude, "vt_mag": magnitude
        }  # fmt: skip

    monkeypatch.setattr(remote_catalogs, "ask_tap", network)
    calibrators(OUTPUT, settings())
    assert len(asked) == 5
    first = record()["metrics"]["n_photometric"]
    assert first > 50
    calibrators(OUTPUT, settings(isolation_arcsec=20.0))
    assert len(asked) == 5
    assert record()["metrics"]["n_photometric"] < first
    assert list((tmp_path / "calibrators").rglob("*.parquet"))


def test_bad_calls_and_bad_copies(tables, archive, tmp_path):
    _, settings = archive
    with pytest.raises(BadName, match="not the path of product gaiacalibrators"):
        calibrators(path_of("ps1calibrators", KEY), settings())
    with pytest.raises(BadFile, match="no such catalog"):
        calibrators(OUTPUT, settings(gaia="../none.parquet"))
    broken = SourceTables(tables.gaia, tables.ps1.drop(columns="objid"), tables.bright, "a test")
    with pytest.raises(BadFile, match="objid"):
        write_catalogs(tmp_path, KEY, broken, Calibrators(), Camera.load("mini"))


def test_what_the_workflow_waits_for_names_its_night(archive):
    _, settings = archive
    output = path_of("covered", NightKey("20180325"))
    covered(output, settings())
    assert json.loads(Path(output).read_text()) == {"night": "20180325"}
