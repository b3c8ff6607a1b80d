"""The direct Rice decoder against the library's public reader, on images of every kind it takes, and damaged ones."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ztfpipe.products.formats import rice
from ztfpipe.products.formats.fits_blocks import scan


def packed(image, tile_rows=1, compression="RICE_1"):
    """Keywords and data of the table that the library makes of an image."""
    buffer = io.BytesIO()
    hdu = fits.CompImageHDU(image, compression_type=compression, tile_shape=(tile_rows, image.shape[1]))
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(buffer)
    content = buffer.getvalue()
    extent = scan(content)[1]
    return extent.keywords, content[extent.data_start : extent.end], content


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(np.uint16, arrays.array_shapes(min_dims=2, max_dims=2, max_side=70), elements=st.integers(0, 65535)),
    st.integers(1, 70),
)
def test_any_image_in_any_tiles(image, tile_rows):
    words, data, content = packed(image, min(tile_rows, image.shape[0]))
    assert rice.is_plain_rice(words)
    np.testing.assert_array_equal(rice.decompress(words, data), image)
    with fits.open(io.BytesIO(content)) as hdus:
        np.testing.assert_array_equal(hdus[1].data, image)


def test_image_of_noise():
    image = np.random.default_rng(0).normal(1500, 20, (40, 3000)).astype(np.uint16)
    words, data, _ = packed(image)
    np.testing.assert_array_equal(rice.decompress(words, data), image)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32])
def test_other_pixels_are_left_to_the_library(dtype):
    words, _, _ = packed(np.arange(600).reshape(20, 30).astype(dtype))
    assert not rice.is_plain_rice(words)


def test_other_compressions_are_left_to_the_library():
    words, _, _ = packed(np.ones((20, 30), np.uint16), compression="GZIP_1")
    assert not rice.is_plain_rice(words)


@pytest.mark.parametrize(
    "changes",
    [
        {"ZTILE1": "10"},
        {"BZERO": "0"},
        {"ZBITPIX": "32"},
        {"TFIELDS": "2"},
        {"ZVAL2": "4"},
        {"ZBLANK": "0"},
        {"BZERO": "x"},
    ],
)
def test_layouts_it_does_not_know(changes):
    words, _, _ = packed(np.ones((20, 30), np.uint16))
    assert not rice.is_plain_rice({**words, **changes})


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_tables_end_in_an_error_or_an_image(data):
    """No checksum protects a file that carries none: damage may give wrong pixels, but never a wrong shape or worse."""
    image = np.arange(2000, 2600, dtype=np.uint16).reshape(20, 30)
    words, content, _ = packed(image)
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        read = rice.decompress(words, bytes(damaged))
    except (ValueError, rice.CfitsioException):
        return
    assert read.shape == image.shape


def test_tiles_that_do_not_make_the_image():
    words, data, _ = packed(np.ones((20, 30), np.uint16))
    with pytest.raises(ValueError, match="do not make"):
        rice.decompress({**words, "ZNAXIS2": "21"}, data)
    with pytest.raises(ValueError, match="outside its table"):
        rice.decompress(words, data[: 20 * 8 + 4])
