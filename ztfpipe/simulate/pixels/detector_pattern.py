"""What is fixed to the detector: pixel response, bad pixels, bias structure, illumination, fringes.

Everything here is a function of the camera, the settings and the quadrant, never of the exposure. Tests and validation
compare masters with it; the pipeline never sees it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from ztfpipe.camera import Camera
from ztfpipe.config import SimulateDetector
from ztfpipe.simulate.cache import remembered
from ztfpipe.simulate.seeds import stream

Image = NDArray[np.float32]

GOOD, DEAD, LOW, HIGH, NOISY, HOT = range(6)
"""Classes of pixels in `FixedPattern.classes`."""
CLASS_NAMES = {DEAD: "dead", LOW: "low_response", HIGH: "high_response", NOISY: "noisy", HOT: "hot"}
NOISY_FACTOR_MIN = 2.2
"""A pixel called noisy has at least this many times the read noise: clearly above the threshold of 2."""


@dataclass(frozen=True)
class FixedPattern:
    """The fixed traits of a quadrant's pixels, all (ny, nx).

    classes: uint8, one of GOOD, DEAD, LOW, HIGH, NOISY, HOT; bias_adu: float32, the two-dimensional bias pattern above
    the level [DN]; noise_factor: float32, read noise in units of the amplifier's; dark_e_per_s: float32. Arrays are
    shared between callers and read-only.
    """

    classes: NDArray[np.uint8]
    bias_adu: Image
    noise_factor: Image
    dark_e_per_s: Image


def smooth_field(rng: np.random.Generator, shape: tuple[int, int], cells: int) -> Image:
    """A cubic spline through normal deviates at (cells + 1)^2 knots, with mean 0 and peak-to-valley 1."""
    knots = np.linspace(0.0, 1.0, cells + 1)
    rows, columns = (CubicSpline(knots, np.eye(cells + 1))(np.linspace(0.0, 1.0, size)) for size in shape)
    field = rows @ rng.standard_normal((cells + 1, cells + 1)) @ columns.T
    field -= field.mean()
    return (field / np.ptp(field)).astype(np.float32)


def unit_coordinates(shape: tuple[int, int]) -> tuple[Image, Image]:
    """u (1, nx) and v (ny, 1) from -1 at the centre of the first pixel to 1 at that of the last."""
    ny, nx = shape
    u = np.linspace(-1.0, 1.0, nx, dtype=np.float32)[None, :]
    return u, np.linspace(-1.0, 1.0, ny, dtype=np.float32)[:, None]


@remembered
def fixed_pattern(camera: Camera, settings: SimulateDetector, ccdid: int, qid: int) -> FixedPattern:
    """Bad pixels, bias structure, noise and dark current of a quadrant. Raises BadKey for an unknown quadrant."""
    amplifier = camera.amplifier(ccdid, qid)
    classes = _classes(camera, settings, ccdid, qid)
    rng = stream(settings.pattern_seed, "noise and dark", amplifier.rcid)
    noise_factor = np.ones(camera.quadrant_shape, np.float32)
    noisy = classes == NOISY
    factors = settings.noisy_factor * np.exp(0.15 * rng.standard_normal(int(noisy.sum())))
    noise_factor[noisy] = np.maximum(factors, NOISY_FACTOR_MIN)
    dark = np.full(camera.quadrant_shape, amplifier.dark_current_e_per_s * settings.dark_current, np.float32)
    hot = classes == HOT
    dark[hot] += settings.hot_e_per_s * np.exp(0.7 * rng.standard_normal(int(hot.sum())))
    return FixedPattern(classes, _bias_structure(camera, settings, ccdid, qid), noise_factor, dark)


@remembered
def pixel_response(camera: Camera, settings: SimulateDetector, ccdid: int, qid: int, filter_code: str) -> Image:
    """Response of every pixel relative to the usual one: PRNU, dust, bad pixels. float32 (ny, nx), mean near 1."""
    rcid = camera.amplifier(ccdid, qid).rcid
    shape = camera.quadrant_shape
    own = np.float32(settings.prnu_rms * settings.prnu_filter_share**0.5)
    common = np.float32(settings.prnu_rms * (1 - settings.prnu_filter_share) ** 0.5)
    response = np.ones(shape, np.float32)
    if settings.prnu_rms:
        fid = camera.filter(filter_code).fid
        response += common * stream(settings.pattern_seed, "response", rcid).standard_normal(shape, np.float32)
        response += own * stream(settings.pattern_seed, "response", rcid, fid).standard_normal(shape, np.float32)
    if settings.dust_depth:
        _add_dust(response, settings.dust_depth, stream(settings.pattern_seed, "dust", rcid))
    classes = _classes(camera, settings, ccdid, qid)
    rng = stream(settings.pattern_seed, "bad response", rcid)
    for kind, lowest, highest in ((DEAD, 0.0, 0.1), (LOW, 0.25, 0.55), (HIGH, 1.5, 1.8)):
        where = classes == kind
        response[where] = rng.uniform(lowest, highest, int(where.sum()))
    return response


@remembered
def vignetting(camera: Camera, settings: SimulateDetector, ccdid: int, qid: int) -> Image:
    """Transmission of the optics over a quadrant, float32 (ny, nx): 1 at the field's centre, falling with the cube of
    the distance to 1 - `vignetting` at the outermost corner of the camera."""
    x_px, y_px = _focal_plane_px(camera, ccdid, qid)
    distance_px = np.hypot(x_px[None, :], y_px[:, None])
    return (1 - settings.vignetting * (distance_px / _focal_plane_radius_px(camera)) ** 3).astype(np.float32)


@remembered
def screen_illumination(camera: Camera, settings: SimulateDetector, ccdid: int, qid: int, filter_code: str) -> Image:
    """Light of the flat-field screen relative to that of the sky, float32 (ny, nx): a smooth residual of each quadrant
    and filter, and the gradient of the lamps over the focal plane."""
    rcid, fid = camera.amplifier(ccdid, qid).rcid, camera.filter(filter_code).fid
    residual = smooth_field(stream(settings.pattern_seed, "screen", rcid, fid), camera.quadrant_shape, 3)
    x_px, y_px = _focal_plane_px(camera, ccdid, qid)
    angle = stream(settings.pattern_seed, "lamps", fid).uniform(0, 2 * np.pi)
    along_px = np.cos(angle) * x_px[None, :] + np.sin(angle) * y_px[:, None]
    gradient = along_px / (2 * _focal_plane_radius_px(camera))
    light = (1 + settings.screen_residual * residual) * (1 + settings.screen_gradient * gradient)
    return light.astype(np.float32)


@remembered
def _fringe_phase(camera: Camera, settings: SimulateDetector, ccdid: int, qid: int) -> tuple[Image, Image]:
    rng = stream(settings.pattern_seed, "fringes", camera.amplifier(ccdid, qid).rcid)
    shape = camera.quadrant_shape
    x, y = np.arange(shape[1], dtype=np.float32)[None, :], np.arange(shape[0], dtype=np.float32)[:, None]
    angle = rng.uniform(0, 2 * np.pi)
    across = (np.cos(angle) * x + np.sin(angle) * y) / settings.fringe_period_px
    bend = smooth_field(rng, shape, 4) * (0.25 * np.hypot(*shape) / settings.fringe_period_px)
    return (2 * np.pi * (across + bend)).astype(np.float32), 0.7 + 0.6 * smooth_field(rng, shape, 3)


def fringe_pattern(camera: Camera, settings: SimulateDetector, ccdid: int, qid: int, phase_rad: float) -> Image:
    """The fringes of a quadrant at a drift phase, float32 (ny, nx), amplitude up to 1 and mean near 0."""
    phase, envelope = _fringe_phase(camera, settings, ccdid, qid)
    return np.cos(phase + np.float32(phase_rad)) * envelope


def _classes(camera: Camera, settings: SimulateDetector, ccdid: int, qid: int) -> NDArray[np.uint8]:
    """Class of each pixel; a pixel drawn twice keeps the later class, and the camera's static table comes last."""
    rng = stream(settings.pattern_seed, "bad pixels", camera.amplifier(ccdid, qid).rcid)
    classes = np.zeros(camera.quadrant_shape, np.uint8)
    for kind, fraction in (
        (HOT, settings.hot_pixels),
        (NOISY, settings.noisy_pixels),
        (HIGH, settings.high_response_pixels),
        (LOW, settings.low_response_pixels),
        (DEAD, settings.dead_pixels),
    ):
        count = rng.binomial(classes.size, fraction)
        classes.flat[rng.integers(0, classes.size, count)] = kind
    if settings.static_bad_pixels:
        codes = {name: code for code, name in CLASS_NAMES.items()}
        for box in camera.static_bad_pixels:
            if (box.ccdid, box.qid) == (ccdid, qid):
                classes[box.y0 : box.y1 + 1, box.x0 : box.x1 + 1] = codes[box.kind]
    return classes


