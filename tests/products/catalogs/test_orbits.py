"""Catalogs of orbits in the MPC's format and as tables, and the table of a night's known bodies."""

import gzip

import numpy as np
import pandas as pd
import pytest

from tests.methods.solar_system.test_ephemeris import NIGHT_JD, here, main_belt
from tests.methods.solar_system.test_known import TIMES, a_night
from ztfpipe.errors import BadFile, BadKey
from ztfpipe.methods.solar_system.ephemeris import bodies_near, dynamical_time
from ztfpipe.methods.solar_system.kepler_nb import GM_SUN
from ztfpipe.model.orbits import KNOWN_TABLE, ORBIT_TABLE
from ztfpipe.model.skycatalogs import Cone
from ztfpipe.products.catalogs.orbits import (
    archive_name,
    count_known,
    orbit_of_text,
    read_known,
    read_orbits,
    write_known,
)

# As the MPC publishes them: a numbered body, and one with a provisional designation, without H and G.
CERES = (
    "00001    3.34  0.15 K2669 274.41935   73.29420   80.24863   10.58803  0.0796923  0.21430445   2.7655526"
    "  0 MPO980521  7297 126 1801-2026 0.83 M-v 30k Veres      4000      (1) Ceres              20260103"
)
VESTA = (
    "00004    3.25  0.15 K25BL  26.80969  151.53711  103.70232    7.14406  0.0901676  0.27158812   2.3615413"
    "  0 MPO964264  7603 112 1821-2025 0.69 M-p 18k MPCORBFIT  4000      (4) Vesta              20250624"
)
UNNUMBERED = "K10A12B             " + CERES[20:166] + "2010 AB12".ljust(28) + "20260103"
HEAD = ["MINOR PLANET CENTER ORBIT DATABASE (MPCORB)", "", "Des'n     H     G   Epoch     M", "-" * 160]


def write_lines(path, *lines):
    text = "\n".join([*HEAD, *lines]) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("name", ["MPCORB.DAT", "MPCORB.DAT.gz"])
def test_lines_of_the_minor_planet_center(tmp_path, name):
    found = read_orbits(write_lines(tmp_path / name, CERES, VESTA, "", UNNUMBERED))
    assert list(found.name) == ["1", "4", "2010AB12"]
    assert list(found.designation) == ["(1) Ceres", "(4) Vesta", "2010 AB12"]
    # 2026 June 9 and 2025 November 21, 0 h.
    assert list(found.epoch_jd) == [2461200.5, 2461000.5, 2461200.5]
    np.testing.assert_allclose(found.perihelion_au[0], 2.7655526 * (1 - 0.0796923))
    assert (found.inclination_deg[1], found.node_deg[1], found.argument_deg[1]) == (7.14406, 103.70232, 151.53711)
    # Mean anomaly 274.4 is 85.6 degrees before perihelion; the line has the mean motion besides, to 8 decimals.
    assert found.since_perihelion_d[0] == pytest.approx((274.41935 - 360) / 0.21430445, rel=1e-6)
    assert found.since_perihelion_d[1] == pytest.approx(26.80969 / 0.27158812, rel=1e-6)
    assert np.isnan(found.h_mag[2])
    assert list(found.slope_g) == [0.15, 0.15, 0.15]


def test_a_file_without_introduction_and_names():
    assert archive_name("(99942) Apophis") == "99942"
    assert archive_name("(612345) 2002 XY1") == "612345"
    assert archive_name("2040 P-L") == "2040P-L"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"SIMPLE  =                    T" + bytes(3000), "columns 9 to 13 of a line are no number"),
        (b"designation,h,g,epoch\n1,3.3,0.1,2461200.5\n", "too short"),
        (b"\n".join([CERES.encode(), CERES.replace("0.0796923", "0.0x96923").encode()]), "columns 71 to 79"),
        (CERES.replace("K2669", "Q2669").encode(), "no packed date"),
        (CERES.replace("K2669", "K26D1").encode(), "no packed date"),
        (b"", "no line of it"),
        (b"-----\n\n\n", "no line of it"),
    ],
    ids=["FITS", "CSV", "number", "century", "month", "empty", "introduction only"],
)
def test_a_file_of_the_wrong_kind_is_refused(tmp_path, content, reason):
    (tmp_path / "orbits.dat").write_bytes(content)
    with pytest.raises(BadFile, match=reason):
        read_orbits(tmp_path / "orbits.dat")


def test_a_cut_gzip_file_and_one_that_is_none_are_refused(tmp_path):
    path = write_lines(tmp_path / "MPCORB.DAT.gz", CERES)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BadFile, match="gzip"):
        read_orbits(path)
    path.write_text(CERES)
    with pytest.raises(BadFile, match="gzip"):
        read_orbits(path)
    with pytest.raises(BadFile, match="no such file"):
        read_orbits(tmp_path / "none.dat")


