"""Tracks of moving objects: a million detections of four nights linked, tracks screened, orbits fitted in full."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import linker_peer
from benchmarks.measure import measure, row
from benchmarks.moving_scenes import Scene, scene
from benchmarks.validate_moving import LINKING, ORBITS, outcome, plausible
from ztfpipe.methods.solar_system.linking import link
from ztfpipe.methods.solar_system.orbit_fit import full_orbits, quick_orbits

LINK_S_MAX, LINK_MB_MAX = 300.0, 6000
SCREEN_S_MAX, FULL_S_MAX = 30.0, 300.0
SCREENED, FITTED = 10_000, 1_000
STEPS_MAX = 40


@cache
def million() -> Scene:
    """A million detections of four nights on 3600 square degrees, ten false for each real one."""
    return scene(16_500, 30.0, 10.0, seed=21)


@cache
def tracks(n: int) -> tuple[Scene, list[NDArray[np.int64]]]:
    """n tracks of true bodies, in order of time; those of a smaller scene over and over."""
    truth = scene(2_000, 20.0, 0.1, seed=22)
    own = []
    for body in truth.linkable():
        members = np.flatnonzero(truth.body == body)
        own.append(members[np.argsort(truth.detections.jd_mid[members])])
    return truth, [own[i % len(own)] for i in range(n)]


def linked() -> Callable[[], object]:
    """Work: the million detections linked."""
    truth = million()
    return lambda: [len(link(truth.detections, **LINKING)), len(truth.detections)]


def screened() -> Callable[[], object]:
    """Work: a quick orbit of each of ten thousand tracks."""
    truth, own = tracks(SCREENED)
    return lambda: float(np.percentile(quick_orbits(truth.detections, own, **ORBITS).rms_arcsec, 99))


def fitted() -> Callable[[], object]:
    """Work: a full orbit of each of a thousand tracks, from its quick one, with covariances."""
    truth, own = tracks(FITTED)
    quick = quick_orbits(truth.detections, own, **ORBITS)
    return lambda: int(full_orbits(truth.detections, own, quick, steps_max=STEPS_MAX, **ORBITS).settled.sum())


@cache
def beside() -> Scene:
    """What two linkers are given: sixty thousand detections of four nights, ten false for each real one."""
    return scene(1_000, 15.0, 10.0, seed=23)


def tracks_beside() -> Callable[[], object]:
    """Work: all of ours, from detections to tracks on plausible orbits; their outcome for both kinds of bodies."""
    truth = beside()

    def work() -> list[list[int]]:
        members, _, good = plausible(truth)
        kept = [one for one, fine in zip(members, good, strict=True) if fine]
        return [_counted(truth, which, kept) for which in (truth.linkable(), linker_peer.two_pairs(truth))]

    return work


def _counted(truth: Scene, which: NDArray[np.int64], members: list[NDArray[np.int64]]) -> list[int]:
    """Bodies found, of how many, and sets of detections that are not of one body."""
    found, _, mixed = outcome(truth.body, which, members)
    return [int(found.sum()), len(found), mixed]


def _beside() -> list[dict[str, Any]]:
    """Ours beside heliolinx on the same detections."""
    ours = measure("benchmarks.bench_moving:tracks_beside", repeats=1)
    truth, theirs, said = beside(), None, "heliolinx is not installed (make bench-peers)"
    (found, n, false), (found_pairs, n_pairs, _) = ours.value
    if linker_peer.installed():
        members, theirs = linker_peer.links(truth)
        all_bodies = _counted(truth, truth.linkable(), members)
        with_pairs = _counted(truth, linker_peer.two_pairs(truth), members)
        said = f"heliolinx {all_bodies[0]} and {with_pairs[0]}, {all_bodies[2]} false; it links tracklets only"
    return [
        row(
            f"{len(truth.detections):,} detections to tracks on orbits", ours, peer="heliolinx" if theirs else "",
            theirs=theirs, bar="", met=True,
            note=f"found {found} of {n} linkable bodies, {found_pairs} of {n_pairs} with pairs on two nights,"
            f" {false} false; {said}",
        )
    ]  # fmt: skip


def rows() -> list[dict[str, Any]]:
    """Linking, screening, fitting, and another linker."""
    link_cost = measure("benchmarks.bench_moving:linked", repeats=1)
    found, n = link_cost.value
    screen_cost = measure("benchmarks.bench_moving:screened", repeats=1)
    full_cost = measure("benchmarks.bench_moving:fitted", repeats=1)
    return [
        row(
            f"{n:,} detections of four nights linked", link_cost,
            bar=f"<= {LINK_S_MAX:g} s on two cores, <= {LINK_MB_MAX / 1000:g} GB",
            met=link_cost.cpu_s <= LINK_S_MAX and link_cost.peak_mb <= LINK_MB_MAX and n >= 1_000_000,
            note=f"{found:,} sets of four and more; one core is used",
        ),
        row(
            f"{SCREENED:,} tracks screened", screen_cost, bar=f"<= {SCREEN_S_MAX:g} s on two cores",
            met=screen_cost.cpu_s <= SCREEN_S_MAX,
            note=f"two-body, eight starting distances; 99 % of the residuals' RMS below {screen_cost.value:.2f} arcsec",
        ),
        row(
            f"{FITTED:,} orbits fitted in full", full_cost, bar=f"<= {FULL_S_MAX:g} s on two cores",
            met=full_cost.cpu_s <= FULL_S_MAX, note=f"planets and Moon, covariances; {full_cost.value:,} settled",
        ),
        *_beside(),
    ]  # fmt: skip
