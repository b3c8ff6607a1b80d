"""Whether a track was seen as often as a body on its orbit would have been.

A set of detections that no body made is on an orbit by chance, and on all other exposures of that orbit's places there
is nothing. Chance that a body is detected: a share of the exposures that falls off where it gets faint. The number of
detections among exposures of unequal chances has the Poisson binomial distribution (Wang 1993, equation 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import chi2 as chi2_distribution

from ztfpipe.methods.solar_system.kepler_nb import propagate, see
from ztfpipe.methods.solar_system.orbit_fit import FittedOrbits
from ztfpipe.model.moving import Detections, Looks

Floats = NDArray[np.float64]
FEWEST = 4
"""Detections that make a track."""
TINY = 1e-300
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Attendance:
    """How often tracks (n,) were seen.

    looked: exposures that covered the place. expected: detections expected on them. few: chance that a body is detected
    as seldom as that.
    """

    looked: NDArray[np.int64]
    expected: Floats
    few: Floats


def attendance(
    detections: Detections,
    members: Sequence[NDArray[np.int64]],
    orbits: FittedOrbits,
    v_mag: Floats,
    looks: Looks,
    *,
    share: float,
    width_mag: float,
    margin_arcsec: float,
) -> Attendance:
    """How often each track was seen, of the looks at its places.

    members: indices into `detections` of each track, v_mag (n,) its magnitude. share: of bodies far above the limit
    that are detected. width_mag: of the fall of that share about the limit. margin_arcsec: places as near as this to
    an image's edge are not held against the track, nor are images without a limit. Exposures that detected it count.
    """
    n = len(members)
    chances: list[dict[int, float]] = [dict.fromkeys(detections.exposure[own].tolist(), share) for own in members]
    for exposure, track, limit in _covered(orbits, looks, margin_arcsec):
        for one, chance in zip(track, share * ndtr((limit - v_mag[track]) / width_mag), strict=True):
            if np.isfinite(chance):
                chances[one][exposure] = float(chance)
    result = Attendance(np.empty(n, np.int64), np.empty(n), np.empty(n))
    for i, (own, all_chances) in enumerate(zip(members, chances, strict=True)):
        values = np.array(list(all_chances.values()))
        result.looked[i], result.expected[i] = len(values), values.sum()
        result.few[i] = at_most(len(own), values)
    return result


def _covered(orbits: FittedOrbits, looks: Looks, margin_arcsec: float):
    """For each exposure: its number, the tracks (k,) whose places it covers, and the limit there (k,)."""
    usable = np.flatnonzero(np.isfinite(orbits.position_au).all(axis=1))
    order = np.argsort(looks.exposure, kind="stable")
    order = order[np.isfinite(looks.limit_mag[order])]
    numbers, first = np.unique(looks.exposure[order], return_index=True)
    if not len(usable) or not len(numbers):
        return
    # Over the nights that are linked a conic from any time of them is as good as from another.
    epoch_jd = float(orbits.epoch_jd[usable[0]])
    place, motion = propagate(
        orbits.position_au[usable], orbits.velocity_au_d[usable], epoch_jd - orbits.epoch_jd[usable]
    )
    for exposure, images in zip(numbers.tolist(), np.split(order, first[1:]), strict=True):
        jd, here = looks.jd_mid[images[0]], looks.observer_au[images[0]]
        seen, _ = see(place, motion, jd - epoch_jd, here)
        direction = seen / np.sqrt((seen**2).sum(axis=1))[:, None]
        near = _in_cone(direction, looks.corners[images])
        inside = _inside(direction[near], looks.corners[images], np.radians(margin_arcsec / 3600.0))
        found = np.flatnonzero(inside.any(axis=1))
        if len(found):
            limit = np.where(inside[found], looks.limit_mag[images], -np.inf).max(axis=1)
            yield exposure, usable[near[found]], limit


def _in_cone(direction: Floats, corners: Floats) -> NDArray[np.intp]:
    """Which directions (n, 3) are within the smallest circle about all the corners' mean that holds them all."""
    axis = corners.reshape(-1, 3).sum(axis=0)
    axis = axis / np.sqrt((axis**2).sum())
    return np.flatnonzero(direction @ axis >= (corners @ axis).min() - _ROUNDING)


def _inside(direction: Floats, corners: Floats, margin_rad: float) -> NDArray[np.bool_]:
    """Whether each direction (n, 3) is inside each image (m, 4, 3), by so much: on one side of four great circles."""
    sides = np.cross(corners, np.roll(corners, -1, axis=1))
    sides = sides / np.sqrt((sides**2).sum(axis=2))[:, :, None]
    middle = corners.sum(axis=1)
    sides = sides * np.sign((sides * middle[:, None]).sum(axis=2))[:, :, None]
    return np.asarray((np.einsum("nk,mck->nmc", direction, sides) > margin_rad).all(axis=2), np.bool_)


def at_most(n: int, chances: Floats) -> float:
    """Chance of `n` successes or fewer among trials of the given chances: the Poisson binomial distribution."""
    weights = np.ones(1)
    for chance in chances:
        weights = np.convolve(weights, [1.0 - chance, chance])
    return float(min(weights[: n + 1].sum(), 1.0))


def steadiness(mags: Sequence[Floats], sigmas_mag: Sequence[Floats], scatter_mag: float) -> Floats:
    """Chance (n,) that a body whose brightness scatters by `scatter_mag` scatters as much as each track does.

    mags, sigmas_mag: of each track's detections, as V. One whose magnitudes are not measured is steady.
    """
    result = np.ones(len(mags))
    for i, (values, sigmas) in enumerate(zip(mags, sigmas_mag, strict=True)):
        known = np.isfinite(values) & np.isfinite(sigmas)
        if np.count_nonzero(known) > 1:
            weights = 1.0 / (sigmas[known] ** 2 + scatter_mag**2)
            off = values[known] - np.average(values[known], weights=weights)
            result[i] = chi2_distribution.sf((weights * off**2).sum(), np.count_nonzero(known) - 1)
    return result


def likelihood(orbits: FittedOrbits, lengths: NDArray[np.int64], few: Floats, steady: Floats) -> Floats:
    """Chance (n,) that a body's track is so bad in fit, number of detections and brightness: Fisher's method.

    The two priors of the orbit count with the detections. A number of detections is discrete, which makes its chance,
    and so the whole, too high rather than too low.
    """
    fit = chi2_distribution.sf(orbits.chi2 + orbits.prior, np.maximum(2 * lengths - 4, 1))
    chances = np.stack([fit, few, steady])
    return np.asarray(chi2_distribution.sf(-2.0 * np.log(np.maximum(chances, TINY)).sum(axis=0), 6), np.float64)


def unlikely(
    seen: Attendance, likely: Floats, lengths: NDArray[np.int64], *, chance_of_four: float, chance: float
) -> list[str]:
    """What speaks against each track, or empty: it is less likely than a body's.

    chance_of_four: of a body's four detections to be refused, where chance makes as many tracks as bodies do; chance:
    of more, of which it makes hardly any.
    """
    least = np.where(lengths <= FEWEST, chance_of_four, chance)
    return [
        f"chance {value:.1g}: seen on {n} of {looked} exposures, {expected:.1f} expected" if value < bar else ""
        for value, bar, n, looked, expected in zip(likely, least, lengths, seen.looked, seen.expected, strict=True)
    ]
