"""A stack of 20 full-size quadrants: ours from the digitiser's counts, the peers from float32 frames ready to stack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.measure import measure, row

FRAMES, SHAPE = 20, (3080, 3072)
CLIP_SIGMA = 4.0
LEVEL_ADU, NOISE_ADU = 1000.0, 1.5
HIT_FRACTION = 1e-5


def counts(i: int) -> np.ndarray:
    """Frame `i`: noise about the level, in whole DN, with a few cosmic rays; made a few rows at a time."""
    rng = np.random.default_rng(i)
    image = np.empty(SHAPE, np.uint16)
    for first in range(0, SHAPE[0], 110):
        part = LEVEL_ADU + NOISE_ADU * rng.standard_normal((110, SHAPE[1]), np.float32)
        part[rng.random(part.shape, np.float32) < HIT_FRACTION] += 500
        image[first : first + 110] = np.round(part)
    return image


def ours() -> Callable[[], object]:
    """Overscan subtraction and the five images."""
    from ztfpipe.methods.detector import correction_nb, stacking_nb
    from ztfpipe.methods.detector.correction import BiasRows
    from ztfpipe.methods.detector.stacking import trimmed_average

    correction_nb.warm()
    stacking_nb.warm()
    frames = BiasRows([counts(i) for i in range(FRAMES)], [np.full(SHAPE[0], LEVEL_ADU)] * FRAMES)
    return lambda: trimmed_average(frames, clip_sigma=CLIP_SIGMA, sigma_floor=12**-0.5)


def _cube() -> np.ndarray:
    cube = np.empty((FRAMES, *SHAPE), np.float32)
    for i in range(FRAMES):
        np.subtract(counts(i), np.float32(LEVEL_ADU), out=cube[i])
    return cube


def astropy_clip() -> Callable[[], object]:
    """One pass of clipping about the median in C, then the mean: the least that gives a trimmed average."""
    from astropy.stats import sigma_clip

    cube = _cube()
    warm = np.zeros((FRAMES, 2, 2), np.float32)
    sigma_clip(warm, sigma=CLIP_SIGMA, maxiters=1, axis=0, masked=False)

    def work() -> object:
        clipped = sigma_clip(cube, sigma=CLIP_SIGMA, maxiters=1, axis=0, masked=False, copy=False)
        np.nanmean(clipped, axis=0)
        return None

    return work


def ccdproc_combine() -> Callable[[], object]:
    """The usual recipe: Combiner, sigma clipping about the median, average."""
    import astropy.units as u
    from astropy.nddata import CCDData
    from ccdproc import Combiner

    cube = _cube()
    frames = [CCDData(frame, unit=u.adu) for frame in cube]

    def work() -> object:
        combiner = Combiner(frames, dtype=np.float32)
        combiner.sigma_clipping(low_thresh=CLIP_SIGMA, high_thresh=CLIP_SIGMA, func=np.ma.median)
        combiner.average_combine()
        return None

    return work


def rows() -> list[dict[str, Any]]:
    """Both bars and the memory."""
    own = measure("benchmarks.bench_stack:ours")
    astropy = measure("benchmarks.bench_stack:astropy_clip")
    ccdproc = measure("benchmarks.bench_stack:ccdproc_combine")
    name = f"stack of {FRAMES} full-size quadrants"
    return [
        row(
            name,
            own,
            peer="astropy sigma_clip, mean",
            theirs=astropy,
            bar="3",
            met=astropy.cpu_s >= 3 * own.cpu_s,
            note="ours starts from 16-bit counts and gives five images; the peers start from corrected float32 frames "
            "and give the mean",
        ),
        row(name, own, peer="ccdproc Combiner", theirs=ccdproc, bar="8", met=ccdproc.cpu_s >= 8 * own.cpu_s),
        row(f"{name}, peak memory", own, bar="<= 1200 MB", met=own.peak_mb <= 1200),
    ]
