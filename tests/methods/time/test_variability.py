"""Statistics of light curves against definitions written out one by one, and against scipy."""

import numpy as np
import pytest
from scipy import stats

from ztfpipe.methods.time.error_model import fit_error_model
from ztfpipe.methods.time.grouping_nb import group, group_median_sigma
from ztfpipe.methods.time.variability import PERCENTILES, direction_scatter, light_curve_statistics


def longest(flags):
    """Longest run of true values."""
    return max((len(run) for run in "".join("x" if flag else " " for flag in flags).split()), default=0)


def twin(m, e, raw, t, pair_d):
    """Every statistic of one light curve of two or more points, by its definition."""
    n, d = len(m), m - m.mean()
    s = m.std(ddof=1)
    w = 1 / e**2
    wmean = np.sum(w * m) / w.sum()
    delta = np.sqrt(n / (n - 1)) * (m - wmean) / e
    products, k = [], 0
    while k < n:
        if k + 1 < n and t[k + 1] - t[k] <= pair_d:
            products.append(delta[k] * delta[k + 1])
            k += 2
        else:
            products.append(delta[k] ** 2 - 1)
            k += 1
    products = np.array(products)
    slopes = [abs((m[k + 1] - m[k]) / (t[k + 1] - t[k])) for k in range(n - 1) if t[k + 1] > t[k]]
    found = {
        "minmag": m.min(), "maxmag": m.max(), "meanmag": m.mean(), "medianmag": np.median(m), "magrms": s,
        "weightedmeanmag": wmean, "weightedmagrms": np.sqrt(np.sum(w * (m - wmean) ** 2) / w.sum() * n / (n - 1)),
        "medianabsdev": np.median(np.abs(m - np.median(m))), "medmagerr": np.median(e),
        "chisq": np.sum(w * (m - wmean) ** 2) / (n - 1), "skewness": stats.skew(m),
        "smallkurtosis": stats.kurtosis(m, bias=False), "vonneumannratio": np.mean(np.diff(m) ** 2) / s**2,
        "lineartrend": np.polyfit(t - t.mean(), m, 1)[0], "maxslope": max(slopes), "uncalibmeanmag": raw.mean(),
        "stetsonk": np.mean(np.abs(delta)) / np.sqrt(np.mean(delta**2)),
        "stetsonj": np.mean(np.sign(products) * np.sqrt(np.abs(products))),
        "con": np.mean([np.all(d[i : i + 3] > 2 * s) or np.all(d[i : i + 3] < -2 * s) for i in range(n - 2)]),
        "npairposslope": np.sum(np.diff(m)[-30:] > 0),
        "nmedianbufferrange": np.sum(np.abs(m - np.median(m)) <= 0.1 * np.ptp(m) / 2),
        "percentiles": np.percentile(m, PERCENTILES),
    }  # fmt: skip
    limits = s * np.array([1, 2, 3])
    found["nabovemeanbystd"] = [np.sum(d > limit) for limit in limits]
    found["nbelowmeanbystd"] = [np.sum(d < -limit) for limit in limits]
    found["nconsecabovemeanbystd"] = [longest(d > limit) for limit in limits]
    found["nconsecbelowmeanbystd"] = [longest(d < -limit) for limit in limits]
    found["nconsecfrommeanbystd"] = [longest(np.abs(d) > limit) for limit in limits]
    return found


def test_every_statistic_is_its_definition():
    rng = np.random.default_rng(1)
    sizes = [45, 7, 1, 0, 300]
    source = rng.permutation(np.repeat(np.arange(5), sizes))
    n = source.size
    mag, error, raw = 17 + rng.standard_t(3, n) * 0.1, rng.uniform(0.02, 0.2, n), rng.normal(17, 0.1, n)
    time = np.sort(np.round(rng.uniform(0, 100, n), 2))
    start, members = group(source, np.arange(n, dtype=np.int32), 5)
    found = light_curve_statistics(start, members, mag, error, raw, time, stetson_pair_d=0.5)
    for g in (0, 1, 4):
        rows = np.flatnonzero(source == g)
        for name, expected in twin(mag[rows], error[rows], raw[rows], time[rows], 0.5).items():
            # Sums of 300 doubles; the trend of numpy's polyfit holds to 1e-9.
            assert found[name][g] == pytest.approx(expected, rel=1e-8, abs=1e-10), name
    assert found["medianmag"][2] == found["minmag"][2] == mag[source == 2][0]
    assert np.isnan(found["magrms"][2])
    assert np.isnan(found["meanmag"][3])
    assert found["percentiles"][4, 0] < found["percentiles"][4, -1]


