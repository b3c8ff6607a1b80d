"""What zero point is usual: medians and scatters of known numbers, of usable images only."""

import numpy as np
import pandas as pd
import pytest

from ztfpipe.methods.statistics import MAD_TO_SIGMA
from ztfpipe.model.zero_points import UsualZeroPoint
from ztfpipe.pipelines.science.zero_points import usual_zero_points

COLUMNS = ["night", "filter", "rcid", "status", "standard_zero_point_mag"]


def ramp(night, code, rcid, middle, n):
    """n numbers in steps of 0.01 about `middle`: the median deviation of an odd number n is (n - 1) / 4 steps."""
    return [(night, code, rcid, 1, middle + 0.01 * (k - (n - 1) / 2)) for k in range(n)]


def test_median_and_scatter_by_channel_and_filter():
    rows = ramp("20180320", "zr", 3, 26.3, 21) + ramp("20180322", "zg", 3, 26.1, 9)
    rows += [("20180321", "zr", 3, 0, 20.0), ("20180321", "zr", 3, 1, np.nan)]
    table = pd.DataFrame(rows, columns=COLUMNS).sample(frac=1.0, random_state=1)
    found = usual_zero_points("20180325", table)
    # Nights without a usable image do not count.
    assert (found.night, found.nights) == ("20180325", ("20180320", "20180322"))
    assert set(found.channels) == {("zr", 3), ("zg", 3)}
    one = found.channels["zr", 3]
    assert (one.median_mag, one.scatter_mag) == pytest.approx((26.3, MAD_TO_SIGMA * 0.05), abs=1e-9)
    assert (one.images, found.channels["zg", 3].images) == (21, 9)
    assert found.channels["zg", 3].scatter_mag == pytest.approx(MAD_TO_SIGMA * 0.02, abs=1e-9)


def test_clouds_on_a_third_of_the_images_move_the_usual_by_little():
    # A third lies far below: the median is the quarter-quantile of the clear ones, 0.674 sigma low, with an error of
    # sqrt(0.25 x 0.75 / 200) / 0.318 = 0.1 sigma. Three quarters of the clear ones are within the MAD m of it:
    # Phi(m - 0.674) - Phi(-m - 0.674) = 0.75 at m = 1.41, known to sqrt(0.25 x 0.75 / 200) / 0.35 = 0.09.
    rng = np.random.default_rng(3)
    zero = np.concatenate([26.2 + 0.02 * rng.normal(size=200), 25.0 + 0.3 * rng.normal(size=100)])
    table = pd.DataFrame({"night": "20180320", "filter": "zi", "rcid": 0, "status": 1, "standard_zero_point_mag": zero})
    one = usual_zero_points("20180325", table).channels["zi", 0]
    assert one.median_mag - 26.2 == pytest.approx(-0.674 * 0.02, abs=4 * 0.1 * 0.02)
    assert one.scatter_mag == pytest.approx(1.41 * MAD_TO_SIGMA * 0.02, abs=4 * 0.09 * MAD_TO_SIGMA * 0.02)


def test_of_nothing_nothing_is_usual():
    table = pd.DataFrame(columns=COLUMNS).astype({"standard_zero_point_mag": float})
    assert usual_zero_points("20180325", table).channels == {}


def test_values_are_those_of_the_dataclass():
    table = pd.DataFrame(ramp("20180320", "zr", 3, 26.0, 1), columns=COLUMNS)
    assert usual_zero_points("20180325", table).channels["zr", 3] == UsualZeroPoint(26.0, 0.0, 1)
