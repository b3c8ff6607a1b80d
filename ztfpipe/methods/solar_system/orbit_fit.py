"""Orbits of tracks: a quick one of every candidate, which of them to believe, and the full one of those.

A real body's detections lie on one two-body orbit to their errors; a track that mixes bodies or holds a false detection
mostly does not. Arcs of a few days leave distance and radial velocity almost free, so two weak priors (semi-major axis
and eccentricity of bound bodies) hold the fit where the data do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2 as chi2_distribution

from ztfpipe.methods.sky.matching import unit_vectors
from ztfpipe.methods.solar_system.gravity import NONE, Perturbers, perturbers
from ztfpipe.methods.solar_system.orbit_fit_nb import fit_tracks
from ztfpipe.model.moving import Detections, Tracks

Floats = NDArray[np.float64]
STARTING_DISTANCES_AU = (0.1, 0.4, 0.9, 1.6, 2.5, 5.0, 15.0, 40.0)
MOST_STEPS = 25
WORST_CONDITION = 1e14


@dataclass(frozen=True)
class FittedOrbits:
    """Orbits of n tracks.

    position_au, velocity_au_d (n, 3): heliocentric, ICRS, at epoch_jd (n,) TDB. chi2 (n,): of the detections.
    rms_arcsec: of the residuals per axis. prior (n,): what the priors add to chi2. settled (n,): whether the descent
    came to rest. residuals_arcsec: for each track (detections, 2), observed less computed, east and north. covariance
    (n, 6, 6): of position and velocity, priors included; no rows after the screen.
    """

    epoch_jd: Floats
    position_au: Floats
    velocity_au_d: Floats
    chi2: Floats
    rms_arcsec: Floats
    prior: Floats
    settled: NDArray[np.bool_]
    residuals_arcsec: tuple[Floats, ...]
    covariance: Floats

    def select(self, which: NDArray[np.intp]) -> FittedOrbits:
        """The orbits of a list of indices."""
        chosen = (getattr(self, one.name) for one in fields(self))
        return FittedOrbits(
            *(
                tuple(one[int(i)] for i in which) if isinstance(one, tuple) else (one[which] if len(one) else one)
                for one in chosen
            )
        )


def quick_orbits(
    detections: Detections,
    tracks: Sequence[NDArray[np.int64]],
    *,
    inverse_axis_per_au: tuple[float, float],
    eccentricity_width: float,
) -> FittedOrbits:
    """Fit a two-body orbit to each track (indices into `detections`, in order of time), from several distances.

    inverse_axis_per_au: mean and width of the prior of 1 / semi-major axis; eccentricity_width: width of the prior
    about 0. A track whose detections share one time has no orbit: chi2 is infinite.
    """
    priors = np.array([*inverse_axis_per_au, eccentricity_width])
    return _fitted(detections, tracks, priors, np.empty((0, 6)), NONE, MOST_STEPS)


def full_orbits(
    detections: Detections,
    tracks: Sequence[NDArray[np.int64]],
    screened: FittedOrbits,
    *,
    inverse_axis_per_au: tuple[float, float],
    eccentricity_width: float,
    steps_max: int,
) -> FittedOrbits:
    """Fit each track again under the pull of planets and Moon, from its screened orbit; with covariances.

    steps_max: of a descent. It bounds the work of a track whatever its detections are: a step integrates the orbit at
    most fourteen times over the arc. A track that had no orbit has none here.
    """
    priors = np.array([*inverse_axis_per_au, eccentricity_width])
    begun = np.concatenate([screened.position_au, screened.velocity_au_d], axis=1)
    if not len(tracks):
        return _fitted(detections, tracks, priors, begun, NONE, steps_max)
    times = detections.jd_mid[np.concatenate(tracks)]
    # Light from 100 au is half a day on its way.
    sky = perturbers(times.min() - 1.0, times.max() + 1.0)
    return _fitted(detections, tracks, priors, begun, sky, steps_max)


def _fitted(detections, tracks, priors, begun, sky: Perturbers, steps_max: int) -> FittedOrbits:
    n, full = len(tracks), len(sky.gm) > 0
    lengths = np.array([len(one) for one in tracks], np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    members = np.concatenate(tracks) if n else np.empty(0, np.int64)
    states, epochs, chi2, prior = np.empty((n, 6)), np.empty(n), np.empty(n), np.empty(n)
    steps, residuals = np.empty(n, np.int64), np.empty((len(members), 2))
    information, slopes = np.empty((n if full else 0, 6, 6)), np.empty((n if full else 0, 6, 6))
    fit_tracks(
        members, offsets, detections.jd_mid, unit_vectors(detections.ra_deg, detections.dec_deg),
        detections.observer_au, detections.sigma_arcsec, np.array(STARTING_DISTANCES_AU), begun, priors,
        (sky.gm, sky.first_jd, sky.step_d, sky.places_au), steps_max, states, epochs, chi2, prior, steps, residuals,
        information, slopes,
    )  # fmt: skip
    rms = np.sqrt(np.array([np.mean(one**2) for one in np.split(residuals, offsets[1:-1])])) if n else np.empty(0)
    return FittedOrbits(
        epochs, states[:, :3], states[:, 3:], chi2, rms, prior, steps > 0,
        tuple(np.split(residuals, offsets[1:-1])) if n else (), _covariance(information, slopes),
    )  # fmt: skip


def _covariance(information: Floats, slopes: Floats) -> Floats:
    """Covariances of the states (n, 6, 6); NaN where the information is singular."""
    result = np.full(information.shape, np.nan)
    for one, inverse, slope in zip(result, information, slopes, strict=True):
        # Parameters known to 0.1 arcsec beside one known to 30 per cent: each is brought to its own scale first.
        scale = np.sqrt(np.diagonal(inverse))
        if np.isfinite(inverse).all() and scale.min() > 0.0:
            scaled = inverse / np.outer(scale, scale)
            if np.linalg.cond(scaled) < WORST_CONDITION:
                one[:] = slope @ (np.linalg.inv(scaled) / np.outer(scale, scale)) @ slope.T
    return result


def believed(tracks: Tracks, orbits: FittedOrbits, *, chance: float, prior_max: float) -> NDArray[np.bool_]:
    """Which tracks to keep (n,): on a settled orbit that is likely enough, sharing no detection with a better one.

    chance: of a real body being refused by its chi2. prior_max: how far from the priors an orbit may lie. Better is the
    longer track, then the one whose chi2 is likelier.
    """
    lengths = np.array([len(one) for one in tracks.members], np.int64)
    freedom = np.maximum(2 * lengths - 6, 1)
    likely = chi2_distribution.sf(orbits.chi2, freedom)
    good = orbits.settled & (likely > chance) & (orbits.prior < prior_max)
    keep = np.zeros(len(tracks), np.bool_)
    claimed: set[int] = set()
    for index in np.lexsort((orbits.chi2 + orbits.prior, -lengths)):
        own = set(tracks.members[index].tolist())
        if good[index] and not own & claimed:
            keep[index] = True
            claimed |= own
    return keep
