"""Heliocentric times against astropy's, which go another way to the Sun."""

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import EarthLocation, SkyCoord
from astropy.time import Time

from ztfpipe.methods.sky.matching import unit_vectors
from ztfpipe.methods.time.light_time import heliocentric_jd


def test_light_time_to_the_sun_is_that_of_astropy():
    ra, dec = np.array([10.0, 150.0, 280.0]), np.array([-20.0, 30.0, 88.0])
    place = EarthLocation.from_geodetic(-116.8597 * units.deg, 33.3573 * units.deg, 1668 * units.m)
    jd = 2458202.8
    expected = Time(jd, format="jd", scale="utc", location=place).light_travel_time(
        SkyCoord(ra, dec, unit="deg"), kind="heliocentric", ephemeris="builtin"
    )
    found = heliocentric_jd(jd, unit_vectors(ra, dec), -116.8597, 33.3573, 1668.0)
    # Both use the same series for the Earth; the observer's place holds to 15 km, 0.05 ms;
    # a JD in double precision to 0.04 ms.
    assert (found - jd) * 86400 == pytest.approx(expected.to_value("s"), abs=2e-4)
