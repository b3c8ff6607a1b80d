"""Scores: the trees and the network against slow twins, and what must not matter to them."""

import numpy as np
import pytest

from ztfpipe.methods.difference.real_bogus import (
    LAYERS,
    forest_scores,
    forward,
    network_scores,
    planes,
    probability,
    views,
)
from ztfpipe.model.candidates import Cutouts
from ztfpipe.model.real_bogus import Forest, Network


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def random_cutouts(rng, count=3):
    stamps = [rng.normal(200, 7, (count, 63, 63)).astype(np.float32) for _ in range(2)]
    stamps.append(rng.normal(0, 8, (count, 63, 63)).astype(np.float32))
    for stamp in stamps:
        stamp[:, 28:35, 28:35] += 100
    return Cutouts(*stamps)


def random_network(rng):
    weights = {}
    for name, (inputs, outputs) in LAYERS.items():
        weights[f"{name}_w"] = rng.normal(0, np.sqrt(2 / inputs), (inputs, outputs)).astype(np.float32)
        weights[f"{name}_b"] = rng.normal(0, 0.1, outputs).astype(np.float32)
    return Network("test", weights)


def test_trees_are_walked_as_written():
    """Two trees: one asks twice, the other is a leaf."""
    forest = Forest(
        "test", ("a", "b"), 0.5, np.array([0, 5], np.int32), np.array([0, 0, 1, 0, 0, 0], np.int16),
        np.array([1.0, 0, -2.0, 0, 0, 0]), np.array([1, 1, 3, 3, 4, 5], np.int32),
        np.array([2, 1, 4, 3, 4, 5], np.int32), np.array([9, -1, 9, 2, 3, 0.25], np.float32), 2,
    )  # fmt: skip
    table = np.array([[1.0, 0], [1.5, -2], [1.5, -1.9]], np.float32)
    # A value equal to the threshold goes left, as in the package that grows the trees.
    expected = 1 / (1 + np.exp(-(0.5 + np.array([-1, 2, 3]) + 0.25)))
    np.testing.assert_allclose(forest_scores(forest, table), expected, rtol=1e-6)
    assert forest_scores(forest, table[:0]).shape == (0,)


def slow_convolution(values, weights, bias):
    rows, columns, outputs = values.shape[0] - 2, values.shape[1] - 2, len(bias)
    kernel = weights.reshape(3, 3, -1, outputs)
    out = np.zeros((rows, columns, outputs))
    for j in range(rows):
        for i in range(columns):
            for k in range(outputs):
                out[j, i, k] = (values[j : j + 3, i : i + 3] * kernel[..., k]).sum() + bias[k]
    return np.maximum(out, 0)


def slow_pooled(values):
    rows, columns = values.shape[0] // 2, values.shape[1] // 2
    return np.array(
        [[values[2 * j : 2 * j + 2, 2 * i : 2 * i + 2].max(axis=(0, 1)) for i in range(columns)] for j in range(rows)]
    )


def test_the_network_is_what_its_layers_say(rng):
    network = random_network(rng)
    w = network.weights
    inner, outer = rng.normal(0, 1, (1, 29, 29, 3)), rng.normal(0, 1, (1, 21, 21, 3))
    near = slow_convolution(slow_convolution(inner[0], w["near1_w"], w["near1_b"]), w["near2_w"], w["near2_b"])
    near = slow_pooled(slow_convolution(slow_pooled(near), w["near3_w"], w["near3_b"]))
    far = slow_pooled(slow_convolution(outer[0], w["far1_w"], w["far1_b"]))
    far = slow_pooled(slow_convolution(far, w["far2_w"], w["far2_b"]))
    seen = np.concatenate([near.ravel(), far.ravel()])
    expected = np.maximum(seen @ w["dense_w"] + w["dense_b"], 0) @ w["out_w"] + w["out_b"]
    # float32 sums of some hundred terms of order one.
    np.testing.assert_allclose(forward(np, w, inner, outer), expected, atol=1e-4)


def test_level_and_gain_of_an_image_do_not_matter(rng):
    one = random_cutouts(rng)
    other = Cutouts(3 * one.science + 500, one.template / 2 - 90, 3 * one.difference)
    sign = np.ones(3, bool)
    # float32 pixels of 1,100 DN over a noise of 21 keep 1e-5 of it.
    np.testing.assert_allclose(planes(other, sign), planes(one, sign), atol=1e-3)


def test_unknown_pixels_are_nought_and_change_no_others(rng):
    one = random_cutouts(rng)
    two = Cutouts(one.science.copy(), one.template.copy(), one.difference.copy())
    two.science[:, :5] = np.nan
    two.template[:, :, 60:] = -3.4e38
    two.difference[0] = np.nan
    shown = planes(two, np.ones(3, bool))
    assert np.isfinite(shown).all()
    assert not shown[:, :5, :, 0].any()
    assert not shown[:, :, 60:, 1].any()
    assert not shown[0, ..., 2].any()
    # The median of a thousand pixels moves by 0.04 of their scatter, and that by three per cent, when some are lost.
    difference = np.abs(shown[:, 5:, :, 0] - planes(one, np.ones(3, bool))[:, 5:, :, 0])
    assert difference.max() < 0.3


def test_an_image_of_one_value_is_shown_as_nothing():
    flat = np.full((1, 63, 63), 5.0, np.float32)
    assert not planes(Cutouts(flat, flat, flat), np.ones(1, bool)).any()


def test_a_candidate_gone_is_shown_as_one_that_came(rng):
    one = random_cutouts(rng)
    gone = planes(Cutouts(one.template, one.science, one.difference), np.zeros(3, bool))
    np.testing.assert_array_equal(gone, planes(one, np.ones(3, bool)))


def test_views_are_the_middle_and_blocks(rng):
    shown = rng.normal(0, 1, (2, 63, 63, 3)).astype(np.float32)
    inner, outer = views(shown)
    np.testing.assert_array_equal(inner, shown[:, 17:46, 17:46])
    assert outer.shape == (2, 21, 21, 3)
    assert outer[1, 20, 0, 2] == pytest.approx(shown[1, 60:63, 0:3, 2].mean(), rel=1e-5)


def test_scores_do_not_depend_on_company(rng):
    """More candidates than a batch: each is scored as if alone."""
    network, many = random_network(rng), random_cutouts(rng, 130)
    sign = rng.uniform(size=130) < 0.5
    scores = network_scores(network, many, sign)
    last = Cutouts(many.science[-1:], many.template[-1:], many.difference[-1:])
    assert network_scores(network, last, sign[-1:])[0] == pytest.approx(scores[-1], abs=1e-4)
    assert ((scores >= 0) & (scores <= 1)).all()
    assert network_scores(network, Cutouts(*(one[:0] for one in vars(many).values())), sign[:0]).shape == (0,)


def test_probability_of_extreme_odds():
    with np.errstate(all="raise"):
        np.testing.assert_allclose(probability(np.array([-1e3, 0, 1e3])), [0, 0.5, 1])
