"""The recipe on pairs it was not made for: other skies, seeing of all kinds, extended light; and a failed subtraction.

Two epochs of one field on grids a third of a pixel apart, Gaussian stars integrated over pixels, white noise and photon
noise of known size, drawn in memory.
"""

import time
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr

from tests.reference_scene import CAMERA, KEY, stars
from ztfpipe.config import Difference
from ztfpipe.methods.difference.candidates import find_candidates
from ztfpipe.methods.difference.zogy import subtract
from ztfpipe.methods.sky.projection import sky_to_pixel
from ztfpipe.model.catalogs import PsfCatalog
from ztfpipe.model.difference import Exposed, Stored
from ztfpipe.pipelines.difference.recipe import make_difference
from ztfpipe.pipelines.reference.recipe import grid_of

SETTINGS = Difference(streaks=False)
ZERO_POINT, SKY_ADU, READ_NOISE_E = 26.2, 250.0, 8.0
NEW_MAG = 18.8
"""Of the transients: a signal-to-noise ratio of some 20 at two pixels' FWHM."""
TRIALS = np.random.default_rng(8).uniform(40, 470, (60, 2))


def drawn(shape, x, y, flux, fwhm_px):
    """Light of Gaussians integrated over pixels: exact for any width."""
    light, sigma, half = np.zeros(shape), fwhm_px / 2.3548, 14
    for x0, y0, total in zip(x, y, flux, strict=True):
        rows = np.arange(max(int(y0) - half, 0), min(int(y0) + half + 1, shape[0]))
        columns = np.arange(max(int(x0) - half, 0), min(int(x0) + half + 1, shape[1]))
        if rows.size and columns.size:
            across, down = (
                ndtr((pixel - middle + 0.5) / sigma) - ndtr((pixel - middle - 0.5) / sigma)
                for pixel, middle in ((columns, x0), (rows, y0))
            )
            light[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] += total * down[:, None] * across
    return light


def taken(fwhm_px, seed, *, gain=6.0, shift_px=(0.0, 0.0), field=None, extra=None, exposures=1, seen=None):
    """One side of a pair. gain: of a single exposure; extra: light [DN] of shape (ny, nx) beside the stars'; seen:
    (x, y) on the unshifted grid of transients."""
    rng = np.random.default_rng(seed)
    wcs, shape = grid_of(KEY, CAMERA)
    wcs = replace(wcs, crpix_px=wcs.crpix_px + np.array(shift_px))
    field = stars() if field is None else field
    x, y = sky_to_pixel(wcs, field.ra_deg, field.dec_deg)
    scale = 6.0 / gain  # a larger gain: fewer DN for the same light
    flux = 10 ** (-0.4 * (field.mag - ZERO_POINT)) * scale
    light = drawn(shape, x, y, flux, fwhm_px) + (0 if extra is None else extra * scale)
    if seen is not None:
        light += drawn(shape, *seen, np.full(len(seen[0]), 10 ** (-0.4 * (NEW_MAG - ZERO_POINT)) * scale), fwhm_px)
    sky = SKY_ADU * scale
    variance = (light + sky) / gain + (READ_NOISE_E / gain) ** 2
    sigma = np.sqrt(variance / exposures)
    image = rng.normal(light + sky, sigma).astype(np.float32)
    area = 4 * np.pi * ((fwhm_px / 2.3548) ** 2 + 1 / 12)
    empty = np.sqrt((sky / gain + (READ_NOISE_E / gain) ** 2) / exposures)
    error = np.hypot(empty * np.sqrt(area), np.sqrt(flux / gain / exposures))
    inside = (np.minimum(x, y) > 2) & (x < shape[1] - 3) & (y < shape[0] - 3)
    catalog = PsfCatalog(
        x_px=x[inside], y_px=y[inside], ra_deg=field.ra_deg[inside], dec_deg=field.dec_deg[inside],
        flux_adu=rng.normal(flux, error)[inside], flux_error_adu=error[inside], chi=np.ones(inside.sum()),
        sharp=np.zeros(inside.sum()), flags=np.zeros(inside.sum(), np.int16),
    )  # fmt: skip
    zero_point = ZERO_POINT + 2.5 * np.log10(scale)
    return Stored(
        "image", 1, image, np.zeros(shape, np.uint16), sigma.astype(np.float32), 1.0, wcs, catalog, gain * exposures,
        5e4 * scale, float(fwhm_px), zero_point, 0, 1,
    )  # fmt: skip


