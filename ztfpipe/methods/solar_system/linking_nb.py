"""Kernels of linking. Each has a slow twin in tests/methods/solar_system/test_linking.py.

Near one direction of the sky a body's path over a few days is, in the tangent plane,

    x(t) = x0 + vx t + ax t^2 / 2 - p O_x(t),   and the same in y,

with O the observer's heliocentric place [au] and p the parallax, 1 / distance [1/au]. What the Earth does, its rotation
as well as its orbit, is in O, so the acceleration that is left is small and has a narrow prior; p has a wide one.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ztfpipe.methods.solar_system.tangent_nb import ARCSEC_PER_RADIAN, direction, parallactic, tangent

N_PARAMETERS = 7


@njit(cache=True)
def cell_of(ra_deg, dec_deg, size_deg):
    """Band and number within the band of a direction, for cells of about `size_deg` on a side."""
    n_bands = int(np.ceil(180.0 / size_deg))
    band = min(max(int((dec_deg + 90.0) / size_deg), 0), n_bands - 1)
    cells = cells_in(band, size_deg)
    return band, min(int(ra_deg / 360.0 * cells), cells - 1)


@njit(cache=True)
def cells_in(band, size_deg):
    """Number of cells in a band of declination."""
    low, high = -90.0 + band * size_deg, -90.0 + (band + 1) * size_deg
    widest = 0.0 if low < 0.0 < high else min(abs(low), abs(high))
    return max(int(360.0 * np.cos(np.radians(widest)) / size_deg), 1)


@njit(cache=True)
def cell_numbers(ra_deg, dec_deg, size_deg, first_of_band):
    """Running number of the cell of each direction; first_of_band: running number of each band's first cell."""
    result = np.empty(ra_deg.size, np.int64)
    for i in range(ra_deg.size):
        band, cell = cell_of(ra_deg[i], dec_deg[i], size_deg)
        result[i] = first_of_band[band] + cell
    return result


@njit(cache=True)
def around(ra_deg, dec_deg, radius_deg, size_deg, first_of_band, starts, found):
    """Positions, in the order of the index, of all that stands in cells touched by a circle; returns how many, at most
    len(found). starts: where each cell begins in the index, and its end."""
    n = 0
    lowest, _ = cell_of(0.0, max(dec_deg - radius_deg, -90.0), size_deg)
    highest, _ = cell_of(0.0, min(dec_deg + radius_deg, 90.0), size_deg)
    for band in range(lowest, highest + 1):
        cells = cells_in(band, size_deg)
        poleward = min(max(abs(-90.0 + band * size_deg), abs(-90.0 + (band + 1) * size_deg)), 90.0)
        shrink = np.cos(np.radians(poleward))
        half = cells if shrink * cells * 1.0 <= 2.0 else int(radius_deg / shrink / 360.0 * cells) + 1
        middle = int(ra_deg / 360.0 * cells)
        first, last = middle - half, middle + half
        if last - first + 1 >= cells:
            first, last = 0, cells - 1
        for cell in range(first, last + 1):
            number = first_of_band[band] + cell % cells
            for position in range(starts[number], starts[number + 1]):
                if n == len(found):
                    return n
                found[n] = position
                n += 1
    return n


@njit(cache=True)
def solve(matrix, vector):
    """Solve a symmetric positive definite system in place; matrix then holds its Cholesky factor below the diagonal."""
    n = vector.size
    for i in range(n):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = np.sqrt(total) if i == j else total / matrix[j, j]
    forward(matrix, vector)
    for i in range(n - 1, -1, -1):
        total = vector[i]
        for k in range(i + 1, n):
            total -= matrix[k, i] * vector[k]
        vector[i] = total / matrix[i, i]


@njit(cache=True)
def forward(factor, vector):
    """Solve factor . result = vector in place for a lower triangular factor."""
    for i in range(vector.size):
        total = vector[i]
        for k in range(i):
            total -= factor[i, k] * vector[k]
        vector[i] = total / factor[i, i]


