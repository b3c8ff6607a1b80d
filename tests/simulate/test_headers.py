"""Raw headers: the survey's keywords in its order, commanded values, consistent with the file's name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from tests.real_data import REAL_DATA
from ztfpipe.config import Simulate
from ztfpipe.products.names import parse_raw_name
from ztfpipe.simulate.headers import exposure_header, iso_time, quadrant_header, raw_name, sexagesimal
from ztfpipe.simulate.night import plan_night

REAL = REAL_DATA / "headers/sciimg_fullframe_ztf_20190709485764_000600_zg_c04_o_q4.txt"
STRUCTURAL = {"SIMPLE", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT", "BUNIT", "HISTORY", "COMMENT"}


@pytest.fixture(scope="module")
def plans(mini):
    settings = Simulate.model_validate({"night": {"biases": 1, "flats": 1, "visits": 1}})
    return plan_night(settings, mini)


def first(plans, imgtype):
    return next(plan for plan in plans if plan.key.imgtype == imgtype)


@pytest.mark.shared_data
def test_keywords_order_and_comments_are_those_of_a_real_header(mini, plans):
    real = fits.Header.fromstring(REAL.read_text(), sep="\n")
    plan = first(plans, "o")
    ours = {**exposure_header(mini, plan, 10), **quadrant_header(mini, plan, 10, 4)}
    # A science image carries the raw keywords up to the astrometric solution.
    expected = [word for word in list(real)[: list(real).index("CCD_ROT") + 1] if word not in STRUCTURAL]
    assert [word for word in ours if word in expected] == expected
    assert set(ours) == set(expected)
    differing = {
        word: (ours[word][1], real.comments[word]) for word in expected if ours[word][1] != real.comments[word]
    }
    # The survey corrected a misspelt comment later.
    assert set(differing) == {"HUMIDITY"}
    for word in expected:
        if word not in ("WINDDIR", "DETHEAT"):
            kinds = [str if isinstance(v, str) else float for v in (ours[word][0], real[word])]
            assert kinds[0] is kinds[1], word


@pytest.mark.parametrize("imgtype", ["b", "f", "o"])
def test_header_agrees_with_the_name(mini, plans, imgtype):
    plan = first(plans, imgtype)
    name = raw_name(plan.key, 11)
    key = parse_raw_name(name)
    assert key.exposure == plan.key
    assert key.ccdid == 11
    header = exposure_header(mini, plan, 11)
    assert header["FILENAME"][0] + ".fz" == name
    assert header["IMGTYPE"][0] == {"b": "bias", "f": "flat", "o": "object"}[imgtype]
    assert header["EXPTIME"][0] == header["EXPOSURE"][0] == plan.exptime_s
    assert header["FIELDID"][0] == plan.key.field
    assert header["NFRAMES"][0] == 8
    if imgtype == "b":
        assert (header["FILTERID"][0], header["FILTER"][0]) == (0, "NONE")
    else:
        assert header["FILTERID"][0] == mini.filter(plan.key.filter).fid
        assert header["FILTER"][0] == mini.filter(plan.key.filter).header
    assert header["OBSMJD"][0] == pytest.approx(header["OBSJD"][0] - 2400000.5, abs=2e-7)
    opened, closed = (np.datetime64(header[word][0]) for word in ("SHUTOPEN", "SHUTCLSD"))
    assert (closed - opened) / np.timedelta64(1, "ms") == pytest.approx(1000 * plan.exptime_s, abs=1)
    # The name is given when the exposure is commanded, seconds before the shutter opens.
    fraction = int(plan.key.fracday) / 1e6
    assert 0 <= (header["OBSJD"][0] + 0.5) % 1 - fraction < 1e-4


def test_quadrant_header_holds_the_amplifier(mini, plans):
    plan = first(plans, "b")
    for ccdid, qid in mini.quadrants():
        header = quadrant_header(mini, plan, ccdid, qid)
        amplifier = mini.amplifier(ccdid, qid)
        assert header["EXTNAME"][0] == str(qid)
        assert header["CCD_ID"][0] == ccdid
        assert header["AMP_ID"][0] == qid - 1
        assert header["AMP_NAME"][0] in "EFGH"
        assert header["GAIN"][0] == amplifier.gain_e_per_adu
        assert header["READNOI"][0] == amplifier.read_noise_e
        # A bias looks at no sky.
        assert "CRVAL1" not in header


def test_nominal_wcs_is_a_perfect_telescope(mini, plans):
    plan = first(plans, "o")
    corners = {}
    for qid in mini.qids:
        words = quadrant_header(mini, plan, 10, qid)
        wcs = WCS(fits.Header([(word, *card) for word, card in words.items()]))
        amplifier = mini.amplifier(10, qid)
        middle = SkyCoord(*wcs.all_pix2world(*mini.reference_pixel, 0), unit="deg")
        pointing = SkyCoord(plan.ra_deg, plan.dec_deg, unit="deg")
        east, north = (angle.deg for angle in pointing.spherical_offsets_to(middle))
        # On the sphere and on the plane, 0.2 degrees differ by less than 1e-5 degrees.
        assert east == pytest.approx(amplifier.east_deg, abs=2e-5)
        assert north == pytest.approx(amplifier.north_deg, abs=2e-5)
        assert np.sqrt(abs(np.linalg.det(wcs.wcs.cd))) * 3600 == pytest.approx(mini.pixel_scale_arcsec, rel=1e-4)
        corners[qid] = wcs
    ny, nx = mini.quadrant_shape
    # Quadrants of a CCD touch: the pixel right of quadrant 1's last column is quadrant 2's first.
    right = SkyCoord(*corners[1].all_pix2world(nx, 100, 0), unit="deg")
    assert right.separation(SkyCoord(*corners[2].all_pix2world(0, 100, 0), unit="deg")).arcsec < 0.1
    below = SkyCoord(*corners[1].all_pix2world(50, ny, 0), unit="deg")
    assert below.separation(SkyCoord(*corners[4].all_pix2world(50, 0, 0), unit="deg")).arcsec < 0.1


def test_header_knows_nothing_of_the_truth(mini, plans):
    plan = first(plans, "o")
    header = exposure_header(mini, plan, 10)
    assert header["TELRAD"][0] == header["RAD"][0] == round(plan.ra_deg, 6)
    assert header["OBJRAD"][0] == round(plan.object_ra_deg, 6)
    # The header is a function of the plan alone: an exposure of other weather and pointing errors has the same.
    assert exposure_header(mini, replace(plan), 10) == header
    words = " ".join(header) + " ".join(quadrant_header(mini, plan, 10, 1))
    for forbidden in ("SEEING", "MAGZP", "CLOUDMAG", "SEED"):
        assert forbidden not in words


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "+00:00:00.00"), (-0.5, "-00:30:00.00"), (23.9999999, "+24:00:00.00"), (12.3355287, "+12:20:07.90")],
)
def test_sexagesimal(value, text):
    assert sexagesimal(value) == text
    assert sexagesimal(23.9999999, wrap=24) == "+00:00:00.00"


def test_iso_time():
    # J2000.0 is 12 h on the first of January.
    assert iso_time(2451545.0) == "2000-01-01T12:00:00.000"
    assert iso_time(2458202.8379816) == "2018-03-25T08:06:41.610"
