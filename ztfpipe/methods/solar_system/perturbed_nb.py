"""Kernels of motion under the pull of the Sun and the planets. Slow twins in tests/methods/solar_system."""

from __future__ import annotations

import numpy as np
from numba import njit

from ztfpipe.methods.solar_system.kepler_nb import moved


@njit(cache=True)
def pull(x, y, z, planets, gm):
    """Acceleration (3 numbers) [au / d^2] by bodies at heliocentric `planets` (k, 3), less the Sun's own fall to them,
    and the distance [au] of the nearest."""
    ax, ay, az, nearest2 = 0.0, 0.0, 0.0, np.inf
    for k in range(len(gm)):
        px, py, pz = planets[k, 0], planets[k, 1], planets[k, 2]
        dx, dy, dz = px - x, py - y, pz - z
        apart2, own2 = dx * dx + dy * dy + dz * dz, px * px + py * py + pz * pz
        direct, indirect = gm[k] / (apart2 * np.sqrt(apart2)), gm[k] / (own2 * np.sqrt(own2))
        ax += direct * dx - indirect * px
        ay += direct * dy - indirect * py
        az += direct * dz - indirect * pz
        nearest2 = min(nearest2, apart2)
    return ax, ay, az, np.sqrt(nearest2)


@njit(cache=True)
def carry(positions, velocities, start_d, planets, gm, cell_d, middle, longest, share):
    """States (n, 3) [au, au / d] of massless bodies at node `middle` of a table of planets (nodes, k, 3).

    start_d (n,): times of the states, in days after that node; the nodes are cell_d apart and must reach them. Between
    kicks by the planets bodies follow their conics exactly (Wisdom & Holman 1991, in heliocentric coordinates). A step
    is a whole number of nodes: at most `longest`, and `share` of the time in which a body covers the distance of the
    nearest planet, but at least one. NaN where a conic cannot be followed.
    """
    n = len(positions)
    positions_after, velocities_after = np.empty((n, 3)), np.empty((n, 3))
    r, v = np.empty(3), np.empty(3)
    for i in range(n):
        r[:], v[:] = positions[i], velocities[i]
        node = middle + int(np.rint(start_d[i] / cell_d))
        # The states' own time lies between two nodes: to the nearer one, with its kick for that time.
        rest = (node - middle) * cell_d - start_d[i]
        ax, ay, az, apart = pull(r[0], r[1], r[2], planets[node], gm)
        v[0] += rest * ax
        v[1] += rest * ay
        v[2] += rest * az
        moved(r, v, rest, r, v)
        ax, ay, az, apart = pull(r[0], r[1], r[2], planets[node], gm)
        while node != middle:
            speed = np.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2])
            if not speed > 0.0:
                r[:], v[:] = np.nan, np.nan
                break
            cells = int(min(share * apart / (speed * cell_d), float(longest)))
            cells = min(max(cells, 1), abs(node - middle))
            if node > middle:
                cells = -cells
            half = 0.5 * cells * cell_d
            v[0] += half * ax
            v[1] += half * ay
            v[2] += half * az
            moved(r, v, 2.0 * half, r, v)
            node += cells
            ax, ay, az, apart = pull(r[0], r[1], r[2], planets[node], gm)
            v[0] += half * ax
            v[1] += half * ay
            v[2] += half * az
        positions_after[i], velocities_after[i] = r, v
    return positions_after, velocities_after


def warm() -> None:
    """Compile the kernels of this module."""
    positions, velocities = np.array([[1.0, 0.1, 0.0]]), np.array([[0.0, 0.0172, 0.001]])
    planets, gm = np.full((3, 1, 3), 5.0), np.array([1e-7])
    pull(1.0, 0.1, 0.0, planets[0], gm)
    carry(positions, velocities, np.array([0.5]), planets, gm, 0.5, 1, 4, 0.1)
