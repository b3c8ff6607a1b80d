"""Fringe template and low-frequency map of a full-size quadrant, learned from what the pipeline makes, against truth.

All effects of the synthetic camera are on. The flat is that of a screen without noise, so that it carries the screen's
own light; science images are made with it by the recipe, templates from those images, and the figures are of exposures
of another night that no template has seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.accuracy import row
from benchmarks.science_scenes import CCDID, QID, SPARSE, Exposure, expose_sky, sky_settings
from ztfpipe.camera import Camera
from ztfpipe.config import Science, Simulate, Templates
from ztfpipe.model.science import FringeTemplate, Masters, ScienceImage
from ztfpipe.model.templates import MadeFringes, MadeResponsivity, SkyFrame, StarFrame
from ztfpipe.pipelines.science.pixels import calibrate_pixels
from ztfpipe.pipelines.templates import make_fringe_template, make_lofreqflat
from ztfpipe.simulate.frames import sky_light
from ztfpipe.simulate.pixels.detector import Shot
from ztfpipe.simulate.pixels.detector_pattern import screen_illumination
from ztfpipe.simulate.scene import SkyLight

FILTER = "zi"
MAP_NIGHTS = {"20180314": 6.0, "20180316": 8.0, "20180318": 10.5}
FRINGE_NIGHTS = {"20180319": 5.0, "20180320": 6.0, "20180321": 7.0, "20180322": 8.0}
"""Nights that the map, and then, with the map in force, the fringes are learned from; hour [UT] of the visits."""
UNSEEN = {"20180324": 6.0, "20180327": 9.0, "20180329": 7.5}
FIELDS = (471, 472, 473, 474, 1465, 1466, 1467, 1468)
"""Eight fields: the errors of calibrators are the same each time that a field is visited."""
MIN_FRAMES = 20


def night(date: str, hour: float, fields: tuple[int, ...] = FIELDS) -> Simulate:
    """One visit of each field in i."""
    plan = {"date": date, "filters": [FILTER], "fields": fields, "visits": 1, "exposures_s": [30.0]}
    return sky_settings({"night": {**plan, "hours_ut": (hour, hour)}, "stars": {"stars_per_square_degree": SPARSE}})


def screen(exposure: Exposure) -> np.ndarray:
    """Light of the screen relative to the sky's."""
    return screen_illumination(exposure.camera, exposure.simulate.detector, CCDID, QID, FILTER).astype(np.float64)


def masters(exposure: Exposure, response: np.ndarray | None = None) -> Masters:
    """True bias and bad pixels; the flat that a screen shows; the low-frequency map in force."""
    flat = exposure.throughput * screen(exposure)
    return replace(exposure.masters, flat=(flat / np.median(flat)).astype(np.float32), responsivity=response)


def images(
    camera: Camera, nights: dict[str, float], response: np.ndarray | None = None
) -> Iterator[tuple[str, Exposure, ScienceImage]]:
    """The exposures of some nights that templates are learned from, and their science images."""
    for date, hour in nights.items():
        for index in range(len(FIELDS)):
            exposure = expose_sky(camera, night(date, hour), index)
            made = exposure.science(masters=masters(exposure, response))
            if made.status == 1 and not made.metrics["photometric_bad"] and not made.metrics["cloud_structured"]:
                yield exposure.plan.key.filefracday, exposure, made


def learned(camera: Camera, settings: Templates) -> tuple[MadeFringes, MadeResponsivity]:
    """The map, then the fringes of images that are divided by it."""
    stars = (
        (name, StarFrame(name, made.psf_catalog, exposure.calibrators.photometric))
        for name, exposure, made in images(camera, MAP_NIGHTS)
    )
    flat = make_lofreqflat(stars, camera.filter(FILTER), camera.quadrant_shape, settings)
    skies = (
        (name, SkyFrame(name, made.image_adu, made.mask))
        for name, _, made in images(camera, FRINGE_NIGHTS, flat.response)
    )
    return make_fringe_template(skies, settings), flat


