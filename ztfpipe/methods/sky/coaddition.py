"""Co-addition of images of one place of sky: resampled, gain-matched, outliers trimmed, weighted average.

The output is made in bands of rows, so that memory does not grow with the number of inputs; each input gives the rows
that a band needs and may leave the rest on disk. A sample of a pixel is trimmed when it lies further from the median of
its pixel's samples than noise, the scatter of these samples and its own seeing can explain, and with it all samples of
that input nearby, for an outlier has wings. Source: system paper 3.7.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ztfpipe.methods.sky import coaddition_nb, resampling, resampling_nb
from ztfpipe.methods.sky.resampling import PixelMapping, Resampled
from ztfpipe.methods.sky.sky_mesh import SkyMesh, without_sky
from ztfpipe.methods.statistics import percentile_position, percentile_sigma_expected, sorting_network
from ztfpipe.model.wcs import TpvWcs

Image = NDArray[np.float32]
Mask = NDArray[np.uint16]
Floats = NDArray[np.float64]

HALO_ROWS = coaddition_nb.GROW_PX + 1
"""Rows on either side of a band in which outliers must be known: their wings reach in."""
_LEAST_ROWS = 16
_LEAST_FOR_SPREAD = 8
"""Of fewer samples a single stranger is one of those that the percentiles are made from, and hides itself."""


@dataclass(frozen=True)
class Epoch:
    """One image to co-add.

    rows(first, stop): its rows first..stop, image float32 (n, columns) [ADU] and mask uint16; called again for every
    band. shape: (rows, columns); scale: what brings its flux to the output's zero point, 10^(-0.4 (ZP - ZP_out));
    sky: level to subtract and noise [ADU]; gain_e_per_adu; fwhm_px: of its PSF.
    """

    wcs: TpvWcs
    shape: tuple[int, int]
    rows: Callable[[int, int], tuple[Image, Mask]]
    scale: float
    sky: SkyMesh
    gain_e_per_adu: float
    fwhm_px: float


@dataclass(frozen=True)
class Coadd:
    """What became of the epochs; images are (ny, nx) of the output.

    image: float32, ADU at the output's zero point, NaN where no sample is left; uncertainty: float32, 1 sigma of a
    pixel, of sky and photons; coverage: int16, samples in the average; saturated: int16, epochs that were saturated
    anywhere under the kernel: the average has them as they are, clipped, and such a pixel is not to be measured.
    correlation: how many times noisier the mean of a large area is than its pixels, taken as independent.
    weights: (n,) of the epochs, sum 1; samples: (n,) pixels of the output that an epoch reaches with a good value;
    trimmed: (n,) how many of them were trimmed, wings included; outliers: (n,) how many of these were themselves
    discrepant. Epochs are in the order given.
    """

    image: Image
    uncertainty: Image
    coverage: NDArray[np.int16]
    saturated: NDArray[np.int16]
    correlation: float
    weights: Floats
    samples: NDArray[np.int64]
    trimmed: NDArray[np.int64]
    outliers: NDArray[np.int64]


def epoch_weights(epochs: Sequence[Epoch]) -> Floats:
    """Weights by depth, sum 1: 1 / (noise FWHM)^2 after gain matching, for a point source in the sky's noise.

    noise: the median of an epoch's mesh. ValueError for an epoch without a positive scale, noise or FWHM, which no
    comparison would ever trim. Source: Annis et al. 2014 (ApJ 794, 120), section 3.4.
    """
    facts = np.array([(one.scale, np.median(one.sky.noise), one.fwhm_px) for one in epochs], np.float64)
    wrong = np.flatnonzero(~((facts > 0) & np.isfinite(facts)).all(axis=1))
    if wrong.size:
        raise ValueError(f"epoch {wrong[0]} of {len(facts)}: scale, noise, FWHM are {facts[wrong[0]].tolist()}")
    weight = facts.prod(axis=1) ** -2.0
    return weight / weight.sum()


def coadd(
    epochs: Sequence[Epoch],
    wcs: TpvWcs,
    shape: tuple[int, int],
    *,
    defect_bits: int,
    saturated_bits: int,
    clip_sigma: float = 5.0,
    seeing_tolerance: float = 2.0,
    registration_px: float = 0.1,
    gain_tolerance: float = 0.03,
    tolerance_px: float = 1e-3,
    band_bytes: int = 256_000_000,
) -> Coadd:
    """Average of at least one epoch on the grid of `wcs`, `shape` (rows, columns); ValueError as `epoch_weights` does.

    defect_bits: mask bits of pixels not to be used; saturated_bits: those of them that mean saturation, whose pixels
    are used and flagged: without them the stars' wings would step where some epochs drop out. A sample is an outlier
    when it differs from the median of its pixel by more than

        clip_sigma * max(its noise, percentile sigma of the pixel's samples)
        + (gain_tolerance + seeing_tolerance |1 - (FWHM / median FWHM)^2|) (median + slope) + registration_px * slope,

    slope: the largest difference of the median to its four neighbours; registration_px: how far positions of epochs may
    differ; gain_tolerance: by how much their flux may. band_bytes: about how much memory a band's samples may take.
    """
    weights = epoch_weights(epochs)
    mappings = [resampling.pixel_mapping(wcs, shape, e.wcs, e.shape, tolerance_px=tolerance_px) for e in epochs]
    fwhm = np.array([one.fwhm_px for one in epochs])
    limits = coaddition_nb.Limits(
        np.float32(clip_sigma),
        np.float32(registration_px),
        (gain_tolerance + seeing_tolerance * np.abs(1.0 - (fwhm / np.median(fwhm)) ** 2)).astype(np.float32),
        np.array([one.scale / one.gain_e_per_adu for one in epochs], np.float32),
    )
    out = _empty(len(epochs), shape, weights)
    rows = max(_LEAST_ROWS, int(band_bytes / (8 * len(epochs) * shape[1])) - 2 * HALO_ROWS)
    band = _Band(len(epochs), min(rows + 2 * HALO_ROWS, shape[0]), shape[1])
    power = np.zeros(2)
    for first in range(0, shape[0], rows):
        stop = min(first + rows, shape[0])
        halo = max(first - HALO_ROWS, 0), min(stop + HALO_ROWS, shape[0])
        for i, (epoch, mapping) in enumerate(zip(epochs, mappings, strict=True)):
            band.take(i, epoch, mapping, halo, defect_bits, saturated_bits)
        _combine(band, halo, (first, stop), limits, out)
        power += band.noise_power(weights)
    return replace(out, correlation=float(np.sqrt(power[0] / power[1])) if power[1] > 0 else np.nan)


class _Band:
    """Samples of all epochs in a band of output rows, in arrays that serve one band after the other.

    values, factors: float32 (n, rows, nx), gain-matched samples, NaN where there is none, and their noise in units of
    sky_noise, float32 (n, nx), which holds for the middle of the band; saturated: int16 (rows, nx).
    """

    def __init__(self, n: int, rows: int, nx: int) -> None:
        self.values, self.factors = np.empty((n, rows, nx), np.float32), np.empty((n, rows, nx), np.float32)
        self.sky_noise, self.areas = np.empty((n, nx), np.float32), np.empty(n)
        self.saturated, self.mask = np.empty((rows, nx), np.int16), np.empty((rows, nx), np.uint16)

    def take(
        self,
        i: int,
        epoch: Epoch,
        mapping: PixelMapping,
        rows: tuple[int, int],
        defect_bits: int,
        saturated_bits: int,
    ) -> None:
        """Resample the rows of epoch i into its place; the first epoch begins a band anew."""
        n = rows[1] - rows[0]
        if i == 0:
            self.saturated[:] = 0
        values, factors, mask = self.values[i, :n], self.factors[i, :n], self.mask[:n]
        values[:], factors[:], mask[:] = np.nan, np.nan, 0
        self.sky_noise[i], self.areas[i] = 0.0, 0.0
        first, stop = resampling.input_rows(mapping, *rows)
        if first >= stop:
            return
        image, bits = epoch.rows(first, stop)
        image = without_sky(image, epoch.sky, first, epoch.scale)
        bits, defects = _under_kernels(bits, saturated_bits), defect_bits & ~saturated_bits
        resampling.resample_into(image, bits, mapping, rows, first, defects, 1, True, Resampled(values, mask, factors))
        self.saturated[:n] += (mask & np.uint16(saturated_bits)) != 0
        columns = np.arange(values.shape[1], dtype=np.float64)
        x, y, area = mapping(columns, np.full(columns.shape, (rows[0] + rows[1] - 1) / 2))
        self.sky_noise[i] = epoch.scale * epoch.sky.noise_at(x, y)
        self.areas[i] = np.mean(area)

    def noise_power(self, weights: Floats) -> Floats:
        """Variance of the weighted sum of all epochs, of the mean of a large area times its pixels and of a pixel."""
        part = np.s_[:, :: max(self.factors.shape[1] // 4, 1), ::7]
        factors = np.nan_to_num(self.factors[part])
        variance = (weights[:, None, None] * self.sky_noise[:, None, ::7]) ** 2.0
        reached = factors > 0
        return np.array([np.sum(variance * self.areas[:, None, None] * reached), np.sum(variance * factors**2.0)])


def _under_kernels(mask: Mask, wanted: int) -> Mask:
    """The mask with its `wanted` bits wherever a kernel whose core is there reaches a pixel that has one."""
    rows, columns = np.nonzero(mask & np.uint16(wanted))
    if rows.size == 0:
        return mask
    reach = resampling_nb.REACH - 1
    out = mask.copy()
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            near = np.clip(rows + dy, 0, mask.shape[0] - 1), np.clip(columns + dx, 0, mask.shape[1] - 1)
            out[near] |= np.uint16(wanted)
    return out


def _combine(
    band: _Band, halo: tuple[int, int], rows: tuple[int, int], limits: coaddition_nb.Limits, out: Coadd
) -> None:
    """Trim the samples of a band and average them into the rows of `out`."""
    n = halo[1] - halo[0]
    values, factors = band.values[:, :n], band.factors[:, :n]
    centre, spread, slope = (np.empty(values.shape[1:], np.float32) for _ in range(3))
    coaddition_nb.centre_and_spread(values, *_percentiles(len(values)), centre, spread)
    coaddition_nb.slopes(centre, slope)
    core = (rows[0] - halo[0], rows[1] - halo[0])
    coaddition_nb.trim(
        values, factors, band.sky_noise, centre, spread, slope, band.saturated[:n], limits, core,
        out.samples, out.outliers, out.trimmed,
    )  # fmt: skip
    part = slice(*rows)
    coaddition_nb.average(
        values, factors, band.sky_noise, centre, limits.photon_variance, out.weights, core,
        out.image[part], out.uncertainty[part], out.coverage[part],
    )  # fmt: skip
    out.saturated[part] = band.saturated[slice(*core)]


@functools.cache
def _percentiles(n: int) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """The sorting network of n samples and, for 0..n of them present: places and fractions of the percentiles 16, 50
    and 84 (n + 1, 3), and one over the expected percentile sigma (n + 1,), nought for too few to say."""
    counts = range(n + 1)
    found = [[percentile_position(max(m, 1), sigma) for sigma in (-1.0, 0.0, 1.0)] for m in counts]
    places = np.array([[place for place, _ in row] for row in found], np.int64)
    fractions = np.array([[fraction for _, fraction in row] for row in found], np.float32)
    inverse = np.array(
        [1 / percentile_sigma_expected(m) if m >= _LEAST_FOR_SPREAD else 0.0 for m in counts], np.float32
    )
    return sorting_network(n), places, fractions, inverse


def _empty(n: int, shape: tuple[int, int], weights: Floats) -> Coadd:
    counts = (np.zeros(n, np.int64) for _ in range(3))
    return Coadd(
        np.empty(shape, np.float32), np.empty(shape, np.float32), np.empty(shape, np.int16), np.empty(shape, np.int16),
        np.nan, weights, *counts,
    )  # fmt: skip