def test_a_table_of_ones_own(tmp_path):
    row = {"name": ["7"], "designation": ["(7) Iris"], "epoch_jd": 2458200.5, "q_au": 1.8, "e": 0.2, "i_deg": 5.0}
    row |= {"node_deg": 1.0, "peri_deg": 2.0, "since_perihelion_d": -30.0, "h_mag": 5.6, "g": 0.15}
    table = pd.DataFrame(row)
    table.to_parquet(tmp_path / "orbits.parquet")
    found = read_orbits(tmp_path / "orbits.parquet")
    assert (found.name[0], found.designation[0], found.since_perihelion_d[0]) == ("7", "(7) Iris", -30.0)
    for lacking in (one.name for one in ORBIT_TABLE):
        table.drop(columns=lacking).to_parquet(tmp_path / "orbits.parquet")
        with pytest.raises(BadFile, match=f"column {lacking} missing"):
            read_orbits(tmp_path / "orbits.parquet")
    (tmp_path / "orbits.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(BadFile, match="not readable as Parquet"):
        read_orbits(tmp_path / "orbits.parquet")


def test_the_bodies_near_a_quadrant_are_those_of_the_whole_table(tmp_path):
    bodies = a_night(*main_belt(30000, 5))
    bodies = bodies.select(np.argsort(bodies.cell))
    write_known(tmp_path / "known.parquet", bodies)
    table = pd.read_parquet(tmp_path / "known.parquet")
    assert list(table.columns) == [one.name for one in KNOWN_TABLE]
    assert count_known(tmp_path / "known.parquet") == len(bodies)
    jd = TIMES[2] + 0.2
    for ra, dec in ((30.0, 12.0), (190.0, -3.0)):
        near = read_known(tmp_path / "known.parquet", Cone(ra, dec, 0.6))
        assert len(near) < len(bodies) / 10
        expected, places = bodies_near(bodies.sky, dynamical_time(jd), here(jd), ra, dec, 0.6)
        found, seen = bodies_near(near.sky, dynamical_time(jd), here(jd), ra, dec, 0.6)
        assert len(found) > 0
        assert set(found.name) == set(expected.name)
        order, other = np.argsort(found.name), np.argsort(expected.name)
        np.testing.assert_allclose(seen.ra_deg[order], places.ra_deg[other], atol=1e-10)
        # Magnitudes are kept in single precision.
        np.testing.assert_allclose(seen.v_mag[order], places.v_mag[other], atol=1e-5)


def test_a_night_without_known_bodies(tmp_path):
    bodies = a_night(*main_belt(3, 6))
    write_known(tmp_path / "known.parquet", bodies.select(np.zeros(3, bool)))
    assert count_known(tmp_path / "known.parquet") == 0
    empty = read_known(tmp_path / "known.parquet", Cone(10.0, 10.0, 1.0))
    assert len(empty) == 0
    none, _ = bodies_near(empty.sky, dynamical_time(NIGHT_JD), here(NIGHT_JD), 10.0, 10.0, 1.0)
    assert len(none) == 0
    (tmp_path / "known.parquet").write_bytes(b"")
    with pytest.raises(BadFile):
        count_known(tmp_path / "known.parquet")


def test_elements_of_a_line_place_the_body_by_its_mean_motion():
    """Kepler's third law with Gauss's constant is the line's own mean motion."""
    assert np.degrees(np.sqrt(GM_SUN / 2.7655526**3)) == pytest.approx(0.21430445, abs=2e-8)


def test_one_orbit_from_a_text(tmp_path):
    line = orbit_of_text(CERES)
    path = write_lines(tmp_path / "ceres.dat", CERES)
    for other in (orbit_of_text(str(path)), line):
        assert other.designation[0] == "(1) Ceres"
        assert other.perihelion_au[0] == line.perihelion_au[0]
    pairs = orbit_of_text("name=1I epoch_mjd=58059 q_au=0.2555 e=1.2 i_deg=122.7 node_deg=24.6 peri_deg=241.8"
                          " perihelion_mjd=58005.5 h_mag=22.1")  # fmt: skip
    assert (pairs.name[0], pairs.epoch_jd[0], pairs.since_perihelion_d[0]) == ("1I", 2458059.5, 53.5)
    ellipse = orbit_of_text("epoch_mjd=58059, a_au=2, e=0.5, i_deg=1, node_deg=2, peri_deg=3, mean_anomaly_deg=350")
    assert ellipse.perihelion_au[0] == 1.0
    # Ten degrees before perihelion of a period of 2^1.5 years.
    assert ellipse.since_perihelion_d[0] == pytest.approx(-10 / 360 * 365.2569 * 2**1.5, rel=1e-6)
    assert np.isnan(ellipse.h_mag[0])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("epoch_mjd=1 q_au=1 e=0 i_deg=1 node_deg=2 peri_deg=3", "perihelion_mjd is missing"),
        ("epoch_mjd=1 q_au=-1 e=0 i_deg=1 node_deg=2 peri_deg=3 perihelion_mjd=4", "conic"),
        ("epoch_mjd=1 q_au=nan e=0 i_deg=1 node_deg=2 peri_deg=3 perihelion_mjd=4", "conic"),
        ("epoch_mjd=1 q_au=1 e=0 i_deg=1 node_deg=2 peri_deg=3 perihelion_mjd=4 size=7", "without size"),
        ("nonsense", "a line of MPCORB.DAT"),
    ],
)
def test_a_text_that_is_no_orbit(text, reason):
    with pytest.raises(BadKey, match=reason):
        orbit_of_text(text)


def test_a_file_of_two_orbits_is_not_one(tmp_path):
    path = write_lines(tmp_path / "two.dat", CERES, VESTA)
    with pytest.raises(BadKey, match="one orbit; there are 2"):
        orbit_of_text(str(path))
