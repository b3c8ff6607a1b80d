"""The science recipe on small synthetic quadrants: a good one against truth, and all that can be wrong with one."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from scipy.ndimage import binary_dilation
from scipy.spatial import cKDTree

from benchmarks.science_scenes import expose_sky, sky_settings
from ztfpipe.camera import Camera
from ztfpipe.config import Science
from ztfpipe.methods.sky.projection import pixel_to_sky
from ztfpipe.model.catalogs import ApertureCatalog, PsfCatalog
from ztfpipe.model.quality import bits_set
from ztfpipe.model.science import Calibrators
from ztfpipe.pipelines.science.recipe import without_masters
from ztfpipe.simulate.frames import COSMIC, SATURATED, STREAK, sky_ccd
from ztfpipe.simulate.pixels.detector import Shot
from ztfpipe.simulate.scene import Galaxies

FEW_MATCHES = {14, 15}
"""Bits that a good quadrant of the small camera carries: it has a 36th of the stars the thresholds are for."""
NO_ASTROMETRY, NO_PHOTOMETRY, NO_PSF, FEW_SOURCES, POOR_SEEING, MANY_SATURATED = 12, 8, 20, 6, 3, 2


def assert_complete(made):
    """Every part of the products is there and can be written: right shapes, finite pixels, known types."""
    shape = made.image_adu.shape
    assert np.isfinite(made.image_adu).all()
    assert (made.mask.shape, made.mask.dtype) == (shape, np.uint16)
    assert isinstance(made.psf_catalog, PsfCatalog)
    assert isinstance(made.aperture_catalog, ApertureCatalog)
    assert np.isfinite(made.wcs.cd_deg).all()
    assert {"psf_failed", "astrocal_failed", "photcal_failed", "npsfcat", "nsexcat"} <= set(made.metrics)
    if made.status == 0:
        assert made.notes, "an unusable image gives its reason"


@pytest.fixture(scope="module")
def camera():
    return Camera.load("mini")


@pytest.fixture(scope="module")
def good(camera):
    return expose_sky(camera, sky_settings())


@pytest.fixture(scope="module")
def made(good):
    return good.science()


@pytest.fixture(scope="module")
def matched(good, made):
    """Unflagged PSF detections that have one true star within 0.7 px, and their indices in the truth."""
    stars, catalog = good.tables["stars"], made.psf_catalog
    tree = cKDTree(np.c_[stars.x_px, stars.y_px])
    distance, nearest = tree.query(np.c_[catalog.x_px, catalog.y_px], k=2)
    clean = (distance[:, 0] < 0.7) & (distance[:, 1] > 5) & (catalog.flags == 0)
    clean &= stars.kind.to_numpy()[nearest[:, 0]] == 0
    return np.flatnonzero(clean), nearest[clean, 0]


def test_good_quadrant_is_usable_and_complete(made):
    assert_complete(made)
    assert made.status == 1
    assert set(bits_set(made.infobits)) <= FEW_MATCHES
    for part in ("astrometry", "photometry", "apertures", "psf"):
        assert getattr(made, part) is not None
    assert not made.notes
    assert len(made.psf_catalog) > 300
    assert len(made.aperture_catalog) > 200


def test_positions_are_true(good, made, matched):
    """Each axis within turbulence and centroids; the smooth turbulence of 31 mas cannot be larger than what is left."""
    ours, true = matched
    bright = made.psf_catalog.snr[ours] > 30
    stars = good.tables["stars"].iloc[true[bright]]
    east = (made.psf_catalog.ra_deg[ours][bright] - stars.ra_deg) * np.cos(np.radians(stars.dec_deg)) * 3.6e6
    north = (made.psf_catalog.dec_deg[ours][bright] - stars.dec_deg) * 3.6e6
    # Turbulence is at most 32 mas an axis, the centroid at S/N 30 adds 2.7 px / 2.35 / 30 = 39 mas at worst, colour
    # refraction 20 mas, a quartic from 65 noisy stars 50 mas * sqrt(15 / 65): 60 mas altogether.
    assert bright.sum() > 30
    for residual in (east, north):
        assert np.sqrt(np.mean(residual**2)) < 60
        assert abs(np.median(residual)) < 20


def test_wcs_is_true_all_over(good, made):
    grid = good.tables["wcs"]
    ra, dec = pixel_to_sky(made.wcs, grid.x_px.to_numpy(), grid.y_px.to_numpy())
    east = (ra - grid.ra_deg) * np.cos(np.radians(grid.dec_deg)) * 3.6e6
    # The grid reaches the corners, where a quartic from 65 stars is twice as uncertain as in the mean (60 mas above).
    assert np.sqrt(np.mean(east**2)) < 120
    assert np.sqrt(np.mean(((dec - grid.dec_deg) * 3.6e6) ** 2)) < 120


def outside_stamp(good, half_px=12):
    """Share of a star's light beyond the stamp over which the PSF is normed, from the true profile."""
    psf = good.scenes[good.qid].psf
    radius = half_px + 0.5

    def beyond(fwhm):
        alpha = fwhm / (2 * np.sqrt(2 ** (1 / psf.beta) - 1))
        return (1 + (radius / alpha) ** 2) ** (1 - psf.beta)

    return (1 - psf.halo_fraction) * beyond(psf.fwhm_px[0]) + psf.halo_fraction * beyond(psf.halo_fwhm_px)


