"""The sky's effects measured back from raw pixels at their configured sizes: by counts and centroids.

The detector is switched to be perfect and noiseless; its own effects have their own tests.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from astropy import units as u
from astropy.coordinates import AltAz, EarthLocation, SkyCoord
from astropy.time import Time
from astropy.utils import iers
from scipy.optimize import least_squares

from ztfpipe.config import SKY_EFFECTS, Simulate, SimulateDetector
from ztfpipe.simulate.frames import sky_ccd
from ztfpipe.simulate.night import plan_night
from ztfpipe.simulate.observe import scene
from ztfpipe.simulate.pixels.detector import Shot
from ztfpipe.simulate.telescope.optics import refraction_arcsec

CCDID = 10
NIGHT = {"biases": 0, "flats": 0}
STARS = {"stars_per_square_degree": 8000, "faint_limit_mag": 19.5}
MAS_PER_PX = 1012.5


def only(*effects, **parts):
    off = tuple(name for name in SKY_EFFECTS if name not in effects)
    return Simulate(off=off, night=NIGHT, **{"stars": STARS, **parts})


@pytest.fixture
def shoot(mini):
    """shoot(settings, code, **changes): images [DN above bias] and truth tables by quadrant of one exposure."""

    def take(settings, code="zr", number=0, qids=(1, 2), **changes):
        plan = next(p for p in plan_night(settings, mini) if p.key.filter == code and p.key.field == 473)
        key = replace(plan.key, filefracday=f"20180325{300000 + number}")
        plan = replace(plan, key=key, **changes)
        seen = {qid: scene(settings, mini, plan, CCDID, qid) for qid in mini.qids}
        shot = Shot(mini, SimulateDetector.quiet(), settings.noise_seed, plan, CCDID)
        frames = sky_ccd(shot, {qid: parts[0] for qid, parts in seen.items()})
        images = {qid: frames.raw.quadrants[qid].image - frames.truth[qid].row_level_adu[:, None] for qid in qids}
        return images, {qid: seen[qid][1] for qid in qids}, plan

    return take


def measured(image, stars, radius_px=9, faint=17.5):
    """Centroids and counts of isolated, unsaturated stars well inside an image, beside their truth."""
    stars = stars[stars.mag.between(14.0, faint)]
    ny, nx = image.shape
    rows = []
    everything = stars[["x_px", "y_px"]].to_numpy()
    for star in stars.itertuples():
        if not (radius_px + 4 < star.x_px < nx - radius_px - 5 and radius_px + 4 < star.y_px < ny - radius_px - 5):
            continue
        near = np.hypot(*(everything - [star.x_px, star.y_px]).T)
        if (near < 2.5 * radius_px).sum() > 1:
            continue
        x0, y0 = round(star.x_px), round(star.y_px)
        box = image[y0 - radius_px : y0 + radius_px + 1, x0 - radius_px : x0 + radius_px + 1]
        v, u = np.mgrid[-radius_px : radius_px + 1, -radius_px : radius_px + 1]
        ring = np.hypot(u, v) > radius_px - 0.5
        light = box - np.median(box[ring])
        dx = dy = 0.0
        for _ in range(20):
            # A Gaussian window about the last place, twice the step: unbiased for a symmetric PSF.
            weight = light * np.exp(-0.5 * ((u - dx) ** 2 + (v - dy) ** 2) / 1.5**2)
            dx, dy = (
                dx + 2 * (weight * (u - dx)).sum() / weight.sum(),
                dy + 2 * (weight * (v - dy)).sum() / weight.sum(),
            )
        rows.append((star.identifier, x0 + dx, y0 + dy, light[~ring].sum()))
    found = pd.DataFrame(rows, columns=["identifier", "x", "y", "counts"])
    return found.merge(stars, on="identifier")


def _unlit(camera, settings, plan, qid):
    """Where the stars of other settings would fall, without rendering them."""
    return scene(settings, camera, plan, CCDID, qid)[1]["stars"][["identifier", "x_px", "y_px"]]


def test_turbulence_moves_the_centroids(shoot, mini):
    settings = only("turbulence")
    squares, errors = [], []
    for number in range(4):
        images, tables, plan = shoot(settings, number=number)
        for qid, image in images.items():
            both = measured(image, tables[qid]["stars"]).merge(
                _unlit(mini, only(), plan, qid), on="identifier", suffixes=("", "_still")
            )
            shift = np.array([both.x - both.x_px_still, both.y - both.y_px_still]) * MAS_PER_PX
            squares.append((shift**2).mean())
            errors.append(np.array([both.x - both.x_px, both.y - both.y_px]) * MAS_PER_PX)
    # Noiseless centroids are good to some thousandths of a pixel: neighbours and sampling.
    assert np.median(np.abs(np.concatenate(errors, axis=1))) < 5
    # 25 to 32 mas per axis, mean square 815. Two quadrants side by side are about one patch of the field's broad part
    # and some of the others: one exposure's mean square over both axes scatters by 0.4, of four by 0.2. Three sigma.
    assert np.mean(squares) == pytest.approx(815, rel=0.6)


def test_zero_point_and_colour_term_from_counts(shoot, mini):
    settings = only("colour_terms", "extinction", weather={"colour_curvature": 0.0, "extinction_scatter": 0.0})
    images, tables, plan = shoot(settings)
    for qid, image in images.items():
        stars = measured(image, tables[qid]["stars"])
        term, zero_point = np.polyfit(stars.colour_mag, stars.mag + 2.5 * np.log10(stars.counts), 1)
        gain = mini.amplifier(CCDID, qid).gain_e_per_adu
        mean_gain = np.mean([amplifier.gain_e_per_adu for amplifier in mini.amplifiers.values()])
        # The camera's reference zero point at this airmass and gain. A circle of 9 px misses some of the halo, which
        # has 4 % of the light.
        expected = 26.275 - 0.15 * (plan.at_start.airmass - 1.2) - 2.5 * np.log10(gain / mean_gain)
        assert expected - 0.045 < zero_point < expected + 0.005
        # Neighbours below the cut of isolation shift single stars by hundredths: the line of some 40 stars by 0.01.
        assert term == pytest.approx(tables[qid]["exposure"].colour_term[0], abs=0.015)


def test_extinction_from_counts(shoot):
    settings = only("extinction", weather={"extinction_scatter": 0.0})
    high, low = 2458202.84, 2458202.69
    counts = []
    for jd in (high, low):
        images, tables, _ = shoot(settings, code="zg", obsjd=jd)
        counts.append(measured(images[1], tables[1]["stars"]))
    both = counts[0].merge(counts[1], on="identifier", suffixes=("", "_low"))
    dimming = np.median(2.5 * np.log10(both.counts / both.counts_low))
    elevations = []
    site = EarthLocation(lon=-116.8598, lat=33.3573, height=1668 * u.m)
    star = SkyCoord(both.ra_deg.iloc[0], both.dec_deg.iloc[0], unit="deg")
    with iers.conf.set_temp("auto_download", False):
        for jd in (high, low):
            elevations.append(star.transform_to(AltAz(obstime=Time(jd, format="jd"), location=site)).alt.rad)
    airmass = 1 / np.sin(elevations)
    # sec z against the simulator's airmass: 0.3 % at airmass 1.8. The seeing is the same: only its median is in use.
    assert dimming == pytest.approx(0.20 * (airmass[1] - airmass[0]), rel=0.02)


def test_clouds_dim_the_counts(shoot):
    images, tables, _ = shoot(only("clouds", weather={"cloudy_fraction": 1.0}))
    clear, clear_tables, _ = shoot(only())
    for qid in images:
        dim, bright = (
            measured(image[qid], table[qid]["stars"], faint=16.2).set_index("identifier").counts
            for image, table in ((images, tables), (clear, clear_tables))
        )
        common = dim.index.intersection(bright.index)
        assert len(common) > 2
        loss = -2.5 * np.log10(dim[common] / bright[common])
        # The background of a noiseless image is off by up to half a DN: 250 pixels of it against 5,000 dimmed DN.
        np.testing.assert_allclose(loss, tables[qid]["exposure"].cloud_mag[0], atol=0.03)


def test_refraction_by_colour_from_centroids(shoot, mini):
    settings = only("refraction", stars={**STARS, "stars_per_square_degree": 12000})
    images, tables, plan = shoot(settings, code="zg", qids=(1, 2, 3, 4))
    grey = {"refraction_colour_nm_per_mag": {"zg": 0.0, "zr": 0.0, "zi": 0.0}}
    plain = only("refraction", stars={**STARS, "stars_per_square_degree": 12000}, optics=grey)
    shifts, colours = [], []
    for qid, image in images.items():
        both = measured(image, tables[qid]["stars"], faint=17.0).merge(
            _unlit(mini, plain, plan, qid), on="identifier", suffixes=("", "_plain")
        )
        shifts.append(np.stack([both.x - both.x_px_plain, both.y - both.y_px_plain], axis=1))
        colours.append(both.colour_mag)
    slopes = np.polyfit(np.concatenate(colours), np.concatenate(shifts), 1)[0] * mini.pixel_scale_arcsec
    cos_z = np.sin(np.radians(plan.at_start.elevation_deg))
    pressure = np.exp(-mini.observatory.height_m / 8435.0)
    ends = [refraction_arcsec(cos_z, 472.2 + 7.0 * d, pressure) for d in (-0.5, 0.5)]
    # Some 100 stars with centroids good to 0.005 px and colours that scatter by 0.4 mag: 1.3 mas a magnitude; 4 sigma.
    assert np.hypot(*slopes) == pytest.approx(ends[0] - ends[1], abs=0.0055)
    assert np.hypot(*slopes) > 0.02


def test_sky_level_and_gradient_from_counts(shoot, mini):
    settings = only("sky_gradient", stars={**STARS, "stars_per_square_degree": 500}, weather={"sky_gradient": 0.05})
    images, _, plan = shoot(settings)
    flat, _, _ = shoot(only(stars={**STARS, "stars_per_square_degree": 500}))
    ny, nx = mini.quadrant_shape
    ratio = images[1] / flat[1]
    cells = np.array([[np.median(ratio[j : j + 52, i : i + 64]) for i in range(0, nx, 64)] for j in range(0, ny, 52)])
    v, u = np.mgrid[-0.9:0.91:0.2, -0.875:0.876:0.25]
    basis = np.stack([np.ones(80), u.ravel(), v.ravel(), u.ravel() ** 2, (u * v).ravel(), v.ravel() ** 2], axis=1)
    fitted = np.linalg.lstsq(basis, cells.ravel(), rcond=None)[0]
    seen, _ = scene(settings, mini, plan, CCDID, 1)
    # Medians of whole DN against 150: 0.5 / 150 per cell, 80 cells.
    np.testing.assert_allclose(fitted, seen.sky.level_e / seen.sky.level_e[0], atol=0.003)
    path = (1 - 0.96 * np.cos(np.radians(plan.at_start.elevation_deg)) ** 2) ** -0.5
    zero_point = 26.275 + 0.15 * 1.2 + 2.5 * np.log10(np.mean([a.gain_e_per_adu for a in mini.amplifiers.values()]))
    mag = 20.9 - 2.5 * np.log10(path) + 0.172 * (path - 1)
    expected = 1.0125**2 * 10 ** (-0.4 * (mag - zero_point)) / mini.amplifier(CCDID, 1).gain_e_per_adu
    assert np.median(flat[1]) == pytest.approx(expected, abs=0.6 + 0.002 * expected)


def test_seeing_from_profiles(shoot, mini):
    settings = only("seeing_changes")
    images, tables, _ = shoot(settings, qids=(1,))
    truth = tables[1]["exposure"].fwhm_px[0]
    widths = []
    v, u = np.mgrid[: mini.quadrant_shape[0], : mini.quadrant_shape[1]]
    for star in measured(images[1], tables[1]["stars"], faint=16.5).itertuples():
        away = np.hypot(u - star.x_px, v - star.y_px)
        near = away < 4
        light = images[1][near] - np.median(images[1])

        def miss(p, away=away[near], light=light):
            return p[0] * (1 + (away / p[1]) ** 2) ** -p[2] / light.max() - light / light.max()

        _, scale, slope = least_squares(miss, [light.max(), truth, 3.0]).x
        widths.append(2 * scale * np.sqrt(2 ** (1 / slope) - 1))
    assert len(widths) > 3
    # The light of a pixel is gathered over its square, which widens 2.5 px by 4 %; the halo by less.
    assert np.median(widths) == pytest.approx(truth, rel=0.06)


def test_variables_and_transients_show_in_the_counts(shoot):
    settings = only(
        "variables", "transients", stars={**STARS, "variables": {"rrlyrae": 0.5}, "transients_per_square_degree": 400}
    )
    counts = []
    for jd in (2458202.75, 2458202.90):
        images, tables, _ = shoot(settings, obsjd=jd, qids=(1,))
        counts.append(measured(images[1], tables[1]["stars"], faint=17.0))
    both = counts[0].merge(counts[1], on="identifier", suffixes=("", "_later"))
    both = both[both.kind > 0]
    assert len(both) > 5
    seen = -2.5 * np.log10(both.counts_later / both.counts)
    expected = both.mag_later - both.mag
    assert np.abs(expected).max() > 0.1
    # Faint neighbours, which vary too, and half a DN of background: 1 % at r = 17.
    assert np.median(np.abs(seen - expected)) < 0.015


def test_an_empty_exposure_has_no_light_but_sky(shoot):
    settings = only(stars={"stars_per_square_degree": 1e-6})
    images, tables, _ = shoot(settings)
    assert len(tables[1]["stars"]) == 0
    assert np.ptp(images[1]) <= 1
