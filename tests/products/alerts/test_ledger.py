"""Names of objects: by place, by candid, whoever comes first, whatever is killed."""

import itertools
import os
import random
import signal
import time

import numpy as np
import psycopg
import pytest

from tests.conftest import BACKENDS
from ztfpipe.errors import BadFile, TryAgain
from ztfpipe.products.alerts import ledger_backends
from ztfpipe.products.alerts.ledger import Sighting, first_place, give_names, names_of, separation_arcsec, spelt_name

ARCSEC = 1 / 3600


@pytest.fixture(params=BACKENDS)
def new_ledger(request, tmp_path):
    """Makes places of empty ledgers: files, or each a schema of a PostgreSQL."""
    numbers = itertools.count()

    def new():
        name = f"ledger{next(numbers)}"
        if request.param == "sqlite":
            return tmp_path / name / "objects.sqlite"
        url = request.getfixturevalue("empty_postgres")
        with psycopg.connect(url, autocommit=True) as server:
            server.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")
            server.execute(f"CREATE SCHEMA {name}")
        return f"{url}&options=-csearch_path%3D{name}"

    if request.param == "postgresql":
        request.getfixturevalue("empty_postgres")
    return new


def sighting(candid, ra, dec, jd=1.0, rcid=0, year=2018):
    return Sighting(jd, rcid, candid, ra, dec, year)


