"""Fringes of the i band: patterns learned from many exposures of a quadrant, scaled to each exposure and taken out.

The night sky's lines interfere in the detector; the pattern is fixed to the silicon, its strength follows the sky, and
it changes a little as the lines' ratios do. A few principal components hold all of that (the approach of Medford et al.
2021). Fringes are tens of pixels wide, so everything is learned and fitted on block medians, which stars do not move.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn, idctn
from scipy.interpolate import CubicSpline
from scipy.ndimage import uniform_filter

from ztfpipe.methods.statistics import MAD_TO_SIGMA, percentile_sigma
from ztfpipe.model.science import FringeTemplate

Floats = NDArray[np.float32]
Floats64 = NDArray[np.float64]
CHI_SQUARE_MEDIAN = 0.4549
"""Median of the square of a standard normal number."""
NO_SKY_SIGMA = 8.0
"""Blocks this far from the smooth sky are none of it: strong fringes, of which they hold but few, are nearer."""
PATTERN_MIN = 0.3
"""Norm that the filter must leave of a second or later component, of 1: noise alone leaves 0.05 to 0.2."""


def block_medians(image: Floats, mask: NDArray[np.bool_], block_px: int) -> Floats:
    """Medians of `block_px` x `block_px` blocks of unmasked pixels; NaN where fewer than a quarter are left.

    image: (ny, nx); mask: True where a pixel must not count. Rows and columns that fill no block are left out.
    """
    ny, nx = (size // block_px * block_px for size in image.shape)
    pixels = np.where(mask[:ny, :nx], np.float32(np.nan), image[:ny, :nx])
    blocks = pixels.reshape(ny // block_px, block_px, nx // block_px, block_px).swapaxes(1, 2)
    blocks = np.sort(blocks.reshape(ny // block_px, nx // block_px, block_px**2), axis=-1)  # NaN sorts last
    count = np.isfinite(blocks).sum(axis=-1)
    low, high = np.maximum((count - 1) // 2, 0), np.maximum(count // 2, 0)
    high = np.minimum(high, block_px**2 - 1)
    take = np.take_along_axis
    medians = 0.5 * (take(blocks, low[..., None], -1) + take(blocks, high[..., None], -1))[..., 0]
    return np.where(count >= block_px**2 / 4, medians, np.nan).astype(np.float32)


def fringe_signal(blocks: Floats, sky_adu: float, smooth_blocks: int) -> Floats:
    """Relative small-scale structure of one exposure: (blocks - their smooth background) / sky.

    The smooth background is a parabola over the quadrant and, on what is left, a running mean over `smooth_blocks`
    blocks, twice, with missing blocks, those beyond the edges and those far off the parabola (trails, haloes) left out
    of it. The parabola goes first because a mean at the edge is one-sided: it would take a slope for structure.
    """
    good = np.isfinite(blocks)
    level = _parabola(blocks, good)
    if good.any():
        residual = np.abs(np.where(good, blocks - level, np.inf))
        good &= residual <= NO_SKY_SIGMA * MAD_TO_SIGMA * np.median(residual[good])
    filled = np.where(good, blocks - level, 0.0)
    weight = good.astype(np.float64)
    for _ in range(2):
        filled = uniform_filter(filled, smooth_blocks, mode="constant")
        weight = uniform_filter(weight, smooth_blocks, mode="constant")
    with np.errstate(invalid="ignore", divide="ignore"):
        return ((blocks - level - filled / weight) / sky_adu).astype(np.float32)


def _parabola(blocks: Floats, good: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Second-order polynomial fitted to the good blocks, without those that stand out by 4 sigma; (my, mx).

    Those far from the median are left out at first: a broad trail would bend the polynomial until it is near.
    """
    v, u = (np.linspace(-1, 1, size) for size in blocks.shape)
    u, v = np.meshgrid(u, v)
    terms = np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], axis=-1)
    values, level = blocks.astype(np.float64), np.zeros(blocks.shape)
    used = good
    if good.any():
        far = np.abs(values - np.median(values[good]))
        used = good & (far <= 4 * MAD_TO_SIGMA * np.median(far[good]))
    for _ in range(5):
        if np.count_nonzero(used) < terms.shape[-1]:
            break
        level = terms @ np.linalg.lstsq(terms[used], values[used], rcond=None)[0]
        residual = np.abs(values - level)
        used = good & (residual <= 4 * MAD_TO_SIGMA * np.median(residual[used]))
    return level


