"""Two-pass astrometry on synthetic star fields whose truth is astropy's projection."""

import numpy as np
import pytest

from ztfpipe.methods.sky import projection
from ztfpipe.methods.sky.astrometric_quality import metrics
from ztfpipe.methods.sky.astrometry import Detections, References, refine, solve
from ztfpipe.methods.sky.pattern_nb import offset_votes
from ztfpipe.methods.sky.tpv_fit import affine_moved, fit_tpv, recentred
from ztfpipe.model.wcs import PV_POWERS, TpvWcs, undistorted_pv

SHAPE = (3080, 3072)


def error_mas(field, wcs, x, y):
    """(2, n): solution minus truth on the sky."""
    ra, dec = projection.pixel_to_sky(wcs, x, y)
    true_ra, true_dec = field.truth.all_pix2world(x, y, 0)
    return np.array([(ra - true_ra) * np.cos(np.radians(true_dec)), dec - true_dec]) * 3.6e6


def used_positions(field, solution):
    rows = solution.detection[solution.used]
    return field.detections.x_px[rows], field.detections.y_px[rows]


@pytest.mark.parametrize("offset", [(0.0, 0.0), (127.0, 127.0), (-180.0, 0.0), (60.0, -165.0)])
@pytest.mark.parametrize("rotation", [-0.5, 0.2, 0.5])
def test_solved_from_three_arcmin_and_half_a_degree(make_star_field, offset, rotation):
    field = make_star_field(3, n_stars=600, offset_arcsec=offset, rotation_deg=rotation)
    solution = solve(field.detections, field.references, field.prior, SHAPE)
    assert solution.solved
    assert (field.star_of_detection[solution.detection] == solution.reference).mean() > 0.99
    error = error_mas(field, solution.wcs, *used_positions(field, solution))
    # 20 mas of centroid noise, 15 coefficients, about 400 stars: 20 sqrt(15 / 400) = 3.9 mas rms; half again for one
    # draw.
    assert np.sqrt(np.mean(error**2, axis=1)).max() < 6.0


@pytest.mark.parametrize(("n_stars", "missing", "false"), [(100, 0.3, 1.0), (60, 0.5, 5.0), (6000, 0.1, 0.5)])
def test_solved_sparse_dense_and_mostly_false(make_star_field, n_stars, missing, false):
    for seed in range(3):
        field = make_star_field(seed, n_stars=n_stars, missing=missing, false=false, offset_arcsec=(127.0, 127.0))
        solution = solve(field.detections, field.references, field.prior, SHAPE)
        assert solution.solved
        assert (field.star_of_detection[solution.detection] == solution.reference).mean() > 0.95


def test_turbulence_leaves_what_the_best_quartic_leaves(make_star_field):
    field = make_star_field(11, n_stars=5000, turbulence_arcsec=0.028)
    solution = solve(field.detections, field.references, field.prior, SHAPE)
    star = solution.reference
    x, y = field.truth.all_world2pix(field.references.ra_deg[star], field.references.dec_deg[star], 0)
    shift = field.turbulence(x, y)
    # Positions that a noiseless camera would have seen, through our solution, against the sky.
    ours = error_mas(field, solution.wcs, x + shift[0] / 1.0125, y + shift[1] / 1.0125)
    # ... error_mas has the truth at the displaced position; the catalog position lies at the undisplaced one.
    true_there = np.array(field.truth.all_pix2world(x + shift[0] / 1.0125, y + shift[1] / 1.0125, 0))
    true_here = np.array([field.references.ra_deg[star], field.references.dec_deg[star]])
    ours += (true_there - true_here) * 3.6e6 * np.array([[np.cos(np.radians(35.0))], [1.0]])
    u, v = (x - 1535.5) / 1540, (y - 1539.5) / 1540
    design = np.stack([u**p * v**q for p in range(5) for q in range(5 - p)], axis=1)
    # The best quartic fit to the same noiseless displacement: the floor that the requirement speaks of.
    best = ours - (design @ np.linalg.lstsq(design, ours.T, rcond=None)[0]).T
    ratio = np.sqrt(np.mean(ours**2, axis=1) / np.mean(best**2, axis=1))
    assert ratio.max() < 1.05


