"""What is no source, drawn on pixels: one function for each kind, by name.

Each takes (image, x, y, total, fwhm_px, rng) and adds to the image [DN], whatever part of it lies there, light of about
`total` DN that a PSF-sized filter would see. The kinds that classifiers are trained on and those they are judged by are
listed apart; those of stars (dipoles, wide stars, lost masks) are made in `pairs`, where the stars are drawn.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]


def hit(image: Image, x: float, y: float, total: float, fwhm_px: float, rng: np.random.Generator) -> None:
    """A cosmic ray of a pixel or two."""
    j, i = round(y), round(x)
    for _ in range(rng.integers(1, 4)):
        _add(image, j, i, total * rng.uniform(0.3, 1.0))
        j, i = j + rng.integers(-1, 2), i + rng.integers(-1, 2)


def track(image: Image, x: float, y: float, total: float, fwhm_px: float, rng: np.random.Generator) -> None:
    """A straight cosmic ray, as narrow as a pixel."""
    length, angle = rng.uniform(4, 16), rng.uniform(0, np.pi)
    _trail(image, x, y, length, angle, 0.45, total * length / 3)


def worm(image: Image, x: float, y: float, total: float, fwhm_px: float, rng: np.random.Generator) -> None:
    """A scattered electron: a narrow track that turns about."""
    angle = rng.uniform(0, 2 * np.pi)
    for _ in range(rng.integers(8, 25)):
        _add(image, round(y), round(x), total * rng.uniform(0.1, 0.6))
        angle += rng.normal(0, 0.6)
        x, y = x + np.cos(angle), y + np.sin(angle)


def block(image: Image, x: float, y: float, total: float, fwhm_px: float, rng: np.random.Generator) -> None:
    """Two by two or three warm pixels."""
    for j in range(2):
        for i in range(rng.integers(2, 4)):
            _add(image, round(y) + j, round(x) + i, total * rng.uniform(0.2, 0.4))


def column(image: Image, x: float, y: float, total: float, fwhm_px: float, rng: np.random.Generator) -> None:
    """A piece of a bad column."""
    half = rng.integers(4, 120)
    width = rng.integers(1, 3)
    image[max(round(y) - half, 0) : round(y) + half, round(x) : round(x) + width] += np.float32(total / (3 * fwhm_px))


def row(image: Image, x: float, y: float, total: float, fwhm_px: float, rng: np.random.Generator) -> None:
    """A piece of a bad row that fades: charge left behind."""
    j, i = round(y), round(x)
    length = int(rng.integers(8, 150))
    part = image[j, i : i + length]
    part += (total / (2 * fwhm_px) * np.exp(-np.arange(length) / (0.4 * length)))[: part.size].astype(np.float32)


def line(image: Image, x: float, y: float, total: float, fwhm_px: float, rng: np.random.Generator) -> None:
    """A piece of a satellite's trail, as wide as the PSF, of even or uneven light."""
    length = rng.uniform(15, 250)
    _trail(image, x, y, length, rng.uniform(0, np.pi), fwhm_px / 2.3548, total * length / (2 * fwhm_px))


def aircraft(image: Image, x: float, y: float, total: float, fwhm_px: float, rng: np.random.Generator) -> None:
    """The end of a trail out of focus, with lamps along it."""
    angle, length, width = rng.uniform(0, 2 * np.pi), rng.uniform(40, 120), rng.uniform(1.2, 3.0) * fwhm_px / 2.3548
    _trail(image, x, y, length, angle, width, total * length / (2 * fwhm_px))
    for along in np.arange(-0.5, 0.5, 0.2):
        lamp_x, lamp_y = x + along * length * np.cos(angle), y + along * length * np.sin(angle)
        _trail(image, lamp_x, lamp_y, 2 * width, angle, width, total)


