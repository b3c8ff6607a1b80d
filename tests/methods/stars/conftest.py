"""Gives the tests of stars their synthetic sky (sky.py, which validation uses as well)."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

_spec = importlib.util.spec_from_file_location("synthetic_star_sky", Path(__file__).with_name("sky.py"))
_sky = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = _sky
_spec.loader.exec_module(_sky)


@pytest.fixture(scope="session")
def sky():
    """The module sky.py: Sky, observe, GAIN_E_PER_ADU."""
    return _sky


@pytest.fixture(scope="session")
def star_field():
    """A function that makes (image, weight, x, y, flux): stars anywhere on a small image, with noise."""

    def make(rng, sky_model, count, flux_range, *, sky_adu=150.0, margin=14):
        ny, nx = sky_model.shape
        x, y = rng.uniform(margin, nx - margin, count), rng.uniform(margin, ny - margin, count)
        flux = 10 ** rng.uniform(*np.log10(flux_range), count)
        image, weight = _sky.observe(sky_model.render(x, y, flux), sky_adu, rng)
        return image, weight, x, y, flux

    return make
