"""A release of light curves: layout, schema of a real file, and what is not public yet."""

import contextlib
import hashlib
import io
import json
import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from astropy.io import fits

from tests.lightcurve_scene import KEY, N_STARS, listed, scene, write_epoch, write_reference
from tests.real_data import REAL_DATA
from ztfpipe.cli.main import run
from ztfpipe.config import Config, Release
from ztfpipe.model.keys import DataReleaseKey, ReleaseKey
from ztfpipe.model.lightcurve import DTYPES
from ztfpipe.model.release import OBJECT_TABLE
from ztfpipe.pipelines.lightcurve.release import last_public_day, months_of, released_epochs
from ztfpipe.products.accounts.matchepochs import write_match_epochs
from ztfpipe.products.accounts.settings import write_settings
from ztfpipe.products.catalogs import matchfile
from ztfpipe.products.catalogs.release_store import read_objects
from ztfpipe.products.names import path_of
from ztfpipe.steps.lightcurve.matching import match

REAL = REAL_DATA / "lightcurve" / "ztf_001518_zg_c01_q2_dr19.parquet"
N = 6
PARQUET = path_of("lightcurve", ReleaseKey(1, KEY))
CALL = ["lightcurve", "release", "1", "--from", "20180310", "--to", "20180322", "--config", "../config.yaml"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A workspace with a matchfile; every other epoch is of program 2, and one is bad."""
    workspace = tmp_path_factory.mktemp("made")
    (workspace / "archive").mkdir()
    (workspace / "config.yaml").write_text(yaml.safe_dump({"camera": "mini", "workspace": "."}))
    with contextlib.chdir(workspace / "archive"):
        truth = scene()
        write_reference(truth)
        keys = [write_epoch(truth, k, PROGRMID=1 + k % 2, INFOBITS=(k == 2) << 25) for k in range(N)]
        settings = write_settings(Path("../settings"), "lightcurve", Config(camera="mini", workspace=".."))
        write_match_epochs(Path(), listed(keys))
        match(path_of("matchfile", KEY), settings, Path(path_of("matchepochs", KEY)))
    return workspace


@pytest.fixture
def archive(made, tmp_path, monkeypatch):
    """A copy of it."""
    shutil.copytree(made, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work" / "archive")


def test_light_curves_of_public_epochs(archive):
    assert run([*CALL, "--on", "20181001"]) == 0
    table = pd.read_parquet(PARQUET)
    data = matchfile.read_rows(path_of("matchfile", KEY), "sourcedata")
    exposures = matchfile.read_rows(path_of("matchfile", KEY), "exposures")
    # Of the six, 0 to 3 are of these nights, and 0 and 2 of program 1.
    public = np.isin(data["expid"], exposures["expid"][[0, 2]])
    assert table.index.tolist() == np.unique(data["matchid"][public]).tolist()
    assert table["nepochs"].sum() == public.sum()
    one = table.loc[7]
    rows = data[public & (data["matchid"] == 7)]
    assert one["objectid"] == 473210100000007
    assert one["mag"].tolist() == rows["mag"].tolist()
    assert one["hmjd"] == pytest.approx(rows["hjd"] - 2400000.5, abs=5.1e-6)
    assert one["catflags"].tolist() == [0, 1 << 15]
    assert set(table["clrcoeff"].explode()) == {np.float32(0.1)}
    digest = hashlib.md5(Path(PARQUET).read_bytes()).hexdigest()
    assert Path(PARQUET).with_name("checksum.md5").read_text() == f"{digest}  {Path(PARQUET).name}\n"


def test_what_is_not_public_yet_is_not_released(archive, capsys):
    assert run([*CALL, "--on", "20180330"]) == 0
    assert not Path(PARQUET).exists()
    assert run([*CALL, "--on", "20181001", "--programs", "2"]) == 0
    assert not Path(PARQUET).exists()
    assert run([*CALL, "--on", "20191101", "--programs", "1", "2"]) == 0
    assert pd.read_parquet(PARQUET)["nepochs"].max() == 4
    assert len(pd.read_parquet(PARQUET)) == N_STARS
    assert run([*CALL, "--on", "20191101", "--programs", "7"]) == 2


def test_objects_are_all_sources_with_statistics_of_all_epochs_and_counts_of_the_release(archive):
    assert run([*CALL, "--on", "20181001"]) == 0
    table = read_objects(ReleaseKey(1, KEY))
    sources = matchfile.read_rows(path_of("matchfile", KEY), "sources")
    assert list(table.columns) == [one.name for one in OBJECT_TABLE]
    assert len(table) == len(sources) == N_STARS
    assert table["dec"].is_monotonic_increasing
    sources = sources[table["oid"].to_numpy() % 10**8]
    for name in ("ra", "dec", "nobs", "ngoodobs", "magrms", "stetsonj", "refmag"):
        np.testing.assert_array_equal(table[name], sources[name])
    np.testing.assert_array_equal(table["percentiles_675"], sources["percentiles"][:, 7])
    np.testing.assert_array_equal(table["nabovemeanbystd_2"], sources["nabovemeanbystd"][:, 1])
    curves = pd.read_parquet(PARQUET).set_index("objectid")
    np.testing.assert_array_equal(table["nobsrel"], curves["nepochs"].reindex(table["oid"]).fillna(0))
    good = curves["catflags"].map(lambda flags: int((flags < 1 << 15).sum()))
    np.testing.assert_array_equal(table["ngoodobsrel"], good.reindex(table["oid"]).fillna(0))
    assert (table["nobs"] > table["nobsrel"]).any()


def test_a_release_says_what_it_holds(archive):
    assert run([*CALL, "--on", "20181001"]) == 0
    key = DataReleaseKey(1)
    found = json.loads(Path(path_of("releasestatistics", key)).read_text())
    curves = pd.read_parquet(PARQUET)
    table = {one.pop("filter"): one for one in found["curves"]}["zr"]
    assert table == {f"curves_{n}": int((curves["nepochs"] >= n).sum()) for n in (1, 2, 5, 10, 20)}
    images = found["images"][0]
    assert (images["exposures"], images["good"], images["bad"]) == (2, 1, 1)
    exposures = matchfile.read_rows(path_of("matchfile", KEY), "exposures")
    assert found["sources"][0]["psfcat_sci"] == exposures["nsources"][[0, 2]].sum()
    assert found["sources"][0]["psfcat_ref"] == N_STARS
    assert found["spans"][0]["timespan_d"] == pytest.approx(8.0)
    assert "## 4. Light curves" in Path(path_of("releasetables", key)).read_text()
    with fits.open(path_of("releasecoverage", key)) as hdus:
        assert hdus["SCIIMG_R"].data.sum() == 2
        assert hdus["MATCHFILE_R"].data.sum() == 1
    assert Path(path_of("releasepictures", key)).read_bytes()[:4] == b"\x89PNG"


def test_a_release_that_is_made_again_with_less_forgets_what_it_had(archive):
    assert run([*CALL, "--on", "20181001"]) == 0
    assert run([*CALL, "--on", "20180401"]) == 0
    assert not Path(PARQUET).exists()
    assert not Path(path_of("releasefiles", DataReleaseKey(1))).exists()
    assert run(["lightcurve", "query", "POS=CIRCLE 1 1 1", "--config", "../config.yaml"]) == 2


def test_fields_are_exported_with_checksums_and_other_fields_are_not_there(archive, tmp_path):
    assert run([*CALL, "--on", "20181001"]) == 0
    export, config = ["lightcurve", "export", "1"], ["--config", "../config.yaml"]
    assert run([*export, str(tmp_path / "out"), "--fields", "473", *config]) == 0
    for path in (PARQUET, path_of("objects", ReleaseKey(1, KEY))):
        copy = tmp_path / "out" / path
        assert copy.read_bytes() == Path(path).read_bytes()
        digest = hashlib.md5(copy.read_bytes()).hexdigest()
        assert copy.with_name("checksum.md5").read_text() == f"{digest}  {copy.name}\n"
    assert run([*export, str(tmp_path / "none"), "--fields", "474", *config]) == 2
    assert run([*export, str(tmp_path / "hats"), "--hats", *config]) == 0
    found = pd.read_parquet(tmp_path / "hats" / "dataset", columns=["objectid", "_healpix_29"], partitioning=None)
    assert sorted(found["objectid"]) == sorted(pd.read_parquet(PARQUET)["objectid"])
    assert "hats_nrows=" + str(len(found)) in (tmp_path / "hats" / "properties").read_text()
    assert run([*export, str(tmp_path / "hats"), "--hats", *config]) == 2


def test_light_curves_at_a_position(archive, capsys):
    truth = scene()
    where = ["--ra", str(truth.ra_deg[7]), "--dec", str(truth.dec_deg[7])]
    assert run(["lightcurve", "show", *where, "--picture", "curve.png", "--config", "../config.yaml"]) == 0
    table = pd.read_csv(io.StringIO(capsys.readouterr().out))
    data = matchfile.read_rows(path_of("matchfile", KEY), "sourcedata")
    rows = data[data["matchid"] == 7]
    assert set(table["oid"]) == {473210100000007}
    assert table["mag"].tolist() == pytest.approx(rows["mag"], abs=1e-5)
    assert table["mjd"].to_numpy() == pytest.approx(rows["mjd"] - 15 / 86400, abs=1e-8)
    assert Path("curve.png").read_bytes()[:4] == b"\x89PNG"
    assert run(["lightcurve", "show", "--ra", "10", "--dec", "80", "--config", "../config.yaml"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert run(["lightcurve", "show", "--ra", "400", "--dec", "80", "--config", "../config.yaml"]) == 2


def test_released_are_exposures_of_the_nights_and_of_programs_whose_period_is_over():
    exposures = np.zeros(5, DTYPES["exposures"])
    exposures["obsmjd"], exposures["programid"] = 58000 + np.array([0, 0, 50, 0, -2]), [1, 2, 1, 3, 1]
    shown = released_epochs(exposures, 57999, 58100, {1: 58050, 2: 58000})
    assert shown.tolist() == [True, False, False, False, False]


# Release, its day, and the last days of public and of private data: the survey's release plan of 2020-11-19.
CALENDAR = [
    (date(2021, 3, 31), date(2021, 1, 31), date(2019, 9, 30)),
    (date(2021, 6, 30), date(2021, 4, 30), date(2019, 12, 31)),
    (date(2021, 8, 31), date(2021, 6, 30), date(2020, 2, 29)),
    (date(2021, 11, 3), date(2021, 8, 31), date(2020, 4, 30)),
    (date(2022, 1, 5), date(2021, 10, 31), date(2020, 6, 30)),
]


@pytest.mark.parametrize(("on", "public", "private"), CALENDAR)
def test_the_rules_give_the_calendar_of_releases_5_to_9(on, public, private):
    rules = Release().proprietary
    assert last_public_day(on, months_of(rules, 1, on)) == public
    assert {last_public_day(on, months_of(rules, program, on)) for program in (0, 2, 3)} == {private}


def test_before_release_5_public_data_were_proprietary_for_six_months_and_nothing_is_shown_too_early():
    rules, on = Release().proprietary, date(2020, 12, 9)
    assert months_of(rules, 1, on) == 6
    # Release 4 showed a month more of both, release 12 a few days more; ours is never later than what was shown.
    assert last_public_day(on, 6) == date(2020, 5, 31) <= date(2020, 6, 30)
    assert last_public_day(on, 18) == date(2019, 5, 31) <= date(2019, 6, 30)
    assert last_public_day(date(2022, 7, 5), 2) <= date(2022, 5, 7)
    assert last_public_day(date(2022, 7, 5), 18) <= date(2021, 1, 4)
    assert months_of((), 1, on) is None


@pytest.mark.shared_data
def test_the_schema_is_that_of_a_real_file(archive):
    assert run([*CALL, "--on", "20181001"]) == 0
    real, ours = pq.ParquetFile(REAL), pq.ParquetFile(PARQUET)
    assert ours.schema_arrow.equals(real.schema_arrow, check_metadata=False)
    assert ours.num_row_groups == 1
    assert ours.metadata.row_group(0).column(0).compression == "SNAPPY"
    assert pd.read_parquet(PARQUET).dtypes.to_dict() == pd.read_parquet(REAL).dtypes.to_dict()
