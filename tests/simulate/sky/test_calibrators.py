"""Calibrator catalogs err as they say they do, miss what such catalogs miss, and are not the truth."""

from __future__ import annotations

import numpy as np
import pytest

from ztfpipe.camera import Camera
from ztfpipe.config import Simulate
from ztfpipe.simulate.geometry import gnomonic, unit_vectors
from ztfpipe.simulate.sky.calibrators import (
    BORDER_ARCMIN,
    PS1_OBJID_ZERO,
    bright_stars,
    gaia_like,
    ps1_like,
    quadrant_footprint,
    stars_within,
)
from ztfpipe.simulate.sky.field_truth import asteroid_orbits, transient_events, variable_stars
from ztfpipe.simulate.sky.tiles import moved_position
from ztfpipe.simulate.sky.variables import KINDS

CAMERA = Camera.load("quadrant")
SETTINGS = Simulate(stars={"stars_per_square_degree": 20000})
WHERE = (473, 10, 1)


@pytest.fixture(scope="module")
def truth():
    return stars_within(SETTINGS, CAMERA, *WHERE)


@pytest.fixture(scope="module")
def gaia():
    return gaia_like(SETTINGS, CAMERA, *WHERE)


@pytest.fixture(scope="module")
def ps1():
    return ps1_like(SETTINGS, CAMERA, *WHERE)


def _matched(table, column, truth):
    """Rows of a catalog that are stars, and the index of each among the true ones."""
    order = np.argsort(truth.identifier)
    place = np.searchsorted(truth.identifier[order], table[column]).clip(0, len(order) - 1)
    index = order[place]
    good = truth.identifier[index] == table[column].to_numpy()
    return table[good], index[good]


def _offsets_mas(table, index, truth, epoch):
    ra, dec = moved_position(
        truth.ra_deg[index], truth.dec_deg[index], truth.pm_east_mas[index], truth.pm_north_mas[index], epoch - 2015.5
    )
    return (table.ra - ra) * np.cos(np.radians(dec)) * 3.6e6, (table.dec - dec) * 3.6e6


def test_gaia_positions_err_by_their_errors(gaia, truth):
    stars, index = _matched(gaia, "source_id", truth)
    n = len(stars)
    for offset, error in zip(_offsets_mas(stars, index, truth, 2015.5), (stars.ra_error, stars.dec_error), strict=True):
        assert np.all(offset != 0)
        # Four sigma of the rms of n Gaussian values.
        assert (offset / error).std() == pytest.approx(1.0, abs=4 / (2 * n) ** 0.5)
    moving = stars.pmra.notna()
    pull = (stars.pmra - truth.pm_east_mas[index])[moving] / stars.pmra_error[moving]
    assert pull.std() == pytest.approx(1.0, abs=4 / (2 * n) ** 0.5)
    faint = stars.phot_g_mean_mag > 18.1
    assert (~moving)[faint].mean() == pytest.approx(0.05, abs=4 * (0.0475 / faint.sum()) ** 0.5)
    assert moving[stars.phot_g_mean_mag < 17.5].all()


def test_gaia_is_incomplete_as_told(gaia, truth):
    g_mag = truth.gaia_g_mag
    found = np.isin(truth.identifier, gaia.source_id)
    bright, faint = (g_mag > 14) & (g_mag < 18), (g_mag > 20.5) & (g_mag < 20.7)
    # 98 %, less the one star in some hundreds with a brighter neighbour within 0.7 arcsec (20000 / deg^2: 0.2 %).
    assert found[bright].mean() == pytest.approx(0.978, abs=4 * (0.02 / bright.sum()) ** 0.5)
    assert found[faint].mean() == pytest.approx(0.81, abs=4 * (0.16 / faint.sum()) ** 0.5 + 0.01)
    assert not found[g_mag > 20.7].any()
    assert 0 < (~np.isin(gaia.source_id, truth.identifier)).sum() < 0.05 * len(gaia)


def test_footprint_has_its_border(gaia, ps1):
    centre, amplifier = CAMERA.field(473), CAMERA.amplifier(10, 1)
    half_north, half_east = (
        0.5 * n * CAMERA.pixel_scale_arcsec / 3600 + BORDER_ARCMIN / 60 for n in CAMERA.quadrant_shape
    )
    for table in (gaia, ps1):
        east, north = gnomonic(unit_vectors(table.ra, table.dec), unit_vectors(centre.ra_deg, centre.dec_deg))
        # Some stars within 1 arcmin of the border's edge, none beyond it by more than their errors.
        assert np.abs(east - amplifier.east_deg).max() == pytest.approx(half_east, abs=1 / 60)
        assert np.abs(north - amplifier.north_deg).max() == pytest.approx(half_north, abs=1 / 60)
    ra, dec, *_ = quadrant_footprint(CAMERA, *WHERE)
    assert (ra, dec) == (pytest.approx(gaia.ra.mean(), abs=0.01), pytest.approx(gaia.dec.mean(), abs=0.01))


