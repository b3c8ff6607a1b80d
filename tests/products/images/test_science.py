"""The header of a science image has the keywords of a real one, and its WCS reads back to the same sky."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from tests.real_data import REAL_DATA
from ztfpipe.camera import Camera
from ztfpipe.model.catalogs import ApertureCatalog, PsfCatalog
from ztfpipe.model.keys import ExposureKey, QuadrantKey
from ztfpipe.model.science import ApertureCorrections, AstrometrySummary, PhotometrySummary, ScienceImage
from ztfpipe.model.wcs import TpvWcs, undistorted_pv
from ztfpipe.products.formats.fits import read_header, read_image
from ztfpipe.products.images import science

CAMERA = Camera.load("ztf")
KEY = QuadrantKey(ExposureKey("20250106104907", 203, "zr", "o"), 10, 1)
ORIGIN = science.Origin(
    KEY,
    2460681.6052315,
    {"pmask": 199736021, "bias": 292736002, "hifreqflat": 292736024, "lofreqflat": 36025},
    "ops/static/rc36/astrom/gaia_000203_c10_q1.fits",
)
RAW = {"ORIGIN": ("Zwicky Transient Facility", "Data origin"), "EXPTIME": (30.0, "Requested Exposure Time (s)")}
REAL = REAL_DATA / "sciimg/ztf_20250106104907_000203_zr_c10_o_q1_sciimg.fits"


def science_image(**change):
    shape = (12, 10)
    parts = {
        "image_adu": np.full(shape, 150.0, np.float32),
        "mask": np.full(shape, 4, np.uint16),
        "saturation_adu": 60528.2,
        "seeing_px": 2.271,
        "limiting_mag": 19.17,
        "wcs": TpvWcs(np.array([33.2, -30.0]), np.array([4.5, 5.5]), np.diag([-2.8e-4, -2.8e-4]), undistorted_pv()),
        "astrometry": AstrometrySummary(339, (4e-5, 3.5e-5), 50.5),
        "photometry": PhotometrySummary(59, 25.39, 0.006, 0.2, 0.1, 0.008, -0.006, 25.5, 25.4, 0.2, 0.8, 0.7, 0.3),
        "apertures": ApertureCorrections((2.0, 3.0, 4.0, 6.0, 10.0, 14.0), (-1.1, -0.5, -0.3, -0.1, 0, 0), (0.01,) * 6),
        "psf": None,
        "psf_catalog": PsfCatalog.empty(),
        "aperture_catalog": ApertureCatalog({}),
        "metrics": {},
        "infobits": 2048 + (1 << 25),
        "status": 1,
    }
    return ScienceImage(**{**parts, **change})


def test_the_header_names_the_nights_of_its_masters():
    earlier = replace(ORIGIN, master_nights={"bias": "20250103", "hifreqflat": "20250106"})
    header = science.science_header(RAW, science_image(), earlier, CAMERA)
    assert header["BIASNITE"] == ("20250103", "night of the bias master")
    assert header["FLATNITE"][0] == "20250106"
    assert "BIASNITE" not in science.science_header(RAW, science_image(), ORIGIN, CAMERA)


def test_identifiers_are_those_of_the_real_image():
    header = science.science_header(RAW, science_image(), ORIGIN, CAMERA)
    # Header of the same exposure and quadrant from the archive.
    assert header["EXPID"][0] == 292710523
    assert header["DBPID"][0] == 2927105233615
    assert header["DBRID"][0] == 29271052336
    assert header["DBNID"][0] == 2927
    assert header["INFOBITS"] == (33556480, "infoBits string; bit(s) = 11, 25")
    assert header["PCOLOR"][0] == "g - R"
    assert header["FIXAPERS"][0] == "2,3,4,6,10,14"
    assert header["CRPIX1"][0] == 5.5


@pytest.mark.shared_data
def test_every_calibration_keyword_of_a_real_image_is_written():
    real = fits.getheader(REAL)
    ours = science.science_header({}, science_image(), ORIGIN, CAMERA)
    start = list(real).index("WCSVERS")
    # SCAMP's own bookkeeping says nothing about the image; CREATED would make each run's file another one.
    not_ours = {"HISTORY", "COMMENT", "", "FGROUPNO", "ASTIRMS1", "ASTIRMS2", "ASTINST", "FLXSCALE", "MAGZEROP"}
    not_ours |= {"PHOTIRMS", "PHOTINST", "PHOTLINK", "CREATED"}
    wanted = [keyword for keyword in list(real)[start:] if keyword not in not_ours]
    assert [keyword for keyword in wanted if keyword not in ours] == []
    for keyword in ("BIT00", "BIT16", "BIT18", "BIT22", "BIT25"):
        assert ours[keyword] == (real[keyword], real.comments[keyword])


def test_what_could_not_be_measured_is_left_out(tmp_path):
    image = science_image(photometry=None, astrometry=None, apertures=None, limiting_mag=np.nan, status=0)
    header = science.science_header(RAW, image, ORIGIN, CAMERA)
    for keyword in ("MAGZP", "MAGLIM", "ASTRRMS1", "APCOR1"):
        assert keyword not in header
    assert header["STATUS"][0] == 0
    assert header["NMATCHES"][0] == 0
    science.write_science_image(tmp_path / "a.fits", image, header)
    assert read_header(tmp_path / "a.fits")["STATUS"][0] == 0


def test_files_and_their_wcs_read_back(tmp_path):
    image = science_image()
    header = science.science_header(RAW, image, ORIGIN, CAMERA)
    science.write_science_image(tmp_path / "sciimg.fits", image, header)
    science.write_mask_image(tmp_path / "mskimg.fits", image, header)
    pixels, read = read_image(tmp_path / "sciimg.fits")
    assert pixels.dtype == np.float32
    np.testing.assert_array_equal(pixels, image.image_adu)
    assert read["MAGZP"][0] == 25.39
    mask, _ = read_image(tmp_path / "mskimg.fits")
    assert mask.dtype == np.int16
    assert (mask == 4).all()
    with fits.open(tmp_path / "sciimg.fits") as hdus:
        sky = WCS(hdus[0].header).all_pix2world([[4.5, 5.5]], 0)
    np.testing.assert_allclose(sky, [[33.2, -30.0]], atol=1e-10)
