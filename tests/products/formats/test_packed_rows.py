"""Rows of packed images: the pixels that the public reader finds, and what is wrong with a file."""

import numpy as np
import pytest
from astropy.io import fits

from ztfpipe.errors import BadFile
from ztfpipe.products.alerts.squares import read_squares
from ztfpipe.products.formats.fits import read_image, write_image, write_packed_image
from ztfpipe.products.formats.fits_blocks import scan
from ztfpipe.products.formats.packed_rows import PackedRows


@pytest.fixture
def image():
    """Noise with unknown pixels, a row without any, one that is all alike, and one with a bright star."""
    pixels = np.random.default_rng(3).normal(0, 7, (60, 400)).astype(np.float32)
    pixels[5:9, 30:50] = np.nan
    pixels[20], pixels[21], pixels[30, 200] = np.nan, 4.5, 1e5
    return pixels


@pytest.mark.parametrize("unknown", [True, False])
def test_rows_are_those_of_the_public_reader(tmp_path, image, unknown):
    path = tmp_path / "a.fits.fz"
    write_packed_image(path, image if unknown else np.nan_to_num(image), {})
    theirs, _ = read_image(path, 1)
    rows = PackedRows(path)
    assert rows.shape == image.shape
    for first, stop in ((0, 60), (20, 22), (59, 60), (7, 7)):
        found = rows.read(first, stop)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, theirs[first:stop])


def test_another_seed_of_the_dither_and_blanks_by_row_are_understood(tmp_path, image):
    path = tmp_path / "a.fits.fz"
    unit = fits.CompImageHDU(
        image, compression_type="RICE_1", tile_shape=(1, 400), quantize_method=1, dither_seed=7321, quantize_level=16
    )
    fits.HDUList([fits.PrimaryHDU(), unit]).writeto(path)
    np.testing.assert_array_equal(PackedRows(path).read(0, 60), read_image(path, 1)[0])
    # fpack writes the blank as a column: four bytes more in each row, before the heap.
    with fits.open(path, disable_image_compression=True) as hdus:
        header, start = hdus[1].header.copy(), hdus[1].fileinfo()["datLoc"]
    width, content = header["NAXIS1"], path.read_bytes()[start:]
    table = np.frombuffer(content[: 60 * width], f"V{width}")
    rows_of = np.zeros(60, [("old", f"V{width}"), ("blank", ">i4")])
    rows_of["old"], rows_of["blank"] = table, header.pop("ZBLANK")
    header["NAXIS1"], header["TFIELDS"] = width + 4, header["TFIELDS"] + 1
    header[f"TTYPE{header['TFIELDS']}"], header[f"TFORM{header['TFIELDS']}"] = "ZBLANK", "1J"
    body = rows_of.tobytes() + content[60 * width : 60 * width + header["PCOUNT"]]
    primary = fits.PrimaryHDU().header.tostring()
    other = tmp_path / "b.fits.fz"
    other.write_bytes(primary.encode() + header.tostring().encode() + body + bytes(-len(body) % 2880))
    np.testing.assert_array_equal(PackedRows(other).read(0, 60), read_image(path, 1)[0])


def test_squares_are_cut_from_the_whole_and_padded_beyond_its_edge(tmp_path, image):
    path = tmp_path / "a.fits.fz"
    write_packed_image(path, image, {})
    whole = np.pad(read_image(path, 1)[0], 100, constant_values=np.nan)
    column, row = np.array([200, 0, 399, 210, 5000, -7, 30]), np.array([30, 0, 59, 33, 10, -90, -4])
    found = read_squares(path, column, row, 11)
    for square, i, j in zip(found, np.clip(column, -50, 450) + 100, np.clip(row, -50, 110) + 100, strict=True):
        np.testing.assert_array_equal(square, whole[j - 5 : j + 6, i - 5 : i + 6])
    assert read_squares(path, column[:0], row[:0], 11).shape == (0, 11, 11)


def test_what_is_wrong_is_said(tmp_path, image):
    path = tmp_path / "a.fits.fz"
    with pytest.raises(BadFile, match="no such file"):
        PackedRows(path)
    write_image(path, image, {})
    with pytest.raises(BadFile, match="no image here"):
        PackedRows(path)
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(np.zeros((4, 5), np.int32))]).writeto(path, overwrite=True)
    with pytest.raises(BadFile, match="not packed as real numbers"):
        PackedRows(path)
    write_packed_image(path, image, {})
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - 2880 * 4])
    with pytest.raises(BadFile, match="truncated"):
        PackedRows(path)
    start = scan(content)[1].data_start
    # The first row's bytes now lie beyond the end of the file.
    path.write_bytes(content[: start + 4] + b"\x7f" + content[start + 5 :])
    with pytest.raises(BadFile, match="rows 0 to 2 are damaged"):
        PackedRows(path).read(0, 2)
