"""Light filters: each fires on one candidate and lets another pass."""

import numpy as np
import pytest

from ztfpipe.methods.difference.light_filters import failed_filters
from ztfpipe.model.candidates import LIGHT_FILTERS

GOOD = {"flux": 100.0, "sigflux": 10.0, "magpsf": 20.0, "nbad": 0, "fwhm": 2.2, "elong": 1.1, "magdiff": 0.05}


def bits_of(**changed):
    row = {name: np.array([value]) for name, value in {**GOOD, **changed}.items()}
    return int(failed_filters(row)[0])


def test_a_good_candidate_passes_all():
    assert bits_of() == 0


@pytest.mark.parametrize(
    ("name", "column", "fails", "passes"),
    [
        ("snr", "flux", 49.9, 50.0),
        ("magpsf", "magpsf", 23.6, 23.5),
        ("nbad", "nbad", 5, 4),
        ("fwhm", "fwhm", 7.01, 7.0),
        # The limit is compared as it stands in files: 1.6 in single precision is a little more than 1.6.
        ("elong", "elong", 1.6001, np.float32(1.6)),
        ("magdiff", "magdiff", -0.41, np.float32(-0.4)),
        ("magdiff", "magdiff", 0.76, 0.75),
    ],
)
def test_each_filter_fires_and_does_not(name, column, fails, passes):
    assert bits_of(**{column: fails}) == 1 << LIGHT_FILTERS.index(name)
    assert bits_of(**{column: passes}) == 0


@pytest.mark.parametrize("column", ["magpsf", "fwhm", "elong", "magdiff"])
def test_what_was_not_measured_does_not_pass(column):
    assert bits_of(**{column: np.nan}) == 1 << LIGHT_FILTERS.index(column)


def test_all_that_fail_are_said_and_limits_can_be_chosen():
    assert bits_of(flux=-1.0, nbad=9) == 1 | 4
    rows = {name: np.array([value, value]) for name, value in GOOD.items()}
    assert failed_filters(rows, snr_min=20, elongation_max=1.05).tolist() == [17, 17]
    assert failed_filters({name: value[:0] for name, value in rows.items()}).shape == (0,)
