"""Neighbours of candidates against a plain search over all pairs, and what stands where there is none."""

import numpy as np
import pytest

from ztfpipe.methods.difference.neighbours import (
    nearest,
    nearest_in_gaia,
    nearest_in_ps1,
    nearest_in_reference,
    number_within,
)
from ztfpipe.model.candidates import NEIGHBOUR_COLUMNS, NO_SCORE
from ztfpipe.model.catalogs import PsfCatalog
from ztfpipe.model.skycatalogs import GaiaStars, Ps1Objects

N = 400
MILLIARCSEC = 1e-3


def places(rng, n, size_arcsec=600.0, ra=359.98, dec=62.0):
    """Places in a box around a point near the meridian, far from the equator."""
    east, north = rng.uniform(-size_arcsec, size_arcsec, (2, n)) / 3600
    return (ra + east / np.cos(np.radians(dec))) % 360, dec + north


def separation(ra1, dec1, ra2, dec2):
    """Arcsec between all pairs, by the haversine formula: another way than the code's."""
    ra1, dec1, ra2, dec2 = (np.radians(v) for v in (ra1[:, None], dec1[:, None], ra2, dec2))
    half = np.sin((dec2 - dec1) / 2) ** 2 + np.cos(dec1) * np.cos(dec2) * np.sin((ra2 - ra1) / 2) ** 2
    return np.degrees(2 * np.arcsin(np.sqrt(half))) * 3600


@pytest.fixture
def sky():
    """Twelve candidates, and catalogs around them."""
    rng = np.random.default_rng(30)
    here, there = places(rng, 12), places(rng, N)
    mag = rng.uniform(12, 22, N)
    return here, there, mag


def ps1_of(there, mag, score):
    unknown = {band: np.full(N, np.nan) for band in "griz"}
    mags = {"g": mag, "r": mag - 0.5, "i": mag - 0.7, "z": np.full(N, np.nan)}
    return Ps1Objects(np.arange(N) + 10**17, *there, mags, unknown, unknown, np.ones(N, int), score)


def test_the_nearest_are_those_of_a_plain_search(sky):
    here, there, _ = sky
    far = separation(*here, *there)
    distance, row = nearest(*here, *there, 3, 60.0)
    order = np.argsort(far, axis=1)[:, :3]
    sorted_far = np.take_along_axis(far, order, axis=1)
    near = sorted_far <= 60
    assert 0 < near.sum() < near.size
    assert np.array_equal(row, np.where(near, order, -1))
    assert distance[near] == pytest.approx(sorted_far[near], abs=MILLIARCSEC)
    assert np.isinf(distance[~near]).all()
    assert np.array_equal(number_within(*here, *there, 60.0), (far <= 60).sum(axis=1))


def test_ps1_neighbours_and_what_is_not_known_of_them(sky):
    here, there, mag = sky
    score = np.where(np.arange(N) % 3 == 0, np.nan, 0.9)
    ps1 = ps1_of(there, mag, score)
    found = nearest_in_ps1(*here, ps1)
    far = separation(*here, *there)
    for j in range(12):
        order = [k for k in np.argsort(far[j]) if far[j, k] <= 30]
        assert found["nmtchps"][j] == len(order)
        for k in range(3):
            said = {
                name: found[f"{name}{k + 1}"][j] for name in ("objectidps", "sgmag", "szmag", "sgscore", "distpsnr")
            }
            if k < len(order):
                assert said["objectidps"] == ps1.objid[order[k]]
                assert said["distpsnr"] == pytest.approx(far[j, order[k]], abs=MILLIARCSEC)
                assert said["sgmag"] == mag[order[k]]
                assert said["szmag"] == -999
                assert said["sgscore"] == (NO_SCORE if np.isnan(score[order[k]]) else 0.9)
            else:
                assert set(said.values()) == {-999}
    assert 0 in found["nmtchps"]
    assert found["nmtchps"].max() >= 2


def test_reference_sources_have_no_limit_of_distance(sky):
    here, there, mag = sky
    flux = 10 ** (-0.4 * (mag - 26.0))
    catalog = PsfCatalog(
        np.zeros(N), np.zeros(N), *there, flux, flux / 50, mag * 0 + 1.1, mag * 0.01, np.zeros(N, "i2")
    )
    found = nearest_in_reference(*here, catalog, zero_point_mag=26.0, pixel_scale_arcsec=1.01)
    far = separation(*here, *there)
    best = far.argmin(axis=1)
    assert far.min(axis=1).max() > 30
    assert found["distnr"] == pytest.approx(far.min(axis=1) / 1.01, abs=MILLIARCSEC)
    assert found["magnr"] == pytest.approx(mag[best])
    assert found["sigmagnr"] == pytest.approx(1.0857 / 50, rel=1e-4)
    assert found["sharpnr"] == pytest.approx(mag[best] * 0.01)
    assert (found["ranr"] == there[0][best]).all()


def test_gaia_stars_have_moved_and_bright_ones_are_asked_for_apart(sky):
    here, there, mag = sky
    nought = np.zeros(N)
    motion = np.zeros(N)
    motion[0] = 1000.0  # mas / yr: 10 arcsec in ten years
    gaia = GaiaStars(np.arange(N), *there, nought, nought, nought, motion, mag, nought + 1, 2015.5)
    place = np.array([there[0][0]]), np.array([there[1][0] + 10.0 / 3600])
    assert nearest_in_gaia(*place, gaia, epoch_year=2025.5)["neargaia"][0] == pytest.approx(0, abs=5 * MILLIARCSEC)
    assert nearest_in_gaia(*place, gaia, epoch_year=2015.5)["neargaia"][0] == pytest.approx(10, abs=0.01)
    found = nearest_in_gaia(*here, gaia, epoch_year=2015.5)
    far = separation(*here, *there)
    bright = np.where(mag < 14, far, np.inf)
    for j in range(12):
        for suffix, row in (("", far[j]), ("bright", bright[j])):
            near = row.min() <= 90
            expected = (row.min(), mag[row.argmin()]) if near else (-999, -999)
            said = found[f"neargaia{suffix}"][j], found[f"maggaia{suffix}"][j]
            assert said == pytest.approx(expected, abs=MILLIARCSEC)
    assert (found["neargaiabright"] == -999).any()
    assert (found["neargaiabright"] > 0).any()


def test_no_catalog_no_rows_no_candidates(sky):
    here, there, mag = sky
    empty = nearest_in_reference(*here, PsfCatalog.empty(), zero_point_mag=26.0, pixel_scale_arcsec=1.0)
    for found in (empty, nearest_in_ps1(*here, None), nearest_in_gaia(*here, None, epoch_year=2020.0)):
        assert all(len(values) == 12 for values in found.values())
        assert {float(v) for name, values in found.items() for v in values if name[:-1] != "sgscore"} <= {-999.0, 0.0}
    none = np.zeros(0), np.zeros(0)
    found = nearest_in_ps1(*none, ps1_of(there, mag, mag))
    assert {len(values) for values in found.values()} == {0}


def test_all_columns_of_the_contract_are_made(sky):
    here, there, mag = sky
    gaia = GaiaStars(np.arange(N), *there, mag, mag, mag, mag, mag, mag, 2016.0)
    made = {
        **nearest_in_reference(*here, PsfCatalog.empty(), zero_point_mag=26.0, pixel_scale_arcsec=1.0),
        **nearest_in_ps1(*here, ps1_of(there, mag, mag)),
        **nearest_in_gaia(*here, gaia, epoch_year=2020.0),
    }
    assert set(made) == {column.name for column in NEIGHBOUR_COLUMNS}
