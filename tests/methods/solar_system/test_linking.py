"""Linking: kernels beside slow twins, and tracks among false detections."""

from dataclasses import fields

import numpy as np
import pytest

from benchmarks.moving_scenes import scene
from benchmarks.validate_moving import BELIEVED, LINKING, ORBITS
from ztfpipe.methods.sky.matching import unit_vectors
from ztfpipe.methods.solar_system import linking_nb as kernels
from ztfpipe.methods.solar_system.linking import _bands, link
from ztfpipe.methods.solar_system.orbit_fit import believed, quick_orbits
from ztfpipe.model.moving import Detections

RNG = np.random.default_rng(8)
SIZE_DEG = 3.0


def index_of(ra, dec):
    first = _bands(SIZE_DEG)
    cell = kernels.cell_numbers(ra, dec, SIZE_DEG, first)
    order = np.argsort(cell, kind="stable")
    return order, first, np.searchsorted(cell[order], np.arange(first[-1] + 1))


@pytest.mark.parametrize("dec0", [-89.9, -60.0, 0.0, 33.0, 86.0, 90.0])
def test_around_misses_nothing_near(dec0):
    vectors = RNG.normal(size=(20000, 3))
    vectors /= np.linalg.norm(vectors, axis=1)[:, None]
    ra, dec = np.degrees(np.arctan2(vectors[:, 1], vectors[:, 0])) % 360, np.degrees(np.arcsin(vectors[:, 2]))
    order, first, starts = index_of(ra, dec)
    found = np.empty(20000, np.int64)
    for ra0 in (0.0, 0.01, 123.0, 359.99):
        n = kernels.around(ra0, dec0, 4.0, SIZE_DEG, first, starts, found)
        near = np.flatnonzero(vectors @ unit_vectors(np.array([ra0]), np.array([dec0]))[0] > np.cos(np.radians(4.0)))
        assert set(near) <= set(order[found[:n]])
        assert len(set(found[:n])) == n
        assert n < 2000  # a tenth of the sky at most: cells, not everything


def test_around_stops_when_its_list_is_full():
    ra, dec = np.full(100, 10.0), np.full(100, 5.0)
    _, first, starts = index_of(ra, dec)
    assert kernels.around(10.0, 5.0, 1.0, SIZE_DEG, first, starts, np.empty(30, np.int64)) == 30


def test_offsets_are_gnomonic_and_come_back():
    centre = unit_vectors(np.array([200.0]), np.array([40.0]))[0]
    ra, dec = 200.0 + RNG.uniform(-2, 2, 50), 40.0 + RNG.uniform(-2, 2, 50)
    for one_ra, one_dec, vector in zip(ra, dec, unit_vectors(ra, dec), strict=True):
        x, y = kernels.tangent(centre, vector)
        d, a, d0 = np.radians(one_dec), np.radians(one_ra - 200.0), np.radians(40.0)
        along = np.sin(d0) * np.sin(d) + np.cos(d0) * np.cos(d) * np.cos(a)
        expected = np.cos(d) * np.sin(a) / along, (np.cos(d0) * np.sin(d) - np.sin(d0) * np.cos(d) * np.cos(a)) / along
        np.testing.assert_allclose((x, y), np.array(expected) * kernels.ARCSEC_PER_RADIAN, atol=1e-8)
        np.testing.assert_allclose(kernels.direction(centre, x, y), (one_ra, one_dec), atol=1e-10)


def test_parallax_is_the_shift_of_a_near_body():
    centre = unit_vectors(np.array([33.0]), np.array([-12.0]))[0]
    moved = np.array([0.001, -0.0004, 0.0007])
    away = centre * 2.5 - moved
    x, y = kernels.parallactic(centre, moved)
    seen = kernels.tangent(centre, away / np.linalg.norm(away))
    # First order in the shift over the distance, 5e-4: the second order is 2e-7 of a radian at most, 0.05 arcsec.
    np.testing.assert_allclose((x / 2.5, y / 2.5), seen, atol=0.06)


def test_path_fit_is_least_squares_with_priors():
    t, sigma = np.array([-0.1, 0.0, 0.9, 1.9]), np.array([0.1, 0.2, 0.1, 0.3])
    px, py, x, y = RNG.normal(0, 3000, (4, 4))
    design = np.zeros((11, 7))
    for i in range(4):
        design[i, [0, 1, 2, 6]] = np.array([1, t[i], t[i] ** 2 / 2, px[i]]) / sigma[i]
        design[4 + i, [3, 4, 5, 6]] = np.array([1, t[i], t[i] ** 2 / 2, py[i]]) / sigma[i]
    design[8, 2] = design[9, 5] = 1 / 12.0
    design[10, 6] = 1 / 0.5
    data = np.concatenate([x / sigma, y / sigma, [0, 0, 0.7 / 0.5]])
    expected, chi2, *_ = np.linalg.lstsq(design, data, rcond=None)
    factor, values = np.empty((7, 7)), np.empty(7)
    found = kernels.fit_path(t, x, y, px, py, sigma, 4, 0.7, 0.5, 12.0, factor, values)
    np.testing.assert_allclose(values, expected, rtol=1e-6)
    assert found == pytest.approx(chi2[0], rel=1e-6)
    # A fifth point's distance from the path, by the full covariance.
    covariance = np.linalg.inv(design.T @ design)
    rows = np.zeros((2, 7))
    rows[0, [0, 1, 2, 6]] = rows[1, [3, 4, 5, 6]] = 1, 3.0, 4.5, 500.0
    off = np.array([1e4, -2e4]) - rows @ expected
    distance = off @ np.linalg.solve(rows @ covariance @ rows.T + 0.04 * np.eye(2), off)
    got = kernels.surprise(3.0, 1e4, -2e4, 500.0, 500.0, 0.2, factor, values, np.empty((2, 7)))
    assert got == pytest.approx(distance, rel=1e-6)