def ghost(image: Image, x: float, y: float, total: float, fwhm_px: float, rng: np.random.Generator) -> None:
    """A disk of a pupil out of focus, with its hole."""
    radius = rng.uniform(5, 18)
    rows, columns, distance = _around(image, x, y, radius + 3)
    disk = 1 / (1 + np.exp((distance - radius) / 0.7)) - 1 / (1 + np.exp((distance - 0.4 * radius) / 0.7))
    image[rows, columns] += (total / (2 * fwhm_px**2) * disk).astype(np.float32)


def crosstalk(image: Image, x: float, y: float, total: float, fwhm_px: float, rng: np.random.Generator) -> None:
    """The print of a saturated star of another channel: a flat core, an undershoot to one side."""
    radius = rng.uniform(1.0, 4.0)
    rows, columns, distance = _around(image, x, y, radius + 2)
    print_ = (distance < radius) * np.float32(total / (4 * radius))
    image[rows, columns] += print_
    after = image[rows, columns.stop : columns.stop + print_.shape[1]]
    after -= 0.4 * print_[:, : after.shape[1]]


def spike(image: Image, x: float, y: float, total: float, fwhm_px: float, rng: np.random.Generator) -> None:
    """A piece of a diffraction spike: narrow, at 45 degrees, fading to both ends."""
    angle = np.pi / 4 * rng.choice([1, 3]) + rng.normal(0, 0.05)
    for length in (10, 20, 40):
        _trail(image, x, y, length, angle, 0.7, total)


def blob(image: Image, x: float, y: float, total: float, fwhm_px: float, rng: np.random.Generator) -> None:
    """Light of no star's form: broader than the PSF, round or not."""
    width = rng.uniform(1.4, 5.0) * fwhm_px / 2.3548
    length = width * rng.uniform(0.1, 3)
    _trail(image, x, y, length, rng.uniform(0, np.pi), width, total * rng.uniform(1, 4))


def patch(image: Image, x: float, y: float, total: float, fwhm_px: float, rng: np.random.Generator) -> None:
    """A rectangle of another level: amplifiers, tiles of a flat, bits of a mask that slipped."""
    height, width = rng.integers(2, 40, 2)
    rows, columns = slice(max(round(y) - height // 2, 0), round(y) + height), slice(round(x), round(x) + width)
    image[rows, columns] += np.float32(rng.choice([-1, 1]) * total / (2 * fwhm_px**2))


TRAINED = (hit, track, column, line, blob, patch)
JUDGED = (hit, worm, block, row, aircraft, ghost, crosstalk, spike)
"""Hits are in both: no other artefact is as common, and those of a test are others of the same kind."""


def _add(image: Image, j: int, i: int, value: float) -> None:
    if 0 <= j < image.shape[0] and 0 <= i < image.shape[1]:
        image[j, i] += value


def _around(image: Image, x: float, y: float, reach: float) -> tuple[slice, slice, NDArray]:
    """Rows, columns and distances of the square about a place."""
    j, i, half = round(y), round(x), int(np.ceil(reach))
    rows, columns = (
        slice(*np.clip((at - half, at + half + 1), 0, n)) for at, n in zip((j, i), image.shape, strict=True)
    )
    distance = np.hypot(np.arange(rows.start, rows.stop)[:, None] - y, np.arange(columns.start, columns.stop) - x)
    return rows, columns, distance


def _trail(image: Image, x: float, y: float, length: float, angle: float, sigma_px: float, flux: float) -> None:
    """A line of this length about a place, Gaussian across, of this flux, its ends as soft as it is wide."""
    rows, columns, _ = _around(image, x, y, length / 2 + 4 * sigma_px + 1)
    dy, dx = np.arange(rows.start, rows.stop)[:, None] - y, np.arange(columns.start, columns.stop)[None] - x
    along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
    form = np.exp(-0.5 * (across / sigma_px) ** 2)
    form *= 0.5 * (np.tanh((along + length / 2) / sigma_px) - np.tanh((along - length / 2) / sigma_px))
    image[rows, columns] += (flux * form / max(form.sum(), 1e-9)).astype(np.float32)
