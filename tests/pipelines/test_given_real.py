"""Real images of the archive: what is measured on them beside what their headers say, and beside themselves."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import validate_real

pytestmark = pytest.mark.shared_data


@pytest.fixture(scope="module")
def images():
    found = [validate_real.measure(path) for path in validate_real.files()]
    assert len(found) == 14
    return found


@pytest.fixture(scope="module")
def judged(images):
    """Those with at least five clean bright stars."""
    return [one for one in images if one.clean >= validate_real.CLEAN_MIN]


def test_all_have_catalogs_but_those_with_hardly_a_star(images, judged):
    assert len(judged) >= 10
    for one in images:
        assert len(one.made.aperture_catalog) >= 5, one.name
        if one.made.psf is None:
            assert one.made.infobits >> 20 & 1
            assert one.made.status == 0
        else:
            assert len(one.made.psf_catalog) >= 10, one.name


def test_seeing_is_that_of_the_header(judged):
    """A cut-out may differ by 10 % from its quadrant, over which the PSF varies; the method may not, so the median."""
    departure = np.abs([one.seeing_ratio - 1 for one in judged])
    assert departure.max() < 0.10
    assert np.median(departure) < 0.04


def test_aperture_corrections_are_those_of_the_header(judged):
    """In the median over frames and apertures, and without an offset common to all frames. The bar of 0.03 for every
    single frame is not met: docs/accuracy.md says so, nothing looser is asserted here."""
    difference = np.array([one.apcor_less_given() for one in judged])
    assert np.median(np.abs(difference)) <= 0.01
    assert np.abs(np.median(difference, axis=0)).max() <= 0.01


def test_the_limit_is_where_the_image_itself_scatters(judged):
    """MAGLIM is where a star's magnitude scatters by 0.2: the scatter of fluxes at empty places tells that too."""
    calm = [one for one in judged if not one.bad_bits()[1]]
    assert len(calm) >= 8
    departure = np.array([one.made.limiting_mag - one.empty_limit_mag for one in calm])
    # 1000 places give the scatter to 0.03 mag.
    assert np.abs(departure).max() < 0.1


def test_the_limit_in_the_archives_sense_is_that_of_the_header(judged):
    """In the median. The bar of 0.2 for every single frame is not met: docs/accuracy.md says so, nothing looser is
    asserted here."""
    difference = np.array([one.archive_limit_less_given for one in judged])
    assert np.isfinite(difference).all()
    assert np.median(np.abs(difference)) <= 0.1


def test_frames_flagged_bad_are_found_bad_and_no_others(images):
    for one in images:
        ours, given = one.bad_bits()
        assert given <= ours, one.name
        # A cut-out without five stars has no PSF; the quadrant has one.
        assert ours - given <= {20}, one.name
