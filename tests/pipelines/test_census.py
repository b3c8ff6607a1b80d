"""What a release says it holds, counted by hand."""

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from ztfpipe.model.keys import ReferenceKey
from ztfpipe.pipelines.lightcurve import census
from ztfpipe.products.reports.release_census import write_coverage
from ztfpipe.steps.lightcurve.describing import MAP_SHAPE

BAD = 1 << 25


@pytest.fixture(scope="module")
def images():
    """Two exposures in r of one field, of two quadrants each, and one in g of another; one image is bad."""
    rows = [
        ("zr", 473, 1, 58200.0, 0), ("zr", 473, 1, 58200.0, BAD), ("zr", 473, 2, 58203.5, 1),
        ("zr", 473, 2, 58203.5, 0), ("zr", 473, 4, 58210.5, 0), ("zg", 474, 3, 58201.0, 0),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["filter", "field", "expid", "mjd", "infobits"])


def test_images_are_good_and_bad_and_exposures_are_counted_once(images):
    table = census.image_table(images)
    assert table.index.tolist() == ["zg", "zr", "all"]
    assert table.loc["zr", ["exposures", "good", "bad", "total"]].tolist() == [3, 4, 1, 5]
    assert table.loc["all", ["exposures", "good", "bad", "total"]].tolist() == [4, 5, 1, 6]
    assert table.loc["zr", "bad_percent"] == 20


def test_references_of_what_was_visited_and_of_what_can_be(images):
    made = [ReferenceKey(473, "zr", 1, 1), ReferenceKey(473, "zg", 1, 1), ReferenceKey(1500, "zr", 1, 1)]
    seen = [ReferenceKey(473, "zr", 1, 1), ReferenceKey(473, "zr", 1, 2), ReferenceKey(473, "zg", 1, 1)]
    table = census.reference_table(made, seen, [473, 474], 4)
    assert table["references"].to_dict() == {"zg": 1, "zr": 2, "all": 3}
    assert table["visited_percent"].to_dict() == pytest.approx({"zg": 100, "zr": 50, "all": 200 / 3})
    assert table["accessible_percent"].to_dict() == pytest.approx({"zg": 12.5, "zr": 12.5, "all": 12.5})


def test_sources_and_light_curves_are_summed_by_filter():
    files = pd.DataFrame({"filter": ["zi", "zg", "zi"]} | {f"curves_{n}": [9, 5, 1] for n in (1, 2, 5, 10, 20)})
    assert census.curve_table(files)["curves_10"].to_dict() == {"zg": 5, "zi": 10, "all": 15}
    counts = pd.DataFrame({"filter": ["zg", "zg"]} | {f"{c}_{k}": [2, 3] for c in ("psfcat", "sexcat") for k in
                                                      ("sci", "ref")})  # fmt: skip
    assert census.source_table(counts).loc["all"].tolist() == [5, 5, 5, 5]


def test_timespans_and_times_between_visits(images):
    table = census.span_table(images).set_index(["field", "filter"])
    assert table.loc[(473, "zr"), ["epochs", "timespan_d", "cadence_d"]].tolist() == [3, 10.5, 5.25]
    assert np.isnan(table.loc[(474, "zg"), "cadence_d"])
    gap, span = census.cadence_points(images, "zr")
    assert (gap.tolist(), span.tolist()) == ([3.5, 7.0], [10.5, 10.5])


def test_pixels_of_coverage_are_where_astropy_has_the_places(tmp_path):
    ra, dec = np.array([0.0, 10, 350, 120, 200, 179.99, 180.01, 5, 7]), np.array([0.0, 60, -20, 5, -80, 0, 0, 90, -90])
    weight = np.arange(1.0, 10)
    found = census.coverage_map(ra, dec, weight, MAP_SHAPE)
    assert found.sum() == weight.sum()
    write_coverage(tmp_path / "map.fits", {"SCIIMG_G": found})
    with fits.open(tmp_path / "map.fits") as hdus:
        x, y = WCS(hdus["SCIIMG_G"].header).world_to_pixel_values(ra, dec)
        assert hdus["SCIIMG_G"].data[np.rint(y).astype(int), np.rint(x).astype(int)].tolist() == weight.tolist()
