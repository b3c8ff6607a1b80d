"""Candidates: peaks against a plain search, features against planted sources."""

from dataclasses import fields, replace

import numpy as np
import pytest

from ztfpipe.methods.difference.candidates import difference_psf, find_candidates, measure
from ztfpipe.methods.difference.candidates_nb import extrema
from ztfpipe.methods.difference.zogy import subtract
from ztfpipe.model.difference import CANDIDATE_COLUMNS, Candidates

SHAPE = (420, 400)
ZERO_POINT = 26.0


@pytest.fixture(scope="module")
def planted(psf_of, drawn, exposed):
    """A difference with 60 new sources of S/N about 25 on a grid, 20 gone, and the truth."""
    rng = np.random.default_rng(11)
    psf_n, psf_r = psf_of(2.6, SHAPE), psf_of(2.1, SHAPE)
    at = np.arange(80)
    x = 30 + 40 * (at % 9) + rng.uniform(-0.5, 0.5, 80)
    y = 30 + 40 * (at // 9) + rng.uniform(-0.5, 0.5, 80)
    flux = np.full(80, 600.0)
    new = at < 60
    n, r = drawn(psf_n, x[new], y[new], flux[new]), drawn(psf_r, x[~new], y[~new], flux[~new])
    difference = subtract(exposed(n, 4.0, psf_n, rng), exposed(r, 2.0, psf_r, rng), calibrate=False)
    return difference, x, y, flux, new


def test_extrema_are_those_of_a_plain_search():
    rng = np.random.default_rng(12)
    image = rng.normal(0, 2, (40, 50)).astype(np.float32)
    image[20, 20] = image[20, 21] = 9.0
    bad = rng.uniform(size=image.shape) < 0.05
    expected = []
    for y in range(3, 37):
        for x in range(3, 47):
            box = image[y - 1 : y + 2, x - 1 : x + 2]
            top = image[y, x] == box.max() and image[y, x] != image[y, x - 1]
            bottom = image[y, x] == box.min()
            if abs(image[y, x]) >= 3 and not bad[y, x] and (top if image[y, x] > 0 else bottom):
                expected.append((y, x))
    rows, columns, count = extrema(image, bad, 3.0, 3, 1000)
    assert list(zip(rows, columns, strict=True)) == expected
    assert count == len(expected)
    rows, _, count = extrema(image, bad, 3.0, 3, 5)
    assert (len(rows), count) == (5, len(expected))


def test_planted_sources_are_measured_without_bias(planted):
    difference, x, y, flux, new = planted
    found = find_candidates(difference, zero_point_mag=ZERO_POINT, threshold=8.0)
    assert len(found) == 80
    distance = np.hypot(found.x_px[:, None] - x, found.y_px[:, None] - y)
    which = distance.argmin(axis=1)
    assert (found.positive == new[which]).all()
    pull = (found.flux_adu - flux[which]) / found.sigma_flux_adu
    # The free position adds 1 / (S/N) = 0.04 to the mean; 80 values: four sigma of mean and of width.
    assert pull.mean() == pytest.approx(0.04, abs=4 / np.sqrt(80))
    assert pull.std() == pytest.approx(1.0, abs=4 / np.sqrt(160))
    # Position error: sigma of the PSF over S/N, 1.1 px / 25, in each axis; its width to four sigma.
    assert np.std(found.x_px - x[which]) == pytest.approx(1.15 / 25, rel=0.4)
    assert found.converged.all()
    assert np.median(found.chi) == pytest.approx(1.0, abs=0.1)
    assert found.mag == pytest.approx(ZERO_POINT - 2.5 * np.log10(found.flux_adu))
    # The median of 80 aperture magnitudes of S/N 13: four sigma.
    assert np.median(found.aperture_mag - found.mag) == pytest.approx(0.0, abs=4 * 1.25 * 0.085 / np.sqrt(80))


def test_shapes_of_point_sources(planted):
    difference, *_ = planted
    found = find_candidates(difference, zero_point_mag=ZERO_POINT, threshold=8.0)
    width = difference_psf(difference).fwhm_px
    # A Gaussian in a window of its own width is sqrt(1/2) as wide; P_D is one but for its faint rings.
    assert np.median(found.fwhm_px) == pytest.approx(width, rel=0.1)
    assert np.median(found.major_px) == pytest.approx(width / 2.3548 / np.sqrt(2), rel=0.1)
    assert (found.major_px >= found.minor_px).all()
    assert np.median(found.columns()["elong"]) < 1.25
    assert np.median(found.stellarity) > 0.9
    assert np.median(found.sum_ratio) > 0.95
    assert (found.bad_pixels == 0).all()


def test_an_elongated_source_is_told_from_a_star(psf_of, drawn, exposed):
    shape = (64, 64)
    psf = psf_of(2.4, shape)
    trail = drawn(psf, 32 + np.linspace(-4, 4, 30), np.full(30, 32.0), np.full(30, 100.0))
    difference = subtract(exposed(trail, 2.0, psf), exposed(np.zeros(shape), 1.0, psf), calibrate=False)
    found = find_candidates(difference, zero_point_mag=ZERO_POINT, threshold=20.0)
    best = int(np.argmax(found.scorr))
    # A trail of 8 px has an RMS of 2.5 px against 1.0 px across; the window of its own size leaves 1.4 and 0.9.
    assert found.columns()["elong"][best] > 1.5
    assert found.chi[best] > 3
    assert found.stellarity[best] < 0.5


def test_the_negative_is_measured_as_the_positive_is(planted):
    difference, *_ = planted
    turned = replace(
        difference, image_adu=-difference.image_adu, scorr=-difference.scorr, flux_adu=-difference.flux_adu,
        knots=difference.reference_knots, reference_knots=difference.knots,
    )  # fmt: skip
    a, b = (find_candidates(d, zero_point_mag=ZERO_POINT) for d in (difference, turned))
    assert (a.positive == ~b.positive).all()
    # The width of P_D is that of either PSF's table, equal but for the edges of the tables.
    for name in ("flux_adu", "scorr", "sum_ratio", "negative_pixels"):
        assert getattr(a, name) == pytest.approx(getattr(b, name), rel=1e-3)


def test_bad_pixels_and_edges(planted):
    difference, x, y, *_ = planted
    bad = difference.bad.copy()
    row, column = round(y[0]), round(x[0])
    bad[row + 1, column - 2 : column + 3] = True
    bad[round(y[1]), round(x[1])] = True
    found = find_candidates(replace(difference, bad=bad), zero_point_mag=ZERO_POINT, threshold=8.0, edge_px=0)
    first = int(np.argmin(np.hypot(found.x_px - x[0], found.y_px - y[0])))
    assert found.bad_pixels[first] == 5
    # Fitted from what is left: within five of its own sigma.
    assert found.flux_adu[first] == pytest.approx(600, abs=5 * found.sigma_flux_adu[first])
    assert not bad[np.rint(found.y_px).astype(int), np.rint(found.x_px).astype(int)][1:].all()
    inner = find_candidates(difference, zero_point_mag=ZERO_POINT, threshold=3.0, edge_px=40)
    assert inner.edge_distance_px.min() > 38


def test_a_failed_subtraction_is_capped_and_says_so(psf_of, exposed):
    rng = np.random.default_rng(13)
    shape = (128, 128)
    psf = psf_of(2.2, shape)
    noise = rng.normal(0, 30, shape)
    difference = subtract(exposed(noise, 3.0, psf), exposed(np.zeros(shape), 1.0, psf), calibrate=False)
    found = find_candidates(difference, zero_point_mag=ZERO_POINT, max_count=50)
    assert (len(found), found.capped) == (50, True)
    assert found.found > 200
    everything = find_candidates(difference, zero_point_mag=ZERO_POINT)
    assert not everything.capped
    # The most significant ones are kept.
    assert found.scorr.min() >= np.sort(everything.scorr)[-50]


def test_nothing_to_find_is_a_table_without_rows(psf_of, exposed):
    shape = (64, 64)
    psf = psf_of(2.2, shape)
    zero = exposed(np.zeros(shape), 3.0, psf)
    found = find_candidates(subtract(zero, zero, calibrate=False), zero_point_mag=ZERO_POINT)
    assert len(found) == 0
    table = found.columns()
    assert list(table) == [column.name for column in CANDIDATE_COLUMNS]
    assert all(len(values) == 0 and values.dtype == column.dtype for values, column in zip(
        table.values(), CANDIDATE_COLUMNS, strict=True))  # fmt: skip


def test_every_row_of_measured_features_is_finite_or_says_why(planted):
    difference, *_ = planted
    rng = np.random.default_rng(14)
    rows, columns = rng.integers(0, SHAPE[0], 300), rng.integers(0, SHAPE[1], 300)
    found = measure(difference, rows, columns, zero_point_mag=ZERO_POINT)
    allowed = {"mag", "sigma_mag", "aperture_mag", "sigma_aperture_mag", "big_aperture_mag", "sigma_big_aperture_mag",
               "mag_from_limit"}  # fmt: skip
    for item in fields(Candidates):
        values = getattr(found, item.name)
        if item.name not in allowed:
            assert np.isfinite(values).all(), item.name


def test_distance_to_the_nearest_edge(planted):
    """From the centre of the pixel before the first on one side, from the far edge of the last on the other."""
    found = find_candidates(planted[0], zero_point_mag=ZERO_POINT, threshold=8.0)
    ny, nx = SHAPE
    edges = [min(x + 1, y + 1, nx - 0.5 - x, ny - 0.5 - y) for x, y in zip(found.x_px, found.y_px, strict=True)]
    assert found.edge_distance_px == pytest.approx(edges)
    # The grid reaches within 50 px of all four edges but the upper one, and each is the nearest of some.
    assert {int(np.argmin([x + 1, nx - 0.5 - x, y + 1])) for x, y in zip(found.x_px, found.y_px, strict=True)} == {
        0,
        1,
        2,
    }
