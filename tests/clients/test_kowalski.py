"""kowalski's matchfile ingester finds in our matchfiles what it looks for.

Written from what `kowalski/ingesters/ingest_ztf_matchfiles.py` of skyportal reads: the project is no package that could
be installed, and its ingester needs its own MongoDB, so its requests are made here in its stead, by the same libraries.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tables

from tests.lightcurve_scene import KEY, listed, scene, write_epoch, write_reference
from ztfpipe.config import Config
from ztfpipe.model.lightcurve import BAD_EPOCH
from ztfpipe.products.accounts.matchepochs import write_match_epochs
from ztfpipe.products.accounts.settings import write_settings
from ztfpipe.products.names import path_of
from ztfpipe.steps.lightcurve.matching import match

SOURCE_NUMBERS = {"matchid", "ra", "dec", "meanmag", "refmag", "refmagerr", "refchi", "refsharp", "nobs"}
"""What its documents keep of a source as numbers, besides counts."""
WHOLE_SOURCE, WHOLE_DATA = ("nobs",), ("catflags", "expid", "programid")
LEFT_OUT_OF_SOURCES = [
    "medmagerr", "nmedianbufferrange", "smallkurtosis", "magrms", "medianabsdev", "maxmag",
    "nconsecfrommeanbystd", "medianmag", "npairposslope", "ngoodobs", "stetsonk", "nobsrel", "lineartrend", "z",
    "minmag", "nconsecabovemeanbystd", "ngoodobsrel", "weightedmagrms", "x", "nbelowmeanbystd",
    "nabovemeanbystd", "refsnr", "nconsecbelowmeanbystd", "con", "astrometricrms", "skewness", "maxslope",
    "weightedmeanmag", "stetsonj", "y", "chisq", "uncalibmeanmag", "percentiles",
]  # fmt: skip
LEFT_OUT_OF_DATA = ["ypos", "xpos", "mjd", "psfflux", "psffluxerr", "magerrmodel"]
EPOCHS = 8


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A matchfile of a few epochs."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("kowalski")
        (folder / "archive").mkdir()
        patch.chdir(folder / "archive")
        truth = scene()
        write_reference(truth)
        frozen = listed([write_epoch(truth, k, INFOBITS=1 << 25 if k == 4 else 0) for k in range(EPOCHS)])
        settings = write_settings(Path("../settings"), "lightcurve", Config(camera="mini", workspace=".."))
        write_match_epochs(Path(), frozen)
        match(path_of("matchfile", KEY), settings, Path(path_of("matchepochs", KEY)))
        return Path(path_of("matchfile", KEY)).resolve()


def test_names_tell_field_filter_and_quadrant(path):
    _, field, band, ccd, quadrant, last = path.name.split("_")
    assert (int(field), band, int(ccd[1:]), int(quadrant[1:])) == (KEY.field, KEY.filter, KEY.ccdid, KEY.qid)
    assert last == "match.pytable"


def test_exposures_make_a_table_of_plain_columns(path):
    with tables.open_file(str(path), "r+") as file:
        exposures = pd.DataFrame.from_records(file.root.matches.exposures[:])
    # Added to a number of its own it must make an identifier that a double-precision number still holds.
    assert exposures["expid"].is_unique
    assert exposures["expid"].between(1, 1e9).all()
    assert len(exposures) == EPOCHS
    assert set(exposures["programid"]) <= {0, 1, 2, 3}


def test_sources_and_their_data_are_joined_by_matchid(path):
    with tables.open_file(str(path), "r+") as file:
        group = file.root.matches
        sources = pd.DataFrame.from_records(group["sources"].read(), index="matchid", exclude=LEFT_OUT_OF_SOURCES)
        percentiles = group["sources"].col("percentiles")
        data = pd.DataFrame.from_records(group["sourcedata"][:], index="matchid", exclude=LEFT_OUT_OF_DATA)
        numbers = group["exposures"].col("expid")
    assert set(sources.reset_index()) >= SOURCE_NUMBERS
    spread = percentiles[:, 8] - percentiles[:, 3]
    assert np.all(spread[np.isfinite(spread)] >= 0)
    merged = sources.merge(data.rename(columns={"ra": "ra_data", "dec": "dec_data"}), left_index=True, right_index=True)
    assert len(merged) == len(data)
    # A document begins where the match id changes: the rows of a source must stand together after the join.
    ids = merged.index.to_numpy()
    assert np.count_nonzero(np.diff(ids)) + 1 == np.unique(ids).size
    assert (merged.groupby(level=0).size() == merged.groupby(level=0)["nobs"].first()).all()
    for name in merged.columns:
        assert np.isfinite(merged[name].astype(float)).all() or merged[name].dtype.kind == "f", name
    for name in (*WHOLE_SOURCE, *WHOLE_DATA):
        assert merged[name].dtype.kind in "iu", name
    assert set(merged["expid"]) <= set(numbers)
    assert ((merged["ra"] - merged["ra_data"]).abs() < 1e-3).all()
    assert {"hjd", "mag", "magerr", "chi", "sharp"} <= set(merged)
    assert merged["hjd"].between(2458000, 2460000).all()
    assert set(merged["catflags"]) == {0, BAD_EPOCH}
    # Match ids are of one base with field, channel and filter: they must keep below a million.
    assert merged.index.max() < 1_000_000
