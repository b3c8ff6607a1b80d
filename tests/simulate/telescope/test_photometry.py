"""Zero points, colour terms and extinction, measured from the electrons of a scene."""

from __future__ import annotations

import numpy as np
import pytest

from ztfpipe.camera import Camera
from ztfpipe.config import SKY_EFFECTS, Simulate
from ztfpipe.simulate.night import plan_night
from ztfpipe.simulate.observe import scene
from ztfpipe.simulate.telescope.photometry import throughput
from ztfpipe.simulate.telescope.weather import conditions

MINI, ZTF = Camera.load("mini"), Camera.load("ztf")
NIGHT = {"biases": 0, "flats": 0}


def only(*effects, **parts):
    return Simulate(off=tuple(name for name in SKY_EFFECTS if name not in effects), night=NIGHT, **parts)


def _fit(tables, camera, ccdid=10, qid=1):
    """Zero point [mag, DN], colour term of the stars of a scene: a straight line, as a pipeline would fit it."""
    stars = tables["stars"]
    instrumental = -2.5 * np.log10(stars.flux_e / camera.amplifier(ccdid, qid).gain_e_per_adu)
    term, constant = np.polyfit(stars.colour_mag, stars.mag - instrumental, 1)
    return constant, term


@pytest.mark.parametrize(("code", "zero_point"), [("zg", 26.325), ("zr", 26.275), ("zi", 25.660)])
def test_zero_point_and_colour_term(code, zero_point):
    settings = only("colour_terms", "extinction", weather={"colour_curvature": 0.0, "extinction_scatter": 0.0})
    plan = next(p for p in plan_night(settings, MINI) if p.key.filter == code and p.exptime_s == 30)
    _, tables = scene(settings, MINI, plan, 10, 1)
    constant, term = _fit(tables, MINI)
    truth = tables["exposure"].iloc[0]
    # The airmass changes by 0.003 over the small quadrant: 0.6 mmag in g.
    assert constant == pytest.approx(truth.zero_point_mag, abs=0.001)
    assert term == pytest.approx(truth.colour_term, abs=0.001)
    # The camera's reference zero point, at airmass 1.2, corrected to this airmass and this quadrant's gain.
    gain = MINI.amplifier(10, 1).gain_e_per_adu
    mean_gain = np.mean([amplifier.gain_e_per_adu for amplifier in MINI.amplifiers.values()])
    extinction = MINI.filter(code).extinction_mag_per_airmass * (truth.airmass - 1.2)
    assert truth.zero_point_mag == pytest.approx(zero_point - extinction - 2.5 * np.log10(gain / mean_gain), abs=1e-6)
    assert truth.colour_term == pytest.approx(settings.weather.colour_term[code], abs=4 * 0.012)


def test_colour_curvature_escapes_a_straight_line():
    settings = only("colour_terms", weather={"colour_curvature": 0.05})
    plan = plan_night(settings, MINI)[0]
    _, tables = scene(settings, MINI, plan, 10, 1)
    stars = tables["stars"]
    instrumental = -2.5 * np.log10(stars.flux_e)
    # At fixed airmass the quadratic coefficient comes back exactly.
    assert np.polyfit(stars.colour_mag, stars.mag - instrumental, 2)[0] == pytest.approx(0.05, abs=1e-6)


def test_extinction_is_measured_back_from_the_night():
    settings = only("extinction", "proper_motions", weather={"extinction_scatter": 0.0})
    plans = [p for p in plan_night(settings, MINI) if p.key.filter == "zg" and p.key.field == 473]
    airmass, loss = [], []
    for plan in plans:
        _, tables = scene(settings, MINI, plan, 11, 1)
        stars = tables["stars"]
        per_second = stars.flux_e / plan.exptime_s
        airmass.append(plan.at_start.airmass)
        loss.append(np.median(stars.mag + 2.5 * np.log10(per_second)))
    slope = np.polyfit(airmass, loss, 1)[0]
    # Airmass of the start against the middle of the exposure, and of the quadrant against the field's centre: 1 %.
    assert slope == pytest.approx(-0.20, rel=0.02)


def test_truth_of_a_fitted_line():
    camera = Camera.load("quadrant")
    settings = only("colour_terms", "extinction", stars={"stars_per_square_degree": 6700})
    plan = plan_night(settings, camera)[0]
    _, tables = scene(settings, camera, plan, 10, 1)
    truth = tables["exposure"].iloc[0]
    stars = tables["stars"]
    inside = stars.x_px.between(-0.5, 3071.5) & stars.y_px.between(-0.5, 3079.5)
    used = stars[inside & stars.mag.between(13.5, 18.5) & (stars.kind == 0)]
    constant, term = _fit({"stars": used}, camera)
    assert constant == pytest.approx(truth.fitted_zero_point_mag, abs=1e-9)
    assert term == pytest.approx(truth.fitted_colour_term, abs=1e-9)
    # The bend of 0.003 over colours 0.6 +- 0.5, and the airmass over a quadrant, 0.03 either way: some mmag.
    assert 0 < abs(truth.fitted_zero_point_mag - truth.zero_point_mag) < 0.005
    assert 0 < abs(truth.fitted_colour_term - truth.colour_term) < 0.005


def test_quadrants_scatter():
    settings = only("zero_point_scatter", "colour_terms")
    plan = plan_night(settings, ZTF)[0]
    truth = conditions(settings, ZTF, plan)
    lights = [throughput(settings, ZTF, plan, truth, *quadrant) for quadrant in ZTF.quadrants()]
    # 64 values: good to 9 %. Four sigma.
    assert np.std([light.zero_point_mag for light in lights]) == pytest.approx(0.04, rel=0.36)
    assert np.std([light.colour_term for light in lights]) == pytest.approx(0.012, rel=0.36)


def test_longer_exposures_collect_more():
    settings = only()
    plans = [p for p in plan_night(settings, MINI) if p.key.filter == "zr" and p.key.field == 473]
    a, b = (
        scene(settings, MINI, plan, 10, 1)[1]["stars"].set_index("identifier").flux_e for plan in (plans[0], plans[2])
    )
    common = a.index.intersection(b.index)
    np.testing.assert_allclose(b[common] / a[common], 3.0, rtol=1e-9)
