import numpy as np
import pytest

from ztfpipe.methods.detector.correction import BiasRows, FlatRows, correct_quadrant, subtract_overscan

A, B = -1.3e-11, 7.6e-7


def linearise(signal_adu, a_per_adu2, b_per_adu):
    """The bare formula, slowly."""
    return signal_adu / ((a_per_adu2 * signal_adu + b_per_adu) * signal_adu + 1)


@pytest.fixture
def frames():
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 65536, (23, 31)).astype(np.uint16) for _ in range(3)]
    levels = [1000 + rng.normal(0, 3, 23) for _ in range(3)]
    return images, levels, rng.normal(0, 2, (23, 31)).astype(np.float32)


def test_linearity_inverts_its_definition():
    true = np.linspace(0, 60_000, 101)
    # x such that true = x / (A x^2 + B x + 1): the root of A true x^2 + (B true - 1) x + true = 0 that is near true.
    measured = np.where(
        true > 0, (1 - B * true - np.sqrt((1 - B * true) ** 2 - 4 * A * true**2)) / (2 * A * np.maximum(true, 1)), 0
    )
    assert linearise(measured, A, B) == pytest.approx(true, rel=1e-9, abs=1e-9)


def test_corrections_against_slow_twins(frames):
    images, levels, bias = frames
    above = images[0].astype(float) - levels[0][:, None]
    # float32 of numbers up to 65536 is good to 0.004 / 2 per operation.
    assert subtract_overscan(images[0], levels[0]) == pytest.approx(above, abs=0.004)
    expected = linearise(above - bias, A, B)
    found = correct_quadrant(images[0], levels[0], bias, a_per_adu2=A, b_per_adu=B)
    assert found.dtype == np.float32
    assert found == pytest.approx(expected, abs=0.02)


def test_rows_of_stacks_are_the_frames_corrected(frames):
    images, levels, bias = frames
    into = np.empty((3, 5, 31), np.float32)
    BiasRows(images, levels).read(7, into)
    for i in range(3):
        np.testing.assert_array_equal(into[i], subtract_overscan(images[i], levels[i])[7:12])
    flats = FlatRows(images, levels, bias, A, B, [1.0, 2.0, 0.5])
    assert flats.shape == (3, 23, 31)
    flats.read(18, into)
    for i, scale in enumerate(flats.scales):
        whole = correct_quadrant(images[i], levels[i], bias, a_per_adu2=A, b_per_adu=B)
        np.testing.assert_allclose(into[i], scale * whole[18:23], rtol=3e-7)
