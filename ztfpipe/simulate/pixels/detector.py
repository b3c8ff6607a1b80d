"""From light to raw pixels: what the detector and its electronics do to a CCD in one exposure.

The order is that of nature: light falls on pixels of different response, dark current is added, photons are counted,
cosmic rays hit, full pixels bleed; the output amplifier is not quite linear; the amplifiers of a CCD, read together,
leak into each other; bias, drift and read noise are added and the sum is digitised.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Amplifier, Camera
from ztfpipe.config import SimulateDetector
from ztfpipe.simulate.night import ExposurePlan
from ztfpipe.simulate.pixels import detector_nb
from ztfpipe.simulate.pixels.detector_pattern import fixed_pattern
from ztfpipe.simulate.seeds import stream

Image = NDArray[np.float32]
Adu = NDArray[np.uint16]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Shot:
    """A CCD of the synthetic camera during one exposure; noise_seed: of all that the exposure draws anew."""

    camera: Camera
    settings: SimulateDetector
    noise_seed: int
    plan: ExposurePlan
    ccdid: int

    def amplifier(self, qid: int) -> Amplifier:
        """The readout channel of a quadrant of this CCD."""
        return self.camera.amplifier(self.ccdid, qid)

    def stream(self, purpose: str, qid: int) -> np.random.Generator:
        """Random numbers of this exposure, quadrant and purpose."""
        return stream(self.noise_seed, purpose, int(self.plan.key.filefracday), self.amplifier(qid).rcid)

    def nonlinearity(self, qid: int) -> tuple[float, float]:
        """Coefficients A [1/DN^2] and B [1/DN] in force; zero when switched off."""
        if not self.settings.nonlinearity:
            return 0.0, 0.0
        return self.camera.nonlinearity_coefficients(self.ccdid, qid, self.plan.key.night)


@dataclass(frozen=True)
class Charge:
    """What a quadrant holds when the shutter closes: electrons, float32 (ny, nx); cosmic, saturated: bool (ny, nx)."""

    electrons: Image
    cosmic: Mask
    saturated: Mask


@dataclass(frozen=True)
class Readout:
    """Raw pixels of a quadrant in stored orientation, uint16, and the true level of each row [DN], float64 (ny,)."""

    image: Adu
    overscan: Adu
    row_level_adu: NDArray[np.float64]


def collect(light_e: Image, shot: Shot, qid: int) -> Charge:
    """Electrons in a quadrant's pixels when the shutter closes.

    light_e: expected photo-electrons, response included, float32 (ny, nx); it is used as work space.
    """
    settings = shot.settings
    if shot.plan.exptime_s > 0:
        dark = fixed_pattern(shot.camera, settings, shot.ccdid, qid).dark_e_per_s
        light_e += np.float32(shot.plan.exptime_s) * dark
    electrons = count_photons(light_e, shot.stream("photons", qid)) if settings.shot_noise else light_e
    cosmic = add_cosmic_rays(electrons, shot.plan.exptime_s, settings, shot.stream("cosmic rays", qid))
    saturated = np.zeros(electrons.shape, np.bool_)
    if settings.saturation:
        well_e = np.float32(full_well_e(shot, qid))
        detector_nb.bleed(electrons, well_e, settings.bleeding)
        saturated = electrons >= well_e
    return Charge(electrons, cosmic, saturated)


def count_photons(mean_e: Image, rng: np.random.Generator) -> Image:
    """Poisson deviates of the given means, float32 (ny, nx) of whole numbers."""
    if not mean_e.any():
        return mean_e
    counts = rng.standard_normal(mean_e.shape, np.float32)
    detector_nb.shot_noise(mean_e, counts, counts)
    few = mean_e < detector_nb.POISSON_EXACT_BELOW_E
    if few.any():
        counts[few] = rng.poisson(np.maximum(mean_e[few], 0))
    return counts


def add_cosmic_rays(electrons: Image, exptime_s: float, settings: SimulateDetector, rng: np.random.Generator) -> Mask:
    """Add tracks of random direction, exponential length and log-normal charge per length; return the pixels hit."""
    mask = np.zeros(electrons.shape, np.bool_)
    ny, nx = electrons.shape
    for _ in range(rng.poisson(settings.cosmic_rays_per_px_s * exptime_s * electrons.size)):
        x0, y0 = rng.uniform(-0.5, nx - 0.5), rng.uniform(-0.5, ny - 0.5)
        length_px, angle = rng.exponential(settings.cosmic_length_px), rng.uniform(0, 2 * np.pi)
        charge_e = settings.cosmic_e_per_px * max(length_px, 0.7) * np.exp(0.5 * rng.standard_normal())
        x1, y1 = x0 + length_px * np.cos(angle), y0 + length_px * np.sin(angle)
        detector_nb.add_track(electrons, mask, x0, y0, x1, y1, charge_e)
    return mask


def full_well_e(shot: Shot, qid: int) -> float:
    """Electrons at which a pixel's measured signal is the camera's saturation level."""
    amplifier = shot.amplifier(qid)
    x = amplifier.saturation_adu
    a, b = shot.nonlinearity(qid)
    return amplifier.gain_e_per_adu * x / (a * x * x + b * x + 1)


def read_out(charges: Mapping[int, Charge], shot: Shot) -> dict[int, Readout]:
    """Read the quadrants of a CCD, all at the same time. charges: by qid; missing ones take no part in crosstalk."""
    signals_adu = {qid: _amplified(charge.electrons, shot, qid) for qid, charge in charges.items()}
    if shot.settings.crosstalk:
        signals_adu = add_crosstalk(signals_adu, shot.camera)
    return {qid: _digitised(signal, shot, qid) for qid, signal in signals_adu.items()}


def add_crosstalk(signals_adu: Mapping[int, Image], camera: Camera) -> dict[int, Image]:
    """Each quadrant plus its share of the pixels that the other amplifiers read at the same moment."""
    received = {qid: signal.copy() for qid, signal in signals_adu.items()}
    for victim, image in received.items():
        for source, signal in signals_adu.items():
            share = np.float32(camera.raw.crosstalk[victim - 1][source - 1])
            if victim != source and share:
                image += share * in_read_order(in_read_order(signal, camera, source), camera, victim)
    return received


def in_read_order(image: np.ndarray, camera: Camera, qid: int) -> np.ndarray:
    """A view with the first pixel read at [0, 0]; applied twice it gives back the stored frame."""
    rows = -1 if qid in camera.raw.reversed_y_qids else 1
    columns = -1 if qid in camera.raw.reversed_x_qids else 1
    return image[::rows, ::columns]


def row_level(shot: Shot, qid: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Bias level of each stored row [DN]: the amplifier's own, its jump in this exposure, settling and a slow wave."""
    settings, camera = shot.settings, shot.camera
    rcid = shot.amplifier(qid).rcid
    own = settings.bias_level_adu * stream(settings.pattern_seed, "bias level", rcid).uniform(0.9, 1.1)
    jump, strength, phase = rng.standard_normal(), 1 + 0.1 * rng.standard_normal(), rng.uniform(0, 2 * np.pi)
    order = np.linspace(0, 1, camera.quadrant_shape[0])
    level = own + settings.bias_jump_adu * jump
    level = level + settings.overscan_drift_adu * strength * (1 - np.exp(-order / 0.4)) / (1 - np.exp(-1 / 0.4))
    level = level + settings.overscan_wave_adu * np.sin(2 * np.pi * 1.7 * order + phase)
    return np.ascontiguousarray(level[::-1]) if qid in camera.raw.reversed_y_qids else level


