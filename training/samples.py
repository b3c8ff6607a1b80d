"""Labelled candidates: pairs drawn, differenced by the pipeline's own recipe, and its candidates named by the truth."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from training.pairs import FAMILIES, SHAPE, Family, Pair, draw_night, draw_pair
from ztfpipe.camera import Camera
from ztfpipe.config import Difference
from ztfpipe.methods.difference.real_bogus import features, planes, views
from ztfpipe.model.difference import Candidates
from ztfpipe.model.difference import Difference as Subtracted
from ztfpipe.pipelines.difference.recipe import make_difference
from ztfpipe.products.formats.plain import read_arrays, write_arrays

FOUND_PX, AWAY_PX, NEAR_ARTEFACT_PX = 2.5, 8.0, 40.0
"""Nearer than the first to a planted source: real; farther than the second from all: bogus; between: left out."""
_SNR_MIN, _SPOILT = 3.5, 2.0


@dataclass(frozen=True)
class Samples:
    """Candidates (n,): both views of the network, features, truth.

    snr: true flux over its uncertainty, of real ones; kind: "real", that of the nearest artefact, or "none" where there
    is none near; night: number of the pair; scorr.
    """

    inner: NDArray[np.float16]
    outer: NDArray[np.float16]
    features: NDArray[np.float32]
    real: NDArray[np.bool_]
    snr: NDArray[np.float32]
    kind: NDArray[np.str_]
    night: NDArray[np.int32]
    scorr: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.real)

    def of(self, which: NDArray) -> Samples:
        """Those of an index or a mask."""
        return Samples(**{one.name: getattr(self, one.name)[which] for one in fields(Samples)})


def joined(parts: list[Samples]) -> Samples:
    """All samples of several files."""
    return Samples(**{one.name: np.concatenate([getattr(p, one.name) for p in parts]) for one in fields(Samples)})


def balanced(samples: Samples) -> NDArray[np.float32]:
    """Weights (n,): real and bogus weigh the same, and so do the kinds of bogus but for the root of their numbers."""
    weight = np.ones(len(samples), np.float64)
    kinds, which, count = np.unique(samples.kind[~samples.real], return_inverse=True, return_counts=True)
    weight[~samples.real] = 1 / np.sqrt(count[which]) if len(kinds) else 1.0
    for part in (samples.real, ~samples.real):
        if part.any():
            weight[part] *= len(samples) / (2 * weight[part].sum())
    return weight.astype(np.float32)


def draw_samples(
    family: Family, nights: range, *, pairs: int = 1, planted: int = 80, artefacts: int = 40, most: int = 10**6,
    shape: tuple[int, int] = SHAPE,
) -> Samples:  # fmt: skip
    """Samples of some nights of a family, so many pairs each. A pair that cannot be subtracted gives none.

    planted, artefacts: in each pair; most: bogus candidates of a kind kept of each pair, drawn at random.
    """
    camera = Camera.load("quadrant")
    parts = []
    for number in nights:
        rng = np.random.default_rng([family.seed, number])
        night = draw_night(rng)
        for _ in range(pairs):
            pair = draw_pair(rng, night, family, camera, planted=planted, artefacts=artefacts, shape=shape)
            some = samples_of(pair, camera, number, night.transparency)
            parts.append(some and some.of(_not_too_many(rng, some, most)))
    return joined([part for part in parts if part is not None])


def _not_too_many(rng: np.random.Generator, samples: Samples, most: int) -> NDArray[np.int64]:
    """All real ones, and at most so many bogus ones of each kind."""
    kept = [np.flatnonzero(samples.real)]
    for kind in np.unique(samples.kind[~samples.real]):
        those = np.flatnonzero(~samples.real & (samples.kind == kind))
        kept.append(rng.permutation(those)[:most])
    return np.concatenate(kept)


def samples_of(pair: Pair, camera: Camera, number: int, transparency: float) -> Samples | None:
    """The candidates of a pair with their labels; None of one that cannot be subtracted."""
    made = make_difference(pair.science, pair.reference, camera, Difference(streaks=False))
    if made.candidates is None:
        return None
    found = made.candidates
    real, bogus, snr, kind = named(found, pair, made.difference, transparency)
    inner, outer = views(planes(made.cutouts, found.positive))
    all_ = Samples(
        inner.astype(np.float16), outer.astype(np.float16), features(found), real, snr, kind,
        np.full(len(real), number, np.int32), found.scorr.astype(np.float32),
    )  # fmt: skip
    return all_.of(real | bogus)


def named(found: Candidates, pair: Pair, difference: Subtracted, transparency: float) -> tuple[NDArray, ...]:
    """Of candidates (n,): whether real, whether bogus, true S/N (NaN unless real), kind."""
    at = np.stack([found.x_px, found.y_px], 1)
    events = pair.real
    distance, which = cKDTree(np.stack([events.x_px, events.y_px], 1)).query(at)
    real = (distance < FOUND_PX) & (events.positive[which] == found.positive)
    sigma = difference.flux_sigma_adu[np.rint(found.y_px).astype(int), np.rint(found.x_px).astype(int)]
    snr = np.where(real, events.flux_adu[which] * transparency / sigma, np.nan)
    near, artefact = cKDTree(pair.artefact_px).query(at) if len(pair.artefact_px) else (np.full(len(at), np.inf), None)
    kind = np.full(len(at), "none", dtype="<U12")
    close = near < NEAR_ARTEFACT_PX
    if close.any():
        kind[close] = pair.artefact_kind[artefact[close]]
    # A source that an artefact lies upon is neither.
    real &= (snr > _SNR_MIN) & (found.scorr < _SPOILT * snr)
    kind[real] = "real"
    return real, distance > AWAY_PX, snr.astype(np.float32), kind


def main() -> None:
    """Write the samples of some nights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", choices=sorted(FAMILIES), required=True)
    parser.add_argument("--nights", type=int, nargs=2, required=True, metavar=("FIRST", "LAST"))
    parser.add_argument("--pairs", type=int, default=1, help="of each night")
    parser.add_argument("--planted", type=int, default=80, help="sources in each pair")
    parser.add_argument("--artefacts", type=int, default=40, help="in each pair")
    parser.add_argument("--most", type=int, default=15, help="bogus candidates of a kind kept of each pair")
    parser.add_argument("--output", type=Path, required=True)
    asked = parser.parse_args()
    samples = draw_samples(
        FAMILIES[asked.family], range(asked.nights[0], asked.nights[1] + 1), pairs=asked.pairs, planted=asked.planted,
        artefacts=asked.artefacts, most=asked.most,
    )  # fmt: skip
    write_arrays(asked.output, vars(samples))


def read_samples(paths: list[Path]) -> Samples:
    """All samples of several files."""
    return joined([Samples(**read_arrays(path)) for path in paths])


if __name__ == "__main__":
    main()
