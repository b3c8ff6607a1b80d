"""Raw detections: noise of known size, sources below the threshold of candidates, and the cap."""

import numpy as np
import pytest
from scipy.stats import norm

from ztfpipe.methods.difference.candidates import find_candidates, measure
from ztfpipe.methods.difference.raw_detections import find_raw
from ztfpipe.methods.difference.zogy import subtract

SHAPE = (420, 400)
SNR = 4.3


@pytest.fixture(scope="module")
def planted(psf_of, drawn, exposed):
    """A difference with 81 sources of S/N about 4.3 on a grid, every third of them gone instead of new."""
    rng = np.random.default_rng(29)
    psf_n, psf_r = psf_of(2.6, SHAPE), psf_of(2.1, SHAPE)
    at = np.arange(81)
    x = 30 + 40 * (at % 9) + rng.uniform(-0.5, 0.5, 81)
    y = 30 + 40 * (at // 9) + rng.uniform(-0.5, 0.5, 81)
    quiet = subtract(exposed(np.zeros(SHAPE), 4.0, psf_n), exposed(np.zeros(SHAPE), 2.0, psf_r), calibrate=False)
    flux = np.full(81, SNR * float(np.median(quiet.flux_sigma_adu)))
    new = at % 3 > 0
    n, r = drawn(psf_n, x[new], y[new], flux[new]), drawn(psf_r, x[~new], y[~new], flux[~new])
    difference = subtract(exposed(n, 4.0, psf_n, rng), exposed(r, 2.0, psf_r, rng), calibrate=False)
    return difference, x, y, flux, new


def test_faint_sources_are_kept_with_their_sign_place_and_flux(planted):
    difference, x, y, flux, new = planted
    found = find_raw(difference, threshold=3.0, below=50.0)
    distance = np.hypot(found.x_px[:, None] - x, found.y_px[:, None] - y)
    # Placed to sigma of the PSF / (S/N) = 0.25 px per axis: within 1 px but for 3e-4 of them.
    near, which = distance.min(axis=0) < 1.0, distance.argmin(axis=0)
    # A source of 4.3 sigma at its best pixel is above 3 in 90 % (1.3 sigma; the pixel grid takes 0.1 off the mean
    # peak): 81 of them scatter by 2.9 per cent.
    expected = norm.cdf(SNR - 0.1 - 3.0)
    assert near.mean() > expected - 4 * np.sqrt(expected * (1 - expected) / 81)
    which = which[near]
    assert (found.positive[which] == new[near]).mean() == 1
    # The best of the peaks near a place is brighter than the truth by half a sigma or so, and the threshold cuts the
    # faint ones: a tenth of a sigma would be wrong to ask. What must not be: another scale of flux.
    ratio = found.flux_adu[which] / flux[near]
    assert 0.95 < np.median(ratio) < 1.2
    assert found.flux_adu[which] / found.sigma_flux_adu[which] == pytest.approx(found.scorr[which], rel=0.2)


def test_peaks_between_pixels_are_those_of_a_fit(planted):
    """The slow twin: the PSF fit that candidates get."""
    difference, *_ = planted
    found = find_raw(difference, threshold=3.5, below=50.0)
    rows, columns = np.rint(found.y_px).astype(int), np.rint(found.x_px).astype(int)
    value = np.sign(difference.scorr[rows, columns])
    fitted = measure(difference, rows, columns, zero_point_mag=26.0)
    same = fitted.converged & (np.abs(fitted.x_px - found.x_px) < 0.5) & (np.abs(fitted.y_px - found.y_px) < 0.5)
    same &= np.abs(difference.scorr[rows, columns]) >= found.scorr * 0.999
    assert same.sum() > 40
    assert (value[same] == np.where(found.positive[same], 1, -1)).all()
    # A parabola over a peak 3 px wide misses a few hundredths of its height; the fit sees 2 FWHM of the same pixels.
    assert np.median(fitted.flux_adu[same] / found.flux_adu[same]) == pytest.approx(1, abs=0.05)
    assert np.percentile(np.abs(fitted.x_px - found.x_px)[same], 90) < 0.3


def test_candidates_and_raw_detections_share_no_peak_and_miss_none(planted):
    difference, *_ = planted
    raw = find_raw(difference, threshold=3.0, below=4.5)
    high = find_candidates(difference, zero_point_mag=26.0, threshold=4.5)
    both = find_raw(difference, threshold=3.0, below=1e9)
    assert raw.scorr.max() < 4.5 <= high.scorr.min()
    assert len(raw) + len(high) == len(both)


def test_noise_alone_has_as_many_peaks_of_each_sign(psf_of, exposed):
    rng = np.random.default_rng(3)
    psf = psf_of(2.2, SHAPE)
    empty = np.zeros(SHAPE)
    difference = subtract(exposed(empty, 4.0, psf, rng), exposed(empty, 4.0, psf, rng), calibrate=False)
    found = find_raw(difference)
    # Binomial: four sigma.
    assert abs(found.positive.mean() - 0.5) < 4 * 0.5 / np.sqrt(len(found))
    # Peaks above u of a smooth Gaussian field have the density u exp(-u^2 / 2) times a constant (Adler 1981).
    ratio = (found.scorr >= 3.5).mean()
    expected = (3.5 * np.exp(-(3.5**2) / 2)) / (3.0 * np.exp(-(3.0**2) / 2))
    # On a pixel grid the peaks are a little lower; a tenth of the ratio covers that beside the counting error.
    error = np.sqrt(expected * (1 - expected) / len(found))
    assert ratio == pytest.approx(expected, abs=4 * error + 0.1 * expected)


def test_the_most_significant_are_kept_beyond_the_cap_and_edges_have_none(planted):
    difference, *_ = planted
    every = find_raw(difference, below=50.0, edge_px=20)
    few = find_raw(difference, below=50.0, edge_px=20, max_count=30)
    assert few.capped
    assert not every.capped
    assert sorted(few.scorr) == sorted(every.scorr)[-30:]
    ny, nx = SHAPE
    assert min(every.x_px.min(), every.y_px.min(), nx - 1 - every.x_px.max(), ny - 1 - every.y_px.max()) > 19
    assert len(find_raw(difference, threshold=60.0, below=70.0)) == 0