def _amplified(electrons: Image, shot: Shot, qid: int) -> Image:
    """DN above bias before anything is added."""
    signal_adu = electrons / np.float32(shot.amplifier(qid).gain_e_per_adu)
    if shot.settings.nonlinearity:
        detector_nb.measured_adu(signal_adu, *shot.nonlinearity(qid), signal_adu)
    return signal_adu


def _digitised(signal_adu: Image, shot: Shot, qid: int) -> Readout:
    camera, settings, amplifier = shot.camera, shot.settings, shot.amplifier(qid)
    pattern = fixed_pattern(camera, settings, shot.ccdid, qid)
    level_adu = row_level(shot, qid, shot.stream("level", qid))
    rng = shot.stream("read noise", qid)
    noise_adu = np.float32(amplifier.read_noise_e / amplifier.gain_e_per_adu * settings.read_noise)
    image = np.empty(camera.quadrant_shape, np.uint16)
    deviates = rng.standard_normal(image.shape, np.float32)
    detector_nb.digitise(signal_adu, pattern.bias_adu, level_adu, pattern.noise_factor, noise_adu, deviates, image)
    trail_adu = _trail(signal_adu, camera, settings, qid)
    plain = np.zeros(camera.overscan_shape, np.float32)
    overscan = np.empty(camera.overscan_shape, np.uint16)
    deviates = rng.standard_normal(overscan.shape, np.float32)
    detector_nb.digitise(trail_adu, plain, level_adu, plain + np.float32(1), noise_adu, deviates, overscan)
    return Readout(image, overscan, level_adu)


def _trail(signal_adu: Image, camera: Camera, settings: SimulateDetector, qid: int) -> Image:
    """Charge of each row's last pixel that comes out late: DN in the overscan, in stored orientation."""
    last = in_read_order(signal_adu, camera, qid)[:, -1:]
    decay = np.exp(-np.arange(camera.raw.overscan_columns, dtype=np.float32) / np.float32(settings.overscan_trail_px))
    trail = in_read_order(np.float32(settings.overscan_trail) * last * decay, camera, qid)
    # `last` comes in read order and the two flips of the rows cancel; the columns keep one flip, as they must.
    return np.ascontiguousarray(trail)
