"""Pairs and samples with known truth, on patches of a hundredth of a quadrant."""

import numpy as np
import pytest

from training import artefacts
from training.light import kolmogorov, moffat
from training.pairs import FAMILIES
from training.samples import balanced, draw_samples, joined

SHAPE = (400, 400)


@pytest.mark.parametrize("family", [moffat, kolmogorov])
def test_light_has_the_flux_the_place_and_the_width_it_was_asked_for(family):
    light = family(np.random.default_rng(3), 2.4, (81, 91), 1.0)(np.array([40.3]), np.array([37.8]), np.array([1e5]))
    y, x = np.indices(light.shape)
    # Both families have wings beyond the patch: a few per cent.
    assert light.sum() == pytest.approx(1e5, rel=0.06)
    core = np.hypot(x - 40.3, y - 37.8) < 6
    # A phase of coma moves the centroid within the core by less than a tenth of the FWHM.
    assert (light * x)[core].sum() / light[core].sum() == pytest.approx(40.3, abs=0.24)
    assert (light * y)[core].sum() / light[core].sum() == pytest.approx(37.8, abs=0.24)
    # Area above half of the peak of a round source is that of a circle of the FWHM; pixels and shapes take a fifth.
    width = 2 * np.sqrt((light > light.max() / 2).sum() / np.pi)
    assert width == pytest.approx(2.4, abs=0.7)


@pytest.mark.parametrize("kind", [*artefacts.TRAINED, *artefacts.JUDGED], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("place", [(50.2, 40.7), (0.0, 0.0), (99.4, 79.4)])
def test_artefacts_fit_on_the_image_wherever_they_lie(kind, place):
    image = np.zeros((80, 100), np.float32)
    kind(image, *place, 1000.0, 2.2, np.random.default_rng(5))
    assert np.isfinite(image).all()
    if place[0] == 50.2:
        assert image.any()


def test_families_share_neither_psf_nor_seed():
    trained, judged = FAMILIES["trained"], FAMILIES["judged"]
    assert trained.psf is not judged.psf
    assert trained.seed != judged.seed
    assert {one.__name__ for one in trained.kinds} & {one.__name__ for one in judged.kinds} == {"hit"}


@pytest.fixture(scope="module")
def samples():
    return draw_samples(FAMILIES["trained"], range(2), planted=16, artefacts=10, most=20, shape=SHAPE)


def test_planted_sources_and_artefacts_are_found_and_named(samples):
    assert 8 <= samples.real.sum() <= 32
    assert (~samples.real).sum() > 5
    assert set(samples.kind[samples.real]) == {"real"}
    assert "real" not in samples.kind[~samples.real]
    assert np.isnan(samples.snr[~samples.real]).all()
    # Of faint ones S_corr is the S/N but for the wings beyond a PSF's stamp, a few percent; in bright ones registration
    # noise, which grows with the flux, is as large as that of the sky. Single ratios scatter by one over the S/N, a
    # tenth: the median of ten by 0.04.
    faint = samples.real & (samples.snr < 15)
    assert faint.sum() >= 5
    assert np.median(samples.scorr[faint] / samples.snr[faint]) == pytest.approx(0.96, abs=3 * 0.04 + 0.04)


def test_samples_are_made_again_alike(samples):
    again = draw_samples(FAMILIES["trained"], range(1), planted=16, artefacts=10, most=20, shape=SHAPE)
    first = samples.of(samples.night == 0)
    np.testing.assert_array_equal(again.features, first.features)
    np.testing.assert_array_equal(again.inner, first.inner)


def test_weights_balance_classes(samples):
    weight = balanced(joined([samples, samples.of(~samples.real)]))
    real = np.concatenate([samples.real, np.zeros((~samples.real).sum(), bool)])
    assert weight[real].sum() == pytest.approx(weight[~real].sum(), rel=1e-5)