def new_places():
    """Ten places without a star within 15 px."""
    field, (wcs, _) = stars(), grid_of(KEY, CAMERA)
    x, y = sky_to_pixel(wcs, field.ra_deg, field.dec_deg)
    alone = np.hypot(TRIALS[:, :1] - x, TRIALS[:, 1:] - y).min(axis=1) > 15
    chosen = []
    for place in TRIALS[alone]:
        if all(np.hypot(*(place - other)) > 30 for other in chosen):
            chosen.append(place)
    return np.array(chosen[:10]).T


def made_of(science, reference, **settings):
    return make_difference(science, reference, CAMERA, SETTINGS.model_copy(update=settings))


def check_transients(made, places, least, false_max=3):
    """The transients are found with their flux, and hardly anything else."""
    assert made.status == 1, made.notes
    found = made.candidates
    distance = np.hypot(found.x_px[:, None] - places[0], found.y_px[:, None] - places[1])
    seen = distance.min(axis=0) < 1.5
    assert seen.sum() >= least
    # White noise gives 4 in a quadrant 35 times as large; three are more than one in a thousand such images has.
    assert np.count_nonzero(distance.min(axis=1) > 4) <= false_max
    flux = 10 ** (-0.4 * (NEW_MAG - ZERO_POINT))
    pulls = [
        (found.flux_adu[k] - flux) / found.sigma_flux_adu[k]
        for k in (np.argmin(distance[:, j]) for j in np.flatnonzero(seen))
    ]
    # Nine or ten of width one.
    assert abs(np.mean(pulls)) < 4 / np.sqrt(least)


PLACES = new_places()


@pytest.mark.parametrize(
    ("science_px", "reference_px"),
    [(2.2, 2.2), (1.7, 3.2), (3.4, 1.8), (1.4, 2.0)],
    ids=["alike", "seeing better than the reference", "seeing much worse", "undersampled"],
)
def test_seeing_of_all_kinds(science_px, reference_px):
    science = taken(science_px, 1, seen=PLACES)
    reference = taken(reference_px, 2, shift_px=(0.31, -0.17), exposures=9)
    made = made_of(science, reference)
    check_transients(made, PLACES, 9)
    # Noise of images of one seeing each is known to two per cent from their empty pixels; interpolation of the
    # reference, which counts for a ninth of the variance, is known to a tenth.
    assert made.metrics["scorr_width"] == pytest.approx(1.0, abs=0.06)


def test_both_undersampled():
    """At 1.4 px interpolation of the reference is itself wrong at bright stars: they may show, the sky may not."""
    science = taken(1.4, 1, seen=PLACES)
    reference = taken(1.5, 2, shift_px=(0.31, -0.17), exposures=9)
    check_transients(made_of(science, reference), PLACES, 9, false_max=6)


def test_gain_three_times_that_of_the_reference():
    """DN of the one hold three times the electrons of the other's: fluxes are in DN of the science image."""
    science = taken(2.2, 1, seen=PLACES)
    reference = taken(2.4, 2, gain=2.0, shift_px=(0.31, -0.17), exposures=9)
    made = made_of(science, reference)
    # Star by star to a per cent, a hundred and more of them.
    assert made.metrics["fluxrat"] == pytest.approx(1 / 3, rel=0.01)
    check_transients(made, PLACES, 9)


def test_reference_of_another_sky_under_the_right_name():
    science = taken(2.2, 1)
    other = taken(2.2, 2, field=stars(seed=99), exposures=9)
    made = made_of(science, other)
    assert made.status == 0
    assert "too few stars are in both images" in made.notes[0]
    assert made.candidates is None


def test_a_galaxy_that_fills_the_quadrant():
    """M31: smooth light of ten times the sky in both images, with its photon noise."""
    y, x = np.indices(grid_of(KEY, CAMERA)[1])
    galaxy = 2500.0 * np.exp(-np.hypot(x - 260, 2 * (y - 250)) / 120)
    science = taken(2.2, 1, extra=galaxy, seen=PLACES)
    reference = taken(2.4, 2, extra=galaxy, shift_px=(0.31, -0.17), exposures=9)
    made = made_of(science, reference)
    # Under three times the noise of the sky some fall below five sigma; none may be invented.
    check_transients(made, PLACES, 6)


