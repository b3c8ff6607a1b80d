"""Calibrator and context files: paths, round trips, contracts, and what bad ones give."""

import numpy as np
import pytest
from astropy.io import fits

from ztfpipe.errors import BadFile, BadKey, BadName
from ztfpipe.model import columns
from ztfpipe.model.catalogs import BrightStars
from ztfpipe.model.keys import FieldQuadrantKey
from ztfpipe.model.skycatalogs import GaiaStars, Ps1Objects
from ztfpipe.products.catalogs import calibrators as files
from ztfpipe.products.names import parse, path_of

HEADER = {"FIELDID": (473, "ZTF field ID number")}


def gaia(n=7, epoch=2016.0):
    rng = np.random.default_rng(1)
    table = {
        "source_id": rng.integers(1, 2**62, n), "ra": rng.uniform(0, 360, n), "dec": rng.uniform(-30, 90, n),
        "ra_error": rng.uniform(0.02, 1, n), "dec_error": rng.uniform(0.02, 1, n), "pmra": rng.normal(0, 9, n),
        "pmdec": rng.normal(0, 9, n), "phot_g_mean_mag": rng.uniform(12, 18, n), "ref_epoch": np.full(n, epoch),
    }  # fmt: skip
    if n:
        table["pmra"][0] = np.nan
    return GaiaStars.of(table, 2016.0)


def ps1(n=7):
    rng = np.random.default_rng(2)
    table = {"objid": rng.integers(1, 2**62, n), "ra": rng.uniform(0, 360, n), "dec": rng.uniform(-30, 90, n)}
    for band in "griz":
        table |= {f"{band}_mag": rng.uniform(14, 22, n), f"{band}_mag_error": rng.uniform(0.002, 0.1, n)}
    table |= {"n_detections": rng.integers(1, 60, n), "star_score": rng.random(n)}
    if n:
        table["z_mag"][0], table["star_score"][1] = -999.0, np.nan
    return Ps1Objects.of(table)


def test_paths_are_the_surveys_own():
    key = FieldQuadrantKey(651, 3, 1)
    # As SCAMPPTH and SCAMPFIL of a real header of field 651, CCD 3, quadrant 1 (readout channel 8) have it.
    assert path_of("gaiacalibrators", key) == "ops/static/rc08/astrom/gaia_000651_c03_q1.fits"
    for product in ("gaiacalibrators", "ps1calibrators", "gaiacontext", "ps1context", "brightstars", "calibratorsqa"):
        path = path_of(product, key)
        assert parse(path) == (product, key)
        with pytest.raises(BadName):
            parse(path.replace("rc08", "rc09"))
    with pytest.raises(BadKey):
        FieldQuadrantKey(0, 3, 1)


def test_astrometric_calibrators_round_trip(tmp_path):
    written = gaia(epoch=2015.5)
    files.write_gaia_calibrators(tmp_path / "a.fits", written, HEADER)
    read = files.read_astrometric_calibrators(tmp_path / "a.fits")
    np.testing.assert_array_equal(read.ra_deg, written.ra_deg)
    np.testing.assert_array_equal(read.dec_deg, written.dec_deg)
    # Motions, errors and magnitudes are kept as float32.
    np.testing.assert_allclose(read.pmra_mas, written.pmra_mas, rtol=1e-6)
    np.testing.assert_allclose(read.g_mag, written.g_mag, rtol=1e-6)
    mean = np.hypot(written.ra_error_mas, written.dec_error_mas) / np.sqrt(2)
    np.testing.assert_allclose(read.error_mas, mean, rtol=1e-6)
    assert read.epoch_year == 2015.5


def test_photometric_calibrators_round_trip(tmp_path):
    written = ps1()
    files.write_ps1_calibrators(tmp_path / "a.fits", written, HEADER)
    read = files.read_photometric_calibrators(tmp_path / "a.fits")
    np.testing.assert_array_equal(read.ra_deg, written.ra_deg)
    for band in "griz":
        np.testing.assert_allclose(read.mag[band], written.mag[band], rtol=1e-6)
        np.testing.assert_allclose(read.mag_error[band], written.mag_error[band], rtol=1e-6)
    assert np.isnan(read.mag["z"]).sum() == 1