def learn_fringes(
    signals: Floats,
    n_components: int,
    *,
    block_px: int,
    smooth_blocks: int,
    period_min_px: float,
    window_px: float,
    noise_factor: float,
    clip_sigma: float = 4.0,
) -> FringeTemplate:
    """Principal components of the fringe signals of many exposures, at most `n_components`, freed from noise.

    signals: (n, my, mx) from `fringe_signal` with this `smooth_blocks`, NaN where a block is missing; n must be at
    least `n_components`. Missing and outlying blocks (haloes, galaxies) are replaced by what the other exposures'
    components say, and the components are found again, until that settles: five rounds. Noise of the components would
    be added to every image that is corrected: structure finer than `period_min_px`, and, in windows of `window_px`, all
    frequencies whose power is below `noise_factor` times that of the noise, are filtered out.
    """
    shape = signals.shape[1:]
    flat = signals.reshape(len(signals), -1).astype(np.float64)
    missing = ~np.isfinite(flat)
    usable = missing.mean(axis=0) < 0.5
    data = np.where(missing, 0.0, flat)[:, usable]
    hole = missing[:, usable]
    for _ in range(5):
        left, strength, patterns = np.linalg.svd(data, full_matrices=False)
        model = (left[:, :n_components] * strength[:n_components]) @ patterns[:n_components]
        residual = flat[:, usable] - model
        scatter = MAD_TO_SIGMA * np.nanmedian(np.abs(residual), axis=1, keepdims=True)
        outlier = hole | (np.abs(residual) > clip_sigma * scatter)
        data = np.where(outlier, model, flat[:, usable])
    components = np.zeros((n_components, flat.shape[1]))
    components[:, usable] = patterns[:n_components]
    whole = _filled(components.reshape(-1, *shape), usable.reshape(shape), cut_per_block=block_px / period_min_px)
    window = min(max(4, round(window_px / block_px)), *shape)
    clean = [_without_noise(one, block_px / period_min_px, window, noise_factor) for one in whole]
    # The first is kept whatever it is; another of which the filter leaves little was noise.
    kept = [k for k in range(n_components) if k == 0 or np.linalg.norm(clean[k]) >= PATTERN_MIN]
    # The filter leaves them almost orthogonal; made so again, the strengths of a fit are those of the patterns.
    orthonormal = np.linalg.qr(np.stack([clean[k].ravel() for k in kept], axis=1))[0].T
    explained = strength**2 / np.sum(strength**2)
    return FringeTemplate(orthonormal.reshape(-1, *shape).astype(np.float32), block_px, smooth_blocks, explained[kept])


def _filled(images: Floats64, known: NDArray[np.bool_], cut_per_block: float) -> Floats64:
    """Images (k, my, mx) with blocks that are not `known` (my, mx) filled with what a steep low-pass in the cosine
    transform, whose edges are mirrors, makes of their surroundings, ten times over."""
    gain = 1 / (1 + (_frequency(images.shape[1:]) / cut_per_block) ** 16)
    filled = images
    for _ in range(0 if known.all() else 10):
        smooth = idctn(dctn(filled, axes=(1, 2), norm="ortho") * gain, axes=(1, 2), norm="ortho")
        filled = np.where(known, images, smooth)
    return filled


