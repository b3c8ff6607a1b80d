"""Resampling and co-addition against truth, SWarp and reproject doing the same beside them."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning

from benchmarks import coadd_scenes as scenes
from benchmarks.accuracy import row
from ztfpipe.methods.sky import resampling
from ztfpipe.methods.sky.coaddition import Coadd, Epoch, coadd
from ztfpipe.methods.sky.sky_mesh import flat_sky, measure_sky
from ztfpipe.methods.statistics import percentile_sigma
from ztfpipe.model.wcs import TpvWcs

Row = dict[str, Any]
SHAPE = (1024, 1024)
N = 20
MMAG = 1085.7
MAS_PER_PX = scenes.SCALE_DEG * 3.6e6
NOT_HERE = "SWarp is not installed"


def rows() -> list[Row]:
    """All figures."""
    return [*stars_of_one_epoch(), *noise_of_one_epoch(), *empty_sky(), *stars_of_a_stack(), *strangers()]


def stars_of_one_epoch() -> list[Row]:
    """Flux and place of isolated stars without noise, by each tool, against the same stars drawn on the output."""
    out = []
    for fwhm_px in (2.0, 2.4, 3.0):
        found = [_one_epoch(seed, fwhm_px) for seed in range(3)]
        measured = {tool: np.concatenate([one[tool] for one in found], axis=1) for tool in found[0]}
        ours = {name: _rms(measured["ours"][k]) for k, name in enumerate(("flux", "fit", "x", "y"))}
        place = max(ours["x"], ours["y"])
        name = f"resampling, FWHM {fwhm_px} px"
        out += [
            row(f"{name}: flux, RMS", ours["flux"], unit="mmag", bar="<= 1", met=ours["flux"] <= 1,
                note="sum of 25 x 25 px about isolated stars without noise; dithered, rotated, distorted"),
            row(f"{name}: place, RMS per axis", place, unit="mas", bar="<= 5", met=place <= 5,
                note="least squares with the star's own shape"),
            row(f"{name}: flux by the same fit, RMS", ours["fit"], unit="mmag", bar="", met=None,
                note="what the kernel takes off a star's peak or adds to it; a PSF measured on the output has it too"),
        ]  # fmt: skip
        if "SWarp LANCZOS3" not in measured:
            out.append(row(f"{name}: {NOT_HERE}", np.nan, bar="", met=None))
        for tool in (tool for tool in measured if tool != "ours"):
            theirs = [_rms(measured[tool][k]) for k in range(4)]
            bar = "ours no worse" if tool.startswith("SWarp") else ""
            # Figures a twentieth apart are the same: it matters as much where the stars lie on their pixels.
            flux_met = ours["flux"] <= 1.05 * theirs[0] if bar else None
            place_met = place <= 1.05 * max(theirs[2:]) if bar else None
            out += [
                row(f"{name}: flux, RMS, {tool}", theirs[0], unit="mmag", bar=bar, met=flux_met),
                row(f"{name}: place, RMS per axis, {tool}", max(theirs[2:]), unit="mas", bar=bar, met=place_met),
            ]
    return out


def _one_epoch(seed: int, fwhm_px: float) -> dict[str, np.ndarray]:
    """Flux error [mmag], the same by fit, place errors [mas]: (4, stars) of each tool, on one epoch without noise."""
    random = np.random.default_rng(seed)
    wcs = scenes.epoch_wcs(random, SHAPE)
    grid = np.arange(60.0, 965.0, 45.0)
    x, y = (a.ravel() + random.uniform(-0.5, 0.5, a.size) for a in np.meshgrid(grid, grid))
    flux = np.full(x.size, 1e5)
    # A star keeps its width in pixels of the epoch; those of the output may be a thousandth larger.
    epoch = scenes.moffats(SHAPE, *scenes.moved(wcs, SHAPE, x, y), flux, fwhm_px).astype(np.float32)
    truth = scenes.moffats(SHAPE, x, y, flux, fwhm_px)
    images = {"ours": _ours(epoch, wcs), "reproject bicubic": _reproject(epoch, wcs)}
    if scenes.swarp_installed():
        images["SWarp LANCZOS3"] = _swarp(epoch, wcs)
    return {tool: _measure(image, truth, x, y) for tool, image in images.items()}


def _ours(image: np.ndarray, wcs: TpvWcs) -> np.ndarray:
    return resampling.resample(image, None, resampling.pixel_mapping(scenes.output_wcs(SHAPE), SHAPE, wcs, SHAPE)).image


def _reproject(image: np.ndarray, wcs: TpvWcs) -> np.ndarray:
    """Surface brightness is what reproject_interp keeps: the same, but for the area of a pixel."""
    from reproject import reproject_interp

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        target, source = WCS(scenes.header(scenes.output_wcs(SHAPE))), WCS(scenes.header(wcs))
        found, _ = reproject_interp((image, source), target, shape_out=SHAPE, order="bicubic")
    y, x = np.indices(SHAPE)
    return found * resampling.pixel_mapping(scenes.output_wcs(SHAPE), SHAPE, wcs, SHAPE)(x, y)[2]


def _swarp(image: np.ndarray, wcs: TpvWcs) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        empty = scenes.Exposure(image, np.zeros(SHAPE, np.uint16), wcs, 1.0, 2.0, 1.0)
        scenes.write(Path(folder), 0, empty)
        scenes.swarp(Path(folder), [0], SHAPE, SUBTRACT_BACK="N", COMBINE_TYPE="AVERAGE")
        return fits.getdata(Path(folder) / "coadd.fits").astype(float)


def _measure(image: np.ndarray, truth: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Errors (4, n) of stars: flux by sum and by fit [mmag], x, y [mas]."""
    half, out = 12, []
    slope_y, slope_x = _derivatives(truth)
    for x0, y0 in zip(np.rint(x).astype(int), np.rint(y).astype(int), strict=True):
        cut = np.s_[y0 - half : y0 + half + 1, x0 - half : x0 + half + 1]
        if not np.isfinite(image[cut]).all() or (image[cut] == 0).mean() > 0.1:
            continue
        total = np.sum(image[cut], dtype=np.float64) / truth[cut].sum() - 1
        model = np.stack([truth[cut], -slope_x[cut], -slope_y[cut]]).reshape(3, -1)
        fit = np.linalg.lstsq(model.T, image[cut].ravel().astype(np.float64), rcond=None)[0]
        out.append((total * MMAG, (fit[0] - 1) * MMAG, *(fit[1:] / fit[0] * MAS_PER_PX)))
    return np.array(out).T


