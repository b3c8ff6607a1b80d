"""The one-to-one match against an exhaustive twin, and proper motion against astropy."""

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.time import Time

from ztfpipe.methods.sky.matching import match_plane, match_sky, move_to_epoch


def slow_match(points1, points2, radius):
    """All distances, sorted; take a pair when both are free."""
    pairs = sorted(
        (np.hypot(*(a - b)), i, j)
        for i, a in enumerate(points1)
        for j, b in enumerate(points2)
        if np.hypot(*(a - b)) <= radius
    )
    used1, used2, out = set(), set(), {}
    for _, i, j in pairs:
        if i not in used1 and j not in used2:
            used1.add(i)
            used2.add(j)
            out[i] = j
    return out


def test_plane_match_is_the_exhaustive_one():
    random = np.random.default_rng(2)
    for _ in range(5):
        first, second = random.uniform(0, 30, (80, 2)), random.uniform(0, 30, (120, 2))
        pairs = match_plane(*first.T, *second.T, 3.0)
        assert dict(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)) == slow_match(first, second, 3.0)
        assert len(set(pairs.second.tolist())) == len(pairs)
        np.testing.assert_allclose(pairs.distance, np.hypot(*(first[pairs.first] - second[pairs.second]).T), atol=1e-12)


def test_positions_that_are_not_numbers_match_nothing():
    pairs = match_plane([1.0, np.nan, 5.0], [1.0, 2.0, np.inf], [1.1, 5.0], [1.0, 5.0], 1.0)
    assert (pairs.first.tolist(), pairs.second.tolist()) == ([0], [0])
    assert len(match_plane([], [], [1.0], [1.0], 1.0)) == 0


def test_sky_match_across_ra_zero_and_at_the_pole():
    ra = np.array([0.0, 359.99, 180.0])
    for dec in (0.0, 60.0, 89.9):
        shift = 0.5 / 3600 / np.cos(np.radians(dec))
        pairs = match_sky(ra, np.full(3, dec), (ra + shift) % 360, np.full(3, dec), 0.6)
        partner = dict(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
        # At 89.9 deg the first two are 0.06 arcsec apart: they may change places, the third may not.
        assert partner[2] == 2
        assert len(pairs) == 3
        if dec < 89:
            assert partner == {0: 0, 1: 1, 2: 2}
            # Unit vectors are rounded to 1e-16 rad, or 2e-11 arcsec.
            np.testing.assert_allclose(pairs.distance, 0.5, atol=1e-9)


def test_proper_motion_is_that_of_astropy():
    ra, dec = np.array([10.0, 269.45, 0.00001]), np.array([-20.0, 4.69, 88.0])
    pm_ra, pm_dec = np.array([50.0, -801.6, -500.0]), np.array([-30.0, 3000.0, 300.0])
    ours = SkyCoord(*move_to_epoch(ra, dec, pm_ra, pm_dec, 10.0), unit="deg")
    start = SkyCoord(
        ra * u.deg, dec * u.deg, pm_ra_cosdec=pm_ra * u.mas / u.yr, pm_dec=pm_dec * u.mas / u.yr,
        distance=10 * u.pc, obstime=Time("J2016"),
    )  # fmt: skip
    # The fastest moves by 30 arcsec; the tangent differs from the arc by the cube of that, far below a microarcsec.
    # ERFA's light-time term is v/c: 142 km/s at 10 pc, or 5e-4 of the motion at most along the line of sight only.
    assert (ours.separation(start.apply_space_motion(Time("J2026"))).to_value("mas") < 0.1).all()


def test_unknown_motion_is_none():
    ra, dec = move_to_epoch([10.0], [20.0], [np.nan], [np.nan], 10.0)
    np.testing.assert_allclose((ra, dec), ([10.0], [20.0]), atol=1e-13)
