import numpy as np
import pytest

from ztfpipe.methods.sky import projection, resampling, resampling_nb
from ztfpipe.methods.sky.resampling import input_rows, noise_correlation, pixel_mapping, resample
from ztfpipe.model.wcs import TpvWcs, undistorted_pv

SCALE_DEG = 1.0122 / 3600
SHAPE = (60, 70)


def wcs(shape=SHAPE, shift=(0.0, 0.0), rotation_deg=0.0, scale=1.0, pv=None, dec=33.0):
    c, s = np.cos(np.radians(rotation_deg)), np.sin(np.radians(rotation_deg))
    middle = np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2]) + shift
    cd = scale * SCALE_DEG * np.array([[-c, s], [s, c]])
    return TpvWcs(np.array([150.0, dec]), middle, cd, undistorted_pv() if pv is None else pv)


def distorted_pv(reach_deg, stretch):
    """Distortion of a few terms that moves the edge of a field of this half width by `stretch` of the width."""
    pv = undistorted_pv()
    pv[0, [3, 6, 8]] = stretch / np.array([reach_deg, reach_deg**2, -(reach_deg**2)])
    pv[1, [4, 6, 9]] = stretch / np.array([-reach_deg, reach_deg**2, reach_deg**2])
    return pv


def slow_resample(image, mask, mapping, defect_bits, core):
    """Every output pixel by itself, in double precision, from the definitions."""
    ny, nx = image.shape
    bad = ((mask & defect_bits) != 0) | ~np.isfinite(image)
    filled, unfilled = np.where(bad, 0.0, image).astype(float), np.zeros_like(bad)
    for y, x in np.argwhere(bad):
        j, i = np.mgrid[max(y - 3, 0) : min(y + 4, ny), max(x - 3, 0) : min(x + 4, nx)]
        good = ~bad[j, i]
        unfilled[y, x] = not good.any()
        if good.any():
            weight = 1.0 / ((j - y) ** 2 + (i - x) ** 2)[good] ** 2.0
            filled[y, x] = np.sum(weight * image[j, i][good]) / weight.sum()
    out, bits, noise = np.full(mapping.shape_out, np.nan), np.zeros(mapping.shape_out, np.uint16), np.nan
    noise = np.full(mapping.shape_out, np.nan)
    blank = np.zeros(mapping.shape_out, bool)
    for y, x in np.ndindex(*mapping.shape_out):
        x_in, y_in, area = mapping(np.array(float(x)), np.array(float(y)))
        if not (0 <= x_in <= nx - 1 and 0 <= y_in <= ny - 1):
            continue
        x0, y0 = min(int(x_in), nx - 2), min(int(y_in), ny - 2)
        taps = np.arange(-2, 4)
        wx, wy = resampling_nb.lanczos(x_in - x0 - taps), resampling_nb.lanczos(y_in - y0 - taps)
        wx, wy = wx / wx.sum(), wy / wy.sum()
        # Beyond the edge the outermost pixel is repeated.
        cut = filled[np.clip(y0 + taps, 0, ny - 1)][:, np.clip(x0 + taps, 0, nx - 1)]
        out[y, x] = area * wy @ cut @ wx
        noise[y, x] = area * np.sqrt(np.sum(wx**2) * np.sum(wy**2))
        under = np.s_[max(y0 + 1 - core, 0) : y0 + 1 + core, max(x0 + 1 - core, 0) : x0 + 1 + core]
        bits[y, x] = np.bitwise_or.reduce(mask[under], axis=None)
        blank[y, x] = bad[under].any()
    return out, bits, noise, blank


def scene(seed=0, shape=SHAPE):
    random = np.random.default_rng(seed)
    image = random.normal(100.0, 10.0, shape).astype(np.float32)
    mask = np.where(random.random(shape) < 0.02, 1 << random.integers(0, 12, shape), 0).astype(np.uint16)
    mask[20:30, 40:52] = 256  # larger than the filling reaches
    image[random.random(shape) < 0.005] = np.nan
    return image, mask