def _derivatives(image: np.ndarray) -> list[np.ndarray]:
    """d/dy and d/dx of a sampled image by its Fourier transform, exact up to what is undersampled."""
    spectrum = np.fft.rfft2(image)
    ky, kx = np.fft.fftfreq(image.shape[0])[:, None], np.fft.rfftfreq(image.shape[1])[None, :]
    return [np.fft.irfft2(2j * np.pi * k * spectrum, s=image.shape) for k in (ky, kx)]


def noise_of_one_epoch() -> list[Row]:
    """White noise resampled: its noise image, and its correlation."""
    random = np.random.default_rng(8)
    mapping = resampling.pixel_mapping(scenes.output_wcs(SHAPE), SHAPE, scenes.epoch_wcs(random, SHAPE), SHAPE)
    found = resampling.resample(random.standard_normal(SHAPE, np.float32), None, mapping)
    inner = np.s_[40:-40, 40:-40]
    pulls, factor = (found.image / found.noise)[inner], resampling.noise_correlation(found.noise[inner])
    blocks = found.image[40:-24, 40:-24].reshape(24, 40, 24, 40).mean(axis=(1, 3)) * 40
    true = blocks.std() / np.sqrt(np.mean(found.noise[inner] ** 2.0))
    shifted = [np.mean(pulls[:, :-k] * pulls[:, k:]) for k in (1, 2, 3)]
    return [
        row(
            "resampling: scatter of pulls of white noise",
            pulls.std(),
            bar="1 +- 0.02",
            met=abs(pulls.std() - 1) <= 0.02,
        ),
        row("resampling: noise of large areas over that of independent pixels, quoted", factor, bar="", met=None),
        row(
            "resampling: the same, measured in 40 x 40 px",
            true,
            bar="quoted +- 10 %",
            met=abs(true / factor - 1) <= 0.1,
        ),
        *(
            row(f"resampling: correlation of pixels {k} apart", value, bar="", met=None)
            for k, value in enumerate(shifted, start=1)
        ),
    ]


