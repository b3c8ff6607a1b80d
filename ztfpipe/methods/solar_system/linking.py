"""Linking detections of several nights into tracks of moving objects.

As the survey's own system does (Masci et al. 2019, section 3.9): two detections of one night and a third within a few
days make a stringlet when their velocities agree; stringlets grow to tracks of four and more. Here velocities are
compared by fitting the path that a body at an unknown distance has, seen from a moving Earth, with priors for distance
and acceleration (see linking_nb), so that tolerances follow from the errors of the detections and the gaps of time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.stats import chi2 as chi2_distribution

from ztfpipe.methods.sky.matching import unit_vectors
from ztfpipe.methods.solar_system.linking_nb import cell_numbers, cells_in, crowded, find_pairs, grow
from ztfpipe.model.moving import Detections, Tracks

CELL_DEG = 0.25
LONGEST_TRACK = 48
TRACKS_OF_A_PAIR = 4
PAIRS_AT_A_TIME = 100_000
MOST_NEIGHBOURS = 1000
"""Of a detection in its cell and those about it on one night: some 0.5 square degrees, where a crowded night has a
hundred detections. A bright star badly subtracted on many exposures has thousands, and none of them can be trusted."""


def link(
    detections: Detections,
    *,
    max_rate_deg_day: float,
    min_motion_arcsec: float,
    pair_days: float,
    parallax_per_au: tuple[float, float],
    bend_arcsec_day2: float,
    gate_probability: float,
    night_longitude_deg: float,
) -> Tracks:
    """All tracks of four or more detections, largest first; one detection may stand in several.

    max_rate_deg_day: fastest body asked for. min_motion_arcsec: two detections closer than this may be one star.
    pair_days: longest gap of the pair that a track starts from. parallax_per_au: mean and width of the prior of
    1 / distance. bend_arcsec_day2: width of the prior of the acceleration that the Earth does not explain.
    gate_probability: chance that a detection of the body is refused. night_longitude_deg: of the observatory, east; it
    parts the nights. Detections with a value that is not finite are passed over, and those in a cloud of false ones.
    """
    kept = _finite(detections)
    kept = kept[~_in_clouds(detections.select(kept), night_longitude_deg)]
    if len(kept) < 4:
        return Tracks((), np.empty(0), np.empty(0, np.int64))
    order, night, sky = _index(detections.select(kept), night_longitude_deg)
    kept = kept[order]
    one = detections.select(kept)
    vectors = unit_vectors(one.ra_deg, one.dec_deg)
    pairs = _pairs(one, vectors, night, sky, pair_days, max_rate_deg_day * 3600.0, min_motion_arcsec)
    gate = float(chi2_distribution.isf(gate_probability, 2))
    prior = np.array([*parallax_per_au, bend_arcsec_day2])
    members, lengths, value = _grown(one, vectors, pairs, _nights(one, night), sky, prior, gate)
    # Four detections give eight numbers for seven parameters, of which three have priors.
    freedom = 2 * lengths - 4
    good = value <= chi2_distribution.isf(gate_probability, freedom)
    return _without_subsets(kept, one.jd_mid, members[good], lengths[good], value[good])


def stationary(
    ra_deg: NDArray[np.float64], dec_deg: NDArray[np.float64], night: NDArray[np.int64], radius_arcsec: float
) -> NDArray[np.bool_]:
    """Whether each detection (n,) stands where another night has one: what stays in its place is no moving object."""
    vectors, result = unit_vectors(ra_deg, dec_deg), np.zeros(len(night), np.bool_)
    chord = 2.0 * np.sin(0.5 * np.radians(radius_arcsec / 3600.0))
    members = [np.flatnonzero(night == one) for one in np.unique(night)]
    trees = [cKDTree(vectors[own]) for own in members]
    for i, own in enumerate(members):
        for j, tree in enumerate(trees):
            if i != j:
                distance, _ = tree.query(vectors[own], distance_upper_bound=chord)
                result[own] |= np.isfinite(distance)
    return result


def _finite(detections: Detections) -> NDArray[np.intp]:
    columns = np.column_stack(
        [detections.jd_mid, detections.ra_deg, detections.dec_deg, detections.sigma_arcsec, detections.observer_au]
    )
    return np.flatnonzero(np.isfinite(columns).all(axis=1))


def _index(one: Detections, longitude_deg: float):
    """Order of the detections by night and cell, the night of each in that order, and the cells of the sky: their size,
    the first of each band, and where each night's cells begin."""
    night_of = np.floor(one.jd_mid + longitude_deg / 360.0).astype(np.int64)
    numbers, night = np.unique(night_of, return_inverse=True)
    first_of_band = _bands(CELL_DEG)
    key = night * first_of_band[-1] + cell_numbers(one.ra_deg % 360.0, one.dec_deg, CELL_DEG, first_of_band)
    order = np.argsort(key, kind="stable")
    starts = np.searchsorted(key[order], np.arange(len(numbers) * first_of_band[-1] + 1))
    return order, night[order], (CELL_DEG, first_of_band, starts)