def test_context_round_trips_keep_identifiers_and_scores(tmp_path):
    stars, objects = gaia(), ps1()
    files.write_gaia_context(tmp_path / "g.fits", stars, HEADER)
    files.write_ps1_context(tmp_path / "p.fits", objects, HEADER)
    np.testing.assert_array_equal(files.read_gaia_context(tmp_path / "g.fits").source_id, stars.source_id)
    read = files.read_ps1_context(tmp_path / "p.fits")
    np.testing.assert_array_equal(read.objid, objects.objid)
    np.testing.assert_allclose(read.star_score, objects.star_score, rtol=1e-6)


def test_bright_stars_round_trip(tmp_path):
    stars = BrightStars(np.array([10.0, 20.0]), np.array([1.0, 2.0]), np.array([-1.46, 6.5]))
    files.write_bright_stars(tmp_path / "b.fits", stars, HEADER)
    read = files.read_bright_stars(tmp_path / "b.fits")
    np.testing.assert_array_equal(read.ra_deg, stars.ra_deg)
    np.testing.assert_allclose(read.v_mag, stars.v_mag, rtol=1e-6)


@pytest.mark.parametrize(
    ("write", "catalog", "contract"),
    [
        (files.write_gaia_calibrators, gaia, columns.GAIA_CALIBRATORS),
        (files.write_gaia_context, gaia, columns.GAIA_CONTEXT),
        (files.write_ps1_calibrators, ps1, columns.PS1_CALIBRATORS),
        (files.write_ps1_context, ps1, columns.PS1_CONTEXT),
    ],
)
@pytest.mark.parametrize("n", [0, 5])
def test_files_have_the_columns_of_their_contracts(tmp_path, write, catalog, contract, n):
    write(tmp_path / "a.fits", catalog(n), HEADER)
    with fits.open(tmp_path / "a.fits", checksum=True) as hdus:
        table = hdus[1]
        assert table.columns.names == [column.name for column in contract]
        for column in contract:
            assert table.data[column.name].dtype.newbyteorder("=") == np.dtype(column.dtype)
            assert (table.columns[column.name].unit or "") == column.unit
        assert len(table.data) == hdus[0].header["NROWS"] == n
        assert hdus[0].header["FIELDID"] == 473


def test_empty_catalogs_are_read(tmp_path):
    files.write_gaia_calibrators(tmp_path / "g.fits", gaia(0), HEADER)
    files.write_ps1_calibrators(tmp_path / "p.fits", ps1(0), HEADER)
    assert len(files.read_astrometric_calibrators(tmp_path / "g.fits").ra_deg) == 0
    assert len(files.read_photometric_calibrators(tmp_path / "p.fits").mag["r"]) == 0


def test_bad_files_are_named(tmp_path):
    path = tmp_path / "a.fits"
    files.write_ps1_context(path, ps1(400), HEADER)
    with pytest.raises(BadFile, match="column gmag_error missing"):
        files.read_photometric_calibrators(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadFile):
        files.read_ps1_context(path)
    with pytest.raises(BadFile, match="no such file"):
        files.read_bright_stars(tmp_path / "none.fits")
    files.write_bright_stars(path, BrightStars(*np.zeros((3, 2))), HEADER)
    with pytest.raises(BadFile, match="column source_id missing"):
        files.read_astrometric_calibrators(path)


def test_tables_of_the_world_become_catalogs():
    table = {"objid": np.array([5, 3, 5]), "ra": np.array([1.0, 2.0, 1.0]), "dec": np.zeros(3)}
    for band in "griz":
        table |= {f"{band}_mag": np.array([-999.0, 18.0, -999.0]), f"{band}_mag_error": np.array([-999.0, 0.01, -999])}
    objects = Ps1Objects.of(table | {"n_detections": np.array([2, 9, 2])})
    # Doubled rows go, rows are in order of identifier, and -999 is no magnitude.
    assert objects.objid.tolist() == [3, 5]
    assert np.isnan(objects.mag["g"]).tolist() == [False, True]
    assert np.isnan(objects.mag_error["g"]).tolist() == [False, True]
    with pytest.raises(KeyError):
        Ps1Objects.of({"objid": np.array([1])})
    with pytest.raises(ValueError, match="several epochs"):
        GaiaStars.of({"source_id": np.arange(2), "ref_epoch": np.array([2015.5, 2016.0])}, 2016.0)
