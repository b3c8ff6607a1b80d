"""Tracks against truth: bodies under all planets' pull among ten times as many false detections; real detections."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.accuracy import row
from benchmarks.moving_scenes import FALL_MAG, KINDS, SITE, Scene, magnitudes, scene
from tests.real_data import REAL_DATA
from ztfpipe.config.moving_tracks import Tracks as Settings
from ztfpipe.methods.sky.matching import unit_vectors
from ztfpipe.methods.solar_system.elements import doubts, element_sigmas, elements_of
from ztfpipe.methods.solar_system.ephemeris import dynamical_time, observer
from ztfpipe.methods.solar_system.linking import link
from ztfpipe.methods.solar_system.looks import attendance, likelihood, steadiness, unlikely
from ztfpipe.methods.solar_system.orbit_fit import FittedOrbits, believed, full_orbits, quick_orbits
from ztfpipe.model.moving import Detections, Looks
from ztfpipe.pipelines.moving.observing import v_minus

_CHOSEN = Settings()
LINKING = {
    **{name: getattr(_CHOSEN.linking, name) for name in ("max_rate_deg_day", "min_motion_arcsec", "parallax_per_au")},
    **{name: getattr(_CHOSEN.linking, name) for name in ("bend_arcsec_day2", "gate_probability")},
    "pair_days": _CHOSEN.linking.pair_h / 24,
    "night_longitude_deg": SITE.longitude_deg,
}
ORBITS = {name: getattr(_CHOSEN.orbits, name) for name in ("inverse_axis_per_au", "eccentricity_width")}
BELIEVED = {name: getattr(_CHOSEN.orbits, name) for name in ("chance", "prior_max")}
DOUBTS = {name: getattr(_CHOSEN.orbits, name) for name in ("rms_max_arcsec", "prior_max", "distance_min_au")}
EFFICIENCY_MIN, RELIABILITY_MIN = 0.95, 0.99
_ALERT_COLUMNS = ("jd", "ra", "dec", "ssnamenr", "nid", "magpsf", "sigmapsf", "diffmaglim", "fid")
FALLS_MAG = (FALL_MAG, 0.2)
"""Scales on which noise gets rarer above the limit."""
WINDOW_NIGHTS, WINDOWS, NOISE_PER_SQUARE_DEGREE = 4, 40, 100.0


def plausible(truth: Scene) -> tuple[list[NDArray[np.int64]], FittedOrbits, NDArray[np.bool_]]:
    """Tracks kept after the screen, their full orbits, and whether nothing speaks against orbits and tracks."""
    members, fitted, sane = kept(truth.detections)
    return members, fitted, sane & attended(truth, members, fitted)


def attended(truth: Scene, members: list[NDArray[np.int64]], fitted: FittedOrbits) -> NDArray[np.bool_]:
    """Whether the tracks were seen as often and are as steady as bodies are."""
    choice = _CHOSEN.attendance
    mags = [truth.v_mag[own] for own in members]
    present = attendance(
        truth.detections, members, fitted, np.array([np.median(one) for one in mags]), truth.looks,
        share=choice.detected_share, width_mag=choice.limit_width_mag, margin_arcsec=choice.edge_arcsec,
    )  # fmt: skip
    steady = steadiness(mags, [truth.sigma_mag[own] for own in members], choice.scatter_mag)
    lengths = np.array([len(own) for own in members], np.int64)
    text = unlikely(
        present, likelihood(fitted, lengths, present.few, steady), lengths,
        chance_of_four=choice.chance_of_four, chance=choice.chance,
    )  # fmt: skip
    return np.array([not one for one in text], np.bool_)


def kept(detections: Detections) -> tuple[list[NDArray[np.int64]], FittedOrbits, NDArray[np.bool_]]:
    """Tracks kept after the screen, their full orbits, and whether nothing speaks against the orbits."""
    tracks = link(detections, **LINKING)
    screened = quick_orbits(detections, tracks.members, **ORBITS)
    chosen = np.flatnonzero(believed(tracks, screened, **BELIEVED))
    members = [tracks.members[i] for i in chosen]
    fitted = full_orbits(
        detections, members, screened.select(chosen), steps_max=_CHOSEN.orbits.steps_max, **ORBITS
    )  # fmt: skip
    if not members:
        return members, fitted, np.zeros(0, np.bool_)
    sigmas = element_sigmas(fitted.position_au, fitted.velocity_au_d, fitted.covariance)
    here = np.array([detections.observer_au[own[len(own) // 2]] for own in members])
    away = np.linalg.norm(fitted.position_au - here, axis=1)
    text = doubts(
        elements_of(fitted.position_au, fitted.velocity_au_d), sigmas.inverse_axis_per_au, fitted.rms_arcsec,
        fitted.prior, fitted.settled, away, **DOUBTS,
    )  # fmt: skip
    return members, fitted, np.array([not one for one in text], np.bool_)


def outcome(
    body: NDArray[np.int64], linkable: NDArray[np.int64], members: list[NDArray[np.int64]]
) -> tuple[NDArray[np.bool_], int, int]:
    """Whether each linkable body has a track of its own, and how many tracks are one body and are not."""
    owners = [np.unique(body[one]) for one in members]
    pure = [one[0] for one in owners if len(one) == 1 and one[0] >= 0]
    return np.isin(linkable, pure), len(pure), len(owners) - len(pure)


def rows() -> list[dict[str, Any]]:
    """Simulated bodies, by kind; real detections among noise."""
    return [*_simulated(), *_real()]


def _simulated() -> list[dict[str, Any]]:
    truth = scene(5000, 30.0, 10.0, seed=8)
    members, fitted, good = plausible(truth)
    linkable = truth.linkable()
    found, pure, mixed = outcome(truth.body, linkable, members)
    believable, pure_good, mixed_good = outcome(
        truth.body, linkable, [one for one, fine in zip(members, good, strict=True) if fine]
    )
    text = f"{len(truth.detections)} detections of 4 nights, 10 false for each real one"
    result = [
        _share(f"linkable objects found, {text}", found, EFFICIENCY_MIN),
        _share("of them on a plausible orbit", believable, EFFICIENCY_MIN),
        _reliable("tracks kept that are one body and nothing else", pure, mixed),
        _reliable("tracks on a plausible orbit that are one body and nothing else", pure_good, mixed_good),
    ]
    for kind in KINDS:
        own = truth.kind[linkable] == kind
        noun = f"of {int(own.sum())} linkable bodies, {kind}"
        result.append(row(f"{noun}: found", found[own].mean(), bar="", met=None))
        result.append(row(f"{noun}: on a plausible orbit", believable[own].mean(), bar="", met=None))
    return [*result, *_orbit_rows(truth, members, fitted)]


def _orbit_rows(truth: Scene, members: list, fitted: FittedOrbits) -> list[dict[str, Any]]:
    """How far the fitted states are from the truth, in the fits' own uncertainties (without the distance, which
    the priors decide)."""
    own = [k for k, one in enumerate(members) if len(set(truth.body[one])) == 1 and truth.body[one[0]] >= 0]
    rms = np.percentile(fitted.rms_arcsec[own], [50, 99])
    return [
        row("RMS of the residuals of true tracks, median", rms[0], unit="arcsec", bar="", met=None),
        row("RMS of the residuals of true tracks, 99 %", rms[1], unit="arcsec", bar="<= 0.6", met=rms[1] <= 0.6),
        row("true tracks whose full fit settled", fitted.settled[own].mean(), bar="", met=None),
    ]


def _share(text: str, found: NDArray[np.bool_], least: float) -> dict[str, Any]:
    return row(text, found.mean(), bar=f">= {least}", met=found.mean() >= least)


def _reliable(text: str, pure: int, mixed: int) -> dict[str, Any]:
    share = pure / max(pure + mixed, 1)
    return row(text, share, bar=f">= {RELIABILITY_MIN}", met=share >= RELIABILITY_MIN)


def _real() -> list[dict[str, Any]]:
    """Alerts of numbered asteroids in windows of four nights, among noise as dense as a night's; none without data."""
    path = REAL_DATA / "moving" / "finkfat_mpc_example.parquet"
    if not path.exists():
        return []
    alerts = pd.read_parquet(path, columns=[f"i:{name}" for name in _ALERT_COLUMNS])
    alerts.columns = list(_ALERT_COLUMNS)
    alerts = alerts.sort_values("jd").drop_duplicates(["jd", "ssnamenr"])
    alerts["body"] = alerts.ssnamenr.astype("category").cat.codes.astype(np.int64)
    found, mixed, pure, noise = [], 0, 0, dict.fromkeys(FALLS_MAG, 0)
    rng = np.random.default_rng(9)
    for _, window in alerts.groupby(alerts.nid // WINDOW_NIGHTS):
        truth = _window(window, rng)
        linkable = truth.linkable()
        if not len(linkable):
            continue
        members, fitted, sane = kept(truth.detections)
        for fall in FALLS_MAG:
            good = sane & attended(_with_noise(truth, fall, rng), members, fitted)
            tracks = [one for one, fine in zip(members, good, strict=True) if fine]
            noise[fall] += sum((truth.body[one] < 0).all() for one in tracks)
            if fall == FALL_MAG:
                own, pure_here, _ = outcome(truth.body, linkable, tracks)
                found.append(own)
                pure += pure_here
                mixed += sum(len(set(truth.body[one])) > 1 for one in tracks)
        if len(found) == WINDOWS:
            break
    together = np.concatenate(found)
    text = f"real detections, {len(together)} linkable bodies in {len(found)} windows, among noise"
    return [
        _share(f"{text}: found, on a plausible orbit", together, EFFICIENCY_MIN),
        row(f"{text}: tracks that mix bodies or noise", mixed, bar="0", met=mixed == 0),
        *(_noise_row(text, fall, pure, number) for fall, number in noise.items()),
    ]


def _noise_row(text: str, fall_mag: float, pure: int, noise: int) -> dict[str, Any]:
    """Reliability against tracks of noise alone, held to the bar where noise falls off as it does in the scenes."""
    share = pure / (pure + noise)
    held = fall_mag == FALL_MAG
    return row(
        f"{text} that falls off {fall_mag:g} mag above the limit: tracks of bodies among those of noise alone", share,
        bar=f">= {RELIABILITY_MIN}" if held else "", met=share >= RELIABILITY_MIN if held else None,
        note=f"{noise} tracks of noise alone, beside {pure}",
    )  # fmt: skip


def _with_noise(truth: Scene, fall_mag: float, rng: np.random.Generator) -> Scene:
    """The scene with other magnitudes of its noise: of the limit of their exposures, and brighter."""
    limits = pd.Series(truth.looks.limit_mag).groupby(truth.looks.exposure).max()
    mag, sigma_mag = magnitudes(truth.body, limits.loc[truth.detections.exposure].to_numpy(), rng, fall_mag)
    real = truth.body >= 0
    mag[real], sigma_mag[real] = truth.v_mag[real], truth.sigma_mag[real]
    return replace(truth, v_mag=mag, sigma_mag=sigma_mag)


def _window(window: pd.DataFrame, rng: np.random.Generator) -> Scene:
    """The alerts of a window, and noise on two square degrees about each, on the same exposures."""
    jd = window.jd.to_numpy() + 15 / 86400
    count = rng.poisson(2 * NOISE_PER_SQUARE_DEGREE, len(window))
    of = np.repeat(np.arange(len(window)), count)
    side = np.sqrt(0.5)
    stretch = side / np.cos(np.radians(window.dec.to_numpy()))
    dec = window.dec.to_numpy()[of] + rng.uniform(-side, side, len(of))
    ra = window.ra.to_numpy()[of] + rng.uniform(-side, side, len(of)) / np.cos(np.radians(dec))
    every = np.concatenate([jd, jd[of]])
    times, exposure = np.unique(every, return_inverse=True)
    here = np.array([observer(one, SITE.longitude_deg, SITE.latitude_deg, SITE.height_m) for one in times])
    tdb = np.array([dynamical_time(one) for one in times])
    detections = Detections(
        tdb[exposure], np.concatenate([window.ra, ra]) % 360, np.concatenate([window.dec, dec]),
        np.full(len(every), 0.1), here[exposure], exposure,
    )  # fmt: skip
    corners = [unit_vectors(window.ra + a * stretch, window.dec + b * side)
               for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]  # fmt: skip
    own, to_v = exposure[: len(window)], v_minus(window.fid.map({1: "zg", 2: "zr", 3: "zi"}))
    looks = Looks(tdb[own], here[own], own, np.stack(corners, axis=1), window.diffmaglim.to_numpy() + to_v)
    names, body = np.unique(window.body, return_inverse=True)
    nothing, unmeasured = np.zeros((len(names), 3)), np.full(len(of), np.nan)
    return Scene(
        detections, np.concatenate([body, np.full(len(of), -1)]), np.full(len(names), "real"), nothing, nothing,
        looks, np.concatenate([window.magpsf + to_v, unmeasured]), np.concatenate([window.sigmapsf, unmeasured]),
    )  # fmt: skip