def test_zero_point_and_colour_term_are_true(good, made):
    fit, truth = made.photometry, good.tables["exposure"].iloc[0]
    expected = good.zero_point_mag + 2.5 * np.log10(1 - outside_stamp(good))
    # Three sigma of the fit, and the corners of the stamp, which hold a third of what lies beyond its circle (3 mmag).
    assert abs(fit.zero_point - expected) < 3 * fit.zero_point_error + 0.003
    assert 0.001 < fit.zero_point_error < 0.01
    assert abs(fit.colour_term - truth.fitted_colour_term) < 3 * fit.colour_term_error
    assert made.metrics["cloud_structured"] == 0


def test_fluxes_are_true(good, made, matched):
    """Median after the zero point's own offset, and the scatter in units of the stated errors."""
    ours, true = matched
    catalog = made.psf_catalog
    expected = good.tables["stars"].flux_e.to_numpy()[true] * good.adu_per_e * (1 - outside_stamp(good))
    faint = (catalog.snr[ours] > 8) & (catalog.snr[ours] < 60)
    pull = ((catalog.flux_adu[ours] - expected) / catalog.flux_error_adu[ours])[faint]
    assert faint.sum() > 80
    spread = 1.4826 * np.median(np.abs(pull - np.median(pull)))
    # n > 80: the median is known to 1.25 / sqrt(n) = 0.14, the spread from deviations to 1.17 / sqrt(n) = 13 %; PSF
    # errors of 1 % add up to 0.6 sigma at S/N 60.
    assert abs(np.median(pull)) < 3 * 0.14
    assert 1 - 3 * 0.13 < spread < 1 + 3 * 0.13


def test_limiting_magnitude_is_where_sources_end(made):
    catalog = made.psf_catalog
    mag = catalog.mag + made.photometry.zero_point
    five_sigma = mag[(catalog.snr > 4.7) & (catalog.snr < 5.3) & (catalog.flags == 0)]
    # A magnitude at S/N 5 scatters by 0.06 in this slice; the noise varies by a few per cent over the quadrant.
    assert abs(made.limiting_mag - np.median(five_sigma)) < 0.1


def test_seeing_is_true(good, made):
    """The pixel adds 0.8 px in quadrature at most, the variation over the quadrant 5 %; a Gaussian through the core of
    a profile with wings is up to 6 % wider than it is at half its height (a Moffat of exponent 2.5)."""
    true = good.tables["exposure"].fwhm_px.iloc[0]
    assert 0.95 * true < made.seeing_px < 1.05 * 1.06 * np.hypot(true, 0.83)
    assert made.metrics["elongation"] < 1.3


