"""The quick orbit of every candidate track, and which of the tracks that share detections to believe.

A real body's detections lie on one two-body orbit to their errors; a track that mixes bodies or holds a false detection
mostly does not. Arcs of a few days leave distance and radial velocity almost free, so two weak priors (semi-major axis
and eccentricity of bound bodies) hold the fit where the data do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2 as chi2_distribution

from ztfpipe.methods.solar_system.linking import unit_vectors
from ztfpipe.methods.solar_system.orbit_fit_nb import fit_tracks
from ztfpipe.model.moving import Detections, Tracks

Floats = NDArray[np.float64]
STARTING_DISTANCES_AU = (0.1, 0.4, 0.9, 1.6, 2.5, 5.0, 15.0, 40.0)
MOST_STEPS = 25


@dataclass(frozen=True)
class QuickOrbits:
    """Two-body orbits of n tracks.

    position_au, velocity_au_d (n, 3): heliocentric, ICRS, at epoch_jd (n,) TDB. chi2 (n,): of the detections.
    rms_arcsec: of the residuals per axis. prior (n,): what the priors add to chi2. settled (n,): whether the descent
    came to rest.
    """

    epoch_jd: Floats
    position_au: Floats
    velocity_au_d: Floats
    chi2: Floats
    rms_arcsec: Floats
    prior: Floats
    settled: NDArray[np.bool_]


def quick_orbits(
    detections: Detections,
    tracks: Sequence[NDArray[np.int64]],
    *,
    inverse_axis_per_au: tuple[float, float],
    eccentricity_width: float,
) -> QuickOrbits:
    """Fit an orbit to each track (indices into `detections`).

    inverse_axis_per_au: mean and width of the prior of 1 / semi-major axis; eccentricity_width: width of the prior
    about 0. A track whose detections share one time has no orbit: chi2 is infinite.
    """
    n = len(tracks)
    lengths = np.array([len(one) for one in tracks], np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    members = np.concatenate(tracks) if n else np.empty(0, np.int64)
    states, epochs, chi2, prior = np.empty((n, 6)), np.empty(n), np.empty(n), np.empty(n)
    steps = np.empty(n, np.int64)
    fit_tracks(
        members, offsets, detections.jd_mid, unit_vectors(detections.ra_deg, detections.dec_deg),
        detections.observer_au, detections.sigma_arcsec, np.array(STARTING_DISTANCES_AU),
        np.array([*inverse_axis_per_au, eccentricity_width]), MOST_STEPS, states, epochs, chi2, prior, steps,
    )  # fmt: skip
    sigma = np.array([np.sqrt(np.mean(detections.sigma_arcsec[one] ** 2)) for one in tracks])
    rms = np.sqrt(chi2 / np.maximum(2 * lengths, 1)) * sigma
    return QuickOrbits(epochs, states[:, :3], states[:, 3:], chi2, rms, prior, steps > 0)


def believed(tracks: Tracks, orbits: QuickOrbits, *, chance: float, prior_max: float) -> NDArray[np.bool_]:
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
