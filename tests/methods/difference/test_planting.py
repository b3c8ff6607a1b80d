"""Planted sources: where they may lie, and that their light is what was said."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree

from ztfpipe.methods.difference import planting
from ztfpipe.methods.difference.planting import Sources
from ztfpipe.model.planted import Lines, Points

SHAPE = (400, 500)
NONE = Sources(np.zeros(0), np.zeros(0))


def chosen(rng, unusable, **changes):
    asked = {
        "hosts": NONE, "lit": NONE, "taken": NONE, "hosted_fraction": 0.5, "host_offset_px": 1.0, "apart_px": 30.0,
        "clear_px": 10.0, "flux_range_adu": (100.0, 1000.0),
    }  # fmt: skip
    return planting.choose_points(rng, unusable, 40, **{**asked, **changes})


def test_points_keep_away_from_masks_sources_and_each_other():
    rng = np.random.default_rng(1)
    unusable = np.zeros(SHAPE, bool)
    unusable[:, 200:260] = True
    lit = Sources(rng.uniform(0, 500, 60), rng.uniform(0, 400, 60))
    taken = Sources(np.array([100.0]), np.array([300.0]))
    hosts = Sources(rng.uniform(0, 500, 100), rng.uniform(0, 400, 100))
    points = chosen(rng, unusable, lit=lit, taken=taken, hosts=hosts)
    assert 0 < points.hosted.sum() <= 20
    assert 0 < (~points.hosted).sum() <= 20
    place = np.stack([points.x_px, points.y_px], 1)
    assert cKDTree(place).query(place, 2)[0][:, 1].min() > 30
    assert cKDTree(np.array([[100.0, 300.0]])).query(place)[0].min() > 30
    assert cKDTree(np.stack([lit.x_px, lit.y_px], 1)).query(place[~points.hosted])[0].min() > 10
    # Six sigma of the offsets.
    assert cKDTree(np.stack([hosts.x_px, hosts.y_px], 1)).query(place[points.hosted])[0].max() < 6
    assert (
        distance_transform_edt(~unusable)[np.rint(points.y_px).astype(int), np.rint(points.x_px).astype(int)].min() > 2
    )
    assert points.flux_adu.min() >= 100
    assert points.flux_adu.max() <= 1000


def test_where_there_is_no_place_nothing_is_planted(psf_of):
    rng = np.random.default_rng(2)
    assert len(chosen(rng, np.ones(SHAPE, bool))) == 0
    psf = psf_of(2.2, SHAPE)
    asked = {"psf": psf, "point_sigma_adu": 10.0, "length_px": (10.0, 100.0), "snr": (5.0, 10.0)}
    assert len(planting.choose_lines(rng, np.ones(SHAPE, bool), 3, **asked)) == 0
    assert len(planting.choose_lines(rng, np.zeros(SHAPE, bool), 3, **asked)) == 3


def test_light_holds_the_flux_and_noise_that_of_its_electrons(psf_of):
    psf = psf_of(2.2, SHAPE)
    points = Points(np.array([100.3]), np.array([200.7]), np.array([5000.0]), np.array([False]))
    ends = (np.array([v]) for v in (250.0, 100.0, 310.0, 180.0))
    light = planting.light_of(points, Lines(*ends, np.array([7000.0]), np.array([10.0])), psf)
    # float32 sums and the float32 table of the PSF.
    assert light.sum(dtype=float) == pytest.approx(12000, rel=1e-3)
    near = light[180:222, 80:122]
    y, x = np.mgrid[180:222, 80:122]
    assert (near * x).sum() / near.sum() == pytest.approx(100.3, abs=0.01)
    assert (near * y).sum() / near.sum() == pytest.approx(200.7, abs=0.01)
    rng = np.random.default_rng(3)
    sums = [planting.with_photon_noise(light, 2.0, rng).sum(dtype=float) for _ in range(200)]
    # 24000 electrons; the mean of 200 to 5 DN, their scatter of 77 DN to 5 per cent; four sigma.
    assert np.mean(sums) == pytest.approx(12000, abs=4 * 77.5 / np.sqrt(200) + 12)
    assert np.std(sums) == pytest.approx(np.sqrt(24000) / 2, rel=0.2)


@pytest.mark.parametrize("length", [12.0, 60.0, 400.0])
def test_noise_area_of_a_streak_is_that_of_its_pixels(psf_of, length):
    psf = psf_of(2.2, (600, 600))
    x0 = 300 - length / 2
    ends = (np.array([v]) for v in (x0, 300.2, x0 + length, 300.2))
    nothing = Points(np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0, bool))
    light = planting.light_of(nothing, Lines(*ends, np.array([1000.0]), np.array([10.0])), psf)
    area = 1e6 / np.sum(np.square(light, dtype=float))
    # The long ones are scaled from forty widths, ends and all: two ends of a width each in a hundred.
    assert planting.line_noise_area(psf, length, 0.0) == pytest.approx(area, rel=0.03)