def fringe_figures(exposure: Exposure, template: FringeTemplate, response: np.ndarray) -> dict[str, float]:
    """What is left of the fringes of an unseen exposure: RMS over RMS, and the share of the pattern itself."""
    given = masters(exposure, response)
    made = [
        calibrate_pixels(exposure.raw, one, exposure.camera, exposure.key, Science())
        for one in (given, replace(given, fringes=template))
    ]
    taken = (made[0].image_adu - made[1].image_adu).astype(np.float64)
    true = true_fringes(exposure, given)
    left = true - taken
    return {
        "amplitude": float(np.std(true) / made[0].background.median),
        "rms ratio": float(np.std(left) / np.std(true)),
        "coherent": float(np.sum(left * true) / np.sum(true**2)),
    }


def true_fringes(exposure: Exposure, given: Masters) -> np.ndarray:
    """The fringes of an exposure as they stand in its calibrated image [DN]."""
    shot = Shot(exposure.camera, exposure.simulate.detector, exposure.simulate.noise_seed, exposure.plan, CCDID)
    sky: SkyLight = exposure.scenes[QID].sky
    light = [sky_light(shot, QID, one).astype(np.float64) for one in (sky, replace(sky, fringe_fraction=0.0))]
    return (light[0] - light[1]) * exposure.throughput / exposure.gain / given.flat / given.responsivity


def map_figures(response: np.ndarray, light: np.ndarray) -> dict[str, float]:
    """Departure of response from uniform before and after the map, in per cent: RMS, and that of 99 % of the pixels."""
    figures = {}
    for name, error in (("before", light), ("after", light * response)):
        error = 100 * (error / np.median(error) - 1)
        figures[f"rms {name}"] = float(np.std(error))
        figures[f"99 % {name}"] = float(np.percentile(np.abs(error), 99))
    return figures


def rows() -> list[dict[str, Any]]:
    """The bars of the templates."""
    camera = Camera.load("quadrant")
    settings = Templates(fringe_frames_min=MIN_FRAMES, lofreqflat_frames_min=MIN_FRAMES)
    fringes, flat = learned(camera, settings)
    unseen = [expose_sky(camera, night(date, hour, FIELDS[:1])) for date, hour in UNSEEN.items()]
    figures = [fringe_figures(one, fringes.template, flat.response) for one in unseen]
    worst = {name: max(abs(one[name]) for one in figures) for name in figures[0]}
    found = map_figures(flat.response, screen(unseen[0]))
    note = "learned from science images made with the map, judged on exposures of three other nights, the worst of them"
    return [
        row(
            f"fringe template of {len(fringes.used)} images: residual over fringes, RMS",
            worst["rms ratio"], bar="<= 0.1", met=worst["rms ratio"] <= 0.1, note=note,
        ),
        row("fringes: share of the pattern left", worst["coherent"], bar="<= 0.1", met=worst["coherent"] <= 0.1),
        row("fringes before, RMS over sky", 100 * worst["amplitude"], unit="%", bar="", met=None),
        row(
            f"low-frequency map of {len(flat.used)} images, {flat.metrics['stars']} stars: response error, RMS",
            found["rms after"], unit="%", bar="<= 0.3", met=found["rms after"] <= 0.3,
            note="error of flat times map against the light of the sky; before: of the flat alone",
        ),
        row(
            "low-frequency map: stated uncertainty over the RMS of its error",
            float(np.median(flat.error)) / (found["rms after"] / 100), bar="", met=None,
            note="the error holds what PSF photometry gets wrong near edges too, the uncertainty does not",
        ),
        row("response error before, RMS", found["rms before"], unit="%", bar="", met=None),
        row("response error of 99 % of the pixels", found["99 % after"], unit="%", bar="", met=None),
        row("response error of 99 % of the pixels before", found["99 % before"], unit="%", bar="", met=None),
    ]  # fmt: skip