def test_refined_to_positions_of_another_kind(make_star_field):
    """A PSF's centre differs smoothly from a centroid: the refined WCS is that of the positions it was given."""
    field = make_star_field(7, n_stars=1500, error_px=0.05)
    first = solve(field.detections, field.references, field.prior, SHAPE)
    seen = field.detections
    u, v = seen.x_px / 1540 - 1, seen.y_px / 1540 - 1
    moved = Detections(seen.x_px + 0.1 * u**2, seen.y_px - 0.08 * u * v, seen.error_px, seen.flux)
    refined = refine(first, moved, field.references, SHAPE)
    assert refined.solved
    assert refined.first_pass is first.first_pass
    detection, reference = refined.detection[refined.used], refined.reference[refined.used]
    star = np.array([field.references.ra_deg[reference], field.references.dec_deg[reference]])

    def rms_mas(wcs):
        ra, dec = projection.pixel_to_sky(wcs, moved.x_px[detection], moved.y_px[detection])
        return np.sqrt(np.mean(((dec - star[1]) * 3.6e6) ** 2 + ((ra - star[0]) * np.cos(np.radians(35)) * 3.6e6) ** 2))

    # Centroid noise of 50 mas per axis either way; the shift of 0.1 px adds 30 to 60 mas to the first solution.
    assert rms_mas(refined.wcs) < 1.1 * 50 * np.sqrt(2)
    assert rms_mas(first.wcs) > 1.1 * rms_mas(refined.wcs)


def test_refining_with_too_few_stars_keeps_the_solution(make_star_field):
    field = make_star_field(7, n_stars=600)
    first = solve(field.detections, field.references, field.prior, SHAPE)
    few = Detections(*(values[:5] for values in vars(field.detections).values()))
    assert refine(first, few, field.references, SHAPE) is first


def test_proper_names_of_the_metrics_and_their_values(make_star_field):
    field = make_star_field(4, n_stars=3000, error_px=0.05, offset_arcsec=(30.0, -50.0), false=0.3)
    solution = solve(field.detections, field.references, field.prior, SHAPE)
    values = metrics(solution, field.detections, field.references, 1.0125, SHAPE)
    assert sum(values[f"anmatches{k}{j}"] for k in (1, 2, 3) for j in (1, 2, 3)) == values["anmatches"]
    assert values["anmatches_grid_min"] > 100
    n = values["anmatches"]
    # 50.6 mas per axis; the half-width of n Gaussian numbers scatters by 0.9 / sqrt(n) of itself: four of those.
    assert values["adpctdif1"] == pytest.approx(0.0506, rel=3.6 / np.sqrt(n))
    assert values["ascmp2sigma2"] == pytest.approx(0.0506, rel=4 / np.sqrt(2 * n))
    # No turbulence here: the reduced chi-square of 2 n numbers scatters by 1 / sqrt(n).
    assert values["ascmp2chi2"] == pytest.approx(1.0, abs=4 / np.sqrt(n))
    # The median of a two-dimensional Gaussian's radius is 1.177 sigma; its relative scatter is 0.85 / sqrt(n).
    assert values["admedrad"] == pytest.approx(1.177 * 0.0506, rel=3.4 / np.sqrt(n))
    assert values["apctchi2"] < 0
    # 23 % of the detections are false and a tenth of the stars are blended or not isolated.
    assert 60 < values["adetmatchpct"] < 85
    assert values["aimshiftra"] == pytest.approx(-30.0, abs=0.5)
    assert values["aimshiftdec"] == pytest.approx(50.0, abs=0.5)
    ra, dec = field.truth.all_pix2world([1535.0, 1536.0, 1535.0], [1539.0, 1539.0, 1540.0], 0)
    east, north = (ra - ra[0]) * np.cos(np.radians(dec[0])), dec - dec[0]
    centre_scale = 3600 * np.sqrt(abs(east[1] * north[2] - east[2] * north[1]))
    assert values["awminscale"] < centre_scale < values["awmaxscale"]


def test_outliers_are_clipped_and_the_covariance_is_honest(make_star_field):
    """Corner errors over many noise draws have the scatter that the covariance says."""
    random = np.random.default_rng(8)
    field = make_star_field(5, n_stars=500, false=0.0, missing=0.0)
    x, y = field.truth.all_world2pix(field.references.ra_deg, field.references.dec_deg, 0)
    sigma = np.full(x.size, 0.03)
    pulls = []
    for _ in range(60):
        noisy_x, noisy_y = x + random.normal(0, sigma / 1.0125), y + random.normal(0, sigma / 1.0125)
        noisy_x[:10] += 5.0
        fit = fit_tpv(noisy_x, noisy_y, field.references.ra_deg, field.references.dec_deg, sigma, field.prior, SHAPE)
        assert not fit.used[:10].any()
        u, v = projection.intermediate(fit.wcs, 100.0, 3000.0)
        row = np.array([float(u) ** p * float(v) ** q for p, q in PV_POWERS])
        predicted = np.sqrt(row @ fit.covariance[0] @ row) * 3.6e6
        pulls.append(error_mas(field, fit.wcs, np.array([100.0]), np.array([3000.0]))[0, 0] / predicted)
    # Sixty pulls: their standard deviation is known to 1 / sqrt(120) = 9 %, and three of those are allowed.
    assert 0.73 < np.std(pulls) < 1.27


