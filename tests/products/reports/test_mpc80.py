"""80-column records: the columns, the numbers read back, packed designations, and lines that are none."""

import math

import numpy as np
import pytest

from ztfpipe.errors import BadFile
from ztfpipe.model.tracks import Observation
from ztfpipe.products.reports.mpc80 import mpc80_lines, packed, read_mpc80, spaced_designation


def observation(**changes):
    values = {
        "name": "Zab1234", "designation": "", "jd_mid": 2459938.884965, "ra_deg": 128.1511792, "dec_deg": 17.1765944,
        "sigma_arcsec": 0.1, "mag": 21.98, "sigma_mag": 0.1, "band": "g", "snr": 8.0, "exposure_s": 30.0,
    }  # fmt: skip
    return Observation(**{**values, **changes})


def test_the_columns_are_the_minor_planet_centers():
    (line,) = mpc80_lines([observation(discovery=True)], "I41", "Gaia2")
    assert line == "     Zab1234* C2022 12 25.38496508 32 36.283+17 10 35.74         21.98gV     I41"


def test_numbers_come_back():
    """Half of the last digit of each column: 1e-6 d, 0.001 s of time, 0.01 arcsec."""
    rng = np.random.default_rng(1)
    written = [
        observation(jd_mid=2458000 + 2000 * t, ra_deg=360 * a, dec_deg=180 * d - 90, mag=15 + 8 * m)
        for t, a, d, m in rng.random((500, 4))
    ]
    written += [observation(ra_deg=359.9999999), observation(dec_deg=-0.003), observation(dec_deg=-89.9999999)]
    read = read_mpc80("\n".join(mpc80_lines(written, "I41", "Gaia2")))
    for one, other in zip(read, written, strict=True):
        assert one.jd_mid == pytest.approx(other.jd_mid, abs=0.51e-6)
        assert abs((one.ra_deg - other.ra_deg + 180) % 360 - 180) <= 0.51 * 15e-3 / 3600
        assert one.dec_deg == pytest.approx(other.dec_deg, abs=0.51e-2 / 3600)
        assert one.mag == pytest.approx(other.mag, abs=0.0051)
        assert (one.name, one.band) == (other.name, other.band)


def test_without_a_magnitude_its_columns_are_blank():
    (line,) = mpc80_lines([observation(mag=math.nan)], "I41", "Gaia2")
    assert line[65:71] == " " * 6
    assert math.isnan(read_mpc80(line)[0].mag)


@pytest.mark.parametrize(
    ("designation", "expected"),
    [
        # Examples of the Minor Planet Center's page on packed designations.
        ("3202", "03202"), ("50000", "50000"), ("100345", "A0345"), ("360017", "a0017"), ("203289", "K3289"),
        ("620000", "~0000"), ("620061", "~000z"), ("3140113", "~AZaz"), ("15396335", "~zzzz"),
        ("1995 XA", "     J95X00A"), ("1995 XL1", "     J95X01L"), ("1995 FB13", "     J95F13B"),
        ("1998 SQ108", "     J98SA8Q"), ("1998 SV127", "     J98SC7V"), ("2007 TA418", "     K07Tf8A"),
        ("2016 SK99", "     K16S99K"),
        ("2026 CA620", "     _QC0000"), ("2026 CZ6190", "     _QC0aEM"), ("2026 CL591673", "     _QCzzzz"),
    ],
)  # fmt: skip
def test_designations_are_packed_by_the_rules(designation, expected):
    assert packed(designation) == f"{expected:<12}"


def test_known_bodies_go_by_their_designations():
    lines = mpc80_lines([observation(designation="433"), observation(designation="2018 FA29")], "I41", "Gaia2")
    assert [line[:12] for line in lines] == ["00433       ", "     K18F29A"]
    assert spaced_designation("2018FA29") == "2018 FA29"
    assert spaced_designation("433") == "433"


@pytest.mark.parametrize("name", ["", "Zab12345"])
def test_a_name_has_one_to_seven_characters(name):
    with pytest.raises(ValueError, match="seven characters"):
        mpc80_lines([observation(name=name)], "I41", "Gaia2")


@pytest.mark.parametrize("designation", ["Eros", "2040 P-L", "2018 IA", ""])
def test_what_is_no_designation_is_refused(designation):
    with pytest.raises(ValueError, match="neither"):
        packed(designation)


@pytest.mark.parametrize("text", ["too short", "x" * 80])
def test_other_lines_are_refused_with_their_number(text):
    with pytest.raises(BadFile, match="line 1"):
        read_mpc80(text, "file.txt")
