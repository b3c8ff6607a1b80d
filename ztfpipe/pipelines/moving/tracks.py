"""Tracks of moving objects: the system paper's section 3.9 and appendix B, one call a box.

Candidates of up to four nights that have not stayed in their places are linked; every track gets a quick orbit; of
tracks that share candidates the likelier is kept; those get a full orbit under the planets' pull, and what speaks
against it; known bodies are recognised.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Observatory
from ztfpipe.config.moving_tracks import Attendance as AttendanceSettings
from ztfpipe.config.moving_tracks import Tracks as Settings
from ztfpipe.methods.solar_system.elements import doubts, element_sigmas, elements_of
from ztfpipe.methods.solar_system.ephemeris import phase_dimming_mag
from ztfpipe.methods.solar_system.linking import link, stationary
from ztfpipe.methods.solar_system.looks import Attendance, attendance, likelihood, steadiness, unlikely
from ztfpipe.methods.solar_system.orbit_fit import FittedOrbits, believed, full_orbits, quick_orbits
from ztfpipe.model.identifiers import short_name
from ztfpipe.model.moving import Detections, Looks, Tracks
from ztfpipe.model.orbits import KnownBodies
from ztfpipe.model.tracks import FoundTracks, Sightings
from ztfpipe.pipelines.moving.observing import Columns, observed, v_minus
from ztfpipe.pipelines.moving.recognition import Recognised, recognised
from ztfpipe.pipelines.moving.track_columns import Described, member_columns, track_columns

Floats = NDArray[np.float64]
SLOPE_G = 0.15


def find_tracks(
    seen: Sightings, looks: Columns, night: str, known: KnownBodies, site: Observatory, settings: Settings
) -> FoundTracks:
    """The tracks of four or more detections, one of them at least of `night`, YYYYMMDD.

    seen: of that night and of those before it that are linked with it. looks: columns of LOOK_TABLE, the images of
    those nights; what is not listed is not held against a track. known: bodies of that night.
    """
    moving, all_candidates = seen.select(~_stays(seen, site, settings)), len(seen)
    detections, watched = observed(moving, looks, site)
    linked = _of_night(_linked(detections, site, settings), moving, night)
    priors = {
        "inverse_axis_per_au": settings.orbits.inverse_axis_per_au,
        "eccentricity_width": settings.orbits.eccentricity_width,
    }
    screened = quick_orbits(detections, linked.members, **priors)
    kept = np.flatnonzero(
        believed(linked, screened, chance=settings.orbits.chance, prior_max=settings.orbits.prior_max)
    )
    members, screened = [linked.members[i] for i in kept], screened.select(kept)
    fitted = full_orbits(detections, members, screened, steps_max=settings.orbits.steps_max, **priors)
    bodies = recognised(moving, detections, members, known, night, settings.report.known_arcsec)
    described = _describe(moving, detections, watched, members, fitted, bodies, settings)
    counts = _counts(all_candidates, moving, linked, members, bodies, described)
    return FoundTracks(
        track_columns(moving, members, screened, fitted, described, bodies),
        member_columns(moving, members, fitted, described),
        counts,
    )


def _stays(seen: Sightings, site: Observatory, settings: Settings) -> NDArray[np.bool_]:
    night = np.floor(np.nan_to_num(seen.jd_mid) + site.longitude_deg / 360.0).astype(np.int64)
    return stationary(np.nan_to_num(seen.ra), np.nan_to_num(seen.dec), night, settings.sources.stationary_arcsec)


def _linked(detections: Detections, site: Observatory, settings: Settings) -> Tracks:
    choice = settings.linking
    return link(
        detections,
        max_rate_deg_day=choice.max_rate_deg_day,
        min_motion_arcsec=choice.min_motion_arcsec,
        pair_days=choice.pair_h / 24.0,
        parallax_per_au=choice.parallax_per_au,
        bend_arcsec_day2=choice.bend_arcsec_day2,
        gate_probability=choice.gate_probability,
        night_longitude_deg=site.longitude_deg,
    )


def _of_night(tracks: Tracks, seen: Sightings, night: str) -> Tracks:
    """Tracks with a detection of the night: others were found before."""
    tonight = np.array([text.startswith(night) for text in seen.filefracday], np.bool_)
    chosen = [i for i, own in enumerate(tracks.members) if tonight[own].any()]
    return Tracks(tuple(tracks.members[i] for i in chosen), tracks.chi2[chosen], tracks.freedom[chosen])


def _describe(
    seen: Sightings,
    detections: Detections,
    looks: Looks,
    members: list[NDArray[np.int64]],
    fitted: FittedOrbits,
    bodies: Recognised,
    settings: Settings,
) -> Described:
    """Names, elements, distances, magnitudes and doubts of the tracks."""
    names = _names([seen.candid[own] for own in members])
    elements = elements_of(fitted.position_au, fitted.velocity_au_d)
    sigmas = element_sigmas(fitted.position_au, fitted.velocity_au_d, fitted.covariance) if members else elements
    here = np.array([detections.observer_au[own[len(own) // 2]] for own in members]).reshape(-1, 3)
    away = fitted.position_au - here
    observer_au = np.sqrt((away**2).sum(axis=1))
    sun_au = np.sqrt((fitted.position_au**2).sum(axis=1))
    cosine = (away * fitted.position_au).sum(axis=1) / (observer_au * sun_au)
    phase = np.arccos(np.clip(cosine, -1.0, 1.0))
    v_mag = seen.mag + v_minus(seen.filter)
    mag = np.array([np.median(v_mag[own]) for own in members])
    dimming = phase_dimming_mag(phase, np.full(len(members), SLOPE_G))
    present, likely, missing = _watched(seen, detections, looks, members, fitted, mag, settings.attendance)
    choice = settings.orbits
    doubt = doubts(
        elements, sigmas.inverse_axis_per_au, fitted.rms_arcsec, fitted.prior, fitted.settled, observer_au,
        rms_max_arcsec=choice.rms_max_arcsec, prior_max=choice.prior_max, distance_min_au=choice.distance_min_au,
    )  # fmt: skip
    return Described(
        names=names,
        elements=elements,
        sigmas=sigmas,
        observer_au=observer_au,
        sun_au=sun_au,
        mag=mag,
        h_mag=mag - 5.0 * np.log10(observer_au * sun_au) - dimming,
        # A known body where it was expected needs no other witness.
        doubt=[a or (b if not name else "") for a, b, name in zip(doubt, missing, bodies.name, strict=True)],
        present=present,
        likely=likely,
    )


def _watched(
    seen: Sightings,
    detections: Detections,
    looks: Looks,
    members: list[NDArray[np.int64]],
    fitted: FittedOrbits,
    v_mag: Floats,
    choice: AttendanceSettings,
) -> tuple[Attendance, Floats, list[str]]:
    """How often the tracks were seen, how likely they are bodies' all in all, and what speaks against them."""
    lengths = np.array([len(own) for own in members], np.int64)
    present = attendance(
        detections, members, fitted, v_mag, looks,
        share=choice.detected_share, width_mag=choice.limit_width_mag, margin_arcsec=choice.edge_arcsec,
    )  # fmt: skip
    every = seen.mag + v_minus(seen.filter)
    steady = steadiness([every[own] for own in members], [seen.sigma_mag[own] for own in members], choice.scatter_mag)
    likely = likelihood(fitted, lengths, present.few, steady)
    return (
        present, likely,
        unlikely(present, likely, lengths, chance_of_four=choice.chance_of_four, chance=choice.chance),
    )  # fmt: skip


def _names(candids: list[NDArray[np.int64]]) -> list[str]:
    """Names of tracks by their candidates; of two that would share one, the later gets another."""
    taken: set[str] = set()
    names = []
    for own in candids:
        content = " ".join(map(str, sorted(own.tolist())))
        name = short_name("Z", content)
        while name in taken:
            content += "+"
            name = short_name("Z", content)
        taken.add(name)
        names.append(name)
    return names


def _counts(
    n: int, moving: Sightings, linked: Tracks, members: list, bodies: Recognised, described: Described
) -> dict[str, float | int | str | None]:
    plausible = [not text for text in described.doubt]
    unknown = [not name for name in bodies.name]
    return {
        "n_candidates": n,
        "n_stationary": n - len(moving),
        "n_linked": len(linked),
        "n_tracks": len(members),
        "n_plausible": sum(plausible),
        "n_known": len(unknown) - sum(unknown),
        "n_new": sum(a and b for a, b in zip(plausible, unknown, strict=True)),
    }