def test_the_kernel_is_lanczos_divided_by_its_sum():
    phase = np.linspace(0, 1, 1001, dtype=np.float32)
    weights, squares = np.empty((6, 1001), np.float32), np.empty(1001, np.float32)
    resampling_nb._weights(phase, weights, squares)
    expected = resampling_nb.lanczos(phase - np.arange(-2, 4)[:, None])
    expected /= expected.sum(axis=0)
    # Eps of float32 is 1.2e-7; a dozen roundings of terms below one add up to a few of them.
    np.testing.assert_allclose(weights, expected, atol=5e-7)
    np.testing.assert_allclose(squares, np.sum(expected**2, axis=0), atol=1e-6)


@pytest.mark.parametrize("distorted_output", [False, True])
@pytest.mark.parametrize("rotation_deg", [0.0, 0.3, 135.0])
def test_mapping_is_the_projections(rotation_deg, distorted_output):
    shape = (3080, 3072)
    one = wcs(shape, pv=distorted_pv(0.43, -1e-3) if distorted_output else None)
    other = wcs(shape, (15.0, -40.0), rotation_deg, 1.001, distorted_pv(0.43, 2e-3))
    mapping = pixel_mapping(one, shape, other, shape)
    random = np.random.default_rng(1)
    x, y = random.uniform(0, shape[1] - 1, 500), random.uniform(0, shape[0] - 1, 500)
    x_in, y_in, area = mapping(x, y)
    truth = projection.sky_to_pixel(other, *projection.pixel_to_sky(one, x, y))
    inside = (truth[0] > 0) & (truth[0] < shape[1]) & (truth[1] > 0) & (truth[1] < shape[0])
    assert inside.sum() > 300
    np.testing.assert_allclose(x_in[inside], truth[0][inside], atol=1e-3, rtol=0)
    np.testing.assert_allclose(y_in[inside], truth[1][inside], atol=1e-3, rtol=0)
    # Areas against the pixel scales, whose central differences are good to 1e-7 here.
    ratio = projection.pixel_scale_arcsec(one, x, y) / projection.pixel_scale_arcsec(other, *truth)
    np.testing.assert_allclose(area[inside], ratio[inside] ** 2, rtol=2e-6)


def test_a_mapping_no_polynomial_reaches_is_refused():
    pv = distorted_pv(0.01, 0.4)  # folds over within the image
    with pytest.raises(ValueError, match="no polynomial"):
        pixel_mapping(wcs(), SHAPE, wcs(pv=pv), SHAPE)


@pytest.mark.parametrize(("rotation_deg", "core"), [(0.0, 1), (0.4, 2), (33.0, 1), (90.0, 1), (181.0, 2)])
def test_twin(rotation_deg, core):
    image, mask = scene()
    output = (64, 80)
    mapping = pixel_mapping(
        wcs(output), output, wcs(SHAPE, (3.3, -2.1), rotation_deg, 1.02, distorted_pv(0.01, 1e-2)), SHAPE
    )
    found = resample(image, mask, mapping, defect_bits=0x1F0, core_px=core)
    value, bits, noise, blank = slow_resample(image, mask, mapping, 0x1F0, core)
    assert np.isfinite(value).mean() > 0.5
    np.testing.assert_array_equal(found.mask, bits)
    np.testing.assert_array_equal(np.isnan(found.image), np.isnan(value) | blank)
    # Float32 sums of 36 terms of 150 and less, alternating in sign.
    np.testing.assert_allclose(found.image, np.where(blank, np.nan, value), rtol=0, atol=2e-3)
    np.testing.assert_allclose(found.noise, noise, rtol=1e-5)


def test_bands_are_the_whole_to_the_bit():
    image, mask = scene()
    mapping = pixel_mapping(wcs(), SHAPE, wcs(SHAPE, (1.3, 5.1), 7.0), SHAPE)
    whole = resample(image, mask, mapping, defect_bits=0xFFFF)
    for first in range(0, SHAPE[0], 7):
        rows = (first, min(first + 7, SHAPE[0]))
        start, stop = input_rows(mapping, *rows)
        band = resample(
            image[start:stop], mask[start:stop], mapping, rows=rows, first_input_row=start, defect_bits=0xFFFF
        )
        for name in ("image", "mask", "noise"):
            np.testing.assert_array_equal(getattr(band, name), getattr(whole, name)[slice(*rows)])


