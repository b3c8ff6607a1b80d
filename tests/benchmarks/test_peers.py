"""What the comparison with other programs rests on: the same PSF, equal purity, the same reference catalog."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from benchmarks import peers
from benchmarks.validate_peers import Paired
from ztfpipe.methods.stars.psf import stamps
from ztfpipe.model.stars import PsfModel

SHAPE, RADIUS_PX = (300, 320), 6


@pytest.fixture(scope="module")
def crowdsource_run():
    spec = importlib.util.spec_from_file_location("crowdsource_run", Path(peers.CROWDSOURCE) / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def psf():
    """A bell that shifts and broadens over the image, with noise in every knot."""
    knots = np.arange(2 * (2 * (RADIUS_PX + 1) + 1) + 1) - (2 * (RADIUS_PX + 1) + 1)
    bell = np.exp(-0.5 * (knots[:, None] ** 2 + knots**2) / 3.0**2)
    noise = np.random.default_rng(3).normal(0, 0.01, (3, *bell.shape))
    coefficients = (bell * np.array([1.0, 0.05, -0.03])[:, None, None] + noise).astype(np.float32)
    none = np.zeros(0)
    return PsfModel(coefficients, 2, 1, RADIUS_PX, SHAPE, 2.3, none, none, none, 1.0, 0.0)


def test_crowdsource_is_given_our_psf(crowdsource_run, psf):
    random = np.random.default_rng(5)
    x, y = random.uniform(20, 280, 40), random.uniform(20, 280, 40)
    theirs = crowdsource_run.SplinePsf(psf.coefficients, psf.oversampling, RADIUS_PX, SHAPE)
    # Both are float32 sums of some hundred terms of order one: a few 1e-6.
    assert theirs(y, x, stampsz=13) == pytest.approx(stamps(psf, x, y, RADIUS_PX), abs=1e-5)


def test_its_slopes_are_those_of_the_position(crowdsource_run, psf):
    theirs = crowdsource_run.SplinePsf(psf.coefficients, psf.oversampling, RADIUS_PX, SHAPE)
    x, y, step = 100.3, 150.2, 0.02
    _, by_row, by_column = theirs(y, x, stampsz=13, deriv=True)
    row = (theirs(y + step, x, stampsz=13) - theirs(y - step, x, stampsz=13)) / (2 * step)
    column = (theirs(y, x + step, stampsz=13) - theirs(y, x - step, stampsz=13)) / (2 * step)
    # Central differences err by step^2 / 6 of a third derivative of order one, and by float32 noise of 1e-6 / step.
    assert by_row == pytest.approx(row, abs=5e-4)
    assert by_column == pytest.approx(column, abs=5e-4)


def test_stamps_larger_than_the_psf_are_empty_outside(crowdsource_run, psf):
    theirs = crowdsource_run.SplinePsf(psf.coefficients, psf.oversampling, RADIUS_PX, SHAPE)
    large = theirs(50.4, 60.1, stampsz=19)
    assert large[3:-3, 3:-3] == pytest.approx(theirs(50.4, 60.1, stampsz=13))
    assert large.sum() == pytest.approx(large[3:-3, 3:-3].sum())


def test_a_catalog_is_cut_where_it_is_as_pure_as_asked():
    real = np.array([True, True, True, False, True, True, False, False])
    snr = np.array([80.0, 70, 60, 50, 40, 30, 20, 10])
    clear = np.ones(8, bool)
    catalog = Paired(np.array([0, 4, -1, 5]), real, clear, snr, snr)
    assert catalog.purity == pytest.approx(5 / 8)
    assert catalog.cut_for(0.83) == 30.0
    assert catalog.cut_for(1.0) == 60.0
    assert catalog.found(35.0).tolist() == [True, True, False, False]


def test_references_are_a_table_scamp_reads(tmp_path):
    ra, mag = np.array([10.0, 11.0]), np.array([15.0, 16.0])
    peers.write_references(tmp_path / "ref.cat", ra, -ra, np.full(2, 3.6), mag, 2018.5)
    with fits.open(tmp_path / "ref.cat") as hdus:
        assert [hdu.name for hdu in hdus[1:]] == ["LDAC_IMHEAD", "LDAC_OBJECTS"]
        assert hdus[2].data["Y_WORLD"].tolist() == [-10.0, -11.0]
        assert hdus[2].data["ERRA_WORLD"] == pytest.approx([1e-6, 1e-6])


def test_an_absent_program_is_not_installed():
    assert not peers.installed("no-such-program-anywhere")
