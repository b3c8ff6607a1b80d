"""Bands of rows: the pixels of the whole, and what is wrong with a file."""

import numpy as np
import pytest

from ztfpipe.errors import BadFile
from ztfpipe.products.formats.atomic import link_over, write_once
from ztfpipe.products.formats.fits import read_image, write_image
from ztfpipe.products.formats.fits_rows import ImageRows


@pytest.mark.parametrize("kind", [np.float32, np.int16])
def test_bands_are_the_rows_of_the_image(tmp_path, kind):
    image = np.random.default_rng(1).uniform(-1000, 1000, (37, 50)).astype(kind)
    write_image(tmp_path / "a.fits", image, {"KEY": (1, "")})
    rows = ImageRows(tmp_path / "a.fits")
    assert (rows.shape, rows.fault()) == (image.shape, "")
    for first, stop in ((0, 37), (5, 6), (36, 37), (10, 10)):
        band = rows.read(first, stop)
        assert band.dtype == kind
        np.testing.assert_array_equal(band, read_image(tmp_path / "a.fits")[0][first:stop])


def test_what_is_wrong_is_said(tmp_path):
    path = tmp_path / "a.fits"
    with pytest.raises(BadFile, match="no such file"):
        ImageRows(path)
    write_image(path, np.zeros((40, 50), np.float32), {})
    content = path.read_bytes()
    rows = ImageRows(path)
    path.write_bytes(content[:5000])
    with pytest.raises(BadFile, match="cut short while"):
        rows.read(0, 40)
    with pytest.raises(BadFile, match="truncated"):
        ImageRows(path)
    path.write_bytes(content[:6000] + b"\1" + content[6001:])
    assert "DATASUM" in ImageRows(path).fault()
    write_image(path, np.zeros((4, 5), np.uint16), {})
    with pytest.raises(BadFile, match="no plain image"):
        ImageRows(path)


def test_written_once_and_linked_over(tmp_path):
    path = tmp_path / "new" / "list.json"
    assert write_once(path, "first")
    assert not write_once(path, "second")
    assert path.read_text() == "first"
    other = tmp_path / "other"
    other.write_text("other")
    link_over(other, path)
    assert path.samefile(other)
    assert sorted(one.name for one in path.parent.iterdir()) == ["list.json"]