def _epochs(
    seed: int, n_stars: int, strange: Mapping[int, Callable[[TpvWcs], np.ndarray]] | None = None, n: int = N,
    fwhm_px: tuple[float, float] = (2.0, 2.6),
) -> tuple[list[Epoch], list[np.ndarray]]:  # fmt: skip
    """Epochs in memory, their sky and noise measured, and the stars; strange: by number, light that one has alone."""
    random = np.random.default_rng(seed)
    stars = scenes.field(random, SHAPE, n_stars)
    epochs = []
    for i in range(n):
        state = np.random.default_rng((seed, i))
        wcs = scenes.epoch_wcs(np.random.default_rng((seed, i)), SHAPE)
        extra = strange[i](wcs) if strange and i in strange else None
        one = scenes.expose(state, SHAPE, stars, fwhm_px, extra)
        epochs.append(_in_memory(one))
    return epochs, stars


def _in_memory(one: scenes.Exposure) -> Epoch:
    sky = measure_sky(one.image, one.mask)
    return Epoch(one.wcs, SHAPE, lambda a, b: (one.image[a:b], one.mask[a:b]), one.scale, sky, scenes.GAIN, one.fwhm_px)


def _coadd(epochs: list[Epoch], **options: Any) -> Coadd:
    return coadd(epochs, scenes.output_wcs(SHAPE), SHAPE, **scenes.BITS, **options)


def empty_sky() -> list[Row]:
    """Pulls of a co-add of empty sky whose noise was measured from the pixels; the noise of areas."""
    epochs, _ = _epochs(3, 0)
    found = _coadd(epochs)
    known = _coadd([replace(one, sky=flat_sky(scenes.SKY_ADU, np.median(one.sky.noise))) for one in epochs])
    pulls = (found.image / found.uncertainty)[40:-40, 40:-40]
    areas = {name: _areas(one) for name, one in (("known", known), ("measured", found))}
    trimmed = found.trimmed.sum() / found.samples.sum()
    return [
        row("co-add, empty sky: scatter of pulls", pulls.std(), bar="1 +- 0.05", met=abs(pulls.std() - 1) <= 0.05),
        row("co-add, empty sky: mean of pulls", pulls.mean(), bar="", met=None),
        row("co-add, empty sky: correlation factor, quoted", found.correlation, bar="", met=None),
        row("co-add, empty sky: noise of areas over that quoted, sky known", areas["known"], bar="1 +- 0.1",
            met=abs(areas["known"] - 1) <= 0.1, note="means of 40 x 40 px, scatter of 576 of them: known to 3 %"),
        row("co-add, empty sky: noise of areas over that quoted, sky measured", areas["measured"], bar="", met=None,
            note="the errors of the epochs' sky come on top"),
        row("co-add, empty sky: samples trimmed", trimmed, bar="<= 0.001", met=trimmed <= 1e-3),
    ]  # fmt: skip


def _areas(found: Coadd) -> float:
    """Scatter of means of 40 x 40 px over what uncertainty and correlation factor say it is."""
    blocks = found.image[40:-24, 40:-24].reshape(24, 40, 24, 40).mean(axis=(1, 3), dtype=np.float64) * 40
    return float(blocks.std() / np.sqrt(np.nanmean(found.uncertainty[40:-40, 40:-40] ** 2.0)) / found.correlation)


