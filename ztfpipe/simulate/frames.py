"""Whole CCD exposures: a bias, a screen flat, or the sky, as raw files hold them, with what was true of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Camera
from ztfpipe.config import SimulateDetector
from ztfpipe.model.images import RawCcd, RawQuadrant
from ztfpipe.simulate.detector import Shot, collect, read_out
from ztfpipe.simulate.detector_pattern import (
    fringe_pattern,
    pixel_response,
    screen_illumination,
    unit_coordinates,
    vignetting,
)
from ztfpipe.simulate.headers import Commanded, exposure_header, quadrant_header
from ztfpipe.simulate.random import stream
from ztfpipe.simulate.render import add_point_sources, quadratic
from ztfpipe.simulate.render_galaxies import add_galaxies
from ztfpipe.simulate.render_stray import add_ghosts, add_halos, add_streaks
from ztfpipe.simulate.scene import QuadrantScene, SkyLight

COSMIC, SATURATED, STREAK, HALO, GHOST = (1 << bit for bit in range(5))
"""Bits of `QuadrantTruth.mask`."""
TRUTH_BITS = {"cosmic": COSMIC, "saturated": SATURATED, "streak": STREAK, "halo": HALO, "ghost": GHOST}


@dataclass(frozen=True)
class QuadrantTruth:
    """What was true of a quadrant in one exposure.

    mask: uint8 (ny, nx), the TRUTH_BITS of each pixel; row_level_adu: float64 (ny,), bias level of each row [DN].
    """

    mask: NDArray[np.uint8]
    row_level_adu: NDArray[np.float64]


@dataclass(frozen=True)
class CcdFrames:
    """A CCD's raw file in memory and the truth of its quadrants by qid."""

    raw: RawCcd
    truth: Mapping[int, QuadrantTruth]


def bias_ccd(camera: Camera, settings: SimulateDetector, commanded: Commanded, ccdid: int) -> CcdFrames:
    """A bias exposure of one CCD."""
    light = {qid: np.zeros(camera.quadrant_shape, np.float32) for qid in camera.qids}
    return expose(camera, settings, commanded, ccdid, light, {})


def flat_ccd(camera: Camera, settings: SimulateDetector, commanded: Commanded, ccdid: int) -> CcdFrames:
    """A screen flat of one CCD."""
    drift = stream(settings.noise_seed, "lamps", commanded.key.filefracday).standard_normal()
    level_adu = settings.screen_level_adu * (1 + settings.screen_drift * drift)
    light = {}
    for qid in camera.qids:
        screen = screen_illumination(camera, settings, ccdid, qid, commanded.key.filter)
        gain = camera.amplifier(ccdid, qid).gain_e_per_adu
        light[qid] = (
            np.float32(level_adu * gain) * screen * throughput(camera, settings, ccdid, qid, commanded.key.filter)
        )
    return expose(camera, settings, commanded, ccdid, light, {})


def sky_ccd(
    camera: Camera,
    settings: SimulateDetector,
    commanded: Commanded,
    ccdid: int,
    scenes: Mapping[int, QuadrantScene],
) -> CcdFrames:
    """A look at the sky with one CCD: scenes by qid, one for each quadrant of the camera."""
    light, masks = {}, {}
    for qid in camera.qids:
        masks[qid] = np.zeros(camera.quadrant_shape, np.uint8)
        light[qid] = scene_light(camera, settings, commanded, ccdid, qid, scenes, masks[qid])
    return expose(camera, settings, commanded, ccdid, light, masks)


def scene_light(
    camera: Camera,
    settings: SimulateDetector,
    commanded: Commanded,
    ccdid: int,
    qid: int,
    scenes: Mapping[int, QuadrantScene],
    mask: NDArray[np.uint8],
) -> NDArray[np.float32]:
    """Expected photo-electrons of a quadrant, float32 (ny, nx); sets bits of streaks, halos and ghosts in `mask`."""
    scene = scenes[qid]
    light_e = sky_light(camera, settings, ccdid, qid, scene.sky)
    noise_e = float(np.sqrt(max(np.median(light_e[::16, ::16]), camera.amplifier(ccdid, qid).read_noise_e ** 2)))
    add_point_sources(light_e, scene.stars, scene.psf, noise_e)
    add_galaxies(light_e, scene.galaxies, scene.psf, noise_e)
    add_streaks(light_e, mask, STREAK, scene.streaks, scene.psf, noise_e)
    add_halos(light_e, mask, HALO, scene, camera, settings)
    add_ghosts(light_e, mask, GHOST, qid, ccdid, scenes, camera, settings)
    light_e *= vignetting(camera, settings, ccdid, qid)
    light_e *= pixel_response(camera, settings, ccdid, qid, commanded.key.filter)
    return light_e


def sky_light(camera: Camera, settings: SimulateDetector, ccdid: int, qid: int, sky: SkyLight) -> NDArray[np.float32]:
    """Background of a quadrant [e- / px], float32 (ny, nx): the sky with its gradient and fringes."""
    u, v = unit_coordinates(camera.quadrant_shape)
    light_e = quadratic(sky.level_e.astype(np.float32), u, v)
    if settings.fringes and sky.fringe_fraction:
        fringes = fringe_pattern(camera, settings, ccdid, qid, sky.fringe_phase_rad)
        light_e *= 1 + np.float32(sky.fringe_fraction) * fringes
    return light_e


def throughput(
    camera: Camera, settings: SimulateDetector, ccdid: int, qid: int, filter_code: str
) -> NDArray[np.float32]:
    """What becomes of a uniform sky: vignetting times pixel response, float32 (ny, nx)."""
    return vignetting(camera, settings, ccdid, qid) * pixel_response(camera, settings, ccdid, qid, filter_code)


def expose(
    camera: Camera,
    settings: SimulateDetector,
    commanded: Commanded,
    ccdid: int,
    light_e: Mapping[int, NDArray[np.float32]],
    masks: Mapping[int, NDArray[np.uint8]],
) -> CcdFrames:
    """Detect and read out the light that falls on a CCD, and dress it as a raw file."""
    shot = Shot(camera, settings, commanded.key, commanded.exptime_s, ccdid)
    charges = {qid: collect(light, shot, qid) for qid, light in light_e.items()}
    readouts = read_out(charges, shot)
    header = exposure_header(camera, commanded, ccdid)
    quadrants, truths = {}, {}
    for qid, readout in readouts.items():
        own = quadrant_header(camera, commanded, ccdid, qid)
        quadrants[qid] = RawQuadrant(readout.image, readout.overscan, own)
        mask = masks.get(qid, np.zeros(camera.quadrant_shape, np.uint8))
        mask[charges[qid].cosmic] |= COSMIC
        mask[charges[qid].saturated] |= SATURATED
        truths[qid] = QuadrantTruth(mask, readout.row_level_adu)
    return CcdFrames(RawCcd(header, quadrants), truths)
