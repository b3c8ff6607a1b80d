"""FITS files: what is written comes back, verifies with others' eyes, and is the same bytes each time."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ztfpipe.errors import BadFile, TryAgain
from ztfpipe.products.formats import fits, fits_blocks

HEADER = {
    "OBSJD": (2458202.8, "start of exposure"),
    "STATUS": (1, "0 = bad; 1 = usable"),
    "FILTER": ("ZTF_r", "Filter name"),
    "QUOTED": ("it's", ""),
    "FLAG": (True, "a truth"),
    "NOTHING": (None, "no reading"),
}


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_image_round_trip(tmp_path, dtype):
    image = np.arange(12).reshape(3, 4).astype(dtype)
    fits.write_image(tmp_path / "a.fits", image, HEADER)
    read, header = fits.read_image(tmp_path / "a.fits")
    np.testing.assert_array_equal(read, image)
    assert (read.dtype, read.dtype.isnative, read.flags.c_contiguous) == (np.dtype(dtype), True, True)
    assert dict(header) == HEADER
    assert fits.read_header(tmp_path / "a.fits") == header


def test_written_files_pass_the_checks_of_another_library(tmp_path):
    """astropy recomputes both checksums; warnings are errors in these tests."""
    path = tmp_path / "a.fits"
    extensions = [fits.ImageExtension("A", np.ones((5, 4), np.uint16), HEADER, rice=True)]
    extensions.append(fits.ImageExtension("B", np.ones((5, 4), np.float32)))
    fits.write_images(path, HEADER, extensions)
    with astropy_fits.open(path, checksum=True) as hdus:
        hdus.verify("exception")
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "A", "B"]


def test_nan_pixels_survive(tmp_path):
    image = np.array([[np.nan, 1], [np.inf, -0.0]], np.float32)
    fits.write_image(tmp_path / "a.fits", image, {})
    np.testing.assert_array_equal(fits.read_image(tmp_path / "a.fits")[0], image)


def test_same_content_same_bytes(tmp_path, monkeypatch):
    image = np.ones((3, 4), np.float32)
    fits.write_image(tmp_path / "a.fits", image, HEADER)
    fits.write_image(tmp_path / "b.fits", image, HEADER)
    content = (tmp_path / "a.fits").read_bytes()
    assert content == (tmp_path / "b.fits").read_bytes()
    # The library would put the hour of writing beside the checksums.
    cards = [content[start : start + 80] for start in range(0, 2880, 80)]
    assert not [card for card in cards if card.startswith((b"CHECKSUM", b"DATASUM")) and b":" in card[30:]]


def test_table_round_trip(tmp_path):
    columns = {
        "ra": np.array([1.5, 2.5]),
        "n": np.array([1, 2], np.int32),
        "name": np.array(["a", "bc"]),
        "apertures": np.ones((2, 3), np.float32),
    }
    fits.write_table(tmp_path / "t.fits", columns, HEADER, name="STARS", units={"ra": "deg"})
    read, header = fits.read_table(tmp_path / "t.fits")
    assert list(read) == list(columns)
    for name, values in columns.items():
        np.testing.assert_array_equal(read[name], values)
        assert read[name].dtype.isnative
    assert dict(header) == HEADER
    with astropy_fits.open(tmp_path / "t.fits", checksum=True) as hdus:
        assert (hdus[1].name, hdus[1].columns["ra"].unit) == ("STARS", "deg")


def test_table_without_rows(tmp_path):
    fits.write_table(tmp_path / "t.fits", {"ra": np.empty(0)}, {}, name="STARS")
    read, _ = fits.read_table(tmp_path / "t.fits")
    assert read["ra"].shape == (0,)


def test_nan_in_a_header_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="nan"):
        fits.write_image(tmp_path / "a.fits", np.ones((2, 2)), {"SEEING": (float("nan"), "")})
    assert list(tmp_path.iterdir()) == []


def test_unreadable_files(tmp_path):
    path = tmp_path / "a.fits"
    with pytest.raises(BadFile, match=r"a.fits: no such file"):
        fits.read_image(path)
    for content in (b"", b"not FITS", b"SIMPLE  = nonsense".ljust(2880)):
        path.write_bytes(content)
        with pytest.raises(BadFile, match=r"a.fits"):
            fits.read_image(path)
    fits.write_image(path, np.ones((50, 50)), {})
    with pytest.raises(BadFile, match=r"a.fits\[1\]: extension missing"):
        fits.read_image(path, 1)
    path.write_bytes(path.read_bytes()[:-2880])
    with pytest.raises(BadFile, match=r"a.fits"):
        fits.read_image(path)


def test_no_image_and_no_table(tmp_path):
    fits.write_table(tmp_path / "t.fits", {"a": np.ones(1)}, {}, name="T")
    for hdu in (0, 1):
        with pytest.raises(BadFile, match="no image here"):
            fits.read_image(tmp_path / "t.fits", hdu)
    with pytest.raises(BadFile, match="no table here"):
        fits.read_table(tmp_path / "t.fits", 0)


def test_full_disk(tmp_path, monkeypatch):
    """/dev/full answers every write as a full disk does."""
    from pathlib import Path

    path = tmp_path / "a.fits"
    fits.write_image(path, np.zeros((2, 2)), {})
    before = path.read_bytes()
    real = Path.write_bytes

    def full(self, content):
        real(self, content[:100])
        return real(Path("/dev/full"), content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(TryAgain, match=r"a.fits: No space left on device"):
        fits.write_image(path, np.ones((2, 2)), {})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# --- Blocks and checksums ---------------------------------------------------------------------------------------------


def slow_ones_sum(content):
    """The definition: 32-bit words added one by one, each carry added at the bottom."""
    total = 0
    for start in range(0, len(content), 4):
        total += int.from_bytes(content[start : start + 4], "big")
        if total > 0xFFFFFFFF:
            total = (total & 0xFFFFFFFF) + 1
    return total


@given(st.binary(min_size=4, max_size=400).map(lambda content: content[: len(content) // 4 * 4]))
def test_ones_sum_is_its_definition(content):
    assert fits_blocks.ones_sum(content) == slow_ones_sum(content)


@given(st.integers(0, 0xFFFFFFFF))
def test_encoded_checksum_completes_the_sum(total):
    text = fits_blocks.encode(total)
    assert text.isalnum()
    assert len(text) == 16
    # The card has the text one byte past a word boundary, and its sixteen '0' were part of `total` before.
    shifted = text[1:] + text[:1]
    zeros = slow_ones_sum(b"0" * 16)
    assert fits_blocks.ones_sum(shifted, total) % 0xFFFFFFFF == zeros % 0xFFFFFFFF


@settings(max_examples=30, deadline=None)
@given(
    arrays.arrays(st.sampled_from([np.uint16, np.float32]), arrays.array_shapes(min_dims=2, max_dims=2)), st.integers(0)
)
def test_any_single_flipped_bit_is_seen(tmp_path_factory, image, where):
    path = tmp_path_factory.mktemp("flip") / "a.fits"
    fits.write_image(path, image, HEADER)
    content = bytearray(path.read_bytes())
    [hdu] = fits_blocks.scan(content)
    assert fits_blocks.checksum_fault(content, hdu) == ""
    position = hdu.data_start + (where // 8) % (hdu.end - hdu.data_start)
    content[position] ^= 1 << (where % 8)
    assert fits_blocks.checksum_fault(content, hdu) == "DATASUM does not match the data and CHECKSUM does not match"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 5759), st.integers(0, 255))
def test_scanning_damaged_headers_never_surprises(tmp_path_factory, junk, where, value):
    """Whatever the bytes, the scanner returns extents inside the file or says what is broken."""
    content = bytearray(_SMALL)
    content[where % len(content)] = value
    content += junk
    reason = None
    try:
        hdus = fits_blocks.scan(content)
    except fits_blocks.BrokenBlocks as error:
        reason, hdus = error.reason, error.whole
    assert reason != ""
    assert all(hdu.start < hdu.data_start <= hdu.end <= len(content) for hdu in hdus)


def _small():
    import io

    buffer = io.BytesIO()
    astropy_fits.PrimaryHDU(np.ones((3, 3), np.int16)).writeto(buffer)
    return buffer.getvalue()


_SMALL = _small()


@pytest.mark.parametrize(
    ("field", "value"),
    [("'it''s'     / x", "it's"), ("'a / b '", "a / b"), ("  12 / n", "12"), ("T", "T"), ("", "")],
)
def test_card_values(field, value):
    assert fits_blocks._value(field) == value