def test_pairs_are_those_of_all_pairs():
    n = 400
    ra, dec, jd = RNG.uniform(0, 5, n), RNG.uniform(-2, 3, n), RNG.uniform(0, 0.6, n)
    exposure, sigma = RNG.integers(0, 60, n), np.full(n, 0.2)
    order, first, starts = index_of(ra, dec)
    ra, dec, jd, exposure = ra[order], dec[order], jd[order], exposure[order]
    vectors, pairs = unit_vectors(ra, dec), np.empty((n * n, 2), np.int64)
    count = kernels.find_pairs(
        vectors, jd, sigma, exposure, ra, dec, np.zeros(n, np.int64), SIZE_DEG, first, starts, 0.4, 2600.0, 60.0,
        pairs, np.empty(n, np.int64),
    )  # fmt: skip
    expected = set()
    for i in range(n):
        for j in range(n):
            apart = np.linalg.norm(vectors[i] - vectors[j]) * kernels.ARCSEC_PER_RADIAN
            days = jd[j] - jd[i]
            if 0 < days <= 0.4 and exposure[i] != exposure[j] and 60 <= apart <= 2600 * days + 1.2:
                expected.add((i, j))
    assert expected
    assert {tuple(pair) for pair in pairs[:count]} == expected
    assert kernels.find_pairs(
        vectors, jd, sigma, exposure, ra, dec, np.zeros(n, np.int64), SIZE_DEG, first, starts, 0.4, 2600.0, 60.0,
        pairs[:3], np.empty(n, np.int64),
    ) == -1  # fmt: skip


@pytest.fixture(scope="module")
def small():
    return scene(300, 8.0, 10.0, seed=3)


def outcome(truth, detections, body):
    tracks = link(detections, **LINKING)
    kept = believed(tracks, quick_orbits(detections, tracks.members, **ORBITS), **BELIEVED)
    bodies = [np.unique(body[one]) for one, good in zip(tracks.members, kept, strict=True) if good]
    pure = {int(one[0]) for one in bodies if len(one) == 1 and one[0] >= 0}
    linkable = set(truth.linkable().tolist())
    return len(pure & linkable) / len(linkable), len(pure) / max(len(bodies), 1), tracks, kept


def test_bodies_are_found_among_ten_times_as_many_false_detections(small):
    """The survey's own linker finds 90 % at 98 % reliability; about 200 linkable bodies tell 95 from 99 %."""
    efficiency, reliability, tracks, kept = outcome(small, small.detections, small.body)
    assert efficiency >= 0.95
    assert reliability >= 0.98
    members = np.concatenate([one for one, good in zip(tracks.members, kept, strict=True) if good])
    assert len(members) == len(set(members.tolist()))  # no detection is in two tracks
    for one in tracks.members:
        assert (np.diff(small.detections.jd_mid[one]) > 0).all()
        assert len(set(small.detections.exposure[one].tolist())) == len(one)


def test_the_order_of_detections_does_not_matter(small):
    order = np.random.default_rng(1).permutation(len(small.body))
    one, other = (link(each, **LINKING) for each in (small.detections, small.detections.select(order)))
    sets = {frozenset(track.tolist()) for track in one.members}
    assert sets == {frozenset(order[track].tolist()) for track in other.members}


def test_a_night_missing_and_one_night_only(small):
    night = np.floor(small.detections.jd_mid - 116.86 / 360)
    without = np.flatnonzero(night != night.min() + 1)
    assert len(link(small.detections.select(without), **LINKING)) > 20
    alone = np.flatnonzero(night == night.min())
    tracks = link(small.detections.select(alone), **LINKING)
    assert all(len(track) >= 4 for track in tracks.members)  # three visits a night: chance tracks at most


def test_values_that_are_not_numbers_are_passed_over(small):
    spoiled = small.detections.jd_mid.copy()
    spoiled[::50] = np.nan
    detections = Detections(spoiled, *(getattr(small.detections, name) for name in (
        "ra_deg", "dec_deg", "sigma_arcsec", "observer_au", "exposure")))  # fmt: skip
    tracks = link(detections, **LINKING)
    assert len(tracks) > 20
    assert not set(np.concatenate(tracks.members).tolist()) & set(range(0, len(spoiled), 50))


@pytest.mark.parametrize("n", [0, 3])
def test_too_few_detections_give_no_tracks(small, n):
    assert len(link(small.detections.select(np.arange(n)), **LINKING)) == 0


def test_a_cloud_of_false_detections_ends(small):
    """Five thousand detections within an arcminute, as about a bright star badly subtracted, on forty exposures."""
    rng = np.random.default_rng(4)
    n = 5000
    exposure = rng.integers(0, 40, n)
    jd = 2458202.7 + 0.005 * exposure
    cloud = Detections(
        jd, 184 + rng.uniform(0, 1 / 60, n), rng.uniform(0, 1 / 60, n), np.full(n, 0.2),
        np.tile(small.detections.observer_au[:1], (n, 1)), exposure,
    )  # fmt: skip
    both = Detections(*(np.concatenate([getattr(cloud, one.name), getattr(small.detections, one.name)])
                        for one in fields(Detections)))  # fmt: skip
    tracks = link(both, **LINKING)
    assert len(tracks) > 20
    assert min(np.concatenate(tracks.members)) >= n  # none of the cloud
