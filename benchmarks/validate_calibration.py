"""Masters of a full-size quadrant from synthetic biases and flats, all effects on, against what was true."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.accuracy import row
from ztfpipe.camera import Camera
from ztfpipe.config import Calibration, Simulate
from ztfpipe.model.images import RawQuadrant
from ztfpipe.pipelines.calibration import BiasForFlat, Master, make_bias_master, make_flat_master
from ztfpipe.simulate.frames import bias_ccd, flat_ccd
from ztfpipe.simulate.night import ExposurePlan, plan_night
from ztfpipe.simulate.pixels.detector import Shot
from ztfpipe.simulate.pixels.detector_pattern import (
    CLASS_NAMES,
    NOISY,
    fixed_pattern,
    pixel_response,
    screen_illumination,
    vignetting,
)

CCDID, QID, FILTER = 10, 1, "zr"
FRAMES = 22
JUDGED = ("dead", "low_response", "high_response", "noisy")


class Truth:
    """A camera, its settings, and the frames and truth of one of its quadrants."""

    def __init__(self, camera: Camera, simulate: Simulate, ccdid: int = CCDID, qid: int = QID) -> None:
        self.camera, self.settings, self.ccdid, self.qid = camera, simulate.detector, ccdid, qid
        self.noise_seed = simulate.noise_seed
        self.plans = plan_night(simulate, camera)
        self.pattern = fixed_pattern(camera, self.settings, ccdid, qid)
        self.response = pixel_response(camera, self.settings, ccdid, qid, FILTER)
        self.amplifier = camera.amplifier(ccdid, qid)

    def night(self) -> str:
        """Date of the frames."""
        return self.plans[0].key.night

    def frames(self, imgtype: str) -> Iterator[tuple[str, RawQuadrant]]:
        """Raw quadrants of the biases (b) or of the flats (f) of one filter, made one at a time."""
        for plan in self.plans:
            if plan.key.imgtype == imgtype and (imgtype == "b" or plan.key.filter == FILTER):
                yield plan.key.filefracday, self._quadrant(plan)

    def _quadrant(self, plan: ExposurePlan) -> RawQuadrant:
        shot = Shot(self.camera, self.settings, self.noise_seed, plan, self.ccdid)
        made = bias_ccd(shot) if plan.key.imgtype == "b" else flat_ccd(shot)
        return made.raw.quadrants[self.qid]

    def flat(self) -> np.ndarray:
        """What a flat without noise would show: pixel response under the screen's light and the optics' vignetting."""
        place = self.camera, self.settings, self.ccdid, self.qid
        return self.response * vignetting(*place) * screen_illumination(*place, FILTER)


def bias_figures(truth: Truth, master: Master) -> dict[str, float]:
    """Scatter over theory and level error [DN] of a bias master, over pixels not masked and not noisy."""
    good = (master.mask == 0) & (truth.pattern.noise_factor == 1)
    error = master.frames.mean.astype(np.float64) - truth.pattern.bias_adu
    read_adu = truth.amplifier.read_noise_e / truth.amplifier.gain_e_per_adu
    theory = math.sqrt((read_adu**2 + 1 / 12) / len(master.used))
    scatter = error[good] - error[good].mean()
    return {
        "noise over theory": float(np.sqrt(np.mean(scatter**2))) / theory,
        "uncertainty over scatter": float(
            np.sqrt(np.mean(master.frames.uncertainty[good].astype(float) ** 2)) / np.sqrt(np.mean(scatter**2))
        ),
        "level_adu": float(error[good].mean()),
    }


def flat_figures(truth: Truth, master: Master) -> dict[str, float]:
    """Scatter of a flat master about the truth over the photon-noise limit, over pixels not masked."""
    good = master.mask == 0
    expected = truth.flat().astype(np.float64)
    expected /= expected[good].mean()
    residual = (master.frames.mean / expected)[good] - 1
    photons = master.level_adu * truth.amplifier.gain_e_per_adu * expected[good] * len(master.used)
    limit = math.sqrt(np.mean(1 / photons))
    return {"residual over limit": float(residual.std()) / limit, "limit": limit}


def bad_pixel_figures(truth: Truth, mask: np.ndarray) -> dict[str, tuple[float, float, int]]:
    """Recall, precision and true number of bad pixels, of all judged kinds together and of each."""
    names = {code: name for code, name in CLASS_NAMES.items() if name in JUDGED}
    figures = {}
    true_any = np.zeros(mask.shape, bool)
    found_any = np.zeros(mask.shape, bool)
    for code, name in names.items():
        true = truth.pattern.classes == code
        if code == NOISY:
            true &= truth.pattern.noise_factor >= 2
        found = (mask & truth.camera.mask_value(name)) > 0
        true_any |= true
        found_any |= found
        figures[name] = _recall_precision(true, found)
    return {"all": _recall_precision(true_any, found_any), **figures}


def _recall_precision(true: np.ndarray, found: np.ndarray) -> tuple[float, float, int]:
    both = np.count_nonzero(true & found)
    n_true, n_found = int(np.count_nonzero(true)), int(np.count_nonzero(found))
    return both / n_true if n_true else math.nan, both / n_found if n_found else math.nan, n_true


def rows() -> list[dict[str, Any]]:
    """The bars of the masters."""
    simulate = Simulate.model_validate({"night": {"biases": FRAMES, "flats": FRAMES, "filters": [FILTER], "visits": 0}})
    camera, settings = Camera.load("quadrant"), Calibration()
    truth = Truth(camera, simulate)
    bias = make_bias_master(truth.frames("b"), camera, CCDID, QID, settings)
    flat = make_flat_master(
        truth.frames("f"), BiasForFlat(bias.frames.mean, bias.mask), camera, CCDID, QID, truth.night(), settings
    )
    of_bias, of_flat = bias_figures(truth, bias), flat_figures(truth, flat)
    noise, level, residual = of_bias["noise over theory"], of_bias["level_adu"], of_flat["residual over limit"]
    bad = bad_pixel_figures(truth, flat.mask)
    recall, precision, n_bad = bad.pop("all")
    return [
        row(
            f"bias master of {len(bias.used)} frames: noise over theory",
            noise,
            bar="within 3 % of 1",
            met=abs(noise - 1) <= 0.03,
            note="all effects on; theory is read noise and rounding over the square root of the number of frames",
        ),
        row("bias master: stated uncertainty over true scatter", of_bias["uncertainty over scatter"], bar="", met=None),
        row("bias master: level error", level, unit="DN", bar="within 0.05", met=abs(level) < 0.05),
        row(
            f"flat master of {len(flat.used)} frames: residual over the photon-noise limit",
            residual,
            bar="< 1.1",
            met=residual < 1.1,
            note="against pixel response times the screen's light and vignetting of the synthetic camera",
        ),
        row(f"bad pixels: recall of {n_bad}", recall, bar=">= 0.99", met=recall >= 0.99),
        row("bad pixels: precision", precision, bar=">= 0.95", met=precision >= 0.95),
        *(row(f"{name} pixels: recall of {n}", found, bar="", met=None) for name, (found, _, n) in bad.items()),
        *(row(f"{name} pixels: precision", right, bar="", met=None) for name, (_, right, _) in bad.items()),
    ]