def test_source_bits_are_where_sources_are(camera, made):
    catalog = made.psf_catalog
    marked = (made.mask & camera.mask_value("psfsource")) > 0
    assert marked[np.rint(catalog.y_px).astype(int), np.rint(catalog.x_px).astype(int)].all()
    assert marked.sum() <= len(catalog)
    assert ((made.mask & camera.mask_value("sexsource")) > 0).mean() > 0.01


@pytest.fixture(scope="module")
def full_of_rays(camera):
    """Thirty times the usual rays."""
    exposure = expose_sky(camera, sky_settings({"detector": {"cosmic_rays_per_px_s": 6e-6}}))
    return exposure, exposure.science()


def test_rays_are_masked(camera, full_of_rays):
    exposure, made = full_of_rays
    rays = (exposure.truth_mask & COSMIC) > 0
    signal = (made.image_adu - np.median(made.image_adu)) / made.metrics["gstddev"]
    other = (made.mask & camera.mask_value("noisy", "dead", "saturated", "low_response", "high_response", "track")) > 0
    strong = rays & (signal > 10) & ~other
    found = (made.mask & camera.mask_value("spike")) > 0
    # Rays on top of stars, a few per cent of them in this crowd, cannot all be told; n > 100 pixels leave 3 % of noise.
    assert strong.sum() > 100
    assert found[strong].mean() > 0.9


def test_star_cores_are_no_rays(camera, full_of_rays):
    exposure, made = full_of_rays
    stars = exposure.tables["stars"]
    ny, nx = camera.quadrant_shape
    bright = stars[(stars.flux_e > 3000) & stars.x_px.between(5, nx - 6) & stars.y_px.between(5, ny - 6)]
    x, y = np.rint(bright.x_px).astype(int), np.rint(bright.y_px).astype(int)
    hit = (exposure.truth_mask & (COSMIC | SATURATED | STREAK)) > 0
    untouched = np.array([not hit[j - 3 : j + 4, i - 3 : i + 4].any() for i, j in zip(x, y, strict=True)])
    masked = (made.mask[y, x] & camera.mask_value("spike")) > 0
    assert untouched.sum() > 150
    # At most one in a thousand is allowed; three of a few hundred is what chance makes of that, with 1 % probability.
    assert masked[untouched].sum() <= 3


def test_every_saturated_pixel_is_masked(camera):
    """Ten times the usual exposure time."""
    exposure = expose_sky(camera, sky_settings({"night": {"exposures_s": [300.0]}}))
    made = exposure.science()
    assert_complete(made)
    assert made.status == 1
    saturated = (exposure.truth_mask & SATURATED) > 0
    assert saturated.sum() > 10
    found = (made.mask & camera.mask_value("saturated")) > 0
    assert found[saturated].all()
    # The mask grows by two pixels along the column and one across, and by a trail's half-filled end.
    assert not found[~binary_dilation(saturated, iterations=4)].any()


def test_track_is_masked(camera):
    """A satellite of magnitude 7 that cuts a corner, 340 px long."""
    settings = sky_settings({"moving": {"streaks_per_exposure": 6.0}}).model_copy(update={"noise_seed": 19})
    exposure = expose_sky(camera, settings)
    made = exposure.science()
    assert_complete(made)
    assert made.status == 1
    streak = (exposure.truth_mask & STREAK) > 0
    found = (made.mask & camera.mask_value("track")) > 0
    assert len(exposure.tables["streaks"]) == 1
    assert made.metrics["ntracks"] == 1
    assert found[streak].mean() > 0.98
    # No more than the wings on either side: twice the width of the truth.
    assert found.sum() < 3 * streak.sum()


NOTHING = Calibrators(None, None, None)


