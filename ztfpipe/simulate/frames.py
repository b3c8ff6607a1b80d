"""Whole CCD exposures: a bias, a screen flat, or the sky, as raw files hold them, with what was true of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Camera
from ztfpipe.config import SimulateDetector
from ztfpipe.model.images import RawCcd, RawQuadrant
from ztfpipe.simulate.headers import exposure_header, quadrant_header
from ztfpipe.simulate.pixels.detector import Image, Shot, collect, read_out
from ztfpipe.simulate.pixels.detector_pattern import (
    fringe_pattern,
    pixel_response,
    screen_illumination,
    unit_coordinates,
    vignetting,
)
from ztfpipe.simulate.pixels.render import add_point_sources, quadratic
from ztfpipe.simulate.pixels.render_galaxies import add_galaxies
from ztfpipe.simulate.pixels.render_stray import add_ghosts, add_halos, add_streaks
from ztfpipe.simulate.scene import QuadrantScene, SkyLight
from ztfpipe.simulate.seeds import stream

Mask = NDArray[np.uint8]
COSMIC, SATURATED, STREAK, HALO, GHOST = (1 << bit for bit in range(5))
"""Bits of `QuadrantTruth.mask`."""
TRUTH_BITS = {"cosmic": COSMIC, "saturated": SATURATED, "streak": STREAK, "halo": HALO, "ghost": GHOST}


@dataclass(frozen=True)
class QuadrantTruth:
    """What was true of a quadrant in one exposure.

    mask: uint8 (ny, nx), the TRUTH_BITS of each pixel; row_level_adu: float64 (ny,), bias level of each row [DN].
    """

    mask: Mask
    row_level_adu: NDArray[np.float64]


@dataclass(frozen=True)
class CcdFrames:
    """A CCD's raw file in memory and the truth of its quadrants by qid."""

    raw: RawCcd
    truth: Mapping[int, QuadrantTruth]


def bias_ccd(shot: Shot) -> CcdFrames:
    """A bias: no light, no time."""
    return expose(shot, {qid: np.zeros(shot.camera.quadrant_shape, np.float32) for qid in shot.camera.qids})


def flat_ccd(shot: Shot) -> CcdFrames:
    """A flat: the screen, lit by lamps that are never twice equally bright."""
    drift = stream(shot.noise_seed, "lamps", int(shot.plan.key.filefracday)).standard_normal()
    level_adu = shot.settings.screen_level_adu * (1 + shot.settings.screen_drift * drift)
    light_e = {}
    for qid in shot.camera.qids:
        screen = screen_illumination(shot.camera, shot.settings, shot.ccdid, qid, shot.plan.key.filter)
        light_e[qid] = np.float32(level_adu * shot.amplifier(qid).gain_e_per_adu) * screen
        light_e[qid] *= throughput(shot.camera, shot.settings, shot.ccdid, qid, shot.plan.key.filter)
    return expose(shot, light_e)


def sky_ccd(shot: Shot, scenes: Mapping[int, QuadrantScene]) -> CcdFrames:
    """A look at the sky; scenes: by qid, one for each quadrant of the camera."""
    masks = {qid: np.zeros(shot.camera.quadrant_shape, np.uint8) for qid in shot.camera.qids}
    light_e = {qid: scene_light(shot, qid, scenes, masks[qid]) for qid in shot.camera.qids}
    return expose(shot, light_e, masks)


def scene_light(shot: Shot, qid: int, scenes: Mapping[int, QuadrantScene], mask: Mask) -> Image:
    """Expected photo-electrons of a quadrant, float32 (ny, nx); sets bits of streaks, halos and ghosts in `mask`."""
    scene = scenes[qid]
    light_e = sky_light(shot, qid, scene.sky)
    dark_e = shot.plan.exptime_s * shot.amplifier(qid).dark_current_e_per_s
    noise_e = float(np.sqrt(np.median(light_e[::16, ::16]) + dark_e + shot.amplifier(qid).read_noise_e ** 2))
    add_point_sources(light_e, scene.stars, scene.psf, noise_e)
    add_galaxies(light_e, scene.galaxies, scene.psf, noise_e)
    add_streaks(light_e, mask, STREAK, scene.streaks, scene.psf, noise_e)
    add_halos(light_e, mask, HALO, scene, shot.camera, shot.settings)
    add_ghosts(light_e, mask, GHOST, shot, qid, scenes)
    light_e *= throughput(shot.camera, shot.settings, shot.ccdid, qid, shot.plan.key.filter)
    return light_e


def sky_light(shot: Shot, qid: int, sky: SkyLight) -> Image:
    """Background of a quadrant [e- / px], float32 (ny, nx): the sky with its gradient and fringes."""
    u, v = unit_coordinates(shot.camera.quadrant_shape)
    light_e = quadratic(sky.level_e.astype(np.float32), u, v)
    if shot.settings.fringes and sky.fringe_fraction:
        fringes = fringe_pattern(shot.camera, shot.settings, shot.ccdid, qid, sky.fringe_phase_rad)
        light_e *= 1 + np.float32(sky.fringe_fraction) * fringes
    return light_e


def throughput(camera: Camera, settings: SimulateDetector, ccdid: int, qid: int, filter_code: str) -> Image:
    """What becomes of a uniform sky: vignetting times pixel response, float32 (ny, nx)."""
    return vignetting(camera, settings, ccdid, qid) * pixel_response(camera, settings, ccdid, qid, filter_code)


def expose(shot: Shot, light_e: Mapping[int, Image], masks: Mapping[int, Mask] | None = None) -> CcdFrames:
    """Detect and read out the light that falls on a CCD, and dress it as a raw file.

    light_e: expected photo-electrons by qid, float32 (ny, nx), used as work space; masks: truth known already.
    """
    charges = {qid: collect(light, shot, qid) for qid, light in light_e.items()}
    quadrants, truth = {}, {}
    for qid, readout in read_out(charges, shot).items():
        header = quadrant_header(shot.camera, shot.plan, shot.ccdid, qid)
        quadrants[qid] = RawQuadrant(readout.image, readout.overscan, header)
        mask = masks[qid] if masks else np.zeros(shot.camera.quadrant_shape, np.uint8)
        mask[charges[qid].cosmic] |= COSMIC
        mask[charges[qid].saturated] |= SATURATED
        truth[qid] = QuadrantTruth(mask, readout.row_level_adu)
    return CcdFrames(RawCcd(exposure_header(shot.camera, shot.plan, shot.ccdid), quadrants), truth)
