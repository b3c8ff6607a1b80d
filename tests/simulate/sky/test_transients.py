"""Transients rise and fall as told, on hosts and off."""

from __future__ import annotations

import numpy as np
import pytest

from ztfpipe.config import Simulate
from ztfpipe.simulate.geometry import gnomonic, separation_deg, unit_vectors
from ztfpipe.simulate.sky.catalog import galaxies_around
from ztfpipe.simulate.sky.transients import NO_HOST, SEASON_D, transients_around

WHERE = (185.0, 5.0, 1.0, 1.0)


@pytest.fixture(scope="module")
def table():
    return transients_around(Simulate(stars={"transients_per_square_degree": 400}), 2458202.8, *WHERE)


def test_rate_per_square_degree_and_season(table):
    east, north = gnomonic(unit_vectors(table.ra_deg, table.dec_deg), unit_vectors(*WHERE[:2]))
    inside = (np.abs(east) < 0.9) & (np.abs(north) < 0.9)
    season = np.floor((table.peak_jd - 2457388.5) / SEASON_D)
    seasons = np.unique(season)
    expected = 400 * 1.8**2 * len(seasons)
    # Poisson, 4 sigma. Offsets from hosts move none across the box's edge in number.
    assert inside.sum() == pytest.approx(expected, abs=4 * expected**0.5)


def test_peak_and_e_folding(table):
    for jd in (2458150.0, 2458202.8):
        g, r, _ = table.mags(jd)
        assert np.all(r >= table.peak_r_mag - 1e-9)
        near = np.abs(jd - table.peak_jd) < 0.02 * table.rise_d
        # (0.02 rise)^2 of curvature is far below 0.01 mag.
        np.testing.assert_allclose(r[near], table.peak_r_mag[near], atol=0.01)
        late = (jd - table.peak_jd > 5 * table.rise_d) & (jd - table.peak_jd < 300) & (r < 35)
        step = (table.mags(jd + 1)[1] - r)[late]
        # Long after maximum the flux falls by 1 / fall_d a day; the rising term is exp(-5) of it or less.
        np.testing.assert_allclose(step * table.fall_d[late] / 1.0857, 1.0, atol=0.05)
        assert np.all(np.isfinite(g))


def test_hosts(table):
    hosted = table.host != NO_HOST
    # Binomial about 70 %.
    assert hosted.mean() == pytest.approx(0.7, abs=4 * (0.21 / len(hosted)) ** 0.5)
    galaxies = galaxies_around(Simulate(), WHERE[0], WHERE[1], 1.3, 1.3)
    order = np.argsort(galaxies.identifier)
    index = order[np.searchsorted(galaxies.identifier[order], table.host[hosted])]
    apart = separation_deg(
        unit_vectors(table.ra_deg[hosted], table.dec_deg[hosted]),
        unit_vectors(galaxies.ra_deg[index], galaxies.dec_deg[index]),
    )
    radii = apart * 3600 / galaxies.radius_arcsec[index]
    # Rayleigh of 0.8: mean 1.0, scatter 0.52.
    assert radii.mean() == pytest.approx(0.8 * (np.pi / 2) ** 0.5, abs=4 * 0.52 / len(radii) ** 0.5)


def test_the_same_whenever_asked():
    early = transients_around(Simulate(), 2458202.8, 185.0, 5.0, 0.2, 0.2)
    late = transients_around(Simulate(), 2458240.0, 185.0, 5.0, 0.2, 0.2)
    both = np.intersect1d(early.identifier, late.identifier)
    assert len(both) > 50
    a = dict(zip(early.identifier, early.peak_jd, strict=True))
    b = dict(zip(late.identifier, late.peak_jd, strict=True))
    assert all(a[i] == b[i] for i in both)
    assert len(transients_around(Simulate(off=("transients",)), 2458202.8, 185.0, 5.0, 0.2, 0.2).ra_deg) == 0