def test_missing_rows_are_refused():
    image, mask = scene()
    mapping = pixel_mapping(wcs(), SHAPE, wcs(), SHAPE)
    with pytest.raises(ValueError, match="rows"):
        resample(image[:30], mask[:30], mapping)
    with pytest.raises(ValueError, match="shapes"):
        resample(image, mask[:, :-1], mapping)


def test_the_same_grid_gives_the_same_pixels():
    image, _ = scene()
    image = np.nan_to_num(image)
    found = resample(image, None, pixel_mapping(wcs(), SHAPE, wcs(), SHAPE))
    # A position off by 1e-7 px moves 1e-7 of pixels that differ by some ten.
    np.testing.assert_allclose(found.image, image, atol=1e-4, rtol=1e-6)
    np.testing.assert_allclose(found.noise, 1.0, atol=1e-5)


def test_images_apart_and_images_that_overlap_in_a_corner():
    image, mask = scene()
    apart = resample(image, mask, pixel_mapping(wcs(), SHAPE, wcs(SHAPE, (300.0, 0.0)), SHAPE))
    assert np.isnan(apart.image).all()
    assert not apart.mask.any()
    other_side = TpvWcs(np.array([330.0, -33.0]), wcs().crpix_px, wcs().cd_deg, wcs().pv)
    assert np.isnan(resample(image, mask, pixel_mapping(wcs(), SHAPE, other_side, SHAPE)).image).all()
    corner = resample(np.nan_to_num(image), None, pixel_mapping(wcs(), SHAPE, wcs(SHAPE, (60.0, 50.0)), SHAPE))
    np.testing.assert_array_equal(np.argwhere(np.isfinite(corner.image)).max(axis=0), [9, 9])
    # The output's pixel (0, 0) is the input's (60, 50), to the edge of the kernel.
    np.testing.assert_allclose(corner.image[:10, :10], np.nan_to_num(image)[50:60, 60:70], atol=1e-4, rtol=1e-6)


@pytest.mark.parametrize("rotation_deg", [0.0, 0.2, 45.0])
def test_a_constant_stays_constant_per_area(rotation_deg):
    mapping = pixel_mapping(
        wcs(), SHAPE, wcs(SHAPE, (0.37, -0.21), rotation_deg, 0.97, distorted_pv(0.01, 1e-2)), SHAPE
    )
    found = resample(np.full(SHAPE, 1000.0, np.float32), None, mapping)
    y, x = np.indices(SHAPE)
    area = mapping(x, y)[2]
    known = np.isfinite(found.image)
    assert known.mean() > 0.6
    # Rounding of weights of float32: 36 of them, 1e-7 each.
    np.testing.assert_allclose(found.image[known], 1000.0 * area[known], rtol=2e-6)


def gaussian(x, y, x0, y0, fwhm_px):
    sigma = fwhm_px / 2.3548
    return np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * sigma**2)) / (2 * np.pi * sigma**2)


def kernel_shift_px(fwhm_px):
    """How far Lanczos' kernel moves the PSF-fit position of a Gaussian along an axis, at the worst of all phases."""
    phase, nu = np.linspace(0, 1, 41)[:, None, None], np.linspace(-0.5, 0.5, 401)
    away = np.arange(-2, 4)[:, None] - phase
    weights = resampling_nb.lanczos(away)
    response = np.sum(weights / weights.sum(axis=1, keepdims=True) * np.exp(2j * np.pi * nu * away), axis=1)
    power = np.exp(-4 * (np.pi * nu * fwhm_px / 2.3548) ** 2)
    return np.abs((nu * response.imag * power).sum(axis=1)).max() / (2 * np.pi * (nu**2 * power).sum())


