"""Catalog files: round trips, the archive's layout, and what bad ones give."""

import numpy as np
import pytest
from astropy.io import fits

from tests.real_data import REAL_DATA
from ztfpipe.errors import BadFile
from ztfpipe.model.catalogs import ApertureCatalog, PsfCatalog
from ztfpipe.model.columns import APERTURE_CATALOG, PSF_CATALOG
from ztfpipe.products.catalogs import catalogs

REAL = REAL_DATA / "refpsfcat/ztf_000202_zg_c10_q1_refpsfcat.fits"
HEADER = {"MAGZP": (26.2, "Magnitude zero point [mag]"), "STATUS": (1, "")}


def psf_catalog(n=5):
    rng = np.random.default_rng(31)
    return PsfCatalog(
        x_px=rng.uniform(0, 500, n),
        y_px=rng.uniform(0, 500, n),
        ra_deg=rng.uniform(0, 360, n),
        dec_deg=rng.uniform(-30, 90, n),
        flux_adu=rng.uniform(10, 1e5, n),
        flux_error_adu=rng.uniform(1, 10, n),
        chi=rng.uniform(0.5, 2, n),
        sharp=rng.normal(0, 0.1, n),
        flags=rng.integers(-1, 4000, n).astype(np.int16),
    )


def test_psfcat_round_trip(tmp_path):
    written = psf_catalog()
    catalogs.write_psfcat(tmp_path / "a.fits", written, HEADER)
    read, header = catalogs.read_psfcat(tmp_path / "a.fits")
    assert header["MAGZP"][0] == 26.2
    assert header["NSOURCES"][0] == 5
    # Positions are stored as one-based float32: 500 px resolve to 3e-5 px.
    np.testing.assert_allclose(read.x_px, written.x_px, atol=4e-5)
    np.testing.assert_array_equal(read.ra_deg, written.ra_deg)
    np.testing.assert_allclose(read.flux_adu, written.flux_adu, rtol=1e-6)
    np.testing.assert_array_equal(read.flags, written.flags)


def test_psfcat_stores_one_based_positions_and_instrumental_magnitudes(tmp_path):
    written = psf_catalog()
    catalogs.write_psfcat(tmp_path / "a.fits", written, HEADER)
    with fits.open(tmp_path / "a.fits") as hdus:
        table = hdus["PSF_CATALOG"].data
        np.testing.assert_allclose(table["xpos"], written.x_px + 1, atol=4e-5)
        np.testing.assert_allclose(table["mag"], -2.5 * np.log10(written.flux_adu), rtol=1e-6)
        np.testing.assert_allclose(table["sigmag"], 1.0857362 * written.flux_error_adu / written.flux_adu, rtol=1e-5)


def test_an_empty_catalog_is_a_catalog(tmp_path):
    catalogs.write_psfcat(tmp_path / "a.fits", PsfCatalog.empty(), HEADER)
    read, header = catalogs.read_psfcat(tmp_path / "a.fits")
    assert len(read) == 0
    assert header["NSOURCES"][0] == 0


def test_sexcat_round_trip(tmp_path):
    rng = np.random.default_rng(32)
    columns = {
        c.name: rng.uniform(1, 100, (4, c.width) if c.width > 1 else 4).astype(c.dtype) for c in APERTURE_CATALOG
    }
    catalogs.write_sexcat(tmp_path / "a.fits", ApertureCatalog(columns), HEADER)
    read, _ = catalogs.read_sexcat(tmp_path / "a.fits")
    assert len(read) == 4
    for name, column in columns.items():
        np.testing.assert_allclose(read.columns[name], column, rtol=1e-6)
    with fits.open(tmp_path / "a.fits") as hdus:
        assert hdus[1].data["MAG_APER"].shape == (4, 6)
        np.testing.assert_allclose(hdus[1].data["XWIN_IMAGE"], columns["XWIN_IMAGE"] + 1)


def test_a_missing_column_is_named(tmp_path):
    fits.BinTableHDU.from_columns([fits.Column("sourceid", "J", array=[1])]).writeto(tmp_path / "a.fits")
    with pytest.raises(BadFile, match=r"a\.fits: column xpos missing"):
        catalogs.read_psfcat(tmp_path / "a.fits")


@pytest.mark.shared_data
def test_the_contract_is_that_of_a_real_catalog(tmp_path):
    with fits.open(REAL) as hdus:
        real = [(column.name, column.format.lstrip("1"), column.unit or "") for column in hdus[1].columns]
        assert hdus[1].name == catalogs.PSF_CATALOG_NAME
    formats = {"i2": "I", "i4": "J", "f4": "E", "f8": "D"}
    assert [(c.name, formats[c.dtype], c.unit) for c in PSF_CATALOG] == real
    read, header = catalogs.read_psfcat(REAL)
    assert len(read) == header["NSOURCES"][0] == 18833
    catalogs.write_psfcat(tmp_path / "copy.fits", read, header)
    with fits.open(REAL) as one, fits.open(tmp_path / "copy.fits") as two:
        for name in ("xpos", "ra", "flux", "sigflux", "chi", "flags"):
            np.testing.assert_array_equal(one[1].data[name], two[1].data[name])
        np.testing.assert_allclose(one[1].data["mag"], two[1].data["mag"], atol=2e-3)
