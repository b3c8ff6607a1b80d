import numpy as np
import pytest

from ztfpipe.methods.sky import coaddition, coaddition_nb, projection
from ztfpipe.methods.sky.coaddition import Epoch, coadd, epoch_weights
from ztfpipe.methods.sky.sky_mesh import flat_sky
from ztfpipe.methods.statistics import percentile_sigma, percentile_sigma_expected
from ztfpipe.model.wcs import TpvWcs, undistorted_pv

SHAPE = (150, 160)
SCALE_DEG = 1.0122 / 3600
GAIN, NOISE, SKY = 6.2, 10.0, 300.0
DEFECT, SATURATED, RAY = 1, 256, 128
BITS = {"defect_bits": DEFECT | SATURATED | RAY, "saturated_bits": SATURATED}


def wcs(shift=(0.0, 0.0), rotation_deg=0.0):
    c, s = np.cos(np.radians(rotation_deg)), np.sin(np.radians(rotation_deg))
    middle = np.array([(SHAPE[1] - 1) / 2, (SHAPE[0] - 1) / 2]) + shift
    return TpvWcs(np.array([210.0, 54.0]), middle, SCALE_DEG * np.array([[-c, s], [s, c]]), undistorted_pv())


def moffat(x, y, x0, y0, fwhm_px, beta=3.0):
    core = fwhm_px / (2 * np.sqrt(2 ** (1 / beta) - 1))
    return (beta - 1) / (np.pi * core**2) * (1 + ((x - x0) ** 2 + (y - y0) ** 2) / core**2) ** -beta


def make_epoch(image, mask=None, *, where=None, scale=1.0, noise=NOISE, fwhm_px=2.2, level=SKY):
    mask = np.zeros(SHAPE, np.uint16) if mask is None else mask
    return Epoch(
        wcs() if where is None else where, SHAPE, lambda a, b: (image[a:b], mask[a:b]), scale,
        flat_sky(level, noise), GAIN, fwhm_px,
    )  # fmt: skip


def make_epochs(n, stars=(), seed=0, noise=NOISE, fwhm_px=(2.0, 3.0), extra=None):
    """Dithered, rotated epochs of varying PSF, throughput and noise; stars: (x, y, flux) on the output.

    extra(i, image, mask): changes an epoch's pixels after all else, to its own position numbers.
    """
    random = np.random.default_rng(seed)
    y, x = np.indices(SHAPE)
    epochs = []
    for i in range(n):
        where = wcs(random.uniform(-3, 3, 2), random.normal(0, 0.1))
        width, scale = random.uniform(*fwhm_px), random.uniform(0.8, 1.25)
        sigma = noise * random.uniform(0.9, 1.2)
        light = np.zeros(SHAPE)
        for x0, y0, flux in stars:
            light += flux / scale * moffat(x, y, *there(where, x0, y0), width)
        variance = sigma**2 + light / GAIN
        image = (SKY + light + np.sqrt(variance) * random.standard_normal(SHAPE)).astype(np.float32)
        mask = np.where(random.random(SHAPE) < 0.01, DEFECT, 0).astype(np.uint16)
        image[mask > 0] = -1e5
        if extra is not None:
            extra(i, image, mask, where)
        epochs.append(make_epoch(image, mask, where=where, scale=scale, noise=sigma, fwhm_px=width))
    return epochs


def there(where, x0, y0):
    """A place of the output on an epoch."""
    return projection.sky_to_pixel(where, *projection.pixel_to_sky(wcs(), x0, y0))


def flux_at(image, x0, y0, radius=12):
    y, x = np.indices(image.shape)
    return float(np.nansum(image[np.hypot(x - x0, y - y0) < radius].astype(float)))


def samples(n=9, shape=(12, 300), seed=2):
    random = np.random.default_rng(seed)
    values = random.normal(0, 1, (n, *shape)).astype(np.float32)
    values[random.random(values.shape) < 0.2] = np.nan
    values[:, 3, 7] = np.nan
    values[1:, 4, 8] = np.nan
    return values


