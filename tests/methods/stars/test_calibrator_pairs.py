"""Stars beside their calibrators: which are considered, which are paired, and what is said of each pair."""

from __future__ import annotations

import numpy as np
import pytest

from ztfpipe.camera import Camera
from ztfpipe.methods.stars.calibrator_pairs import match_calibrators
from ztfpipe.model.catalogs import PhotometricCalibrators, PsfCatalog

ARCSEC = 1 / 3600
RA = np.array([10.0, 10.01, 10.02, 10.03, 10.04])


def calibrators(**changed) -> PhotometricCalibrators:
    g = np.array([15.0, 16.0, 17.0, 22.0, 18.0])
    mags = {"g": g, "r": g - [0.4, 0.5, 0.6, 0.7, 0.8], "i": g - 1.0} | changed
    return PhotometricCalibrators(RA, np.full(5, 20.0), mags, {band: np.full(5, 0.01) for band in mags})


def catalog(order, *, away_arcsec=0.3, snr=50.0, flags=None) -> PsfCatalog:
    """The calibrators seen `away_arcsec` north of their places, in another order."""
    n = len(order)
    nothing = np.zeros(n)
    values = dict.fromkeys(PsfCatalog.__dataclass_fields__, nothing)
    values |= {"ra_deg": RA[order], "dec_deg": np.full(n, 20.0 + away_arcsec * ARCSEC)}
    values |= {"flux_adu": np.full(n, snr), "flux_error_adu": np.ones(n)}
    return PsfCatalog(**values | {"flags": np.zeros(n, int) if flags is None else np.asarray(flags)})


@pytest.fixture
def band():
    return Camera.load("mini").filter("zg")


def match(stars, band, *, mag_range=(14.0, 20.0), snr_min=10.0, radius_arcsec=1.0):
    return match_calibrators(
        stars, calibrators(), band, mag_range=mag_range, snr_min=snr_min, radius_arcsec=radius_arcsec
    )


def test_pairs_name_rows_of_both_tables_and_say_what_the_calibrator_says(band):
    order = np.array([4, 2, 0, 1, 3])
    pairs = match(catalog(order), band)
    assert sorted(pairs.theirs) == [0, 1, 2, 4]  # the fourth is fainter than the range
    assert (order[pairs.ours] == pairs.theirs).all()
    assert pairs.mag == pytest.approx(np.array([15.0, 16.0, 17.0, 22.0, 18.0])[pairs.theirs])
    assert pairs.colour_mag == pytest.approx(np.array([0.4, 0.5, 0.6, 0.7, 0.8])[pairs.theirs])
    assert pairs.mag_error == pytest.approx(0.01)
    assert (pairs.considered, len(pairs)) == (4, 4)


def test_the_ends_of_the_range_belong_to_it(band):
    assert sorted(match(catalog(np.arange(5)), band, mag_range=(16.0, 17.0)).theirs) == [1, 2]


@pytest.mark.parametrize(
    "stars",
    [
        catalog(np.arange(5), snr=9.9),
        catalog(np.arange(5), flags=np.ones(5)),
        catalog(np.arange(5), away_arcsec=1.1),
        catalog(np.arange(0)),
    ],
    ids=["faint", "flagged", "elsewhere", "none"],
)
def test_what_matches_nothing(stars, band):
    pairs = match(stars, band)
    assert (len(pairs), pairs.considered) == (0, 4)
    assert pairs.colour_mag.shape == (0,)
