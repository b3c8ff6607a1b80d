"""The known bodies of a night against the truth of the simulated sky and against real alerts of numbered asteroids."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.methods.solar_system.test_ephemeris import separation_arcsec
from tests.real_data import REAL_DATA
from ztfpipe.camera import Camera
from ztfpipe.config import Known, Simulate
from ztfpipe.methods.solar_system.ephemeris import dynamical_time, observer, places
from ztfpipe.methods.solar_system.kepler_nb import GM_SUN
from ztfpipe.model.orbits import NO_ORBITS, OrbitCatalog
from ztfpipe.pipelines.moving.known import known_of_night, night_times, orbits_on
from ztfpipe.simulate.night import plan_night
from ztfpipe.simulate.sky.asteroids import known_asteroids, moving_objects

CAMERA = Camera.load("mini")
SITE = CAMERA.observatory
NIGHT = "20180325"
SETTINGS = Simulate(moving={"asteroids_per_square_degree": 300, "near_earth_objects": 4})


def here(jd_utc):
    return observer(jd_utc, SITE.longitude_deg, SITE.latitude_deg, SITE.height_m)


@pytest.fixture(scope="module")
def catalog():
    table = known_asteroids(SETTINGS, CAMERA)
    texts = (table[name].to_numpy(np.str_) for name in ("name", "designation"))
    numbers = ("epoch_jd", "q_au", "e", "i_deg", "node_deg", "peri_deg", "since_perihelion_d", "h_mag", "g")
    return OrbitCatalog(*texts, *(table[name].to_numpy() for name in numbers))


def test_bodies_are_where_the_sky_has_them(catalog):
    bodies, counts = known_of_night(catalog, NIGHT, SITE, Known())
    assert counts["n_orbits"] == len(catalog) == counts["n_followed"]
    plan = next(one for one in plan_night(SETTINGS, CAMERA, NIGHT) if one.key.imgtype == "o")
    seen = moving_objects(SETTINGS, CAMERA, plan)
    now = places(bodies.sky.orbits, dynamical_time(plan.mid_jd), here(plan.mid_jd))
    index = {name: k for k, name in enumerate(bodies.sky.orbits.name)}
    known = np.array([str(number) in index for number in seen.identifier])
    assert (known | ~seen.known).all()
    mine = np.array([index[str(number)] for number in seen.identifier[known]])
    ra = np.degrees(np.arctan2(seen.middle[known, 1], seen.middle[known, 0])) % 360
    dec = np.degrees(np.arcsin(seen.middle[known, 2]))
    off = separation_arcsec(now.ra_deg[mine], now.dec_deg[mine], ra, dec)
    belt = ~seen.near_earth[known]
    # The catalog is off by 1e-6 au per axis: 0.08 to 0.23 arcsec at 0.9 to 2.5 au, and 5 sigma of the nearest.
    assert np.median(off[belt]) < 0.3
    assert off[belt].max() < 1.2
    # H is off by 0.1 and the light curves' amplitude is 0.15 typically; colours of V - r 0.2.
    assert abs(np.median(now.v_mag[mine] - seen.r_mag[known] - 0.2)) < 0.05


def test_what_is_left_out_is_counted(catalog):
    strange = [catalog.select(np.arange(5))] * 4
    eccentric = strange[0].eccentricity.copy()
    eccentric[0] = np.nan
    old = strange[0].epoch_jd.copy()
    old[1] -= 2000
    mixed = replace(strange[0], eccentricity=eccentric, epoch_jd=old)
    faint = mixed.h_mag.copy()
    faint[2], faint[3] = 35.0, np.nan
    bodies, counts = known_of_night(replace(mixed, h_mag=faint), NIGHT, SITE, Known())
    assert counts == {
        "n_orbits": 5, "n_unsound": 1, "n_too_old": 1, "n_followed": 2, "n_known": 2, "n_stray": 0,
    }  # fmt: skip
    # One without a magnitude stays: it may be bright.
    assert np.isnan(bodies.places.v_mag).sum() == 1
    nothing, counts = known_of_night(NO_ORBITS, NIGHT, SITE, Known())
    assert len(nothing) == counts["n_known"] == 0


def test_the_middle_of_the_night_is_midnight_at_the_site():
    begin, middle, soon, end = night_times(NIGHT, SITE)
    assert (begin, end) == (2458202.5, 2458203.5)
    # 116.86 degrees west: 7 h 47 min after midnight in Greenwich.
    assert 24 * (middle - begin) == pytest.approx(7.79, abs=0.01)
    assert 24 * (soon - middle) == pytest.approx(1.0)


@pytest.mark.shared_data
def test_real_asteroids_are_where_their_orbits_say():
    """Published elements, brought sixty to a hundred and twenty days, beside real alerts named for these bodies."""
    alerts = pd.read_parquet(REAL_DATA / "moving" / "finkfat_mpc_example.parquet")
    alerts = alerts[["i:jd", "i:ra", "i:dec", "i:ssnamenr", "i:ssmagnr"]].set_axis(
        ["jd", "ra", "dec", "name", "mag"], axis=1
    )
    table = json.loads((REAL_DATA / "moving" / "kstars_asteroids_sbdb.json").read_text())
    rows = pd.DataFrame(table["data"], columns=table["fields"])
    rows = rows.assign(name=rows[table["fields"][0]].str.split().str[0]).drop_duplicates("name").set_index("name")
    names = [name for name in alerts.name.astype(str).unique() if name in rows.index]
    rows = rows.loc[names]
    a, e = rows.a.to_numpy(float), rows.e.to_numpy(float)
    anomaly = np.radians((rows.ma.to_numpy(float) + 180) % 360 - 180)
    angles = (rows[name].to_numpy(float) for name in ("i", "om", "w"))
    catalog = OrbitCatalog(
        np.array(names), np.array(names), rows.epoch_mjd.to_numpy(float) + 2400000.5, a * (1 - e), e, *angles,
        anomaly * np.sqrt(a**3 / GM_SUN), rows.H.to_numpy(float), np.full(len(a), 0.15),
    )  # fmt: skip
    recent = alerts[(alerts.jd - catalog.epoch_jd[0]).abs() < 120]
    off, brightness = [], []
    for night, seen in recent.groupby(np.floor(recent.jd)):
        orbits = orbits_on(catalog, dynamical_time(night + 0.8))
        for row in seen.itertuples():
            if str(row.name) not in names:
                continue
            # Alerts carry the start of exposures of 30 s.
            jd = row.jd + 15 / 86400
            now = places(orbits, dynamical_time(jd), here(jd))
            k = names.index(str(row.name))
            off.append(separation_arcsec(now.ra_deg[k], now.dec_deg[k], row.ra, row.dec))
            brightness.append(now.v_mag[k] - row.mag)
    assert len(off) > 100
    # Positions of single alerts are good to some 0.05 to 0.1 arcsec per axis.
    assert np.median(off) < 0.15
    assert np.quantile(off, 0.95) < 0.5
    # The archive rounds predicted magnitudes to 0.1, from another year's H.
    assert abs(np.median(brightness)) < 0.3
