"""DAOPHOT's PSF file: its records, other readers' way of reading them, and what bad files give."""

import dataclasses

import numpy as np
import pytest
from astropy.io import fits

from ztfpipe.errors import BadFile
from ztfpipe.methods.stars.daophot import absent
from ztfpipe.model.daophot import DaophotPsf
from ztfpipe.products.images.daophot import read_daophot_psf, write_daophot_psf, write_psf_stamp


def some_psf():
    rng = np.random.default_rng(3)
    tables = rng.normal(0, 100, (3, 11, 11))
    tables[0, 0, 0], tables[1, 2, 3] = 1e-120, -1e-35  # exponents that no field of the file can hold
    return DaophotPsf("MOFFAT25", (1.03125, 1.25, -0.015625), 54321.125, 10.0, (1535.5, 1539.5), tables)


def test_round_trip(tmp_path):
    written = some_psf()
    write_daophot_psf(tmp_path / "a.psf", written)
    read = read_daophot_psf(tmp_path / "a.psf")
    assert dataclasses.replace(read, tables=written.tables) == written
    np.testing.assert_allclose(read.tables, written.tables, rtol=5e-7, atol=1e-29)  # seven digits


def test_the_file_of_an_image_without_a_psf_is_read(tmp_path):
    written = absent((3080, 3072))
    write_daophot_psf(tmp_path / "a.psf", written)
    read = read_daophot_psf(tmp_path / "a.psf")
    assert (read.height_adu, read.psf_mag, read.tables.shape[0]) == (0.0, 99.999, 0)
    assert read.centre_px == (1535.5, 1539.5)


def test_records_have_daophots_columns(tmp_path):
    write_daophot_psf(tmp_path / "a.psf", some_psf())
    lines = (tmp_path / "a.psf").read_text().splitlines()
    assert lines[0] == " MOFFAT25   11    3    3    0   10.000      54321.125   1535.5   1539.5"
    assert lines[1] == "  1.031250E+00 1.250000E+00-1.562500E-02"
    # A table of 121 entries takes 20 records of six and one of one; the next begins on its own record.
    assert len(lines) == 2 + 3 * 21
    assert {len(line) for line in lines[2:]} == {1 + 6 * 13, 1 + 13}


def test_readers_that_split_at_signs_see_the_same(tmp_path):
    """A client of the archive (an earlier ztfimg) parts touching numbers at their minus signs; so does this."""
    psf = some_psf()
    write_daophot_psf(tmp_path / "a.psf", psf)
    lines = (tmp_path / "a.psf").read_text().splitlines()
    assert len(lines[0].split()) == 9
    numbers = " ".join(lines[2:]).replace("-", " -").replace("E -", "E-").split()
    np.testing.assert_allclose(np.array(numbers, float).reshape(3, 11, 11), psf.tables, rtol=5e-7, atol=1e-29)


def test_the_same_psf_gives_the_same_bytes(tmp_path):
    for name in "ab":
        write_daophot_psf(tmp_path / name, some_psf())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: text[: len(text) // 2], "not a DAOPHOT PSF"),
        (lambda text: text[:40], "not a DAOPHOT PSF"),
        (lambda text: "", "not a DAOPHOT PSF"),
        (lambda text: text.replace("MOFFAT25", "MOFFAT99"), "none of DAOPHOT's"),
        (lambda text: text.replace("MOFFAT25   11    3    3", "MOFFAT25   11    3    4"), "not supported"),
        (lambda text: text.replace("E+0", "X+0", 1), "not a DAOPHOT PSF"),
    ],
)
def test_bad_files_are_named(tmp_path, change, reason):
    path = tmp_path / "a.psf"
    write_daophot_psf(path, some_psf())
    path.write_text(change(path.read_text()))
    with pytest.raises(BadFile, match=reason):
        read_daophot_psf(path)


def test_missing_and_binary_files(tmp_path):
    with pytest.raises(BadFile, match="no such file"):
        read_daophot_psf(tmp_path / "none.psf")
    (tmp_path / "b.psf").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadFile, match="not a text file"):
        read_daophot_psf(tmp_path / "b.psf")


def test_stamp_file(tmp_path):
    stamp = np.full((25, 25), 1 / 625, np.float32)
    write_psf_stamp(tmp_path / "s.fits", stamp, {"FIELDID": (600, "")})
    with fits.open(tmp_path / "s.fits", checksum=True) as hdus:
        assert hdus[0].data.shape == (25, 25)
        assert hdus[0].header["BITPIX"] == -32
        assert hdus[0].header["FIELDID"] == 600
