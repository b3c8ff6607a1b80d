"""Queries of a release, each beside a scan of all its objects and measurements."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from astropy.table import Table

from benchmarks.release_scenes import FILTERS, key_of, released, tile, write_release
from ztfpipe.cli.main import run
from ztfpipe.errors import BadFile, BadKey
from ztfpipe.methods.sky.regions import inside, separation_deg
from ztfpipe.model.regions import Box, Polygon
from ztfpipe.model.release import CURVE_COLUMNS, OBJECT_TABLE, Limit, Query
from ztfpipe.model.skycatalogs import Cone
from ztfpipe.products.catalogs.release_store import objects_of, read_objects
from ztfpipe.products.names import path_of
from ztfpipe.steps.lightcurve.querying import answer
from ztfpipe.steps.lightcurve.searching import OpenRelease

FILES, STARS, EPOCHS = 9, 1500, 6.0


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A workspace with a release: three tiles beside each other, the first across right ascension 0, in three
    filters."""
    folder = tmp_path_factory.mktemp("release")
    (folder / "archive").mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump({"camera": "mini", "workspace": str(folder)}))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder / "archive")
        write_release(3, FILES, STARS, EPOCHS, curves=True)
    return folder


@pytest.fixture
def opened(workspace, monkeypatch):
    monkeypatch.chdir(workspace / "archive")
    return OpenRelease(3)


@pytest.fixture(scope="module")
def everything():
    """All objects of the release."""
    parts = (objects_of(key_of(3, k), k % 3 + 1, released(k, STARS, EPOCHS).sources) for k in range(FILES))
    return pd.concat(parts, ignore_index=True)


REGIONS = [Cone(359.5, 30.4, 0.3), Box(358.9, 0.3, 30.2, 30.4), Polygon((359.0, 0.4, 359.9), (30.1, 30.3, 30.8))]


@pytest.mark.parametrize("region", REGIONS, ids=str)
@pytest.mark.parametrize("fids", [(), (2,), (1, 3)])
def test_objects_of_a_region_are_those_of_a_scan(opened, everything, region, fids):
    found = answer(opened, Query(regions=(region,), fids=fids), objects=True)
    scan = everything[inside(region, everything["ra"].to_numpy(), everything["dec"].to_numpy())]
    scan = scan[scan["fid"].isin(fids or (1, 2, 3))]
    assert len(scan) > 50
    assert sorted(found["oid"]) == sorted(scan["oid"])
    both = found.sort_values("oid", ignore_index=True)[list(everything.columns)]
    pd.testing.assert_frame_equal(both, scan.sort_values("oid", ignore_index=True))


def test_regions_asked_together_give_every_object_once(opened):
    parts = [set(answer(opened, Query(regions=(one,)), objects=True)["oid"]) for one in REGIONS]
    both = answer(opened, Query(regions=tuple(REGIONS)), objects=True)["oid"].tolist()
    assert sorted(both) == sorted(set.union(*parts))


def test_limits_on_statistics_are_those_of_a_scan(opened, everything):
    limits = (Limit("magrms", ">", 0.05), Limit("nobs", ">=", 6), Limit("refmag", "=", 0.0))
    query = Query(regions=(Box(0, 360, -90, 90),), limits=limits, mag=(15.0, 16.0), nobs_min=7)
    scan = everything.query("magrms > 0.05 and nobs >= 7 and 15 <= medianmag <= 16")
    found = answer(opened, query, objects=True)
    assert len(scan) > 20
    assert sorted(found["oid"]) == sorted(scan["oid"])


def test_a_list_of_positions_gives_the_objects_of_each(opened, everything):
    rng = np.random.default_rng(9)
    rows = rng.choice(len(everything), 200)
    at = everything[["ra", "dec"]].to_numpy()[rows]
    at = np.vstack([at, [[10.0, -80.0]]])
    table = answer(opened, Query(positions=at, radius_deg=1.5 / 3600), objects=True)
    apart = separation_deg(at[:, :1], at[:, 1:], everything["ra"].to_numpy(), everything["dec"].to_numpy())
    position, row = np.nonzero(apart <= 1.5 / 3600)
    expected = sorted(zip(position, everything["oid"].to_numpy()[row], strict=True))
    assert sorted(zip(table["position"], table["oid"], strict=True)) == expected
    # Each star is there in three filters, and a file was drawn more than once.
    assert len(expected) >= 600
    assert table["distance"].max() <= 1.5
    curves = answer(opened, Query(positions=at, radius_deg=1.5 / 3600))
    assert len(curves) == table["nobsrel"].sum()
    assert curves.groupby(["position", "oid"]).size().sum() == len(curves)


def test_light_curves_by_identifier_are_those_of_the_bulk_files(opened, workspace):
    bulk = pd.read_parquet(path_of("lightcurve", key_of(3, 4)))
    some = bulk.iloc[[3, 77]]
    curves = answer(opened, Query(oids=(*map(int, some["objectid"]), 999101100000001)))
    assert list(curves.columns) == list(CURVE_COLUMNS)
    for (_, row), (oid, one) in zip(some.sort_values("objectid").iterrows(), curves.groupby("oid"), strict=True):
        assert oid == row["objectid"]
        assert one["mag"].tolist() == row["mag"].tolist()
        assert one["hjd"].to_numpy() - 2400000.5 == pytest.approx(row["hmjd"], abs=5.1e-6)
        assert one["catflags"].tolist() == row["catflags"].tolist()
        assert (one["mjd"] < one["hjd"] - 2400000.5).all()
        assert set(one["filtercode"]) == {FILTERS[4 % 3]}
    assert len(answer(opened, Query(oids=(999101100000001,)))) == 0


