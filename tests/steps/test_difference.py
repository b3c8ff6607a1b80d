"""The step `difference image` on files: what the products say of planted transients, and what bad input becomes."""

import contextlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from tests.difference_scene import (
    NEW,
    VERSION,
    difference_settings,
    inputs_of,
    write_contexts,
    write_epochs,
    write_reference,
)
from tests.methods.solar_system.test_ephemeris import here, orbits_at
from ztfpipe.errors import BadFile, BadName
from ztfpipe.methods.difference.forced import psf_at
from ztfpipe.methods.sky.matching import unit_vectors
from ztfpipe.methods.sky.projection import sky_to_pixel
from ztfpipe.methods.solar_system.ephemeris import dynamical_time
from ztfpipe.methods.solar_system.known import known_bodies
from ztfpipe.model.candidates import RAW_TABLE
from ztfpipe.model.difference import CANDIDATE_TABLE, STREAK_COLUMNS
from ztfpipe.model.keys import ReferenceKey, ReferenceVersionKey
from ztfpipe.products.catalogs.events import read_candidates, read_cutouts, read_raw_detections, read_streaks
from ztfpipe.products.catalogs.orbits import write_known
from ztfpipe.products.formats.fits import read_image
from ztfpipe.products.images.difference import read_difference_image, read_difference_psf
from ztfpipe.products.images.wcs import wcs_of
from ztfpipe.products.names import path_of
from ztfpipe.steps.difference import image

