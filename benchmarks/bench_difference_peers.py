"""Sources found by our difference and by sfft's on the very same pair, at equal purity, and what both cost.

PyZOGY, properimage and HOTPANTS were measured once by hand, on another pair of this kind.
"""

from __future__ import annotations

import pickle
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, distance_transform_edt, gaussian_filter, maximum_filter
from scipy.signal import fftconvolve
from scipy.spatial import cKDTree

from benchmarks.difference_pairs import subtract_taken
from benchmarks.measure import measure, row
from benchmarks.validate_difference import SNR_OFF, Planted, plant
from ztfpipe.methods.stars.psf import stamps
from ztfpipe.methods.statistics import robust
from ztfpipe.methods.warm import warm

HERE = "benchmarks.bench_difference_peers"
ROOT = Path(__file__).resolve().parents[1]
SFFT = ROOT / ".venv-sfft" / "bin" / "python"
SIDE_PX, STARS, PER_SNR, SEED = 1024, 560, 60, 211
"""A ninth of a quadrant at the density of a sparse one: sfft takes 11 GB for all of it. Not looked at before."""
FALSE = 2
"""Peaks that are no source in the ninth, of both methods: the least significant one that is still taken follows."""
OTHERS = (
    "others, by hand on a full sparse pair with cosmic rays: found of 20 planted, false of both signs (processor s; "
    "peak MB): PyZOGY 20, 724 (55.7; 3,098), properimage 20, 1286 (75.5; 4,664), HOTPANTS 20, 337 (6.9; 497), sfft 20, "
    "348 (56.8; 11,376), plain ZOGY with S_corr 20, 21 (2.3; 1,120)"
)
Image = NDArray[np.floating]


@dataclass(frozen=True)
class Found:
    """Share of planted sources found off hosts at each S/N and on hosts, with FALSE false peaks, and at five sigma how
    many peaks are false."""

    shares: dict[str, float]
    false_at_five: int

    @property
    def words(self) -> str:
        shares = ", ".join(f"{name} {share:.2f}" for name, share in self.shares.items())
        return f"{shares}; false at 5 sigma {self.false_at_five}"


def rows() -> list[dict[str, Any]]:
    """One pair."""
    planted = plant(STARS, SEED, (SIDE_PX, SIDE_PX), PER_SNR)
    ours = found_at_equal_purity(planted, planted.result.difference.scorr)
    theirs, their_cost = None, None
    with TemporaryDirectory(prefix="bench-sfft-") as folder:
        (Path(folder) / "pair.pickle").write_bytes(pickle.dumps((planted.science, planted.reference)))
        cost = measure(f"{HERE}:our_work", folder)
        if SFFT.exists():
            np.savez(Path(folder) / "pair.npz", **for_sfft(planted))
            their_cost = measure(f"{HERE}:sfft_work", folder, repeats=1)
            their_cost = replace(their_cost, cpu_s=float((Path(folder) / "cpu_s.txt").read_text()))
            image = np.load(Path(folder) / "difference.npy")
            theirs = found_at_equal_purity(planted, significance(planted, image))
    label = "sfft, numpy backend" if theirs else "sfft: not installed, make bench-peers"
    note = f"a ninth of a quadrant; with {FALSE} false each, found by ours: {ours.words}"
    note += f"; by sfft: {theirs.words}" if theirs else ""
    met = theirs is None or (their_cost.cpu_s > cost.cpu_s and _total(ours) > _total(theirs))
    return [
        row("difference and candidates, sources found at equal purity", cost, bar="more found, and faster", met=met,
            peer=label, theirs=their_cost, note=f"{note}; {OTHERS}"),
    ]  # fmt: skip


def our_work(folder: str) -> Callable[[], object]:
    """Registration to candidates, on images in memory."""
    warm()
    pair = pickle.loads((Path(folder) / "pair.pickle").read_bytes())
    return lambda: subtract_taken(*pair) and None


def sfft_work(folder: str) -> Callable[[], object]:
    """sfft's program."""
    command = [str(SFFT), str(ROOT / "benchmarks" / "sfft" / "run.py"), folder]
    return lambda: subprocess.run(command, check=True, capture_output=True) and None


def _total(found: Found) -> float:
    return sum(found.shares.values())


def for_sfft(planted: Planted) -> dict[str, Image]:
    """Both images, and both with nothing but stars of the reference away from masks and planted sources."""
    science, reference = planted.science.exposed, planted.reference.exposed
    bad = science.bad | reference.bad
    # What no star covers would only add noise to the fit of the kernel.
    noise = np.sqrt(np.median(science.variance_adu2))
    shown = binary_dilation(gaussian_filter(reference.image_adu, 1.0) > 3 * noise, iterations=4)
    shown &= ~binary_dilation(bad, iterations=10)
    for x, y in zip(planted.column, planted.row, strict=True):
        shown[max(y - 8, 0) : y + 9, max(x - 8, 0) : x + 9] = False
    sides = {"science": science.image_adu, "reference": reference.image_adu}
    return {name: np.where(bad, 0, one) for name, one in sides.items()} | {
        f"masked_{name}": np.where(shown, one, 0) for name, one in sides.items()
    }


def significance(planted: Planted, image: Image) -> Image:
    """A difference filtered with the science image's PSF, in units of its width in empty sky."""
    psf = planted.science.exposed.psf
    kernel = stamps(psf, SIDE_PX // 2, SIDE_PX // 2, psf.radius_px)[0]
    filtered = fftconvolve(image, kernel[::-1, ::-1], mode="same")
    known = robust(filtered[planted.free])
    return (filtered - known.median) / known.sigma


def found_at_equal_purity(planted: Planted, scorr: Image) -> Found:
    """Judge the peaks of a significance image of either sign, away from masks and edges."""
    places = cKDTree(np.stack([planted.x_px, planted.y_px], 1))
    free = planted.free & (distance_transform_edt(~planted.result.difference.bad) > 10)

    def peaks(image: Image, least: float) -> tuple[NDArray, NDArray]:
        highest = (image == maximum_filter(image, 3)) & (image > least) & free
        row_, column = np.nonzero(highest)
        return np.stack([column, row_], 1), image[highest]

    positive, height = peaks(scorr, 3.0)
    negative, depth = peaks(-scorr, 3.0)
    apart = places.query(positive)[0] > 6 if len(positive) else np.zeros(0, bool)
    apart_negative = places.query(negative)[0] > 6 if len(negative) else np.zeros(0, bool)
    false = np.sort(np.concatenate([height[apart], depth[apart_negative]]))[::-1]
    threshold = false[FALSE] if len(false) > FALSE else 3.0
    taken = cKDTree(positive[height > threshold])
    seen = taken.query(np.stack([planted.x_px, planted.y_px], 1))[0] < 2.0
    clear = free[planted.row, planted.column]
    groups = {f"S/N {snr:g}": ~planted.hosted & (planted.aimed_snr == snr) for snr in SNR_OFF}
    groups["on hosts"] = planted.hosted
    shares = {name: float(seen[clear & group].mean()) for name, group in groups.items() if (clear & group).any()}
    return Found(shares, int((false > 5).sum()))