def test_limits_on_measurements(opened):
    region = (Cone(359.5, 30.4, 0.1),)
    whole = answer(opened, Query(regions=region))
    few = answer(opened, Query(regions=region, time_mjd=(58300.0, 58800.0), bad_catflags_mask=32768, nobs_min=3))
    kept = whole[(whole["mjd"] >= 58300) & (whole["mjd"] <= 58800) & (whole["catflags"] & 32768 == 0)]
    kept = kept[kept.groupby("oid")["oid"].transform("size") >= 3]
    assert 0 < len(few) < len(whole)
    pd.testing.assert_frame_equal(few, kept.reset_index(drop=True))


def test_objects_of_one_star_are_grouped(opened):
    sky = tile(0, STARS)
    star = 11
    query = Query(regions=(Cone(sky.ra_deg[star], sky.dec_deg[star], 1 / 3600),), fids=(1,))
    assert set(answer(opened, query, objects=True)["fid"]) == {1}
    grouped = answer(opened, Query(regions=query.regions), objects=True, star_deg=1.5 / 3600)
    assert sorted(grouped["fid"]) == [1, 2, 3]
    assert grouped["star"].tolist() == [0, 0, 0]
    curves = answer(opened, Query(oids=(int(grouped["oid"].iloc[0]),)), star_deg=1.5 / 3600)
    assert set(curves["oid"]) == set(grouped.query("nobsrel > 0")["oid"])
    assert set(curves["star"]) == {0}


@pytest.mark.parametrize("form", ["csv", "ipac_table", "votable", "parquet"])
def test_formats_are_read_again(workspace, capsysbinary, form):
    out = workspace / f"answer.{form}"
    words = ["lightcurve", "query", "POS=CIRCLE 359.5 30.4 0.03", "COLLECTION=ztf_dr3", f"FORMAT={form}"]
    assert run([*words, "--config", str(workspace / "config.yaml"), "--out", str(out)]) == 0
    reader = {"csv": "ascii.csv", "ipac_table": "ascii.ipac", "votable": "votable", "parquet": "parquet.pandas"}[form]
    table = pd.read_parquet(out) if form == "parquet" else Table.read(out, format=reader)
    assert list(table.columns if form == "parquet" else table.colnames) == list(CURVE_COLUMNS)
    assert len(table) > 10
    assert {str(one) for one in table["filtercode"]} == set(FILTERS)
    assert run([*words, "--config", str(workspace / "config.yaml")]) == 0
    assert capsysbinary.readouterr().out == out.read_bytes()


def test_a_list_as_a_file_and_what_cannot_be_asked(workspace, capsys):
    config = ["--config", str(workspace / "config.yaml")]
    sky = tile(0, STARS)
    listed, out = workspace / "list.csv", workspace / "answer.parquet"
    pd.DataFrame({"ra": sky.ra_deg[:20], "dec": sky.dec_deg[:20]}).to_csv(listed, index=False)
    words = ["lightcurve", "query", "--positions", str(listed), "FORMAT=parquet", "--out", str(out), "--objects"]
    assert run([*words, *config]) == 0
    assert set(pd.read_parquet(out)["position"]) == set(range(20))
    assert run(["lightcurve", "query", *config]) == 2
    assert run(["lightcurve", "query", "POS=CIRCLE 1 1 1", "COLLECTION=ztf_dr9", *config]) == 2
    assert "ztf_dr3" in capsys.readouterr().err
    assert run([*words, "POS=CIRCLE 1 1 1", *config]) == 2
    assert run([*words, "--radius", "0", *config]) == 2
    for text in ("ra,dec\n400,0\n", "x,y\n1,2\n", "ra,dec\na,b\n"):
        listed.write_text(text)
        assert run([*words, *config]) == 2
    listed.unlink()
    assert run([*words, *config]) == 2


def test_an_answer_may_be_empty(workspace, capsysbinary):
    config = ["--config", str(workspace / "config.yaml")]
    assert run(["lightcurve", "query", "POS=CIRCLE 100 -70 0.1", "FORMAT=csv", *config]) == 0
    assert pd.read_csv(io.BytesIO(capsysbinary.readouterr().out)).columns.tolist() == list(CURVE_COLUMNS)
    words = ["lightcurve", "query", "POS=CIRCLE 100 -70 0.1", "FORMAT=csv", "--objects", "--group", *config]
    assert run(words) == 0
    names = pd.read_csv(io.BytesIO(capsysbinary.readouterr().out)).columns.tolist()
    assert names == [one.name for one in OBJECT_TABLE]


def test_a_damaged_index_is_said(workspace, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    write_release(1, 1, 20, 2.0)
    opened, path = OpenRelease(1), Path(path_of("releaseindex", key_of(1, 0)))
    assert len(read_objects(key_of(1, 0))) == 20
    path.write_bytes(b"not an array" * 500)
    with pytest.raises(BadFile, match="no array"):
        opened.find(Query(regions=(Cone(358.5, 30.4, 1.0),)))
    with path.open("wb") as stream:
        np.save(stream, np.zeros(5))
    with pytest.raises(BadFile, match="another version"):
        opened.find(Query(regions=(Cone(358.5, 30.4, 1.0),)))
    path.unlink()
    with pytest.raises(BadFile, match="no such file"):
        opened.find(Query(regions=(Cone(358.5, 30.4, 1.0),)))
    with pytest.raises(BadKey):
        opened.find(Query())
    with pytest.raises(BadFile):
        OpenRelease(8)