@njit(cache=True)
def fit_path(t, x, y, px, py, sigma, n, parallax, parallax_sigma, bend_sigma, factor, values):
    """Parameters x0, vx, ax, y0, vy, ay, p of the first `n` points, in `values`; returns chi2, priors included.

    factor: receives the Cholesky factor of the parameters' inverse covariance. t [d], positions [arcsec].
    """
    factor[:] = 0.0
    values[:] = 0.0
    for i in range(n):
        w = 1.0 / (sigma[i] * sigma[i])
        basis = (1.0, t[i], 0.5 * t[i] * t[i])
        for a in range(3):
            for b in range(a + 1):
                factor[a, b] += w * basis[a] * basis[b]
                factor[3 + a, 3 + b] += w * basis[a] * basis[b]
            factor[6, a] += w * basis[a] * px[i]
            factor[6, 3 + a] += w * basis[a] * py[i]
            values[a] += w * basis[a] * x[i]
            values[3 + a] += w * basis[a] * y[i]
        factor[6, 6] += w * (px[i] * px[i] + py[i] * py[i])
        values[6] += w * (px[i] * x[i] + py[i] * y[i])
    bend = 1.0 / (bend_sigma * bend_sigma)
    factor[2, 2] += bend
    factor[5, 5] += bend
    factor[6, 6] += 1.0 / (parallax_sigma * parallax_sigma)
    values[6] += parallax / (parallax_sigma * parallax_sigma)
    solve(factor, values)
    chi2 = ((values[6] - parallax) / parallax_sigma) ** 2 + bend * (values[2] ** 2 + values[5] ** 2)
    for i in range(n):
        half = 0.5 * t[i] * t[i]
        dx = x[i] - values[0] - values[1] * t[i] - values[2] * half - values[6] * px[i]
        dy = y[i] - values[3] - values[4] * t[i] - values[5] * half - values[6] * py[i]
        chi2 += (dx * dx + dy * dy) / (sigma[i] * sigma[i])
    return chi2


@njit(cache=True)
def surprise(t, x, y, px, py, sigma, factor, values, work):
    """Mahalanobis distance squared of a point from the path fitted to others (two degrees of freedom)."""
    half = 0.5 * t * t
    dx = x - values[0] - values[1] * t - values[2] * half - values[6] * px
    dy = y - values[3] - values[4] * t - values[5] * half - values[6] * py
    work[:] = 0.0
    work[0, 0], work[0, 1], work[0, 2], work[0, 6] = 1.0, t, half, px
    work[1, 3], work[1, 4], work[1, 5], work[1, 6] = 1.0, t, half, py
    forward(factor, work[0])
    forward(factor, work[1])
    vxx, vyy, vxy = sigma * sigma, sigma * sigma, 0.0
    for k in range(N_PARAMETERS):
        vxx += work[0, k] * work[0, k]
        vyy += work[1, k] * work[1, k]
        vxy += work[0, k] * work[1, k]
    return (dx * dx * vyy + dy * dy * vxx - 2.0 * dx * dy * vxy) / (vxx * vyy - vxy * vxy)


@njit(cache=True)
def find_pairs(
    vectors, jd, sigma, exposure, ra_deg, dec_deg, night, size_deg, first_of_band, starts,
    max_days, max_rate_arcsec, min_motion_arcsec, pairs, crowd,
):  # fmt: skip
    """Pairs (earlier, later) of one night that a body slower than `max_rate_arcsec` a day may have made, into `pairs`.

    Returns their number, or -1 when `pairs` is too short. crowd: work space, as long as the most detections looked at
    about one.
    """
    n = 0
    n_cells = first_of_band[-1]
    for i in range(len(jd)):
        index = starts[night[i] * n_cells : (night[i] + 1) * n_cells + 1]
        radius = max_rate_arcsec * max_days / 3600.0
        near = around(ra_deg[i], dec_deg[i], radius, size_deg, first_of_band, index, crowd)
        for k in range(near):
            j = crowd[k]
            days = jd[j] - jd[i]
            if days <= 0.0 or days > max_days or exposure[i] == exposure[j]:
                continue
            chord2 = 0.0
            for axis in range(3):
                chord2 += (vectors[i, axis] - vectors[j, axis]) ** 2
            moved = np.sqrt(chord2) * ARCSEC_PER_RADIAN
            if moved < min_motion_arcsec or moved > max_rate_arcsec * days + 3.0 * (sigma[i] + sigma[j]):
                continue
            if n == len(pairs):
                return -1
            pairs[n, 0], pairs[n, 1] = i, j
            n += 1
    return n


@njit(cache=True)
def crowded(ra_deg, dec_deg, night, size_deg, first_of_band, starts, most, crowd):
    """Whether a detection's own cell and those touching it hold more than `most` detections of its night (n,)."""
    result = np.empty(ra_deg.size, np.bool_)
    n_cells = first_of_band[-1]
    for i in range(ra_deg.size):
        index = starts[night[i] * n_cells : (night[i] + 1) * n_cells + 1]
        result[i] = around(ra_deg[i], dec_deg[i], 0.5 * size_deg, size_deg, first_of_band, index, crowd) > most
    return result