def _in_clouds(one: Detections, longitude_deg: float) -> NDArray[np.bool_]:
    order, night, sky = _index(one, longitude_deg)
    result = np.empty(len(one), np.bool_)
    result[order] = crowded(
        one.ra_deg[order] % 360.0, one.dec_deg[order], night, *sky, MOST_NEIGHBOURS, np.empty(4096, np.int64)
    )
    return result


def _bands(size_deg: float) -> NDArray[np.int64]:
    """Number of the first cell of each band of declination, and of all cells."""
    counts = [cells_in(band, size_deg) for band in range(int(np.ceil(180.0 / size_deg)))]
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _nights(one: Detections, night: NDArray[np.int64]) -> NDArray[np.float64]:
    """Middle and half length [d] of each night's detections, and the observer's place (3,) [au] about then."""
    result = np.empty((night.max() + 1, 5))
    for number in range(len(result)):
        own = np.flatnonzero(night == number)
        jd = one.jd_mid[own]
        middle = 0.5 * (jd.min() + jd.max())
        nearest = own[np.argmin(np.abs(jd - middle))]
        # The observer between two exposures moves on a nearly straight line: the nearest exposure is near enough,
        # because the search adds the motion of half a night and the path is fitted with the true places.
        result[number] = middle, 0.5 * np.ptp(jd) + abs(one.jd_mid[nearest] - middle), *one.observer_au[nearest]
    return result


def _pairs(one, vectors, night, sky, days, rate, motion):
    capacity = 4 * len(one) + 1000
    crowd = np.empty(4096, np.int64)
    while True:
        pairs = np.empty((capacity, 2), np.int64)
        n = find_pairs(
            vectors, one.jd_mid, one.sigma_arcsec, one.exposure, one.ra_deg % 360.0, one.dec_deg, night, *sky,
            days, rate, motion, pairs, crowd,
        )  # fmt: skip
        if n >= 0:
            return pairs[:n]
        capacity *= 4


def _grown(one, vectors, pairs, nights, sky, prior, gate):
    """Members (n, longest), numbers of members and chi2 of all tracks, each set of members once."""
    capacity = 2 * PAIRS_AT_A_TIME
    members = np.empty((capacity, LONGEST_TRACK), np.int64)
    lengths, chi2 = np.empty(capacity, np.int64), np.empty(capacity)
    seen: dict[bytes, tuple[int, float]] = {}
    done = 0
    while done < len(pairs):
        part = pairs[done : done + PAIRS_AT_A_TIME]
        n, treated = grow(
            part, vectors, one.jd_mid, one.sigma_arcsec, one.observer_au, one.exposure, nights, *sky, prior, gate,
            TRACKS_OF_A_PAIR, members, lengths, chi2,
        )  # fmt: skip
        for row, length, value in zip(members[:n], lengths[:n], chi2[:n], strict=True):
            seen[np.sort(row[:length]).tobytes()] = (length, value)
        done += treated
    rows = np.full((len(seen), LONGEST_TRACK), -1, np.int64)
    for row, content in zip(rows, seen, strict=True):
        values = np.frombuffer(content, np.int64)
        row[: len(values)] = values
    counts = np.array([length for length, _ in seen.values()], np.int64)
    return rows, counts, np.array([value for _, value in seen.values()])


def _without_subsets(kept, jd, members, lengths, chi2) -> Tracks:
    """Tracks whose detections are not all in one larger track, largest first, each in order of time."""
    order = np.lexsort((chi2, -lengths))
    holders: dict[int, set[int]] = {}
    result, numbers = [], []
    for index in order:
        own = members[index, : lengths[index]]
        common = set.intersection(*(holders.get(int(one), set()) for one in own))
        if common:
            continue
        for one in own:
            holders.setdefault(int(one), set()).add(len(result))
        result.append(kept[own[np.argsort(jd[own], kind="stable")]])
        numbers.append(index)
    return Tracks(tuple(result), chi2[numbers], 2 * lengths[numbers] - 4)