def test_hopeless_fields_are_said_to_be_so(make_star_field):
    field = make_star_field(6, n_stars=800)
    far = make_star_field(6, n_stars=800, offset_arcsec=(3600.0, 0.0))
    solution = solve(far.detections, far.references, far.prior, SHAPE)
    assert not solution.solved
    assert solution.wcs is far.prior
    random = np.random.default_rng(9)
    for n in (0, 1, 5, 1000):
        noise = Detections(*random.uniform(0, 3000, (2, n)), np.full(n, 0.1), random.uniform(1, 100, n))
        solution = solve(noise, field.references, field.prior, SHAPE)
        assert not solution.solved
        assert solution.reason
    nobody = References(*np.empty((4, 0)))
    assert not solve(field.detections, nobody, field.prior, SHAPE).solved


def test_clumped_chance_is_not_a_pattern(make_star_field):
    """False detections in tight groups (round bright stars) against an unrelated catalog: chance pairs come in
    lumps."""
    field = make_star_field(7, n_stars=1500)
    random = np.random.default_rng(10)
    for _ in range(5):
        centres = random.uniform(0, 3000, (30, 2)).repeat(30, axis=0)
        x, y = (centres + random.normal(0, 15, centres.shape)).T
        solution = solve(
            Detections(x, y, np.full(900, 0.1), random.uniform(1, 100, 900)), field.references, field.prior, SHAPE
        )
        assert not solution.solved


def test_votes_are_counts_of_pairs():
    random = np.random.default_rng(12)
    det, ref = random.uniform(-100, 100, (2, 20)), random.uniform(-100, 100, (2, 30))
    ref = ref[:, np.argsort(ref[0])]
    rotations, window, size = np.array([-0.01, 0.0, 0.02]), 40.0, 5.0
    slow = np.zeros((3, 16, 16))
    for r, angle in enumerate(rotations):
        for i in range(20):
            turned = (det[0, i] + 1j * det[1, i]) * np.exp(1j * angle)
            for j in range(30):
                d_xi, d_eta = ref[0, j] - turned.real, ref[1, j] - turned.imag
                if abs(d_xi) < window and abs(d_eta) < window:
                    slow[r, int((d_eta + window) // size), int((d_xi + window) // size)] += 1
    np.testing.assert_array_equal(offset_votes(*det, *ref, rotations, window, size), slow)


def test_a_prior_about_the_centre_of_a_wide_field(make_star_field):
    """The commanded WCS of a corner quadrant has its reference point 4.5 degrees away."""
    scale = 1.0125 / 3600
    field = make_star_field(2, n_stars=1500)
    ra0, dec0 = (float(v) for v in projection.gnomonic_inverse(-3.2, -3.3, 210.0, 35.0))
    xi, eta = projection.gnomonic(210.0, 35.0, ra0, dec0)
    crpix = np.array([1535.5 + xi / scale + 80, 1539.5 + eta / scale - 60])
    prior = TpvWcs(np.array([ra0, dec0]), crpix, np.diag([-scale, -scale]), undistorted_pv())
    # Meridians turn by 2.3 degrees from the field's centre to here, and the true camera is turned by 1.6 more.
    solution = solve(field.detections, field.references, prior, SHAPE, max_rotation_deg=5.0)
    assert solution.solved
    np.testing.assert_allclose(solution.wcs.crpix_px, [1535.5, 1539.5])
    error = error_mas(field, solution.wcs, *used_positions(field, solution))
    # 20 mas of noise, 15 coefficients, 1000 stars: 2.4 mas; twice that.
    assert np.sqrt(np.mean(error**2, axis=1)).max() < 5.0
    near = recentred(prior, SHAPE)
    x, y = np.random.default_rng(1).uniform(0, 3072, (2, 200))
    there, here = projection.pixel_to_sky(prior, x, y), projection.pixel_to_sky(near, x, y)
    # A milliarcsecond is 2.8e-7 deg.
    np.testing.assert_allclose(here, there, rtol=0, atol=2.8e-7)


def test_frames_may_be_changed_without_moving_the_sky(make_star_field):
    field = make_star_field(1)
    x, y = np.random.default_rng(1).uniform(0, 3072, (2, 100))
    before = projection.pixel_to_sky(field.prior, x, y)
    # Commanded by an arcminute, as after a pattern match.
    turned = affine_moved(field.prior, np.eye(2), np.array([0.02, -0.03]))
    plane = np.array(projection.pixel_to_plane(turned, x, y)) - np.array(projection.pixel_to_plane(field.prior, x, y))
    np.testing.assert_allclose(plane, np.array([[0.02], [-0.03]]).repeat(100, axis=1), atol=1e-13)
    moved = recentred(turned, SHAPE)
    target = projection.pixel_to_sky(turned, x, y)
    here = projection.pixel_to_sky(moved, x, y)
    # 1 microarcsecond is 2.8e-10 deg.
    np.testing.assert_allclose(here, target, atol=2.8e-10)
    np.testing.assert_allclose(moved.pv[:, 0], 0, atol=1e-9)
    np.testing.assert_allclose(moved.pv[:, 1], 1, atol=1e-6)
    assert np.abs(np.array(before) - np.array(target)).max() > 0.01