@njit(cache=True)
def _load(i, slot, centre, origin, vectors, jd, sigma, observer, points):
    """Put a detection into the work space `points` (6, n): t, x, y, px, py, sigma about the middle detection."""
    points[0, slot] = jd[i] - jd[origin]
    points[1, slot], points[2, slot] = tangent(centre, vectors[i])
    points[3, slot], points[4, slot] = parallactic(centre, observer[i] - observer[origin])
    points[5, slot] = sigma[i]


@njit(cache=True)
def _fit(points, n, prior, factor, values):
    return fit_path(
        points[0],
        points[1],
        points[2],
        points[3],
        points[4],
        points[5],
        n,
        prior[0],
        prior[1],
        prior[2],
        factor,
        values,
    )


@njit(cache=True)
def _surprise(points, slot, factor, values, work):
    return surprise(
        points[0, slot], points[1, slot], points[2, slot], points[3, slot], points[4, slot], points[5, slot],
        factor, values, work,
    )  # fmt: skip


@njit(cache=True)
def gather(
    a, b, vectors, jd, sigma, observer, exposure, nights, size_deg, first_of_band, starts, prior, gate,
    points, factor, values, work, found, crowd,
):  # fmt: skip
    """Detections of all nights that may continue the path of a pair, in `found`; returns their number.

    nights (n, 2): middle and half length of each night's observing [jd, d]. Detections too many to list are left out
    from the last night on: `found` is long enough for all but clouds of false ones.
    """
    centre = vectors[b]
    _load(a, 0, centre, b, vectors, jd, sigma, observer, points)
    _load(b, 1, centre, b, vectors, jd, sigma, observer, points)
    _fit(points, 2, prior, factor, values)
    n, n_cells = 0, first_of_band[-1]
    rate = np.sqrt(values[1] ** 2 + values[4] ** 2)
    for k in range(len(nights)):
        t = nights[k, 0] - jd[b]
        # The error of the prediction, from its own covariance; the observer's part of the path moves with it.
        work[:] = 0.0
        half = 0.5 * t * t
        work[0, 0], work[0, 1], work[0, 2], work[1, 3], work[1, 4], work[1, 5] = 1.0, t, half, 1.0, t, half
        work[0, 6], work[1, 6] = _observer_offset(nights, k, centre, observer, b)
        x = values[0] + values[1] * t + values[2] * half + values[6] * work[0, 6]
        y = values[3] + values[4] * t + values[5] * half + values[6] * work[1, 6]
        forward(factor, work[0])
        forward(factor, work[1])
        variance = 0.0
        for m in range(N_PARAMETERS):
            variance += work[0, m] ** 2 + work[1, m] ** 2
        radius = (np.sqrt(gate * variance) + rate * nights[k, 1]) / 3600.0 + 0.01
        ra, dec = direction(centre, x, y)
        index = starts[k * n_cells : (k + 1) * n_cells + 1]
        near = around(ra, dec, radius, size_deg, first_of_band, index, crowd)
        for m in range(near):
            c = crowd[m]
            if exposure[c] == exposure[a] or exposure[c] == exposure[b] or n == len(found):
                continue
            _load(c, 2, centre, b, vectors, jd, sigma, observer, points)
            if _surprise(points, 2, factor, values, work) < gate:
                found[n] = c
                n += 1
    return n


@njit(cache=True)
def _observer_offset(nights, k, centre, observer, origin):
    """Parallactic offsets in the middle of a night; columns 2 to 4 of `nights` are the observer's place then."""
    return parallactic(centre, nights[k, 2:5] - observer[origin])


@njit(cache=True)
def _best(points, used, first, last, gate, factor, values, work):
    """The point of `first` to `last` nearest to the path, among those not used and within the gate; -1 if none."""
    best, least = -1, gate
    for slot in range(first, last):
        if not used[slot]:
            value = _surprise(points, slot, factor, values, work)
            if value < least:
                best, least = slot, value
    return best