def _bias_structure(camera: Camera, settings: SimulateDetector, ccdid: int, qid: int) -> Image:
    """A smooth part, columns, and a pixel pattern, in shares of 70, 20 and 10 % of the variance; mean 0."""
    rng = stream(settings.pattern_seed, "bias structure", camera.amplifier(ccdid, qid).rcid)
    shape = camera.quadrant_shape
    smooth = smooth_field(rng, shape, 5)
    parts = (
        (0.7, smooth / smooth.std()),
        (0.2, rng.standard_normal((1, shape[1]), np.float32)),
        (0.1, rng.standard_normal(shape, np.float32)),
    )
    pattern = sum(np.float32(settings.bias_structure_adu * share**0.5) * part for share, part in parts)
    return np.ascontiguousarray(pattern - pattern.mean(), dtype=np.float32)


def _add_dust(response: Image, depth: float, rng: np.random.Generator) -> None:
    """Multiply `response` by the shadows of dust: soft rings of 15 to 40 pixels radius."""
    ny, nx = response.shape
    for _ in range(max(1, round(ny * nx / 512**2))):
        x0, y0, radius = rng.uniform(0, nx), rng.uniform(0, ny), rng.uniform(15, 40)
        rows = slice(max(0, int(y0 - 2 * radius)), max(0, int(y0 + 2 * radius)))
        columns = slice(max(0, int(x0 - 2 * radius)), max(0, int(x0 + 2 * radius)))
        y, x = np.ogrid[rows, columns]
        patch = response[rows, columns]
        distance = np.hypot(x[:, : patch.shape[1]] - x0, y[: patch.shape[0]] - y0)
        patch *= (1 - depth * rng.uniform(0.5, 1) * np.exp(-(((distance - radius) / (0.25 * radius)) ** 2))).astype(
            "f4"
        )


def _focal_plane_px(camera: Camera, ccdid: int, qid: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Columns' x and rows' y in the focal plane relative to the field's centre [px], along the stored axes."""
    amplifier = camera.amplifier(ccdid, qid)
    ny, nx = camera.quadrant_shape
    x_centre, y_centre = camera.reference_pixel
    px_per_deg = 3600 / camera.pixel_scale_arcsec
    # The stored frame has +x to the west and +y to the south.
    x = -amplifier.east_deg * px_per_deg + np.arange(nx) - x_centre
    y = -amplifier.north_deg * px_per_deg + np.arange(ny) - y_centre
    return x, y


def _focal_plane_radius_px(camera: Camera) -> float:
    """Distance of the camera's outermost corner from the field's centre [px]."""
    planes = [_focal_plane_px(camera, *quadrant) for quadrant in camera.quadrants()]
    return float(max(np.hypot(abs(x).max(), abs(y).max()) for x, y in planes))