@pytest.mark.parametrize("rotation_deg", [0.0, 0.3, 40.0])
@pytest.mark.parametrize("fwhm_px", [2.2, 2.5, 3.5])
def test_a_star_keeps_flux_and_place(fwhm_px, rotation_deg):
    other = wcs(SHAPE, (0.43, 0.18), rotation_deg, 0.99, distorted_pv(0.01, 3e-3))
    at = (34.3, 28.6)
    there = projection.sky_to_pixel(other, *projection.pixel_to_sky(wcs(), *at))
    y, x = np.indices(SHAPE)
    image = (1e4 * gaussian(x, y, *there, fwhm_px)).astype(np.float32)
    mapping = pixel_mapping(wcs(), SHAPE, other, SHAPE)
    found = resample(image, None, mapping)
    near = np.s_[28 - 12 : 28 + 14, 34 - 12 : 34 + 14]
    star, y, x = found.image[near], y[near], x[near]
    # 1 mmag; a sum without noise has no other error.
    assert star.sum() == pytest.approx(1e4, rel=1e-3)
    width = fwhm_px / np.sqrt(float(mapping(*(np.array(p) for p in at))[2]))
    step = 1e-3
    slopes = [
        (gaussian(x, y, at[0] + dx, at[1] + dy, width) - gaussian(x, y, at[0] - dx, at[1] - dy, width)) / (2 * step)
        for dx, dy in ((step, 0), (0, step))
    ]
    model = np.stack([gaussian(x, y, *at, width), *slopes]).reshape(3, -1)
    flux, *moved = np.linalg.lstsq(model.T, star.ravel().astype(float), rcond=None)[0]
    # What a kernel of six pixels does to the place of a star is known in closed form (2.7 mas at 2.2 px); a fifth more
    # for rotation and scale, and along both axes its root of two. Narrower stars are undersampled: aliased light, which
    # no kernel places right, adds as much at 2.0 px.
    assert np.hypot(*moved) / flux < 1.2 * np.sqrt(2) * kernel_shift_px(fwhm_px)


def test_defects_do_not_spread():
    image, mask = np.full(SHAPE, 50.0, np.float32), np.zeros(SHAPE, np.uint16)
    random = np.random.default_rng(3)
    hit = random.random(SHAPE) < 0.05
    image[hit] = random.choice([1e9, -1e9, np.nan, np.inf, -np.inf], hit.sum())
    mask[hit] = 128
    image[10:20, 5:25], mask[10:20, 5:25] = 1e9, 256
    mapping = pixel_mapping(wcs(), SHAPE, wcs(SHAPE, (0.4, 0.3), 0.5), SHAPE)
    found = resample(image, mask, mapping, defect_bits=128 + 256)
    kept = np.isfinite(found.image)
    assert not kept[found.mask != 0].any()
    np.testing.assert_allclose(found.image[kept], 50.0, rtol=1e-5)
    filled = resample(image, mask, mapping, defect_bits=128 + 256, blank=False)
    known = np.isfinite(filled.image)
    assert known.sum() > kept.sum() + 100
    np.testing.assert_array_equal(filled.mask, found.mask)
    # Only the inside of the large defect, with nothing good within 3 px, stays unknown.
    np.testing.assert_array_equal(filled.image[kept], found.image[kept])
    assert np.all(np.isfinite(filled.image) | ((filled.mask & 256) != 0) | np.isnan(filled.noise))


def test_noise_is_what_noise_does():
    shape = (400, 400)
    mapping = pixel_mapping(wcs(shape), shape, wcs(shape, (0.5, 0.5), 0.3, 1.01), shape)
    white = np.random.default_rng(5).standard_normal(shape).astype(np.float32)
    found = resample(white, None, mapping)
    inner = np.s_[10:390, 10:390]
    pulls = found.image[inner] / found.noise[inner]
    # The standard deviation of 144400 values, of which about 1.25 share a degree of freedom: 0.2 %; five times that.
    assert pulls.std() == pytest.approx(1.0, abs=0.01)
    factor = noise_correlation(found.noise[inner], float(mapping(np.array(200.0), np.array(200.0))[2]))
    assert 1.1 < factor < 1.4
    blocks = found.image[inner].reshape(19, 20, 19, 20).sum(axis=(1, 3))
    expected = factor * np.sqrt(np.mean(np.square(found.noise[inner]))) * 20
    # 361 blocks give their scatter to 3.7 %; a block shares little with the next: three times that.
    assert blocks.std() == pytest.approx(expected, rel=0.11)
    assert resampling.MARGIN_PX == 6