@njit(cache=True)
def grow(
    pairs, vectors, jd, sigma, observer, exposure, nights, size_deg, first_of_band, starts, prior, gate, most,
    members, lengths, chi2,
):  # fmt: skip
    """Tracks of four or more detections grown from pairs; returns their number and the number of pairs treated.

    Each detection that may continue a pair makes a stringlet of three with it; the stringlet takes in, one by one, the
    detection nearest to its path among those within the gate, and is fitted again. members (capacity, longest), lengths
    and chi2 receive the tracks; when a pair's tracks no longer fit, the pair is left for the next call.
    """
    n_tracks, longest = 0, members.shape[1]
    found, crowd = np.empty(longest * 4, np.int64), np.empty(4096, np.int64)
    points, fitted = np.empty((6, longest * 4 + 2)), np.empty((6, longest))
    used, taken = np.empty(longest * 4 + 2, np.bool_), np.empty(longest * 4 + 2, np.bool_)
    chosen = np.empty(longest, np.int64)
    factor, values, work = np.empty((7, 7)), np.empty(7), np.empty((2, 7))
    for p in range(len(pairs)):
        if n_tracks + most > len(members):
            return n_tracks, p
        a, b = pairs[p, 0], pairs[p, 1]
        n = gather(
            a, b, vectors, jd, sigma, observer, exposure, nights, size_deg, first_of_band, starts, prior, gate,
            points, factor, values, work, found, crowd,
        )  # fmt: skip
        if n < 2:
            continue
        for k in range(n):
            _load(found[k], k + 2, vectors[b], b, vectors, jd, sigma, observer, points)
        taken[:] = False
        made = 0
        for seed in range(2, n + 2):
            if taken[seed] or made == most:
                continue
            used[:] = False
            used[seed] = True
            chosen[0], chosen[1], chosen[2] = 0, 1, seed
            count = 3
            while True:
                for k in range(count):
                    fitted[:, k] = points[:, chosen[k]]
                value = _fit(fitted, count, prior, factor, values)
                if count == longest:
                    break
                _bar_exposures(chosen, count, found, exposure, a, b, n, used)
                best = _best(points, used, 2, n + 2, gate, factor, values, work)
                if best < 0:
                    break
                chosen[count] = best
                used[best] = True
                count += 1
            if count >= 4:
                for k in range(count):
                    slot = chosen[k]
                    taken[slot] = True
                    members[n_tracks, k] = a if slot == 0 else (b if slot == 1 else found[slot - 2])
                lengths[n_tracks], chi2[n_tracks] = count, value
                n_tracks += 1
                made += 1
    return n_tracks, len(pairs)


@njit(cache=True)
def _bar_exposures(chosen, count, found, exposure, a, b, n, used):
    """Mark as used what stands on an exposure that the track has a detection of."""
    for k in range(n):
        if used[k + 2]:
            continue
        own = exposure[found[k]]
        if own == exposure[a] or own == exposure[b]:
            used[k + 2] = True
            continue
        for m in range(2, count):
            if own == exposure[found[chosen[m] - 2]]:
                used[k + 2] = True
                break


def warm() -> None:
    """Compile the kernels of this module."""
    first_of_band = np.array([0, 10], np.int64)
    vectors = np.array([[1.0, 0.0, 0.0], [1.0, 1e-5, 0.0], [1.0, 2e-5, 0.0], [1.0, 3e-5, 0.0]])
    jd, sigma, observer = np.arange(4) * 0.01, np.full(4, 0.1), np.zeros((4, 3))
    exposure, night = np.arange(4), np.zeros(4, np.int64)
    ra = np.degrees(np.arctan2(vectors[:, 1], vectors[:, 0]))
    cell_of(0.0, 0.0, 180.0)
    cells_in(0, 180.0)
    cell_numbers(ra, np.zeros(4), 180.0, first_of_band)
    factor, values = np.eye(7), np.zeros(7)
    forward(factor, values)
    solve(factor, values)
    fit_path(jd, ra, ra, ra, ra, sigma, 4, 0.7, 0.5, 8.0, factor, values)
    surprise(0.1, 0.0, 0.0, 0.0, 0.0, 0.1, factor, values, np.empty((2, 7)))
    starts = np.zeros(11, np.int64)
    starts[1:] = 4
    around(0.0, 0.0, 1.0, 180.0, first_of_band, starts, np.empty(64, np.int64))
    pairs = np.zeros((20, 2), np.int64)
    find_pairs(
        vectors, jd, sigma, exposure, ra, np.zeros(4), night, 180.0, first_of_band, starts, 0.4, 3600.0, 1.0, pairs,
        np.empty(64, np.int64),
    )  # fmt: skip
    crowded(ra, np.zeros(4), night, 180.0, first_of_band, starts, 3, np.empty(64, np.int64))
    nights = np.array([[0.015, 0.015, 0.0, 0.0, 0.0]])
    gather(
        0, 1, vectors, jd, sigma, observer, exposure, nights, 180.0, first_of_band, starts, np.array([0.7, 0.5, 8.0]),
        20.0, np.empty((6, 64)), factor, values, np.empty((2, 7)), np.empty(62, np.int64), np.empty(64, np.int64),
    )  # fmt: skip
    grow(
        pairs[:1], vectors, jd, sigma, observer, exposure, nights, 180.0, first_of_band, starts,
        np.array([0.7, 0.5, 8.0]), 20.0, 3, np.empty((8, 16), np.int64), np.empty(8, np.int64), np.empty(8),
    )  # fmt: skip
