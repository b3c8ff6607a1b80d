"""The simultaneous PSF fit against a dense least-squares solution, and against truth."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.spatial import cKDTree

from ztfpipe.methods.stars import photometry
from ztfpipe.methods.stars.detection import detect, gaussian_filter
from ztfpipe.methods.stars.photometry import find_and_fit, fit_stars, forced_flux, group_stars, select
from ztfpipe.methods.stars.psf import noise_area, stamps
from ztfpipe.methods.stars.psf_fit import fit_psf

GAIN = 6.2


@pytest.fixture(scope="module")
def field(sky, star_field):
    """Image with a measured PSF: 900 stars of S/N 5 to 700 on 1000 x 1000 px, of the density of 9,000 a quadrant."""
    rng = np.random.default_rng(11)
    model = sky.Sky((1000, 1000), 2.1)
    image, weight, x, y, flux = star_field(rng, model, 900, (200, 1e5))
    psf = fit_psf(
        image, weight, detect(image, weight, gaussian_filter(2.3), threshold=5), gain_e_per_adu=GAIN, fwhm_px=2.3
    )
    return image, weight, x, y, flux, psf


def test_groups_are_connected_and_bounded():
    x = np.array([0.0, 1, 2, 10, 11, 50])
    first, members = group_stars(x, np.zeros(6), 1.5, 10)
    assert [sorted(members[a:b]) for a, b in pairwise(first)] == [[0, 1, 2], [3, 4], [5]]
    rng = np.random.default_rng(1)
    x, y = rng.uniform(0, 50, (2, 800))
    first, members = group_stars(x, y, 4.0, 8)
    assert sorted(members) == list(range(800))
    assert np.diff(first).max() <= 8
    # The closest pair of all stays together.
    a, b = min(cKDTree(np.c_[x, y]).query_pairs(1.0), key=lambda p: np.hypot(x[p[0]] - x[p[1]], y[p[0]] - y[p[1]]))
    group = np.empty(800, int)
    group[members] = np.repeat(np.arange(len(first) - 1), np.diff(first))
    assert group[a] == group[b]


def model_image(psf, x, y, flux, shape):
    """All stars, drawn one by one."""
    out = np.zeros(shape)
    half = psf.radius_px
    for stamp, xs, ys, f in zip(stamps(psf, x, y, half), x, y, flux, strict=True):
        ix, iy = int(np.floor(xs + 0.5)) - half, int(np.floor(ys + 0.5)) - half
        out[iy : iy + 2 * half + 1, ix : ix + 2 * half + 1] += f * stamp
    return out


def test_solution_and_errors_are_those_of_dense_least_squares(field, sky):
    *_, psf = field
    rng = np.random.default_rng(5)
    shape = (1000, 1000)
    x = np.array([500.2, 502.9, 505.8, 503.1])
    y = np.array([500.4, 501.2, 499.3, 504.0])
    flux = np.array([8000.0, 3000.0, 5000.0, 1500.0])
    image, weight = sky.observe(model_image(psf, x, y, flux, shape), 150.0, rng)
    weight[500, 503] = 0
    stars, residual = fit_stars(image, weight, psf, x + 0.2, y - 0.2, flux * 1.2, gain_e_per_adu=GAIN, max_sweeps=30)
    radius = 2 * psf.fwhm_px
    yy, xx = np.mgrid[480:525, 480:530]
    disc = np.zeros(yy.shape, bool)
    for xs, ys in zip(stars.x_px, stars.y_px, strict=True):
        disc |= (xx - xs) ** 2 + (yy - ys) ** 2 <= radius**2
    use = disc & (weight[480:525, 480:530] > 0)
    # Weights of the model at our solution, which is what iterating the weights converges to.
    model = (image - residual)[480:525, 480:530].astype(float)
    sigma = np.sqrt(1 / weight[480:525, 480:530].clip(1e-9) + np.maximum(model, 0) / GAIN)

    def misfit(p):
        return ((image - model_image(psf, p[:4], p[4:8], p[8:], shape))[480:525, 480:530] / sigma)[use].astype(float)

    start = np.concatenate([stars.x_px, stars.y_px, stars.flux_adu])
    dense = least_squares(misfit, start, x_scale=[0.01] * 8 + [50] * 4, diff_step=1e-5, xtol=1e-9)
    error = np.sqrt(np.diag(np.linalg.inv(dense.jac.T @ dense.jac)))
    ours = np.concatenate([stars.sigma_x_px, stars.sigma_y_px, stars.sigma_flux_adu])
    # The dense model is cut at the PSF's stamp, ours where a star is a tenth of the noise; steps end at 3 % of sigma.
    np.testing.assert_allclose((dense.x - start) / error, 0, atol=0.1)
    np.testing.assert_allclose(ours, error, rtol=0.03)
    assert np.all(stars.neighbours == 3)
    assert np.all(stars.converged)


def test_fluxes_and_positions_are_unbiased_with_true_errors(field):
    image, weight, x, y, flux, psf = field
    stars, _ = fit_stars(image, weight, psf, x, y, flux, gain_e_per_adu=GAIN, psf_error=psf.core_error)
    # Starting from the truth there is no selection; a star on top of another is still no test of the errors.
    distance = cKDTree(np.c_[x, y]).query(np.c_[x, y], k=2)[0][:, 1]
    good = (distance > 5) & (stars.snr > 10)
    scale = np.median(stars.flux_adu[stars.snr > 100] / flux[stars.snr > 100])
    # The PSF's unit is the flux in 25 x 25 px, 0.9995 of the truth's to infinity; that of the wings is known to 10 %
    # of the 1 % beyond 6 px, and 60 fluxes of S/N 100 and more to 0.1 %.
    assert scale == pytest.approx(0.9995, abs=0.002)
    pull = ((stars.flux_adu - scale * flux) / stars.sigma_flux_adu)[good]
    count = good.sum()
    assert count > 400
    # Deviation of n values: 1 +- 1 / sqrt(2 n), 3.5 %; its robust form 1.65 times that; the mean: 1 / sqrt(n), 5 %.
    assert 1.4826 * np.median(np.abs(pull)) == pytest.approx(1, abs=0.15)
    assert abs(np.median(pull)) < 4 * 1.2533 / np.sqrt(count)
    bright = stars.snr > 50
    weights = stars.snr[bright] ** 2
    bias = np.average(stars.flux_adu[bright] / (scale * flux[bright]) - 1, weights=np.minimum(weights, 200**2))
    # 400 stars of S/N 50 to 200: 1 / (100 sqrt(400)) = 0.5 mmag.
    assert abs(bias) < 0.002
    assert np.median(stars.chi) == pytest.approx(1, abs=0.03)
    assert abs(np.median(stars.sharp)) < 0.05


def test_two_passes_find_and_measure_what_is_there(field):
    image, weight, x, y, flux, psf = field
    stars, residual, background = find_and_fit(image, weight, psf, gain_e_per_adu=GAIN)
    area = noise_area(psf, 500.0, 500.0)
    snr = flux / np.sqrt(area / np.median(weight) + flux / GAIN)
    tree = cKDTree(np.c_[stars.x_px, stars.y_px])
    distance, _ = tree.query(np.c_[x, y])
    alone = cKDTree(np.c_[x, y]).query(np.c_[x, y], k=2)[0][:, 1] > 6
    assert np.mean((distance < 1)[alone & (snr > 7)]) > 0.99
    # True neighbours down to 2.5 px, 1.1 FWHM: some blends of unequal stars stay blends.
    assert np.mean((distance < 1)[snr > 7]) > 0.97
    nearest, _ = cKDTree(np.c_[x, y]).query(np.c_[stars.x_px, stars.y_px])
    # Peaks of noise above 4.5 in 1e6 px: 7 (see the test of the detection); one percent is 8.
    assert np.count_nonzero(nearest > 2) <= 12
    assert np.all(stars.snr >= 4.65)
    assert np.all(np.abs(background) < 1)
    used = weight > 0
    scatter = 1.4826 * np.median(np.abs(residual[used])) * np.sqrt(np.median(weight))
    # The first background here is true, so what is left is noise: a million pixels, known to 0.1 %.
    assert scatter == pytest.approx(1, abs=0.02)


def test_a_close_pair_is_split(field, sky):
    *_, psf = field
    rng = np.random.default_rng(7)
    angle = rng.uniform(0, 2 * np.pi, 100)
    cx, cy = (
        v.ravel() + rng.uniform(-0.5, 0.5, 100) for v in np.meshgrid(np.arange(60, 960, 90), np.arange(60, 960, 90))
    )
    separation = 1.5 * psf.fwhm_px
    x, y = np.append(cx, cx + separation * np.cos(angle)), np.append(cy, cy + separation * np.sin(angle))
    flux = np.append(np.full(100, 2e4), np.full(100, 5e3))
    image, weight = sky.observe(sky.Sky((1000, 1000), 2.1).render(x, y, flux), 150.0, rng)
    stars, _, _ = find_and_fit(image, weight, psf, gain_e_per_adu=GAIN)
    distance, index = cKDTree(np.c_[stars.x_px, stars.y_px]).query(np.c_[x, y])
    assert np.mean(distance[100:] < 0.5) > 0.97
    companion = index[100:][distance[100:] < 0.5]
    pull = (stars.flux_adu[companion] - 5e3) / stars.sigma_flux_adu[companion]
    # One hundred values: median 1.25 / sqrt(100) = 0.13, deviation 0.12; a PSF 1 % wrong in the wing of the brighter
    # adds 0.01 x 4 x 0.1 of the companion's flux, 20 ADU of an uncertainty of 40.
    assert abs(np.median(pull)) < 0.9
    assert 1.4826 * np.median(np.abs(pull - np.median(pull))) == pytest.approx(1, abs=0.4)


def test_a_companion_beside_a_bright_star_is_found(field, sky):
    """A fifteenth of the light at 1.1 FWHM: the photons of the bright star lower the weight there a hundredfold."""
    psf = field[5]
    x, y, flux = np.array([500.3, 502.5]), np.array([500.1, 500.6]), np.array([60_000.0, 4_000.0])
    image, weight = sky.observe(model_image(psf, x, y, flux, (1000, 1000)), 150.0, np.random.default_rng(8))
    stars, _, _ = find_and_fit(image, weight, psf, gain_e_per_adu=GAIN, background_mesh_px=0)
    distance, found = cKDTree(np.c_[stars.x_px, stars.y_px]).query(np.c_[x, y])
    # Five sigma of either coordinate and flux, whose errors the fit states.
    assert np.all(distance < 5 * np.hypot(stars.sigma_x_px, stars.sigma_y_px)[found])
    assert np.all(np.abs(stars.flux_adu[found] - flux) < 5 * stars.sigma_flux_adu[found])


def test_forced_flux_is_unbiased_at_empty_places_and_in_blends(field):
    image, weight, x, y, flux, psf = field
    rng = np.random.default_rng(9)
    empty = rng.uniform(20, 980, (4000, 2))
    empty = empty[cKDTree(np.c_[x, y]).query(empty)[0] > 15]
    fitted = forced_flux(image, weight, psf, *empty.T, gain_e_per_adu=GAIN)
    pull = fitted.flux_adu / fitted.sigma_flux_adu
    # Positions overlap now and then; about 500 independent ones. Wings of stars 15 px off add up to 0.1 sigma.
    assert abs(np.mean(pull)) < 0.3
    assert np.std(pull) == pytest.approx(1, abs=0.12)
    assert np.all(np.isnan(fitted.sigma_x_px))
    fitted = forced_flux(image, weight, psf, x, y, gain_e_per_adu=GAIN)
    bright = fitted.snr > 50
    np.testing.assert_allclose(np.median(fitted.flux_adu[bright] / flux[bright]), 1, atol=0.004)


def test_sharp_and_chi_tell_galaxies_and_cosmic_rays_from_stars(field, sky):
    *_, psf = field
    rng = np.random.default_rng(10)
    x, y = np.array([200.3, 500.0, 800.2]), np.array([500.1, 500.0, 500.4])
    image = sky.Sky((1000, 1000), 2.1).render(x[:1], y[:1], np.array([2e4]))
    image += sky.Sky((1000, 1000), 3.5).render(x[2:], y[2:], np.array([2e4]))
    image[500, 500] += 2e4
    image, weight = sky.observe(image, 150.0, rng)
    stars, _ = fit_stars(image, weight, psf, x, y, np.full(3, 2e4), gain_e_per_adu=GAIN)
    assert abs(stars.sharp[0]) < 0.1
    assert stars.sharp[1] < -0.3
    assert stars.sharp[2] > 0.3
    assert stars.chi[0] < 1.5 < min(stars.chi[1:])


def test_masked_pixels_do_not_bias_and_are_told(field, sky):
    *_, psf = field
    rng = np.random.default_rng(12)
    x, y = (
        v.ravel() + rng.uniform(-0.5, 0.5, 100) for v in np.meshgrid(np.arange(50, 950, 90), np.arange(50, 950, 90))
    )
    image, weight = sky.observe(sky.Sky((1000, 1000), 2.1).render(x, y, np.full(100, 2e4)), 150.0, rng)
    rows, columns = np.round(y).astype(int), np.round(x).astype(int)
    weight[rows, columns + 1] = 0
    image[rows, columns + 1] = np.nan
    stars, _ = fit_stars(image, weight, psf, x, y, np.full(100, 1e4), gain_e_per_adu=GAIN)
    assert np.all((stars.good_fraction > 0.5) & (stars.good_fraction < 0.99))
    # S/N about 300: the mean of 100 is good to 0.03 %, the unit of flux to 0.2 %, the PSF beside the core to 0.3 %.
    assert np.mean(stars.flux_adu) / 2e4 == pytest.approx(1, abs=0.005)


def test_nothing_to_fit(field):
    image, weight, *_, psf = field
    none = np.zeros(0)
    stars, residual = fit_stars(image, weight, psf, none, none, none, gain_e_per_adu=GAIN)
    assert len(stars) == 0
    assert np.array_equal(residual, image)
    blank = np.zeros_like(image)
    stars, _, _ = find_and_fit(blank, weight, psf, gain_e_per_adu=GAIN)
    assert len(stars) == 0
    stars, _, _ = find_and_fit(blank, np.zeros_like(weight), psf, gain_e_per_adu=GAIN)
    assert len(select(stars, np.zeros(0, bool))) == 0


def test_a_blend_described_twice_loses_only_its_ghost(field, sky):
    *_, psf = field
    rng = np.random.default_rng(13)
    x, y, flux = np.array([500.0, 503.0]), np.array([500.3, 500.0]), np.array([2e4, 1.2e4])
    image, weight = sky.observe(model_image(psf, x, y, flux, (1000, 1000)), 150.0, rng)
    # A third star between the two takes the significance of both.
    triple = (np.append(x, 501.6), np.append(y, 500.2), np.append(flux, 500.0))
    stars, residual = fit_stars(image, weight, psf, *triple, gain_e_per_adu=GAIN, max_sweeps=30)
    for _ in range(3):
        keep = photometry._real(stars, psf, 4.65)
        if keep.all():
            break
        stars, residual = photometry._without(stars, residual, keep, weight, psf, {"gain_e_per_adu": GAIN})
    assert len(stars) == 2
    np.testing.assert_allclose((stars.flux_adu - flux) / stars.sigma_flux_adu, 0, atol=4)
    alone, residual_alone = fit_stars(image, weight, psf, x, y, flux, gain_e_per_adu=GAIN, max_sweeps=30)
    # The same solution as without the ghost, to the tolerance of the sweeps.
    assert np.all(np.abs(stars.flux_adu - alone.flux_adu) < 0.2 * alone.sigma_flux_adu)
    assert np.max(np.abs(residual - residual_alone)) < 20