def test_without_calibrators_sources_are_measured_but_nothing_is_calibrated(good):
    made = good.science(calibrators=NOTHING)
    assert_complete(made)
    assert made.status == 0
    assert {NO_ASTROMETRY, NO_PHOTOMETRY} <= set(bits_set(made.infobits))
    assert made.notes[:2] == ("astrometry: no astrometric calibrators", "no photometric calibrators")
    assert len(made.psf_catalog) > 300
    assert made.psf is not None


def test_empty_calibrator_catalogs_are_as_none(good):
    def without_rows(catalog):
        cut = {}
        for field in fields(catalog):
            value = getattr(catalog, field.name)
            if isinstance(value, dict):
                value = {band: column[:0] for band, column in value.items()}
            cut[field.name] = value[:0] if isinstance(value, np.ndarray) else value
        return replace(catalog, **cut)

    given = good.calibrators
    empty = Calibrators(*(without_rows(one) for one in (given.astrometric, given.photometric, given.bright)))
    made = good.science(calibrators=empty)
    assert_complete(made)
    assert made.status == 0
    assert {NO_ASTROMETRY, NO_PHOTOMETRY} <= set(bits_set(made.infobits))


def test_pointing_wrong_by_a_degree_is_not_solved(good):
    made = good.science(pointing=replace(good.pointing, dec_deg=good.pointing.dec_deg + 1))
    assert_complete(made)
    assert made.status == 0
    assert {NO_ASTROMETRY, NO_PHOTOMETRY} <= set(bits_set(made.infobits))
    assert made.astrometry is None
    assert len(made.psf_catalog) > 300


def test_missing_masters(good):
    made = without_masters(good.raw, good.camera, good.key, good.pointing, "no usable bias master")
    assert_complete(made)
    assert made.status == 0
    assert {FEW_SOURCES, NO_PHOTOMETRY, NO_ASTROMETRY, NO_PSF} <= set(bits_set(made.infobits))
    assert made.notes == ("no usable bias master",)


@pytest.mark.parametrize("master", ["flat", "bias_adu"])
def test_masters_without_numbers(good, master):
    nothing = np.full(good.camera.quadrant_shape, np.nan, np.float32)
    made = good.science(masters=replace(good.masters, **{master: nothing}))
    assert_complete(made)
    assert made.status == 0


def replaced(good, image=None, overscan=None):
    """The raw quadrant with all pixels or all overscan pixels of one value."""
    changes = {}
    for name, value in (("image", image), ("overscan", overscan)):
        if value is not None:
            old = getattr(good.raw, name)
            changes[name] = np.full(old.shape, value, np.float32 if np.isnan(value) else old.dtype)
    return replace(good.raw, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"image": 65535},
        {"image": 65535, "overscan": 65535},
        {"image": 0},
        {"image": 1500},
        {"overscan": 0},
        {"image": 0, "overscan": 0},
        {"image": np.nan},
        {"overscan": np.nan},
        {"image": np.nan, "overscan": np.nan},
    ],
    ids=str,
)
def test_quadrant_without_information(good, changes):
    made = good.science(raw=replaced(good, **changes))
    assert_complete(made)
    assert made.status == 0
    assert {FEW_SOURCES, NO_PHOTOMETRY, NO_ASTROMETRY, NO_PSF} <= set(bits_set(made.infobits))
    assert len(made.psf_catalog) == 0