OUTPUT = path_of("scimrefdiffimg", NEW)
PRODUCTS = (
    *("scimrefdiffimg", "diffimgpsf", "candidates", "rawdetections", "streaks"),
    *("diffpreview", "diffimlog", "diffqa"),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An archive with a reference and the difference of a new epoch, and what was planted there."""
    archive = tmp_path_factory.mktemp("difference") / "archive"
    archive.mkdir()
    with contextlib.chdir(archive):
        planted = write_epochs()
        write_reference()
        image(OUTPUT, difference_settings(), **inputs_of(NEW, VERSION), **write_contexts(planted))
    return archive, planted


@pytest.fixture
def archive(made, tmp_path, monkeypatch):
    """A copy of it, as working directory, without the difference."""
    shutil.copytree(made[0], tmp_path / "archive")
    monkeypatch.chdir(tmp_path / "archive")
    for name in PRODUCTS:
        Path(path_of(name, NEW)).unlink()
    return tmp_path / "archive"


def record():
    return json.loads(Path(path_of("diffqa", NEW)).read_text())


def nearest(table, x_px, y_px):
    """Row of the candidate nearest to a place, and its distance [px]."""
    distance = np.hypot(table.xpos - 1 - x_px, table.ypos - 1 - y_px)
    return table.loc[distance.idxmin()], distance.min()


def test_transients_are_found_where_and_as_bright_as_they_are(made, monkeypatch):
    monkeypatch.chdir(made[0])
    planted, table = made[1], read_candidates(path_of("candidates", NEW))
    pulls = []
    for x, y, flux in zip(planted.x_px, planted.y_px, planted.flux_adu, strict=True):
        row, distance = nearest(table, x, y)
        # Placed to FWHM / 2.35 / (S/N 15) = 0.07 px per axis: four sigma of both axes.
        assert distance < 0.4
        assert row.isdiffpos
        pulls.append((row.flux - flux) / row.sigflux)
    # The mean of eight pulls scatters by 0.35.
    assert abs(np.mean(pulls)) < 4 * 0.35
    assert np.abs(pulls).max() < 5
    row, distance = nearest(table, *planted.gone_px)
    assert distance < 0.4
    assert not row.isdiffpos
    assert row.flux == pytest.approx(planted.gone_flux_adu, abs=5 * float(row.sigflux))


def test_products_and_their_words(made, monkeypatch):
    monkeypatch.chdir(made[0])
    assert all(Path(path_of(name, NEW)).exists() for name in PRODUCTS)
    science = fits.getheader(path_of("sciimg", NEW))
    with fits.open(OUTPUT) as hdus:
        header, pixels = hdus[1].header, hdus[1].data
        assert hdus[0].data is None
    assert header["MAGZP"] == science["MAGZP"]
    assert header["CRVAL1"] == science["CRVAL1"]
    assert {name: header[name] for name in ("STATUS", "REFVERS", "RFID")} == {
        "STATUS": 1, "REFVERS": 1, "RFID": 473120236,
    }  # fmt: skip
    assert np.isnan(pixels).mean() == pytest.approx(header["DIFPCBAD"] / 100, abs=1e-3)
    stamp = fits.getdata(path_of("diffimgpsf", NEW))
    assert np.unravel_index(stamp.argmax(), stamp.shape) == (12, 12)
    # D's PSF has rings that the stamp cuts.
    assert stamp.sum() == pytest.approx(1, abs=0.02)
    psf, width = read_difference_psf(path_of("diffimgpsf", NEW))
    assert width == pytest.approx(header["DIFFWHM"])
    assert np.array_equal(psf.middle, stamp)
    assert psf.science.shape == pixels.shape
    assert [edges[[0, -1]].tolist() for edges in (psf.tiling.y_edges, psf.tiling.x_edges)] == [
        [0, size] for size in pixels.shape
    ]
    # At the middle of the middle tile it is the stamp, but for what the table of filters cuts off.
    box = psf.tiling.boxes[len(psf.filters) // 2]
    middle = [(one.start + one.stop - 1) // 2 for one in box]
    assert np.abs(psf_at(psf, *middle[::-1]) - stamp).max() < 2e-3 * stamp.max()
    metrics = record()["metrics"]
    assert metrics["ncandscimref"] + metrics["ncandrefmsci"] == len(read_candidates(path_of("candidates", NEW)))
    # Registration: a hundred stars of S/N over 20 each to 0.05 px.
    assert max(metrics["registration_x_px"], metrics["registration_y_px"]) < 0.05
    reference = fits.getheader(path_of("vrefimg", VERSION))
    expected = 10 ** (0.4 * (science["MAGZP"] - reference["MAGZP"]))
    assert metrics["fluxrat"] == pytest.approx(expected, rel=0.01)
    candid = read_candidates(path_of("candidates", NEW)).candid
    assert candid.is_unique


def test_a_known_body_is_named(archive):
    """One body where a transient was planted, one in an empty corner of the image, one a degree away."""
    set_words(path_of("sciimg", NEW), EXPTIME=30.0)
    header = fits.getheader(path_of("sciimg", NEW))
    mid_jd = header["OBSJD"] + header["EXPTIME"] / 2 / 86400
    image(OUTPUT, difference_settings(), **inputs_of(NEW, VERSION))
    row = read_candidates(path_of("candidates", NEW)).iloc[0]
    assert (row.ssdistnr, row.ssmagnr, row.ssnamenr) == (-999, -999, "null")
    assert record()["metrics"]["nsolarsystobj"] is None
    corner = WCS(header).all_pix2world(header["NAXIS1"] - 5, 5, 1)
    places = [(row.ra, row.dec + 2 / 3600), corner, (row.ra, row.dec + 1)]
    write_known("known.parquet", bodies_at(places, mid_jd))
    image(OUTPUT, difference_settings(), **inputs_of(NEW, VERSION), bodies=Path("known.parquet"))
    table = read_candidates(path_of("candidates", NEW))
    named = table[table.ssnamenr != "null"]
    assert set(named.ssnamenr) == {"b0"}
    assert named.candid.isin([row.candid]).any()
    nearest_one = named[named.candid == row.candid].iloc[0]
    # Aberration of light time over the day's motion is taken into account when the body is placed.
    assert nearest_one.ssdistnr == pytest.approx(2.0, abs=0.05)
    assert nearest_one.ssmagnr > 10
    assert record()["metrics"]["nsolarsystobj"] == 2
    # A night whose table is empty, for want of a catalog of orbits, says that nothing was looked for.
    write_known("known.parquet", bodies_at(places, mid_jd).select(np.zeros(3, bool)))
    image(OUTPUT, difference_settings(), **inputs_of(NEW, VERSION), bodies=Path("known.parquet"))
    assert (read_candidates(path_of("candidates", NEW)).ssnamenr == "null").all()
    assert record()["metrics"]["nsolarsystobj"] is None
    Path("known.parquet").write_bytes(b"none")
    with pytest.raises(BadFile, match="not readable as Parquet"):
        image(OUTPUT, difference_settings(), **inputs_of(NEW, VERSION), bodies=Path("known.parquet"))


def bodies_at(places, mid_jd):
    """Known bodies that are seen at places [deg] at a moment, two au away and at rest but for the Sun's pull."""
    jd = dynamical_time(mid_jd)
    toward = unit_vectors(*np.array(places).T)
    positions = here(mid_jd) + 2.0 * toward
    orbits = orbits_at(positions, np.zeros_like(positions) + 1e-9, jd)
    times = mid_jd + np.array([-0.3, 0.0, 1 / 24, 0.3])
    observers = np.array([here(one) for one in times])
    return known_bodies(orbits, orbits.name, np.array([dynamical_time(one) for one in times]), observers)


def test_the_packed_image_is_as_fpack_packs_it(made, monkeypatch):
    """Rice, subtractive dither, and the same bytes each time."""
    monkeypatch.chdir(made[0])
    with fits.open(OUTPUT, disable_image_compression=True) as hdus:
        words = hdus[1].header
        assert (words["ZCMPTYPE"], words["ZQUANTIZ"]) == ("RICE_1", "SUBTRACTIVE_DITHER_1")
        assert "CHECKSUM" in words
    content = Path(OUTPUT).read_bytes()
    image(OUTPUT, difference_settings(), **inputs_of(NEW, VERSION), **write_contexts(made[1]))
    assert Path(OUTPUT).read_bytes() == content


def test_a_transient_s_record_says_what_is_near_it(made, monkeypatch):
    monkeypatch.chdir(made[0])
    planted, table = made[1], read_candidates(path_of("candidates", NEW))
    row, _ = nearest(table, planted.x_px[0], planted.y_px[0])
    # The galaxy and the unknown object were put 3 and 5 arcsec from the true place: 0.07 px per axis of the fit.
    assert row.distpsnr1 == pytest.approx(3.0, abs=0.4)
    assert row.distpsnr2 == pytest.approx(5.0, abs=0.4)
    assert (row.sgscore1, row.sgscore2) == (pytest.approx(0.02), 0.5)
    assert (row.srmag1, row.srmag2) == (20.0, 21.0)
    assert row.objectidps2 - row.objectidps1 == 1
    assert row.nmtchps >= 2
    # Transients are 15 px from all stars; nothing else is in the reference, and Gaia does not know the galaxy.
    assert row.distnr > 13
    assert row.neargaia > 13
    gone, _ = nearest(table, *planted.gone_px)
    assert max(gone.distnr, gone.distpsnr1, gone.neargaia) < 0.5
    assert gone.sgscore1 == 1
    # The reference is complete and unbiased to hundredths at 18 mag.
    assert gone.magnr == pytest.approx(gone.srmag1, abs=0.1)
    assert gone.maggaia == gone.srmag1
    header = fits.getheader(path_of("sciimg", NEW))
    assert (table.jd == header["OBSJD"]).all()
    assert (table.magzpsci == np.float32(header["MAGZP"])).all()
    assert (table.nframesref == 4).all()
    assert (table.jdstartref < table.jdendref).all()


def test_light_filters_tag_and_cutouts_are_of_those_that_pass(made, monkeypatch):
    monkeypatch.chdir(made[0])
    planted, table = made[1], read_candidates(path_of("candidates", NEW))
    for x, y in zip(planted.x_px, planted.y_px, strict=True):
        assert nearest(table, x, y)[0].filterbits == 0
    candid, cutouts = read_cutouts(path_of("candidates", NEW))
    assert candid.tolist() == table.candid[table.filterbits == 0].tolist()
    metrics = record()["metrics"]
    assert metrics["ncandscimreffilt"] + metrics["ncandrefmscifilt"] == len(candid)
    rows = table[table.filterbits == 0].reset_index()
    middle = slice(26, 37)
    for k, row in rows.iterrows():
        if row.flux / row.sigflux > 12:
            # The middle of the difference holds the source; its sign is the candidate's.
            near = cutouts.difference[k][middle, middle]
            assert np.nanargmax(near) in (59, 60, 61, 48, 49, 50, 70, 71, 72)
            sign = 1 if row.isdiffpos else -1
            plain = sign * (cutouts.science[k] - cutouts.template[k])[middle, middle]
            assert plain[4:7, 4:7].sum() > 0.3 * row.flux
    # Science and template have the sky of the science image: 300 DN.
    assert np.nanmedian(cutouts.science) == pytest.approx(300, abs=10)
    assert np.nanmedian(cutouts.template) == pytest.approx(np.nanmedian(cutouts.science), abs=1.5)
    # What is masked in either is so in all three.
    unknown = np.isnan(cutouts.difference)
    assert np.array_equal(unknown, np.isnan(cutouts.science))
    assert np.array_equal(unknown, np.isnan(cutouts.template))


def test_raw_detections_go_on_where_candidates_end(made, monkeypatch):
    monkeypatch.chdir(made[0])
    raw, metrics = read_raw_detections(path_of("rawdetections", NEW)), record()["metrics"]
    assert len(raw) == metrics["nraw"]
    assert raw.scorr.min() >= 3
    assert raw.scorr.max() < 5
    science = wcs_of(path_of("sciimg", NEW), read_image(path_of("sciimg", NEW))[1])
    x, y = sky_to_pixel(science, raw.ra, raw.dec)
    # 1e-7 deg are 4e-4 px.
    assert np.abs(np.concatenate([x + 1 - raw.xpos, y + 1 - raw.ypos])).max() < 2e-3
    # A peak of 3 to 5 sigma: 1.0857 / scorr, but for its own place between the pixels.
    assert raw.sigmapsf.median() == pytest.approx((1.0857 / raw.scorr).median(), rel=0.1)


def test_quality_is_told_in_the_survey_s_words(made, monkeypatch):
    monkeypatch.chdir(made[0])
    metrics = record()["metrics"]
    words = {
        "fluxrat", "scigain", "scisat", "scibckgnd", "scisigpix", "sciinpseeing", "refimfilename", "refid", "refsat",
        "refbckgnd", "refsigpix", "refinpseeing", "pdiffbckgnd", "diffsigpix", "diffpctbad", "diffmaglim", "difffwhm",
        "diffavgsqbef", "diffavgsqaft", "diffavgsqchg", "ncandscimreffilt", "ncandrefmscifilt", "infobitsref",
        "bitsinfobitsref", "statusdif",
    }  # fmt: skip
    assert words <= set(metrics)
    # Nearly empty sky: the square of the noise, before and after.
    assert metrics["diffavgsqaft"] == pytest.approx(metrics["diffsigpix"] ** 2, rel=0.3)
    change = metrics["diffavgsqaft"] / metrics["diffavgsqbef"] - 1
    assert metrics["diffavgsqchg"] == pytest.approx(100 * change)
    log = Path(path_of("diffimlog", NEW)).read_text()
    assert all(f"{name} = " in log for name in words)
    with fits.open(OUTPUT) as hdus:
        assert hdus[1].header["NFILTPOS"] == metrics["ncandscimreffilt"]


def test_scorr_is_an_image_when_it_is_asked_for_and_the_negative_comes_from_the_same_run(archive):
    path = Path(path_of("scorrimg", NEW))
    assert not path.exists()
    image(OUTPUT, difference_settings(scorr_image=True), **inputs_of(NEW, VERSION))
    with fits.open(path) as hdus:
        scorr, header = hdus[1].data, hdus[1].header
    assert header["STATUS"] == 1
    pixels, _ = read_difference_image(OUTPUT)
    assert np.array_equal(np.isnan(scorr), np.isnan(pixels))
    table = read_candidates(path_of("candidates", NEW))
    row = table.loc[table.scorr.idxmax()]
    j, i = round(row.ypos) - 1, round(row.xpos) - 1
    # The peak is within a pixel of the fit; packing rounds to a quarter of the noise.
    assert np.abs(scorr[j - 1 : j + 2, i - 1 : i + 2]).max() == pytest.approx(row.scorr, abs=0.3)
    negative, _ = read_difference_image(OUTPUT, negative=True)
    assert np.array_equal(negative, -pixels, equal_nan=True)


def test_without_catalogs_there_are_no_neighbours_but_those_of_the_reference(archive):
    image(OUTPUT, difference_settings(), **inputs_of(NEW, VERSION))
    table = read_candidates(path_of("candidates", NEW))
    assert len(table) >= 9
    assert (table.distnr >= 0).all()
    assert (table.nmtchps == 0).all()
    assert set(table.distpsnr1) == set(table.neargaia) == {-999}


def set_words(path, **words):
    with fits.open(path) as hdus:
        hdus[0].header.update(words)
        hdus.writeto(Path(path).with_suffix(".new"), checksum=True)
    Path(path).with_suffix(".new").rename(path)


@pytest.mark.parametrize(
    ("product", "words", "reason"),
    [
        ("sciimg", {"STATUS": 0}, "science image has STATUS 0"),
        ("vrefimg", {"STATUS": 0}, "reference has STATUS 0"),
        ("vrefimg", {"CRVAL1": 10.0}, "do not overlap"),
    ],
    ids=["science unusable", "reference unusable", "no overlap"],
)
def test_what_cannot_be_subtracted_gives_products_with_status_0_and_no_rows(archive, product, words, reason):
    key = VERSION if product.startswith("v") else NEW
    set_words(path_of(product, key), **words)
    image(OUTPUT, difference_settings(), **inputs_of(NEW, VERSION))
    assert all(Path(path_of(name, NEW)).exists() for name in PRODUCTS)
    assert record()["status"] == 0
    assert reason in record()["reason"]
    with fits.open(OUTPUT) as hdus:
        assert hdus[1].header["STATUS"] == 0
        assert np.isnan(hdus[1].data).all()
    for table, contract in (
        (read_raw_detections(path_of("rawdetections", NEW)), RAW_TABLE),
        (read_candidates(path_of("candidates", NEW)), CANDIDATE_TABLE),
        (read_streaks(path_of("streaks", NEW)), STREAK_COLUMNS),
    ):
        assert len(table) == 0
        assert {name: str(dtype) for name, dtype in table.dtypes.items()} == {
            column.name: "str" if column.dtype == "str" else str(np.dtype(column.dtype)) for column in contract
        }


def test_too_many_candidates_are_a_failed_subtraction(archive):
    # Without the lower limit of the settings two sigma would do; here the cap is below what was planted.
    image(OUTPUT, difference_settings(candidate_scorr_min=3.0, candidates_max=10), **inputs_of(NEW, VERSION))
    assert record()["status"] == 0
    assert "too many candidates" in record()["reason"]
    assert len(read_candidates(path_of("candidates", NEW))) == 0


def test_the_reference_of_another_place_is_refused(archive):
    set_words(path_of("vrefimg", VERSION), FIELDID=474)
    with pytest.raises(BadFile, match="it is of field 474, not 473"):
        image(OUTPUT, difference_settings(), **inputs_of(NEW, VERSION))
    other = ReferenceVersionKey(ReferenceKey(474, "zr", 10, 1), 1)
    Path(path_of("vrefimg", other)).parent.mkdir(parents=True)
    for name in ("vrefimg", "vrefmsk", "vrefunc", "vrefpsfcat"):
        shutil.copy(path_of(name, VERSION), path_of(name, other))
    with pytest.raises(BadFile, match="not the reference of the science image's field"):
        image(OUTPUT, difference_settings(), **inputs_of(NEW, other))
    assert not Path(OUTPUT).exists()


@pytest.mark.parametrize("name", ["image", "mask", "psfcat", "refimg", "refunc"])
def test_a_file_cut_short_is_refused(archive, name):
    path = inputs_of(NEW, VERSION)[name]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadFile):
        image(OUTPUT, difference_settings(), **inputs_of(NEW, VERSION))
    assert not Path(OUTPUT).exists()


def test_calls_that_make_no_sense(archive):
    with pytest.raises(BadName, match="not the path of product scimrefdiffimg"):
        image(path_of("sciimg", NEW), difference_settings(), **inputs_of(NEW, VERSION))
