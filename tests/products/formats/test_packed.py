"""Images packed as fpack packs them."""

import numpy as np
import pytest
from astropy.io import fits

from ztfpipe.products.formats.fits import read_header, read_image, write_packed_image


@pytest.fixture
def noise():
    image = np.random.default_rng(3).normal(0, 7, (60, 400)).astype(np.float32)
    image[5:9, 30:50] = np.nan
    image[20] = np.nan
    return image


def test_pixels_come_back_within_a_step_and_nan_stays_nan(noise, tmp_path):
    path = tmp_path / "a.fits.fz"
    write_packed_image(path, noise, {"MAGZP": (26.2, "zero point")})
    back, header = read_image(path, 1)
    assert header["MAGZP"] == (26.2, "zero point")
    assert (np.isnan(back) == np.isnan(noise)).all()
    # Steps of sigma / 4, sigma as the row's own robust estimate, which scatters by a few per cent: half a step is 0.9.
    assert np.nanmax(np.abs(back - noise)) < 7 / 4 / 2 * 1.3
    # Dither makes the errors even: their mean is that of 24,000 errors of 7 / 4 / sqrt(12).
    assert abs(np.nanmean(back - noise)) < 4 * 7 / 4 / np.sqrt(12) / np.sqrt(noise.size)
    assert path.stat().st_size < noise.nbytes


@pytest.mark.parametrize("rows", ["some known", "none known"])
def test_the_same_pixels_give_the_same_bytes_at_any_time(noise, tmp_path, monkeypatch, rows):
    if rows == "none known":
        noise[:] = np.nan
    paths = [tmp_path / f"{hour}.fits.fz" for hour in (1, 2)]
    for hour, path in enumerate(paths, start=1):
        monkeypatch.setattr("time.time", lambda hour=hour: 1e9 + 3600 * hour)
        write_packed_image(path, noise, {})
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with fits.open(paths[0], disable_image_compression=True, checksum=True) as hdus:
        assert hdus[1].header["ZQUANTIZ"] == "SUBTRACTIVE_DITHER_1"
    assert (np.isnan(read_image(paths[0], 1)[0]) == np.isnan(noise)).all()
    assert read_header(paths[0], 1) == {}
