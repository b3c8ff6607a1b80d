"""What the recipe says of candidates and of a subtraction, on arrays made by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from ztfpipe.camera import Camera
from ztfpipe.config import Difference
from ztfpipe.model.candidates import NEIGHBOUR_COLUMNS
from ztfpipe.model.catalogs import PsfCatalog
from ztfpipe.pipelines.difference import description


def test_cutouts_have_the_candidate_s_sign_and_hide_what_is_masked():
    rng = np.random.default_rng(4)
    science, template, image = rng.normal(100, 1, (3, 120, 110)).astype(np.float32)
    bad = np.zeros(image.shape, bool)
    bad[50, 60] = True
    x, y = np.array([55.0, 60.4, 3.0]), np.array([52.0, 49.6, 118.0])
    found = SimpleNamespace(x_px=x, y_px=y, positive=np.array([True, False, True]))
    cut = description.cut_out(found, science, template, SimpleNamespace(bad=bad, image_adu=image))
    assert len(cut) == 3
    assert cut.difference[0, 31, 31] == image[52, 55]
    assert cut.difference[1, 31, 30] == -image[50, 59]
    assert cut.science[1, 31, 30] == science[50, 59]
    for one in (cut.science, cut.template, cut.difference):
        # The masked pixel, seen from the first candidate and from the second.
        assert np.argwhere(np.isnan(one[0])).tolist() == [[29, 36]]
        assert np.isnan(one[1, 31, 31])
        # The third is 3 px from the left and 1 px from the upper edge.
        assert np.isfinite(one[2]).sum() == (31 + 2) * (31 + 4)


def test_squares_are_of_good_pixels_before_and_after():
    bad = np.zeros((90, 90), bool)
    bad[:30] = True
    plain, filtered = np.full((90, 90), 3.0, np.float32), np.full((90, 90), 1.5, np.float32)
    plain[:30] = filtered[:30] = 1e6
    exposed = [SimpleNamespace(image_adu=one, bad=bad) for one in (plain + 7, np.full_like(plain, 7.0))]
    before = description.squares_before(*exposed)
    assert before == 9.0
    said = description.squares_after(before, SimpleNamespace(image_adu=filtered, bad=bad))
    assert said == {"diffavgsqbef": 9.0, "diffavgsqaft": 2.25, "diffavgsqchg": -75.0}
    assert np.isnan(description.mean_square(plain, np.ones_like(bad)))


@pytest.mark.parametrize(("bits", "words"), [(0, "null"), (1, "0"), (1 << 25 | 1 << 3, "3,25")])
def test_bits_as_headers_spell_them(bits, words):
    assert description.bits_in_words(bits) == words


def test_limits_of_the_settings_reach_the_filters():
    values = {"flux": 60.0, "sigflux": 10.0, "magpsf": 20.0, "nbad": 0, "fwhm": 2.2, "elong": 1.1, "magdiff": 0.9}
    found = SimpleNamespace(
        columns=lambda: {name: np.array([value]) for name, value in values.items()}, positive=np.array([False])
    )
    strict, wide = Difference().light_filters, Difference(light_filters={"magdiff_range": (-1.0, 1.0)}).light_filters
    assert description.light_filters(found, strict).tolist() == [32]
    assert description.light_filters(found, wide).tolist() == [0]
    counts = description.filtered_counts(found, np.array([0]))
    assert counts == {"ncandscimreffilt": 0, "ncandrefmscifilt": 1}


def test_without_other_surveys_all_columns_are_there():
    reference = SimpleNamespace(catalog=PsfCatalog.empty(), zero_point_mag=26.0)
    made = description.neighbours(np.array([10.0]), np.array([5.0]), reference, None, Camera.load("mini"))
    assert set(made) == {column.name for column in NEIGHBOUR_COLUMNS}