def stars_of_a_stack() -> list[Row]:
    """Stars of varying PSF: with trimming against without, and against the true sum of what each epoch has."""
    out = []
    for name, fwhm_px in (("2.0 to 2.6", (2.0, 2.6)), ("2.0 to 4.0", (2.0, 4.0))):
        epochs, stars = _epochs(5, 900, fwhm_px=fwhm_px)
        with_trim, without = _coadd(epochs), _coadd(epochs, clip_sigma=1e6)
        x, y, flux = stars
        bright = np.flatnonzero((flux > 3e3) & (flux < 2e5) & (np.minimum(x, y) > 60) & (np.maximum(x, y) < 960))
        saturated = [with_trim.saturated[_box(x[k], y[k], 12)].any() for k in bright]
        bright = bright[~np.array(saturated)]
        change = np.array([_change(with_trim, without, x[k], y[k]) for k in bright]) * MMAG
        worst = np.percentile(np.abs(change), 99)
        truth = sum(
            weight * scenes.moffats(SHAPE, *stars, epoch.fwhm_px)
            for weight, epoch in zip(with_trim.weights, epochs, strict=True)
        )
        error = np.array([_change(with_trim, replace(with_trim, image=truth), x[k], y[k]) for k in bright]) * MMAG
        out += [
            row(f"co-add, FWHM {name} px: what trimming takes off stars, mean", change.mean(), unit="mmag", bar="<= 2",
                met=abs(change.mean()) <= 2, note=f"{bright.size} stars with S/N above 100, aperture of 6 px radius"),
            row(f"co-add, FWHM {name} px: the same, 99 of 100 stars", worst, unit="mmag", bar="<= 2", met=worst <= 2),
            row(f"co-add, FWHM {name} px: flux of stars less the truth, mean", error.mean(), unit="mmag", bar="<= 2",
                met=abs(error.mean()) <= 2, note="truth: the epochs' true light at their weights, in 6 px"),
            row(f"co-add, FWHM {name} px: flux of stars less the truth, scatter", percentile_sigma(error), unit="mmag",
                bar="", met=None, note="photons and sky included"),
        ]  # fmt: skip
    return out


def _box(x: float, y: float, half: int) -> tuple[slice, slice]:
    return np.s_[round(y) - half : round(y) + half + 1, round(x) - half : round(x) + half + 1]


def _change(one: Coadd, other: Coadd, x: float, y: float) -> float:
    """Relative difference of flux within 6 px."""
    cut = _box(x, y, 6)
    j, i = np.mgrid[cut]
    near = np.hypot(i - x, j - y) <= 6
    first, second = (np.nansum(a.image[cut][near], dtype=np.float64) for a in (one, other))
    return float(first / second - 1)


def strangers() -> list[Row]:
    """A transient, rays and a satellite of one epoch: what is left of their flux, in steps of their strength."""
    out = []
    for strength in (3, 50, 300):
        for kind in ("transient", "ray", "satellite"):
            left, share = _left(kind, strength)
            name = f"co-add, {kind} of {strength} sigma in one of {N} epochs: flux left"
            if strength >= 50:
                out.append(row(name, 100 * left, unit="%", bar="<= 0.5", met=abs(left) <= 5e-3))
            else:
                out.append(row(name, 100 * left, unit="%", bar=f"<= {100 * share:.2g}", met=left <= 1.05 * share,
                               note="its epoch's weight"))  # fmt: skip
    return out


def _left(kind: str, strength: float) -> tuple[float, float]:
    """Fraction of a stranger's flux that is in the co-add, and the weight of its epoch; among stars, without noise's
    share: the difference of two co-adds."""
    number, peak = 7, strength * scenes.NOISE_ADU
    j, i = np.indices(SHAPE, np.float32)
    random = np.random.default_rng(11)
    places = random.uniform(100, 900, (2, 60))

    def light(wcs: TpvWcs) -> np.ndarray:
        if kind == "satellite":
            return peak * np.exp(-((j - 0.37 * i - 300.2) ** 2) / (2 * 1.1**2))
        out = np.zeros(SHAPE)
        if kind == "ray":
            out[tuple(np.rint(scenes.moved(wcs, SHAPE, *places)).astype(int)[::-1])] = peak
            return out
        stamp = scenes.moffats((3, 3), np.ones(1), np.ones(1), np.ones(1), 2.3).max()
        return scenes.moffats(SHAPE, *scenes.moved(wcs, SHAPE, *places), np.full(60, peak / stamp), 2.3)

    with_it, _ = _epochs(9, 1500, {number: light})
    without, _ = _epochs(9, 1500)
    sky = without[number].sky
    with_it[number] = replace(with_it[number], sky=sky)
    one, other = _coadd(with_it), _coadd(without)
    total = light(without[number].wcs).sum() * without[number].scale
    left = np.nansum(one.image.astype(np.float64) - other.image)
    return float(left / total), float(one.weights[number])


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