def test_measurements_of_one_value_have_no_shape():
    start, members = np.array([0, 5]), np.arange(5, dtype=np.int32)
    same = np.full(5, 18.0)
    found = light_curve_statistics(start, members, same, same * 0 + 0.1, same, np.zeros(5), stetson_pair_d=0.5)
    assert found["magrms"][0] == 0
    for name in ("skewness", "smallkurtosis", "vonneumannratio", "maxslope", "lineartrend", "stetsonk"):
        assert np.isnan(found[name][0]), name


def test_groups_are_those_of_a_stable_sort():
    rng = np.random.default_rng(2)
    index, rows = rng.integers(-1, 6, 100), rng.permutation(100)[:80].astype(np.int32)
    start, members = group(index, rows, 5)
    for g in range(5):
        assert members[start[g] : start[g + 1]].tolist() == [row for row in rows if index[row] == g]
    values = rng.normal(size=100)
    median, sigma = group_median_sigma(values, start, members)
    part = values[members[start[2] : start[3]]]
    assert median[2] == pytest.approx(np.median(part))
    assert sigma[2] == pytest.approx(np.diff(np.percentile(part, [15.865525393145708, 84.13447460685429]))[0] / 2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_quantiles_of_groups_are_those_of_sorted_values_whatever_the_values(dtype):
    rng = np.random.default_rng(12)
    # Few different values make ties, few values meet at the ends, and already sorted ones are what selection fears.
    groups = [rng.integers(0, 4, n).astype(dtype) for n in range(1, 30)] + [np.arange(500.0, dtype=dtype)]
    groups += [rng.normal(size=n).astype(dtype) for n in (2, 9, 10, 999)]
    sizes = [one.size for one in groups]
    index, values = np.repeat(np.arange(len(groups)), sizes), np.concatenate(groups)
    start, members = group(index, np.arange(values.size, dtype=np.int32), len(groups))
    median, sigma = group_median_sigma(values, start, members)
    for g, one in enumerate(groups):
        low, middle, high = np.percentile(one.astype(np.float64), [15.865525393145708, 50, 84.13447460685429])
        # A difference of two numbers of order 1 to 500, in double precision.
        assert (median[g], sigma[g]) == pytest.approx((middle, (high - low) / 2), rel=1e-12, abs=1e-12)
    assert values.tolist() == np.concatenate(groups).tolist()
    unknown = np.array([1.0, np.nan, 3.0], dtype)
    median, _ = group_median_sigma(unknown, np.array([0, 3]), np.arange(3, dtype=np.int32))
    assert np.isnan(median[0]) or median[0] == 3


def test_scatter_of_directions_also_across_zero_hours():
    rng = np.random.default_rng(3)
    ra, dec = (359.99999 + rng.normal(0, 2e-5, 400)) % 360, 60 + rng.normal(0, 1e-5, 400)
    found = direction_scatter(np.array([0, 400]), np.arange(400, dtype=np.int32), ra, dec)
    # cos 60 = 1/2: both axes have 1e-5 deg; 400 points tell the RMS to 2.5 %, four sigma.
    assert found[0] == pytest.approx(np.radians(np.sqrt(2) * 1e-5), rel=0.1)


def test_the_error_model_is_found_again_beside_variables():
    rng = np.random.default_rng(4)
    truth = np.array([0.012, -0.0004, 1e-9, 3e-18])
    mag = rng.uniform(14, 20.5, 3000)
    x = 10 ** (0.4 * mag)
    sigma = truth @ np.array([np.ones(3000), mag, x, x**2])
    scatter = sigma * rng.normal(1, 0.1, 3000) * np.where(rng.random(3000) < 0.1, 5, 1)
    model = fit_error_model(mag, scatter, bins=25, sources_min=15)
    at = np.linspace(14.5, 20, 40)
    x = 10 ** (0.4 * at)
    # Bins of 120 sources: their medians hold to 1.1 %, and a tenth of variables lift them by 1.4 %; the bend of
    # the curve within a bin is 2 % at the faint end.
    assert model.at(at) == pytest.approx(truth @ np.array([np.ones(40), at, x, x**2]), rel=0.06)
    assert model.at(25.0) == model.at(model.range_mag[1])
    assert fit_error_model(mag[:50], scatter[:50], bins=25, sources_min=15) is None