@pytest.mark.parametrize("band", ["g", "r", "i"])
def test_ps1_magnitudes_err_by_their_errors_and_a_floor(ps1, truth, band):
    table = ps1.assign(identifier=ps1.objid - PS1_OBJID_ZERO)
    stars, index = _matched(table, "identifier", truth)
    stable = (truth.kind[index] == 0) & (truth.r_mag[index] > 15) & stars[f"{band}_mag"].notna().to_numpy()
    offset = (stars[f"{band}_mag"] - getattr(truth, f"{band}_mag")[index])[stable]
    sigma = np.hypot(stars[f"{band}_mag_error"][stable], 0.005)
    assert (offset / sigma).std() == pytest.approx(1.0, abs=4 / (2 * stable.sum()) ** 0.5)
    bright = stable & (stars[f"{band}_mag"] < 17).to_numpy()
    assert bright.sum() > 100
    rms = (stars[f"{band}_mag"] - getattr(truth, f"{band}_mag")[index])[bright].std()
    # The floor of 5 mmag and the smallest formal error of 2.
    assert rms == pytest.approx(0.0054, rel=4 / (2 * bright.sum()) ** 0.5 + 0.05)


def test_ps1_tells_variables_and_galaxies(ps1, truth):
    table = ps1.assign(identifier=ps1.objid - PS1_OBJID_ZERO)
    stars, index = _matched(table, "identifier", truth)
    bright = (truth.r_mag[index] > 15) & (truth.r_mag[index] < 18)
    strong = truth.kind[index] == KINDS.index("rrlyrae")
    quiet = truth.kind[index] == 0
    assert stars.r_mag_std[bright & strong].median() > 5 * stars.r_mag_std[bright & quiet].median()
    galaxies = table[~np.isin(table.identifier, truth.identifier)]
    assert (stars.star_score[bright] > 0.5).all()
    assert (galaxies.star_score[galaxies.r_mag < 18] < 0.5).all()
    # Faint ones are confused: that is what makes the score a score.
    faint = galaxies.star_score[galaxies.r_mag > 21.4]
    assert 0 < (faint > 0.5).mean() < 0.5


def test_ps1_positions_are_of_their_epoch(ps1, truth):
    table = ps1.assign(identifier=ps1.objid - PS1_OBJID_ZERO)
    stars, index = _matched(table, "identifier", truth)
    bright = truth.r_mag[index] < 16
    for offset in _offsets_mas(stars, index, truth, 2012.5):
        # 10 mas and a little of the faint end's term: below 13 at r = 16.
        assert 9 < offset[bright].std() < 13


def test_bright_stars():
    dense = Simulate(stars={"stars_per_square_degree": 60000})
    table = bright_stars(dense, CAMERA, *WHERE)
    truth = stars_within(dense, CAMERA, *WHERE, border_arcmin=8.0)
    assert len(table) == (truth.v_mag < 11.5).sum() > 20
    matched, index = _matched(table, "identifier", truth)
    pull = (matched.v_mag - truth.v_mag[index]) / 0.03
    assert pull.std() == pytest.approx(1.0, abs=4 / (2 * len(table)) ** 0.5)
    assert np.hypot(*_offsets_mas(matched, index, truth, 2000.0)).max() < 25 * 6


def test_calibrators_do_not_depend_on_the_noise():
    mini = Camera.load("mini")
    for make in (gaia_like, ps1_like, bright_stars):
        first, second = (make(Simulate(noise_seed=seed), mini, 473, 10, 2) for seed in (1, 2))
        assert first.equals(second)
        assert not first.equals(make(Simulate(sky_seed=5), mini, 473, 10, 2))


def test_truth_of_a_field(truth):
    variables = variable_stars(SETTINGS, CAMERA, *WHERE)
    assert len(variables) == (truth.kind > 0).sum()
    assert set(variables.kind) == set(KINDS[1:])
    events = transient_events(SETTINGS, CAMERA, *WHERE, 2458202.8)
    assert {"supernova", "fast", "slow", "outburst"} == set(events.kind)
    orbits = asteroid_orbits(SETTINGS, CAMERA, 473)
    assert orbits.near_earth.sum() == 2
    assert ((orbits.e > 0) & (orbits.e < 1)).all()