def sky(n, seed=1):
    """Sightings of n / 4 objects, well apart, each seen about four times within half an arcsecond."""
    rng = np.random.default_rng(seed)
    ra, dec = rng.uniform(0, 360, n // 4), np.degrees(np.arcsin(rng.uniform(-1, 1, n // 4)))
    out = []
    for k in range(n):
        i = rng.integers(n // 4)
        d = rng.uniform(-0.25, 0.25, 2) * ARCSEC
        place = (ra[i] + d[0] / np.cos(np.radians(dec[i]))) % 360, dec[i] + d[1]
        out.append((int(i), sighting(1000 + k, *place, jd=float(k // 50), rcid=int(rng.integers(64)))))
    return out


def test_names_count_up_in_letters():
    assert spelt_name(2018, 0) == "ZTF18aaaaaaa"
    assert spelt_name(2026, 27) == "ZTF26aaaaabb"
    assert spelt_name(2018, 26**7 - 1) == "ZTF18zzzzzzz"
    with pytest.raises(ValueError):
        spelt_name(2018, 26**7)


def test_one_place_has_one_name_and_two_places_have_two(new_ledger):
    known = sky(400)
    given = give_names(new_ledger(), [one for _, one in known], 1.5)
    by_object = {}
    for i, one in known:
        by_object.setdefault(i, set()).add(given[one.candid])
    assert all(len(names) == 1 for names in by_object.values())
    assert len(set(given.values())) == len(by_object)


def test_the_order_of_arrival_within_a_batch_changes_nothing(new_ledger):
    known = [one for _, one in sky(200)]
    first = give_names(new_ledger(), known, 1.5)
    random.Random(1).shuffle(known)
    assert give_names(new_ledger(), known, 1.5) == first


def test_a_second_time_nothing_new_is_named_and_a_moved_candidate_is_another(new_ledger):
    path, known = new_ledger(), [one for _, one in sky(80)]
    first = give_names(path, known, 1.5)
    # Of the same batch a part, backwards, after others were named.
    give_names(path, [sighting(5, 10.0, 89.0)], 1.5)
    assert give_names(path, known[::-1][:30], 1.5).items() <= first.items()
    assert names_of(path, [one.candid for one in known] + [77]) == first
    one = known[0]
    again = give_names(path, [sighting(one.candid, one.ra_deg, one.dec_deg - 0.01)], 1.5)
    assert again[one.candid] != first[one.candid]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((0.0001, 10.0), (359.9999, 10.0)),
        ((359.99999, -60.0), (0.00001, -60.0)),
        ((10.0, 89.9999), (190.0, 89.9999)),
        ((20.0, -90.0), (300.0, -89.9998)),
        ((20.0, 10 * ARCSEC - 1e-7), (20.0, 10 * ARCSEC + 1e-7)),
    ],
)
def test_where_coordinates_end_places_do_not(new_ledger, first, second):
    assert separation_arcsec(*first, *second) < 1.5
    given = give_names(new_ledger(), [sighting(1, *first), sighting(2, *second)], 1.5)
    assert given[1] == given[2]


def test_the_nearest_of_two_objects_is_taken_and_the_limit_holds(new_ledger):
    given = give_names(
        new_ledger(),
        [
            sighting(1, 50.0, 0.0),
            sighting(2, 50.0, 2.0 * ARCSEC),
            sighting(3, 50.0, 1.2 * ARCSEC),
            sighting(4, 50.0, 3.51 * ARCSEC),
            sighting(5, 50.0, 3.49 * ARCSEC),
        ],
        1.5,
    )
    assert given[3] == given[2] != given[1]
    # Within reach of object 2 by its own first detection, and of object 4.
    assert len({given[1], given[2], given[4]}) == 3
    assert given[5] == given[4]


def test_what_is_no_ledger_is_said_to_be_none(tmp_path):
    (tmp_path / "a").write_bytes(b"not a database at all" * 100)
    with pytest.raises(BadFile, match="not a ledger"):
        give_names(tmp_path / "a", [sighting(1, 1.0, 1.0)], 1.5)


def test_a_writer_killed_at_any_moment_leaves_all_names_or_none(new_ledger):
    known = [one for _, one in sky(1500)]
    expected = give_names(new_ledger(), known, 1.5)
    for pause_s in (0.0, 0.05, 0.15):
        path = new_ledger()
        writer = in_background(lambda path=path: give_names(path, known, 1.5))
        time.sleep(pause_s)
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
        left = names_of(path, [one.candid for one in known])
        assert left in ({}, expected)
        assert give_names(path, known, 1.5) == expected


def test_writers_at_once_give_each_object_one_name(new_ledger):
    path, known = new_ledger(), [one for _, one in sky(600)]
    parts = [known[k::3] for k in range(3)]
    writers = [in_background(lambda part=part: give_names(path, part, 1.5)) for part in parts]
    assert [os.waitpid(writer, 0)[1] for writer in writers] == [0, 0, 0]
    names = names_of(path, [one.candid for one in known])
    of_object = {}
    for i, one in sky(600):
        of_object.setdefault(i, set()).add(names[one.candid])
    assert all(len(each) == 1 for each in of_object.values())
    assert len(set(names.values())) == len(of_object)


def test_a_second_writer_waits_and_gives_up_in_the_end_and_who_asks_does_not_wait(new_ledger, monkeypatch):
    path = new_ledger()
    give_names(path, [sighting(1, 1.0, 1.0)], 1.5)
    monkeypatch.setattr(ledger_backends, "WAIT_S", 0.2)
    with ledger_backends.opened(path, writing=True):
        with pytest.raises(TryAgain):
            give_names(path, [sighting(2, 1.0, 1.0)], 1.5)
        assert list(names_of(path, [1, 2])) == [1]
        assert first_place(path, names_of(path, [1])[1]) == (1.0, 1.0)


def test_both_kinds_of_ledger_give_the_same_names(new_ledger, tmp_path):
    known = [one for _, one in sky(1200, seed=2)]
    assert give_names(new_ledger(), known, 1.5) == give_names(tmp_path / "other", known, 1.5)


def test_who_asks_a_ledger_that_is_not_there_makes_none(tmp_path):
    assert names_of(tmp_path / "a", [1]) == {}
    assert first_place(tmp_path / "a", "ZTF18aaaaaaa") is None
    assert not list(tmp_path.iterdir())


def test_a_server_that_is_away_is_tried_again(tmp_path):
    with pytest.raises(TryAgain, match="postgresql://someone@/nothing"):
        names_of(f"postgresql://someone@/nothing?host={tmp_path}", [1])


def in_background(work):
    """A process that does some work and ends with 0 when it was done."""
    process = os.fork()
    if not process:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return process
