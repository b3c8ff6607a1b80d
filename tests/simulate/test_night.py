"""The schedule, and the places of Sun and Moon it states."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import AltAz, EarthLocation, SkyCoord, get_body
from astropy.time import Time
from astropy.utils import iers

from ztfpipe.camera import Camera
from ztfpipe.config import Simulate
from ztfpipe.errors import BadKey
from ztfpipe.model.keys import RawKey
from ztfpipe.simulate.night import plan_night

MINI = Camera.load("mini")


@pytest.fixture(scope="module")
def plans():
    return plan_night(Simulate(), MINI)


def test_what_a_night_holds(plans):
    kinds = [(plan.key.imgtype, plan.key.filter) for plan in plans]
    assert kinds.count(("b", "bi")) == 22
    for code in ("zg", "zr", "zi"):
        assert kinds.count(("f", code)) == 22
        assert kinds.count(("o", code)) == 6
    assert [plan.number for plan in plans] == list(range(len(plans)))
    assert {plan.exptime_s for plan in plans if plan.key.imgtype == "o"} == {30.0, 90.0}
    assert {plan.programid for plan in plans if plan.key.imgtype == "o"} == {1, 2, 3}
    assert all(plan.exptime_s == 0 for plan in plans if plan.key.imgtype == "b")


def test_time_goes_on_and_names_follow_it(plans):
    assert len({plan.key.filefracday for plan in plans}) == len(plans)
    for before, after in pairwise(plans):
        # A shutter opens only after the one before has closed.
        assert after.obsjd > before.obsjd + before.exptime_s / 86400
    for plan in plans:
        RawKey(plan.key, 10)
        named = 2458202.5 + int(plan.key.fracday) / 1e6
        # The name is set 1 to 5 s before the shutter opens; it is cut at 0.0864 s.
        assert 1.0 - 0.01 < (plan.obsjd - named) * 86400 < 5.0 + 0.1
        assert plan.key.night == "20180325"


def test_circumstances_agree_with_astropy(plans):
    site = MINI.observatory
    location = EarthLocation(lon=site.longitude_deg, lat=site.latitude_deg, height=site.height_m * u.m)
    with iers.conf.set_temp("auto_download", False):
        for plan in (plans[88], plans[-1]):
            time = Time(plan.obsjd, format="jd")
            frame = AltAz(obstime=time, location=location)
            target = SkyCoord(plan.ra_deg, plan.dec_deg, unit="deg").transform_to(frame)
            moon = get_body("moon", time, location)
            seen = plan.at_start
            # Aberration (20 arcsec) is left out here: 0.006 degrees; UT1 adds 0.004.
            assert seen.elevation_deg == pytest.approx(target.alt.deg, abs=0.01)
            assert seen.azimuth_deg == pytest.approx(target.az.deg, abs=0.015)
            assert seen.airmass == pytest.approx(1 / np.sin(target.alt.rad), rel=0.01)
            # The Moon's apparent place: light time and aberration 0.006 degrees.
            assert seen.moon_ra_deg == pytest.approx(moon.ra.deg, abs=0.02)
            assert seen.moon_dec_deg == pytest.approx(moon.dec.deg, abs=0.02)
            sun = get_body("sun", time, location).transform_to(frame)
            assert seen.sun_elevation_deg == pytest.approx(sun.alt.deg, abs=0.02)
            # The Moon was at first quarter on 2018-03-24 15:35 UT.
            assert 0.5 < seen.moon_phase < 0.65


def test_another_night_has_other_names_and_the_same_fields():
    plans = plan_night(Simulate(night={"biases": 2, "flats": 0}), MINI, "20180402")
    assert {plan.key.night for plan in plans} == {"20180402"}
    assert {plan.key.field for plan in plans} == {0, 473, 1467}


def test_fields_that_cannot_be_observed():
    with pytest.raises(BadKey, match="field 2 "):
        plan_night(Simulate(night={"fields": (2,)}), MINI)
    with pytest.raises(BadKey, match="999"):
        plan_night(Simulate(night={"fields": (999999,)}), MINI)


def test_the_noise_seed_moves_the_dithers_alone(plans):
    others = plan_night(Simulate(noise_seed=2), MINI)
    assert [p.key.field for p in others] == [p.key.field for p in plans]
    assert [p.ra_deg for p in others[-3:]] != [p.ra_deg for p in plans[-3:]]
    assert [p.object_ra_deg for p in others[-18:]] == [p.object_ra_deg for p in plans[-18:]]