def test_a_comet_that_fills_the_quadrant_of_the_new_image_only():
    """A coma of 1 / r to the edges. What it does is told: a difference with few candidates away from its middle, or
    STATUS 0 with the reason."""
    y, x = np.indices(grid_of(KEY, CAMERA)[1])
    coma = 40_000.0 / np.maximum(np.hypot(x - 250, y - 260), 3)
    science = taken(2.2, 1, extra=coma)
    reference = taken(2.4, 2, shift_px=(0.31, -0.17), exposures=9)
    started = time.process_time()
    made = made_of(science, reference)
    assert time.process_time() - started < 60
    if made.status == 1:
        found = made.candidates
        assert np.count_nonzero(np.hypot(found.x_px - 250, found.y_px - 260) > 40) <= 10
    else:
        assert made.notes[0]
        assert made.candidates is None


def test_partial_overlap():
    """The reference lies 170 px beside the science image: a third is not told, the rest is differenced."""
    science = taken(2.2, 1, seen=PLACES)
    reference = taken(2.4, 2, shift_px=(170.31, -0.17), exposures=9)
    made = made_of(science, reference)
    assert made.metrics["diffpctbad"] == pytest.approx(100 * 170 / CAMERA.quadrant_shape[1], abs=2)
    covered = PLACES[:, PLACES[0] < CAMERA.quadrant_shape[1] - 170 - 15]
    assert 3 <= covered.shape[1] < PLACES.shape[1]
    check_transients(made, covered, covered.shape[1])


def aircraft(peak_adu, sigma_px):
    """Three lights out of focus across the image [DN]: in a quadrant as small as this a fifth of the pixels."""
    y, x = np.indices(CAMERA.quadrant_shape)
    across = (y - 260) * np.cos(0.3) - (x - 250) * np.sin(0.3)
    return sum(peak_adu * np.exp(-0.5 * ((across - light) / sigma_px) ** 2) for light in (-20, 0, 25))


@pytest.mark.parametrize("peak_adu", [300.0, 30_000.0])
def test_a_broad_trail_that_is_masked_costs_no_more_than_its_pixels(peak_adu):
    light = aircraft(peak_adu, 8.0)
    science = taken(2.2, 1, extra=light, seen=PLACES)
    lost = light > 5  # a third of the noise of a pixel
    catalog = science.catalog
    on = lost[np.rint(catalog.y_px).astype(int), np.rint(catalog.x_px).astype(int)]
    masked = replace(
        science, mask=np.where(lost, CAMERA.mask_value("track"), 0).astype(np.uint16),
        catalog=replace(catalog, flags=on.astype(np.int16)),
    )  # fmt: skip
    made = made_of(masked, taken(2.4, 2, shift_px=(0.31, -0.17), exposures=9))
    free = PLACES[:, ~lost[np.rint(PLACES[1]).astype(int), np.rint(PLACES[0]).astype(int)]]
    assert free.shape[1] >= 6
    check_transients(made, free, free.shape[1])
    # Light below the mask's edge raises the noise by less than a per cent of the pixels' own.
    assert made.metrics["scorr_width"] == pytest.approx(1.0, abs=0.06)


@pytest.mark.parametrize("peak_adu", [300.0, 30_000.0])
def test_a_broad_trail_without_its_mask_is_told_and_gives_no_candidates(peak_adu):
    """Mistaken for sky by cells as wide as itself, it spoils the noise, or at worst the stars."""
    science = taken(2.2, 1, extra=aircraft(peak_adu, 8.0), seen=PLACES)
    made = made_of(science, taken(2.4, 2, shift_px=(0.31, -0.17), exposures=9))
    assert made.status == 0
    assert "its noise is not what was predicted" in made.notes[0] or "too few stars are in both" in made.notes[0]
    assert made.candidates is None


def test_a_hundred_thousand_candidates_are_counted_and_the_strongest_measured(psf_of_two_px):
    """A failed subtraction on an image of four megapixels: seconds, not hours."""
    shape, rng = (2000, 2000), np.random.default_rng(5)
    psf, none = psf_of_two_px(shape), np.zeros(shape, bool)
    image = rng.normal(0, 1, shape).astype(np.float32)
    side = Exposed(image, np.ones(shape, np.float32), none, psf)
    difference = subtract(side, replace(side, image_adu=-image))
    spoilt = replace(difference, scorr=difference.scorr * np.float32(20))
    started = time.process_time()
    found = find_candidates(spoilt, zero_point_mag=26.0, max_count=5000)
    assert time.process_time() - started < 20
    assert found.capped
    assert found.found > 100_000
    assert len(found) == 5000
    assert found.scorr.min() > np.quantile(np.abs(spoilt.scorr), 0.9)


@pytest.fixture
def psf_of_two_px():
    from tests.methods.difference.conftest import gaussian_psf

    return lambda shape: gaussian_psf(2.0, shape)