def _without_noise(image: Floats64, cut_per_block: float, window: int, noise_factor: float) -> Floats64:
    """An image (my, mx) through a Wiener filter in overlapping windows of `window` x `window` blocks.

    Within a window fringes are nearly a plane wave, a few frequencies of a thousand, and noise is in all alike. Its
    power is measured where no fringe is, beyond `cut_per_block`. The gain is 1 - `noise_factor` noise / power, never
    negative, with power averaged over 3 x 3 frequencies; windows taper as sines, before and after, whose squares add
    to a constant. Edges are mirrors.
    """
    beyond = dctn(image, norm="ortho")[_frequency(image.shape) > cut_per_block]
    noise_power = float(np.median(beyond**2)) / CHI_SQUARE_MEDIAN
    taper = np.sin(np.pi * (np.arange(window) + 0.5) / window)
    taper = np.outer(taper, taper)
    frequency = np.hypot(np.fft.fftfreq(window)[:, None], np.fft.rfftfreq(window)[None, :])
    limit = noise_factor * noise_power * float(np.sum(taper**2))
    padded = np.pad(image, window, mode="symmetric")
    out, weight = np.zeros_like(padded), np.zeros_like(padded)
    starts = [range(0, size - window + 1, max(1, window // 2)) for size in padded.shape]
    for top, left in product(*starts):
        box = np.s_[top : top + window, left : left + window]
        transform = np.fft.rfft2(padded[box] * taper)
        # Frequencies across the Nyquist limit along x are mirrors of those inside, hence "nearest" there.
        power = uniform_filter(np.abs(transform) ** 2, 3, mode=("wrap", "nearest"))
        gain = np.clip(1 - limit / np.maximum(power, np.finfo(float).tiny), 0, 1)
        gain[frequency > cut_per_block] = 0
        out[box] += taper * np.fft.irfft2(transform * gain, s=(window, window))
        weight[box] += taper**2
    inner = np.s_[window:-window, window:-window]
    return out[inner] / weight[inner]


def _frequency(shape: tuple[int, ...]) -> Floats64:
    """Waves per block of each term of a cosine transform (my, mx)."""
    along = [np.arange(size) / (2 * size) for size in shape]
    return np.hypot(along[0][:, None], along[1][None, :])


def fit_fringes(signal: Floats, template: FringeTemplate, clip_sigma: float = 4.0) -> NDArray[np.float64]:
    """Strength of each component in one exposure's fringe signal: clipped linear least squares over the blocks.

    The first fit leaves out the blocks of the largest signal, of which a trail would else set the strength.
    """
    design = template.components.reshape(len(template.components), -1).T.astype(np.float64)
    values = signal.ravel().astype(np.float64)
    good = np.isfinite(values)
    if good.any():
        good &= np.abs(values) <= clip_sigma * MAD_TO_SIGMA * np.median(np.abs(values[good]))
    strength = np.zeros(design.shape[1])
    for _ in range(4):
        strength, *_ = np.linalg.lstsq(design[good], values[good], rcond=None)
        residual = values - design @ strength
        scatter = MAD_TO_SIGMA * np.nanmedian(np.abs(residual[good]))
        good = np.isfinite(values) & (np.abs(residual) <= clip_sigma * scatter)
    return strength


def fringe_image(
    template: FringeTemplate, strength: NDArray[np.float64], sky_adu: float, shape: tuple[int, int]
) -> Floats:
    """The fringes of an exposure at full size [DN]: the fitted pattern, interpolated by cubic splines between the
    centres of blocks, with the contrast that their means have lost."""
    pattern = np.tensordot(strength, template.components.astype(np.float64), axes=1) * sky_adu
    pattern = _as_before_blocks(pattern)
    # The centre of block k lies at pixel (k + 1/2) b - 1/2.
    rows = (np.arange(shape[0]) + 0.5) / template.block_px - 0.5
    columns = (np.arange(shape[1]) + 0.5) / template.block_px - 0.5
    # Separable: along y first, then along x, so that the cost is that of two one-dimensional interpolations.
    tall = _interpolate_rows(pattern, rows)
    return np.ascontiguousarray(_interpolate_rows(tall.T, columns).T, dtype=np.float32)


def _as_before_blocks(pattern: NDArray[np.float64]) -> NDArray[np.float64]:
    """The pattern at the centres of blocks whose means are `pattern` (my, mx).

    A wave of f cycles per block has means lower by sin(pi f) / (pi f): 3 % for eight pixels of a wave of sixty.
    """
    lost = [np.sinc(np.arange(size) / (2 * size)) for size in pattern.shape]
    return idctn(dctn(pattern, norm="ortho") / np.outer(*lost), norm="ortho")


def _interpolate_rows(values: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    spline = CubicSpline(np.arange(len(values)), values, axis=0, bc_type="natural")
    return spline(np.clip(rows, 0, len(values) - 1))


def fringes_left(image: Floats, mask: NDArray[np.bool_], template: FringeTemplate) -> tuple[float, float]:
    """Fringes in an image, relative to its sky: RMS of the template's patterns fitted to it, and robust sigma of all
    structure of their scale, noise included.

    image: (ny, nx), sky included; mask: True where a pixel must not count. NaN, NaN without a sky.
    """
    signal = structure_of_sky(image, mask, template)
    if signal is None:
        return float("nan"), float("nan")
    strength = fit_fringes(signal, template)
    # The patterns are of length 1 over all blocks.
    pattern = float(np.sqrt(np.sum(strength**2) / template.components[0].size))
    return pattern, float(percentile_sigma(signal))


def structure_of_sky(image: Floats, mask: NDArray[np.bool_], template: FringeTemplate) -> Floats | None:
    """The `fringe_signal` of an image, sky included, on the blocks of a template; None without a sky.

    image: (ny, nx); mask: True where a pixel must not count.
    """
    blocks = block_medians(image, mask, template.block_px)
    sky = float(np.nanmedian(blocks)) if np.isfinite(blocks).any() else float("nan")
    return fringe_signal(blocks, sky, template.smooth_blocks) if sky > 0 else None
