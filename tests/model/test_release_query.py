"""Parameters of the archive's light-curve service."""

import math

import pytest

from ztfpipe.errors import BadKey
from ztfpipe.model.regions import Box, Polygon
from ztfpipe.model.release import OBJECT_TABLE, Limit
from ztfpipe.model.release_query import parameters_of, query_of, release_of
from ztfpipe.model.skycatalogs import Cone


def ask(*words):
    return query_of(parameters_of(words))


def test_the_archives_own_example():
    query, other = ask(
        "POS=CIRCLE+255.9302+11.8654+0.0028&BANDNAME=r&NOBS_MIN=3&TIME=58194.0+58483.0&BAD_CATFLAGS_MASK=32768"
        "&FORMAT=ipac_table"
    )
    assert query.regions == (Cone(255.9302, 11.8654, 0.0028),)
    assert (query.fids, query.nobs_min, query.time_mjd) == ((2,), 3, (58194.0, 58483.0))
    assert query.bad_catflags_mask == 32768
    assert other == {"FORMAT": "ipac_table"}


def test_the_same_in_words_and_what_else_there_is():
    query, other = ask(
        "pos=circle 255.9302 11.8654 0.0028", "POS=RANGE 10 11 -1 1", "POS=POLYGON 1 1 2 1 2 2", "CIRCLE=1 2 0.1",
        "BANDNAME=g,3", "NUM_OBS=5", "MAG=17.5 18", "TIME=-Inf 58483", "COLLECTION=ZTF_DR3",
        "WHERE=magrms>0.1 and nobs >= 20 AND percentiles_95 != 1e1",
    )  # fmt: skip
    assert query.regions == (
        Cone(255.9302, 11.8654, 0.0028), Box(10, 11, -1, 1), Polygon((1, 2, 2), (1, 1, 2)), Cone(1, 2, 0.1),
    )  # fmt: skip
    assert (query.fids, query.nobs_min, query.mag, query.time_mjd) == ((1, 3), 5, (17.5, 18), (-math.inf, 58483))
    assert query.limits == (Limit("magrms", ">", 0.1), Limit("nobs", ">=", 20), Limit("percentiles_95", "!=", 10))
    assert other == {"COLLECTION": "ztf_dr3"}
    assert ask("ID=686103400034440,686103400106565", "ID=686103400000001")[0].oids == (
        686103400034440, 686103400106565, 686103400000001,
    )  # fmt: skip


@pytest.mark.parametrize(
    "word",
    [
        "POS", "POS=CIRCLE 1 2", "POS=CIRCLE 400 2 1", "POS=CIRCLE 1 2 nan", "POS=SQUARE 1 2 3", "POS=POLYGON 1 2 3",
        "BANDNAME=z", "NOBS_MIN=-1", "TIME=now", "MAG=1 2 3", "BAD_CATFLAGS_MASK=x", "WHERE=magrms>a", "ID=12",
        "WHERE=magrms>1 or nobs>2", "WHERE=filtercode=1", "WHERE=__import__>1", "FORMAT=xml", "SIZE=3",
    ],
)  # fmt: skip
def test_what_is_no_query_is_refused(word):
    with pytest.raises(BadKey):
        ask(word)


def test_identifiers_are_not_asked_for_together_with_limits():
    with pytest.raises(BadKey, match="NOBS_MIN"):
        ask("ID=686103400034440", "NOBS_MIN=3")


def test_collections_are_releases():
    assert release_of("ztf", [3, 12, 4]) == 12
    assert release_of("ztf_dr3", [3, 12]) == 3
    for wrong in ("ztf_dr5", "ptf", "ztf_dr03"):
        with pytest.raises(BadKey, match="ztf_dr3"):
            release_of(wrong, [3])
    with pytest.raises(BadKey):
        release_of("ztf", [])


def test_every_statistic_of_a_matchfile_is_a_column():
    names = [one.name for one in OBJECT_TABLE]
    assert len(set(names)) == len(names)
    assert {"nobsrel", "ngoodobsrel", "percentiles_05", "percentiles_675", "nabovemeanbystd_3", "refmag"} < set(names)
