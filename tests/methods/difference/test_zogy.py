"""ZOGY against the paper's equations written down plainly, against closed forms, and on noise."""

import numpy as np
import pytest
from scipy.ndimage import convolve

from ztfpipe.methods.difference.candidates import difference_psf
from ztfpipe.methods.difference.zogy import subtract, tiling_of
from ztfpipe.methods.stars.psf import stamps


def plainly(n, r, v_n, v_r, p_n, p_r, s_n, s_r, f_n, f_r, sigma_x, sigma_y):
    """D, S and S_corr by the paper's equations in double precision on a canvas wide enough for nothing to wrap round.

    The variances V x k^2 are sums over pixels, written as a direct convolution.
    """
    pad, (ny, nx) = 48, n.shape
    canvas = [np.pad(a.astype(float), pad) for a in (n, r)]
    shape = canvas[0].shape

    def transform(stamp):
        half = stamp.shape[0] // 2
        grid = np.zeros(shape)
        grid[: stamp.shape[0], : stamp.shape[1]] = stamp
        return np.fft.fft2(np.roll(grid, (-half, -half), (0, 1)))

    p, q = transform(p_n), transform(p_r)
    den = s_n**2 * f_r**2 * np.abs(q) ** 2 + s_r**2 * f_n**2 * np.abs(p) ** 2
    N, R = (np.fft.fft2(a) for a in canvas)
    d = np.fft.ifft2((f_r * q * N - f_n * p * R) / np.sqrt(den)).real
    f_d = f_r * f_n / np.sqrt(s_n**2 * f_r**2 + s_r**2 * f_n**2)
    p_d = f_r * f_n * p * q / (f_d * np.sqrt(den))
    s = np.fft.ifft2(f_d * np.fft.fft2(d) * np.conj(p_d)).real
    k = [
        f_n * f_r**2 * np.conj(p) * np.abs(q) ** 2 / den,
        f_r * f_n**2 * np.conj(q) * np.abs(p) ** 2 / den,
    ]
    parts = [np.fft.ifft2(k[0] * N).real, np.fft.ifft2(k[1] * R).real]
    assert np.allclose(parts[0] - parts[1], s, atol=1e-9 * np.abs(s).max())
    variance = np.zeros(shape)
    for kernel, v, sigma in ((k[0], v_n, s_n), (k[1], v_r, s_r)):
        real = np.fft.fftshift(np.fft.ifft2(kernel).real)
        middle = [size // 2 for size in shape]
        real = real[middle[0] - 30 : middle[0] + 31, middle[1] - 30 : middle[1] + 31]
        variance += convolve(np.pad(v.astype(float), pad, constant_values=sigma**2), real**2, mode="nearest")
    # Slopes exactly: the derivative in frequency space.
    fy, fx = (2j * np.pi * np.fft.fftfreq(size) for size in shape)
    slopes = [[np.fft.ifft2(np.fft.fft2(part) * f).real ** 2 for part in parts] for f in (fx[None, :], fy[:, None])]
    moved = sigma_x**2 * sum(slopes[0]) / 2 + sigma_y**2 * sum(slopes[1]) / 2
    inner = (slice(pad, pad + ny), slice(pad, pad + nx))
    return d[inner] / f_d, s[inner], (s / np.sqrt(variance + moved))[inner], variance[inner]


@pytest.fixture(scope="module")
def pair(psf_of, drawn):
    """A noisy pair with stars, one of them new, and different PSFs, noise and flux scales."""
    rng = np.random.default_rng(3)
    shape = (52, 61)
    psf_n, psf_r = psf_of(2.6, shape, elongation=1.05), psf_of(2.1, shape)
    x, y, flux = rng.uniform(8, 44, 5), rng.uniform(8, 44, 5), np.array([3000.0, 800.0, 500.0, 300.0, 2000.0])
    n = drawn(psf_n, np.append(x, 30.3), np.append(y, 22.2), np.append(flux, 400.0))
    r = drawn(psf_r, x, y, flux * 1.25)
    v_n, v_r = 25.0 + n / 6, 9.0 + r / 40
    n = n + rng.normal(0, 1, shape) * np.sqrt(v_n)
    r = r + rng.normal(0, 1, shape) * np.sqrt(v_r)
    return n, r, v_n, v_r, psf_n, psf_r


def test_difference_is_what_the_equations_say(pair, exposed):
    n, r, v_n, v_r, psf_n, psf_r = pair
    got = subtract(
        exposed(n, 0, psf_n, variance=v_n), exposed(r, 0, psf_r, variance=v_r), flux_ratio=0.8, sigma_x_px=0.1,
        sigma_y_px=0.05, calibrate=False,
    )  # fmt: skip
    sigma = [np.sqrt(np.median(v[::4, ::4])) for v in (v_n, v_r)]
    p_n, p_r = (stamps(psf, 30, 26, psf.radius_px)[0] for psf in (psf_n, psf_r))
    d, s, scorr, variance = plainly(n, r, v_n, v_r, p_n, p_r, *sigma, 1.0, 1.25, 0.1, 0.05)
    # Single precision is 1e-7 of the largest pixel in each of a few sums of 1e4; kernels end at half of 96 px.
    assert np.abs(got.image_adu - d).max() < 2e-4 * np.abs(d).max()
    assert np.abs(got.flux_adu / got.flux_sigma_adu - s / np.sqrt(variance)).max() < 0.01
    # A five-point stencil makes a wave number k low by k^4 / 30: 1 per cent at that typical of two PSFs of 2.3 px in a
    # row, 7 per cent at 1.2 per pixel, of which hardly anything is left.
    assert (np.abs(got.scorr - scorr) < 0.07 * np.abs(scorr) + 0.01).all()


def test_equal_psfs_and_no_noise_ratio_give_the_plain_difference(psf_of, drawn, exposed):
    rng = np.random.default_rng(4)
    psf = psf_of(2.4, (70, 64))
    n, r = (drawn(psf, *rng.uniform(15, 50, (2, 4)), rng.uniform(100, 1000, 4)) for _ in range(2))
    got = subtract(exposed(n, 3.0, psf), exposed(r, 4.0, psf), calibrate=False)
    # P_r / sqrt(den) is then the same at all frequencies.
    assert np.abs(got.image_adu - (n - r)).max() < 1e-4 * n.max()
    assert got.psf[0].sum() == pytest.approx(1.0, abs=1e-4)
    assert got.noise_adu[0] == pytest.approx(5.0)
    # The matched filter's flux error is sigma / sqrt(sum P^2).
    area = 1 / np.sum(stamps(psf, 30, 30, psf.radius_px).astype(float) ** 2)
    assert np.median(got.flux_sigma_adu) == pytest.approx(5.0 * np.sqrt(area), rel=1e-3)


def test_a_new_star_and_one_gone_have_the_psf_and_the_flux_promised(psf_of, drawn, exposed):
    shape = (64, 64)
    psf_n, psf_r = psf_of(2.6, shape), psf_of(1.9, shape)
    nothing = np.zeros(shape, np.float32)
    for x, y in ((30.0, 33.0), (30.37, 32.6)):
        new = subtract(exposed(drawn(psf_n, x, y, 500.0), 4.0, psf_n), exposed(nothing, 2.0, psf_r), calibrate=False)
        model = stamps(difference_psf(new), x, y, 7)[0]
        row, column = round(y), round(x)
        box = (slice(row - 7, row + 8), slice(column - 7, column + 8))
        # Knots of the same spline, filtered: equal but for rounding and for what the table's edge cuts off.
        assert np.abs(new.image_adu[box] - 500 * model).max() < 2e-3 * 500 * model.max()
        if x == 30.0:
            assert new.flux_adu[33, 30] == pytest.approx(500, rel=1e-3)
        gone = subtract(
            exposed(nothing, 4.0, psf_n), exposed(drawn(psf_r, x, y, 500.0 / 0.7), 2.0, psf_r), flux_ratio=0.7,
            calibrate=False,
        )  # fmt: skip
        table = difference_psf(type(gone)(**{**vars(gone), "knots": gone.reference_knots}))
        model = stamps(table, x, y, 7)[0]
        assert np.abs(gone.image_adu[box] + 500 * model).max() < 2e-3 * 500 * model.max()


def test_empty_sky_has_mean_nought_and_width_one(psf_of, exposed):
    rng = np.random.default_rng(5)
    shape = (300, 280)
    psf_n, psf_r = psf_of(2.4, shape), psf_of(2.0, shape)
    nothing = np.zeros(shape)
    got = subtract(exposed(nothing, 5.0, psf_n, rng), exposed(nothing, 2.0, psf_r, rng), calibrate=False, tile_px=200)
    inner = got.scorr[10:-10, 10:-10]
    # S of white noise is correlated over the noise area of P_D with itself, about 26 pixels here: some 2,800 values, so
    # that the width is known to 1 / sqrt(2 * 2,800) = 1.3 per cent and the mean to 0.019; four sigma.
    assert inner.std() == pytest.approx(1.0, abs=0.053)
    assert inner.mean() == pytest.approx(0.0, abs=0.076)
    # D is white: 72,800 values, four sigma of width and of a neighbour's correlation.
    d = got.image_adu[10:-10, 10:-10] / got.noise_adu[0]
    assert d.std() == pytest.approx(1.0, abs=4 / np.sqrt(2 * d.size))
    assert np.mean(d[:, 1:] * d[:, :-1]) == pytest.approx(0.0, abs=4 / np.sqrt(d.size))


def test_tiles_leave_no_seams(psf_of, drawn, exposed):
    rng = np.random.default_rng(6)
    shape = (150, 170)
    psf_n, psf_r = psf_of(2.4, shape), psf_of(2.0, shape)
    stars = rng.uniform(5, 140, (2, 40))
    n, r = (drawn(psf, *stars, np.full(40, 800.0)) for psf in (psf_n, psf_r))
    images = exposed(n, 5.0, psf_n, rng), exposed(r, 2.0, psf_r, rng)
    one, many = (subtract(*images, tile_px=size, sigma_x_px=0.02, calibrate=False) for size in (200, 64))
    assert len(many.tiling.boxes) == 9
    # PSF and noise are the same everywhere: what differs is what the filters hold beyond the tiles' margins.
    assert np.abs(one.image_adu - many.image_adu).max() < 2e-3 * np.abs(n).max()
    assert np.abs(one.scorr - many.scorr).max() < 0.02


def test_noise_given_wrongly_is_found_out_in_empty_sky(psf_of, exposed):
    rng = np.random.default_rng(7)
    shape = (260, 260)
    psf = psf_of(2.2, shape)
    noise = rng.normal(0, 6.0, (2, *shape))
    got = subtract(exposed(noise[0], 5.0, psf), exposed(noise[1], 5.0, psf))
    # 67,600 pixels over about 23: 2,900 values; four sigma of a percentile width (1.4 of a standard deviation's).
    assert got.scale == pytest.approx(1.2, abs=1.2 * 0.053 * 1.4)
    assert got.noise_adu[0] == pytest.approx(got.scale * 5 * np.sqrt(2), rel=1e-5)


def test_tiling_covers_the_image_once():
    tiling = tiling_of((3080, 3072))
    seen = np.zeros((3080, 3072), np.int8)
    for box in tiling.boxes:
        seen[box] += 1
        assert box[0].stop - box[0].start <= 514
        assert box[1].stop - box[1].start <= 514
    assert (seen == 1).all()
    middles = [((b[1].start + b[1].stop) / 2, (b[0].start + b[0].stop) / 2) for b in tiling.boxes]
    assert list(tiling.index(*np.array(middles).T)) == list(range(36))
    assert tiling.index(np.array([-3.0, 4000.0]), np.array([-3.0, 4000.0])).tolist() == [0, 35]