def test_centre_and_spread_twin():
    values = samples()
    centre, spread = (np.empty(values.shape[1:], np.float32) for _ in range(2))
    coaddition_nb.centre_and_spread(values, *coaddition._percentiles(len(values)), centre, spread)
    for y, x in np.ndindex(*centre.shape):
        known = values[:, y, x][np.isfinite(values[:, y, x])]
        if known.size == 0:
            assert np.isnan(centre[y, x])
            continue
        assert centre[y, x] == pytest.approx(np.median(known), abs=1e-6)
        expected = percentile_sigma(known) / percentile_sigma_expected(known.size) if known.size >= 8 else 0.0
        assert spread[y, x] == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_slopes_twin():
    image = samples(1)[0]
    out = np.empty_like(image)
    coaddition_nb.slopes(image, out)
    padded = np.pad(image, 1, constant_values=np.nan)
    around = [padded[1 + j : 13 + j, 1 + i : 301 + i] for j, i in ((-1, 0), (1, 0), (0, -1), (0, 1))]
    steps = np.nan_to_num(np.abs(np.array(around) - image))
    np.testing.assert_allclose(out, steps.max(axis=0), rtol=1e-6)


def test_trim_and_average_twins():
    values = samples()
    random = np.random.default_rng(4)
    values[3, 5, 40], values[7, 9, 200], values[7, 1, 100] = 60.0, -30.0, 1e4
    # Two bright pixels that one epoch was saturated in: as a star of its seeing would be, and as no star would.
    values[:, 6, 60], values[:, 6, 80], values[1, 6, 60], values[1, 6, 80] = 100.0, 100.0, 300.0, 3000.0
    saturated = np.zeros(values.shape[1:], np.int16)
    saturated[6, 60], saturated[6, 80], saturated[9, 200] = 1, 1, 2
    n, rows, nx = values.shape
    factors = random.uniform(0.8, 1.0, values.shape).astype(np.float32)
    noise = random.uniform(0.9, 1.1, (n, nx)).astype(np.float32)
    centre, spread, slope = (np.empty((rows, nx), np.float32) for _ in range(3))
    coaddition_nb.centre_and_spread(values, *coaddition._percentiles(n), centre, spread)
    coaddition_nb.slopes(centre, slope)
    tolerance, photons = (random.uniform(0.01, 0.1, n).astype(np.float32) for _ in range(2))
    limits = coaddition_nb.Limits(np.float32(5), np.float32(0.1), tolerance, photons)
    before, core = values.copy(), (4, 8)
    counts = [np.zeros(n, np.int64) for _ in range(3)]
    coaddition_nb.trim(values, factors, noise, centre, spread, slope, saturated, limits, core, *counts)

    light = np.maximum(np.nan_to_num(centre), 0)
    sigma = np.sqrt((noise[:, None] ** 2 + photons[:, None, None] * light) * factors**2)
    limit = 5 * np.maximum(sigma, spread) + tolerance[:, None, None] * (light + slope) + 0.1 * slope
    outlier = (np.abs(before - centre) > limit) & ((saturated == 0) | (before > 10 * centre))
    assert (outlier[1, 6, 60], outlier[1, 6, 80]) == (False, True)
    y, x = np.indices((rows, nx))
    for i in range(n):
        gone = np.zeros((rows, nx), bool)
        for j, k in np.argwhere(outlier[i]):
            gone |= (y - j) ** 2 + (x - k) ** 2 <= 12
        np.testing.assert_array_equal(np.isnan(values[i]), gone | np.isnan(before[i]))
        inside = np.s_[core[0] : core[1]]
        assert counts[0][i] == np.isfinite(before[i][inside]).sum()
        assert counts[1][i] == outlier[i][inside].sum()
        assert counts[2][i] == (gone & np.isfinite(before[i]))[inside].sum()
    assert counts[2].sum() > 20

    weights = random.uniform(0.5, 1.5, n)
    image, uncertainty = np.empty((4, nx), np.float32), np.empty((4, nx), np.float32)
    coverage = np.empty((4, nx), np.int16)
    coaddition_nb.average(values, factors, noise, centre, photons, weights, core, image, uncertainty, coverage)
    kept = values[:, 4:8].astype(float)
    weight = np.where(np.isfinite(kept), weights[:, None, None], 0.0)
    some = weight.sum(axis=0) > 0
    with np.errstate(invalid="ignore"):
        mean = np.nansum(weight * kept, axis=0) / weight.sum(axis=0)
        error = np.sqrt(np.sum((weight * sigma[:, 4:8]) ** 2, axis=0)) / weight.sum(axis=0)
    np.testing.assert_allclose(image, np.where(some, mean, np.nan), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(uncertainty, np.where(some, error, np.nan), rtol=1e-5)
    np.testing.assert_array_equal(coverage, (weight > 0).sum(axis=0))


def test_pulls_of_empty_sky_and_its_correlation():
    found = coadd(make_epochs(15), wcs(), SHAPE, **BITS)
    inner = np.s_[8:-8, 8:-8]
    pulls = found.image[inner] / found.uncertainty[inner]
    # 19000 pixels, about 15000 of them free: 0.6 % of scatter; the bar is 5 %.
    assert pulls.std() == pytest.approx(1.0, abs=0.02)
    assert abs(pulls.mean()) < 4 * found.correlation / np.sqrt(pulls.size)
    blocks = found.image[9:-9, 8:-8].reshape(12, 11, 12, 12).mean(axis=(1, 3))
    expected = found.correlation * np.sqrt(np.mean(found.uncertainty[inner] ** 2)) / np.sqrt(132)
    # 144 blocks: 6 % of scatter; three times that. Without the correlation it would be off by a seventh.
    assert blocks.std() == pytest.approx(expected, rel=0.18)
    assert 1.08 < found.correlation < 1.2
    assert found.coverage[inner].mean() == pytest.approx(15 * 0.96, abs=0.1)  # 1 % of defects, four pixels of core each
    # Five sigma of a normal distribution, and what the percentile sigma of fifteen adds to it.
    assert found.trimmed.sum() < 1e-3 * found.samples.sum()


@pytest.mark.parametrize("fwhm_px", [(1.9, 3.6), (2.0, 2.05)])
def test_stars_of_varying_psf_keep_their_flux(fwhm_px):
    stars = [(40.3, 40.8, 3e6), (110.7, 45.2, 3e5), (45.1, 110.6, 3e4), (112.4, 108.9, 1e6)]

    def no_defects(i, image, mask, where):
        bad = mask > 0
        image[bad], mask[bad] = np.median(image), 0
        for x0, y0, flux in stars:
            y, x = np.indices(SHAPE)
            near = bad & (np.hypot(*np.subtract((x, y), np.reshape(there(where, x0, y0), (2, 1, 1)))) < 20)
            image[near] = SKY + flux / throughput[i] * moffat(x, y, *there(where, x0, y0), widths[i])[near]

    throughput, widths = zip(*((e.scale, e.fwhm_px) for e in make_epochs(16, seed=1, fwhm_px=fwhm_px)), strict=True)
    # One epoch of the narrow range comes with far worse seeing than all the others.
    epochs = make_epochs(16, stars, seed=1, noise=0.5, fwhm_px=fwhm_px, extra=no_defects)
    if fwhm_px[1] < 2.1:
        epochs[5] = make_epochs(6, stars, seed=1, noise=0.5, fwhm_px=(3.2, 3.2), extra=no_defects)[5]
    found = coadd(epochs, wcs(), SHAPE, **BITS)
    y, x = np.indices(SHAPE)
    for x0, y0, _ in stars:
        near = np.hypot(x - x0, y - y0) < 12
        expected = sum(
            weight * f * moffat(x, y, a, b, one.fwhm_px)[near].sum()
            for weight, one in zip(found.weights, epochs, strict=True)
            for a, b, f in stars
        )
        # 2 mmag; of the faintest, photons alone are 0.5 mmag here, and the sky in 450 pixels 0.2 mmag.
        assert flux_at(found.image, x0, y0) == pytest.approx(expected, rel=2e-3)
        assert found.coverage[round(y0) - 5 : round(y0) + 6, round(x0) - 5 : round(x0) + 6].min() >= 15


def test_what_one_epoch_has_alone_leaves_little():
    shot = (75.2, 70.4, 50 * NOISE / float(moffat(0.0, 0.0, 0.0, 0.0, 2.2)))

    def extra(i, image, mask, where):
        y, x = np.indices(SHAPE)
        if i == 4:  # a transient whose peak is 50 sigma
            image += shot[2] * moffat(x, y, *there(where, *shot[:2]), 2.2)
        if i == 7:  # rays, unmasked
            image[30, 40:44] += 60 * NOISE
            image[100, 100] += 5000 * NOISE
        if i == 9:  # a satellite
            image += 55 * NOISE * np.exp(-((y - 0.4 * x - 60) ** 2) / 2)

    with_it, without = (coadd(make_epochs(15, seed=3, extra=e), wcs(), SHAPE, **BITS) for e in (extra, None))
    left = with_it.image.astype(float) - without.image
    y, x = np.indices(SHAPE)
    transient = np.hypot(x - shot[0], y - shot[1]) < 8
    assert abs(left[transient].sum()) < 5e-3 * shot[2]
    ray = np.hypot(x - 100, y - 100) < 9
    assert abs(left[ray].sum()) < 5e-3 * 5000 * NOISE
    short = (np.abs(y - 30) < 9) & (np.abs(x - 42) < 11)
    assert abs(left[short].sum()) < 5e-3 * 240 * NOISE
    track = (np.abs(y - 0.4 * x - 60) < 8) & (x > 10) & (x < 150) & ~transient
    assert abs(np.nansum(left[track])) < 5e-3 * np.sum(55 * NOISE * np.exp(-((y - 0.4 * x - 60) ** 2) / 2)[track])
    assert np.argmax(with_it.trimmed) == 9
    assert with_it.outliers[[4, 7, 9]].min() > 5 * without.outliers.max()


@pytest.mark.parametrize("n", [3, 5, 8])
def test_strangers_are_found_among_few(n):
    def extra(i, image, mask, where):
        y, x = np.indices(SHAPE)
        if i == 1:
            image += 1e4 * moffat(x, y, *there(where, 75.2, 70.4), 2.2)

    with_it, without = (coadd(make_epochs(n, seed=3, extra=e), wcs(), SHAPE, **BITS) for e in (extra, None))
    # A peak of 170 sigma. One epoch less in the average of some 150 pixels changes their sum by its noise, and wings
    # that no limit tells from noise may keep 0.5 %; untouched, it would leave 1 / n.
    noise = 1.2 * NOISE * np.sqrt(150 / (n * (n - 1)))
    left = flux_at(with_it.image, 75.2, 70.4) - flux_at(without.image, 75.2, 70.4)
    assert abs(left) < 4 * noise + 5e-3 * 1e4


def test_a_faint_transient_leaves_its_share():
    flux = 3 * NOISE / float(moffat(0.0, 0.0, 0.0, 0.0, 2.2))

    def extra(i, image, mask, where):
        y, x = np.indices(SHAPE)
        if i == 4:
            image += flux * moffat(x, y, *there(where, 75.2, 70.4), 2.2)

    with_it, without = (coadd(make_epochs(15, seed=3, extra=e), wcs(), SHAPE, **BITS) for e in (extra, None))
    share = (flux_at(with_it.image, 75.2, 70.4) - flux_at(without.image, 75.2, 70.4)) / flux
    throughput = make_epochs(15, seed=3)[4].scale
    # In the epoch it was `flux`; at the output's zero point that times its scale, at most.
    assert 0.0 < share <= throughput * with_it.weights[4] * 1.05


def test_bands_do_not_show():
    epochs = make_epochs(7, [(80.0, 75.0, 1e5)], seed=5)
    whole, bands = (coadd(epochs, wcs(), SHAPE, **BITS, band_bytes=size) for size in (10**9, 1))
    for name in ("image", "uncertainty", "coverage", "saturated"):
        # The sky's noise is taken at each band's middle; it is the same everywhere here.
        np.testing.assert_array_equal(getattr(whole, name), getattr(bands, name))
    for name in ("samples", "trimmed", "outliers"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(bands, name))


def saturating(level):
    """An `extra` that clips the pixels of an epoch at a level and masks them."""

    def extra(i, image, mask, where):
        mask[image > level] |= SATURATED
        np.minimum(image, level, out=image)

    return extra


def test_saturation_that_depends_on_seeing_is_counted():
    def extra(i, image, mask, where):
        if i in (0, 2, 3):
            x, y = np.rint(there(where, 80.0, 75.0)).astype(int)
            mask[y, x], image[y, x] = SATURATED, 5e4

    found = coadd(make_epochs(6, [(80.0, 75.0, 1e5)], extra=extra), wcs(), SHAPE, **BITS)
    assert found.saturated[75, 80] == 3
    # The kernel reaches three pixels either way, wherever on its pixel the star is.
    assert found.saturated[75, 78:83].min() == 3
    assert found.saturated[50].max() == found.saturated[75, 86:].max() == found.saturated[75, :75].max() == 0


def test_stars_that_saturate_in_some_epochs_keep_their_wings():
    """Beyond what is flagged the co-add is that of the same epochs with pixels that hold any light."""
    stars = [(80.3, 75.4, 6e5), (40.2, 110.6, 1.5e6)]
    options = {"seed": 6, "noise": 1.0, "fwhm_px": (1.9, 3.5)}
    clipped, whole = (
        coadd(make_epochs(15, stars, extra=saturating(level), **options), wcs(), SHAPE, **BITS) for level in (5e4, 1e9)
    )
    counts = [clipped.saturated[round(y), round(x)] for x, y, _ in stars]
    assert 0 < counts[0] < 15  # of the narrow epochs only
    assert counts[1] > counts[0]
    known = clipped.saturated == 0
    np.testing.assert_array_equal(clipped.coverage[known], whole.coverage[known])
    # A defect beside a clipped pixel is filled from it, at a few per cent of the kernel's weight, in one epoch of 15.
    np.testing.assert_allclose(clipped.image[known], whole.image[known], rtol=5e-3, atol=1e-3)
    y, x = np.indices(SHAPE)
    for x0, y0, _ in stars:
        assert known[np.hypot(x - x0, y - y0) > 9].mean() > 0.98  # the flags stay near the stars
    assert whole.image[~known].max() > 1.2 * clipped.image[~known].max()


def test_what_saturates_one_epoch_alone_is_no_star():
    """A satellite, or charge that bleeds down a column: trimmed as any other stranger."""

    def extra(i, image, mask, where):
        if i == 3:
            image[:, 60:62], mask[:, 60:62] = 5e4, SATURATED

    with_it, without = (coadd(make_epochs(15, seed=3, extra=e), wcs(), SHAPE, **BITS) for e in (extra, None))
    left = (with_it.image - without.image)[8:-8, 50:75].astype(float)
    assert abs(left.sum()) < 5e-3 * 2 * 134 * (5e4 - SKY)
    assert np.abs(left).max() < 5 * NOISE  # an epoch less in the average
    assert with_it.trimmed[3] > 5 * without.trimmed[3]


def test_epochs_that_are_wrong_stand_out():
    stars = [(30.3, 40.8, 1e6), (110.7, 45.2, 3e5), (45.1, 110.6, 3e5), (112.4, 108.9, 1e6), (80.2, 80.9, 2e6)]
    epochs = make_epochs(15, stars, fwhm_px=(2.0, 2.4))
    moved = epochs[3].wcs
    epochs[3] = coaddition.replace(epochs[3], wcs=wcs(moved.crpix_px - wcs().crpix_px + [2.0, 0.0]))
    epochs[8] = coaddition.replace(epochs[8], scale=1.6 * epochs[8].scale)
    found = coadd(epochs, wcs(), SHAPE, **BITS)
    fraction = found.trimmed / found.samples
    others = np.delete(fraction, [3, 8])
    assert fraction[[3, 8]].min() > 5 * others.max()


def test_weights_follow_depth():
    image = np.zeros(SHAPE, np.float32)
    epochs = [make_epoch(image), make_epoch(image, noise=2 * NOISE), make_epoch(image, fwhm_px=4.4),
              make_epoch(image, scale=2.0)]  # fmt: skip
    np.testing.assert_allclose(epoch_weights(epochs), np.array([4, 1, 1, 1]) / 7)


@pytest.mark.parametrize("wrong", [{"scale": 0.0}, {"noise": np.nan}, {"fwhm_px": -1.0}])
def test_an_epoch_without_scale_noise_or_seeing_is_refused(wrong):
    image = np.zeros(SHAPE, np.float32)
    with pytest.raises(ValueError, match="epoch 1 of 2"):
        coadd([make_epoch(image), make_epoch(image, **wrong)], wcs(), SHAPE, **BITS)


def test_pixels_nobody_saw():
    image = np.full(SHAPE, SKY, np.float32)
    found = coadd([make_epoch(image, where=wcs((100.0, 0.0))), make_epoch(image, where=wcs((9e3, 0.0)))],
                  wcs(), SHAPE, **BITS)  # fmt: skip
    unseen = found.coverage == 0
    np.testing.assert_array_equal(np.isnan(found.image), unseen)
    np.testing.assert_array_equal(np.isnan(found.uncertainty), unseen)
    assert found.samples[1] == 0
    assert found.samples[0] == np.count_nonzero(~unseen) == SHAPE[0] * (SHAPE[1] - 100)
    np.testing.assert_allclose(found.image[~unseen], 0.0, atol=1e-3)
