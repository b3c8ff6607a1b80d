"""A small synthetic camera with every effect off, and scenes made by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from ztfpipe.camera import Camera
from ztfpipe.config import Simulate, SimulateDetector
from ztfpipe.model.keys import NO_FIELD, ExposureKey
from ztfpipe.simulate.night import ExposurePlan, plan_night
from ztfpipe.simulate.pixels.detector import Shot
from ztfpipe.simulate.scene import Galaxies, PointSources, PsfField, QuadrantScene, SkyLight, Streaks

CCDID = 10
GAUSS = 0.01720209895


def even(value: float, *slopes: float) -> np.ndarray:
    """Coefficients of 1, u, v, u^2, uv, v^2."""
    return np.array([value, *slopes] + [0.0] * (5 - len(slopes)))


def point_sources(x, y, flux, dx=0.0, dy=0.0) -> PointSources:
    """Point sources from lists or numbers."""
    columns = np.broadcast_arrays(*(np.atleast_1d(np.asarray(c, float)) for c in (x, y, flux, dx, dy)))
    return PointSources(*(np.array(column) for column in columns))


def plain_psf(fwhm_px: float = 2.0, **parts) -> PsfField:
    """A round Moffat PSF that is the same everywhere, with parts replaced."""
    zero = even(0.0)
    return replace(PsfField(even(fwhm_px), zero, zero, zero, zero, 3.0, 0.0, 12.0), **parts)


def make_scene(stars=None, galaxies=None, streaks=None, psf=None, level_e=0.0, fringe_fraction=0.0, phase=0.0):
    """A scene of 30 s with the parts given and nothing else."""
    return QuadrantScene(
        stars or point_sources([], [], []),
        galaxies or Galaxies(*(np.zeros(0) for _ in range(7))),
        streaks or Streaks(*(np.zeros(0) for _ in range(6))),
        psf or plain_psf(),
        SkyLight(np.atleast_1d(level_e) if np.ndim(level_e) else even(level_e), fringe_fraction, phase),
        30.0,
    )


@pytest.fixture(scope="session")
def mini() -> Camera:
    return Camera.load("mini")


@pytest.fixture(scope="session")
def base_plan(mini) -> ExposurePlan:
    settings = Simulate.model_validate({"night": {"biases": 1, "flats": 0, "visits": 0}})
    return plan_night(settings, mini)[0]


@pytest.fixture(scope="session")
def make_plan(base_plan) -> Callable[..., ExposurePlan]:
    """plan(imgtype, filter, exptime_s, number): exposures that differ by their number have noise of their own."""

    def make(imgtype: str = "b", code: str = "bi", exptime_s: float = 0.0, number: int = 0) -> ExposurePlan:
        field = 473 if imgtype == "o" else NO_FIELD
        key = ExposureKey(f"20180325{100000 + number:06d}", field, code, imgtype)
        return replace(base_plan, number=number, key=key, exptime_s=exptime_s)

    return make


@pytest.fixture(scope="session")
def make_shot(mini, make_plan) -> Callable[..., Shot]:
    """shot(settings, imgtype, filter, exptime_s, number) of CCD 10 of the small camera."""

    def make(settings: SimulateDetector, *plan_parts, ccdid: int = CCDID, **plan_words) -> Shot:
        return Shot(mini, settings, 3, make_plan(*plan_parts, **plan_words), ccdid)

    return make


@pytest.fixture(scope="session")
def build():
    """The builders of this file, for test modules, which cannot import it."""

    class Build:
        even = staticmethod(even)
        stars = staticmethod(point_sources)
        psf = staticmethod(plain_psf)
        scene = staticmethod(make_scene)

    return Build


@pytest.fixture(scope="session")
def kepler_states():
    """The closed form of two-body motion, written for the tests alone."""
    return _kepler_states


def _kepler_states(shape, days):
    """Positions and velocities of two-body motion `days` after the epoch of the elements."""
    a, e = shape["a_au"], shape["e"]
    motion = np.sqrt(GAUSS**2 / a**3)
    mean = np.radians(shape["mean_anomaly_deg"]) + motion * days
    ecc = mean + e * np.sin(mean)
    for _ in range(50):
        ecc = ecc - (ecc - e * np.sin(ecc) - mean) / (1 - e * np.cos(ecc))
    flat = np.stack([a * (np.cos(ecc) - e), a * np.sqrt(1 - e**2) * np.sin(ecc), 0 * a], axis=1)
    rate = motion / (1 - e * np.cos(ecc))
    flat_v = np.stack([-a * np.sin(ecc) * rate, a * np.sqrt(1 - e**2) * np.cos(ecc) * rate, 0 * a], axis=1)
    node, inc, peri = (np.radians(shape[name]) for name in ("node_deg", "i_deg", "peri_deg"))

    def turned(v):
        out = np.empty_like(v)
        for k in range(len(v)):

            def about_z(t):
                return np.array([[np.cos(t), -np.sin(t), 0], [np.sin(t), np.cos(t), 0], [0, 0, 1]])

            def about_x(t):
                return np.array([[1, 0, 0], [0, np.cos(t), -np.sin(t)], [0, np.sin(t), np.cos(t)]])

            matrix = about_x(np.radians(84381.448 / 3600)) @ about_z(node[k]) @ about_x(inc[k]) @ about_z(peri[k])
            out[k] = matrix @ v[k]
        return out

    return turned(flat), turned(flat_v)