def test_most_pixels_saturated(good):
    image = good.raw.image.copy()
    image[: image.shape[0] * 7 // 10] = 65535
    made = good.science(raw=replace(good.raw, image=image))
    assert_complete(made)
    assert made.status == 0
    assert MANY_SATURATED in bits_set(made.infobits)


def test_empty_field(camera):
    nothing = {"stars_per_square_degree": 1e-6, "galaxies_per_square_degree": 0.0, "transients_per_square_degree": 0.0}
    made = expose_sky(camera, sky_settings({"stars": nothing})).science()
    assert_complete(made)
    assert made.status == 0
    assert {FEW_SOURCES, NO_PHOTOMETRY, NO_ASTROMETRY, NO_PSF} <= set(bits_set(made.infobits))
    assert "stars" in made.notes[0]


def test_giant_galaxy(camera, good):
    """A galaxy as large as the quadrant drowns the stars near its middle; the others are measured rightly."""
    ny, nx = camera.quadrant_shape
    giant = Galaxies(*(np.array([value]) for value in (nx / 2, ny / 2, 2e7, 90.0, 0.7, 30.0, 1.0)))
    scenes = {**good.scenes, good.qid: replace(good.scenes[good.qid], galaxies=giant)}
    shot = Shot(camera, good.simulate.detector, good.simulate.noise_seed, good.plan, good.key.ccdid)
    made = replace(good, frames=sky_ccd(shot, scenes)).science()
    assert_complete(made)
    assert made.status == 1
    assert any("zero point varies" in note for note in made.notes)
    assert len(made.psf_catalog) > 150
    # The galaxy leaves its mark in the zero point's scatter, not in the zero point: half the stars are outside it.
    expected = good.zero_point_mag + 2.5 * np.log10(1 - outside_stamp(good))
    assert abs(made.photometry.zero_point - expected) < 4 * made.photometry.zero_point_error + 0.003


def test_trailed_stars(camera):
    """Trails of four seeing discs are no point sources: the seeing they feign is far beyond the limit."""
    made = expose_sky(camera, sky_settings({"optics": {"drift_px": 10.0}})).science()
    assert_complete(made)
    assert made.status == 0
    assert POOR_SEEING in bits_set(made.infobits)
    assert made.metrics["elongation"] > 1.5


def test_slight_trails_show_in_the_record(camera):
    made = expose_sky(camera, sky_settings({"optics": {"drift_px": 5.0}})).science()
    assert_complete(made)
    assert made.status == 1
    assert made.metrics["elongation"] > 1.3


def test_defocus(camera):
    made = expose_sky(camera, sky_settings({"optics": {"seeing_px": (6.0, 6.0)}})).science()
    assert_complete(made)
    assert POOR_SEEING in bits_set(made.infobits)
    # As in test_seeing_is_true: the pixel's part, and a Gaussian through the core of a profile with wings.
    assert 0.95 * 6.0 < made.seeing_px < 1.05 * 1.06 * np.hypot(6.0, 0.83)


@pytest.mark.parametrize("seeing_px", [1.2, 1.5])
def test_undersampled_stars(camera, seeing_px):
    """Still solved and calibrated; the seeing of the record tells. The pixel widens stars to hypot(FWHM, 0.83)."""
    exposure = expose_sky(camera, sky_settings({"optics": {"seeing_px": (seeing_px, seeing_px)}}))
    made = exposure.science()
    assert_complete(made)
    assert made.status == 1
    assert made.seeing_px == pytest.approx(np.hypot(seeing_px, 0.83), rel=0.1)
    expected = exposure.zero_point_mag + 2.5 * np.log10(1 - outside_stamp(exposure))
    # Thirty stars norm the PSF as well as the sky under their stamps is known: 0.3 DN in 25 x 25 px is 2 % of a typical
    # one's 10^4 DN; all stars share that error, so the zero point takes it out of their magnitudes.
    assert abs(made.photometry.zero_point - expected) < 3 * made.photometry.zero_point_error + 0.02


def test_structured_clouds_are_flagged(camera):
    weather = {"cloudy_fraction": 1.0, "cloud_mag": 1.0, "cloud_structure": 0.5}
    made = expose_sky(camera, sky_settings({"weather": weather})).science()
    assert_complete(made)
    assert made.metrics["cloud_structured"] == 1
    assert made.metrics["photometric_bad"] == 1
    assert any("zero point varies" in note for note in made.notes)


def test_settings_reach_the_methods(good, made):
    higher = good.science(Science(detection_threshold=10.0, catalog_snr_min=10.0))
    assert higher.psf_catalog.snr.min() >= 10
    assert len(higher.psf_catalog) < len(made.psf_catalog)
