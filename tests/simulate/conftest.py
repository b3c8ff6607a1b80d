"""What several tests of the synthetic sky share."""

from __future__ import annotations

import numpy as np
import pytest

GAUSS = 0.01720209895


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
