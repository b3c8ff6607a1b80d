"""The recipe on a star field of known truth: photometry, depth, bad inputs named and left out."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from tests.reference_scene import CAMERA, KEY, TARGET, calibrators, epoch, key_of, stars
from ztfpipe.config import Reference
from ztfpipe.model.science import Calibrators
from ztfpipe.pipelines.reference.recipe import grid_of, make_reference

N = 6
SETTINGS = Reference(epochs_min=4)


@pytest.fixture(scope="module")
def field():
    return stars()


@pytest.fixture(scope="module")
def inputs(field):
    return [epoch(field, k)[2] for k in range(N)]


def made_of(inputs, field, settings=SETTINGS, unreadable=None):
    return make_reference(inputs, unreadable or {}, calibrators(field), CAMERA, KEY, settings)


@pytest.fixture(scope="module")
def made(inputs, field):
    return made_of(inputs, field)


def test_a_reference_of_good_inputs(made, inputs):
    assert made.status == 1
    assert made.used == tuple(one.key for one in inputs)
    assert not made.rejected
    assert made.zero_point_mag == TARGET
    assert made.wcs.crpix_px == pytest.approx(grid_of(KEY, CAMERA)[0].crpix_px)
    assert np.median(made.coverage) == N
    assert made.jd_range == (inputs[0].jd, inputs[-1].jd)


def test_stars_are_where_and_as_bright_as_they_are(made, field):
    catalog = made.psf_catalog
    distance, nearest = cKDTree(np.c_[field.x_px, field.y_px]).query(np.c_[catalog.x_px, catalog.y_px])
    alone = cKDTree(np.c_[field.x_px, field.y_px]).query(np.c_[field.x_px, field.y_px], k=2)[0][:, 1] > 15
    good = (distance < 1) & alone[nearest] & (field.mag[nearest] < 18) & (catalog.flags == 0)
    assert good.sum() > 50
    difference = catalog.mag[good] + TARGET - field.mag[nearest[good]]
    # Zero points are exact here, stars of 18 mag have S/N 100 and more: the median of fifty is good to 2 mmag.
    assert abs(np.median(difference)) < 0.005
    # A star of S/N 100 is placed to 0.4 FWHM / (S/N) = 0.01 px; medians of absolute values are below that.
    assert np.median(distance[good]) < 0.02


def test_depth_is_what_the_inputs_promise(made):
    # Weights by depth gain a few hundredths over the median; the fit of the limit is good to as much.
    assert made.limiting_mag == pytest.approx(made.metrics["maglim_promised"], abs=0.1)


def test_uncertainty_of_the_sky(made):
    empty = (made.mask == 0) & (np.abs(made.image_adu) < 5 * made.uncertainty_adu)
    pull = made.image_adu[empty] / made.uncertainty_adu[empty]
    # Faint stars' wings and the cut at 5 sigma change the width by a few per cent.
    assert 1.4826 * np.median(np.abs(pull - np.median(pull))) == pytest.approx(1, abs=0.05)


def moved(one, shift_px):
    """An input whose WCS is off; its catalog has the places that were right."""
    return replace(one, wcs=replace(one.wcs, crpix_px=one.wcs.crpix_px + np.array([0.0, shift_px])))


def test_wrong_inputs_are_found_and_named(inputs, field):
    """Forty epochs, one each of wrong WCS, far from its place, of wrong zero point, and half under a cloud."""
    brighter = replace(inputs[2], zero_point_mag=inputs[2].zero_point_mag + 0.2)
    half = np.where(field.x_px < 256, 10 ** (-0.4 * 0.12), 1.0)
    clouded = epoch(field, 3, dimmed=half)[2]
    more = [epoch(field, k)[2] for k in range(N, 40)]
    all_of_them = [moved(inputs[0], 400.0), moved(inputs[1], 1.0), brighter, clouded, *inputs[4:], *more]
    result = made_of(all_of_them, field, Reference())
    reasons = {key.exposure.filefracday: text for key, text in result.rejected.items()}
    assert set(result.rejected) == {key_of(k) for k in range(4)}
    assert "calibrators by place" in reasons[key_of(0).exposure.filefracday]
    assert "WCS is off by 1.01 arcsec" in reasons[key_of(1).exposure.filefracday]
    assert "zero point is off by -0.20" in reasons[key_of(2).exposure.filefracday]
    assert "not flat" in reasons[key_of(3).exposure.filefracday]
    assert (result.status, len(result.used)) == (1, 36)
    assert all(any(name in note for note in result.notes) for name in reasons)
    # What is left is as deep, as flat and as right as its 36 good inputs promise.
    assert result.limiting_mag == pytest.approx(result.metrics["maglim_promised"], abs=0.1)
    assert abs(result.metrics["ps1_offset"]) < 0.005
    assert result.metrics["flatrange"] < 0.01


def test_an_input_with_the_pixels_of_another_is_named(inputs, field, made):
    """Its catalog and calibration are right, so nothing but the trimming can tell."""
    other = replace(inputs[2], rows=lambda first, stop: tuple(part[:, ::-1] for part in inputs[2].rows(first, stop)))
    result = made_of([*inputs[:2], other, *inputs[3:]], field)
    (note,) = result.notes
    assert note.startswith(f"exposure {key_of(2).exposure.filefracday}: ")
    assert not made.notes
    # What it has is trimmed and the others are what they were: the same magnitudes.
    assert result.status == 1
    assert abs(result.metrics["ps1_offset"] - made.metrics["ps1_offset"]) < 0.003


def test_fourteen_that_agree_of_forty_are_no_reference(inputs, field):
    one = inputs[0]
    wrong = [replace(moved(one, 1.0), key=key_of(100 + k)) for k in range(26)]
    right = [replace(one, key=key_of(200 + k)) for k in range(14)]
    result = made_of([*wrong, *right], field, Reference())
    assert result.status == 0
    assert "14 inputs are left of 15 needed" in result.notes
    assert np.isnan(result.image_adu).all()


def test_too_few_left_is_no_reference(inputs, field):
    wrong = [replace(one, zero_point_mag=one.zero_point_mag + 0.3) for one in inputs[:3]]
    result = made_of([*wrong, *inputs[3:]], field, unreadable={key_of(9): "no such file"})
    assert result.status == 0
    assert len(result.used) == 3
    assert key_of(9) in result.rejected
    assert np.isnan(result.image_adu).all()
    assert not result.coverage.any()
    assert len(result.psf_catalog) == 0
    assert "3 inputs are left of 4 needed" in result.notes


def test_without_calibrators_nothing_confirms_the_inputs(inputs):
    result = make_reference(inputs, {}, Calibrators(None, None, None), CAMERA, KEY, SETTINGS)
    assert result.status == 0
    assert len(result.rejected) == N
