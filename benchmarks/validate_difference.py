"""Difference images and candidates of full-size quadrants against truth.

`planted`: two epochs drawn on one grid of pixels, the reference twenty times as deep, with transients off and on hosts.
`null`: two single exposures of one field by the synthetic camera, through the science recipe and the resampler.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree
from scipy.special import ndtr

from benchmarks.accuracy import row
from benchmarks.difference_pairs import Subtracted, subtract_products, subtract_taken
from benchmarks.difference_scenes import (
    GAIN_E_PER_ADU,
    READ_NOISE_E,
    SHAPE,
    Epoch,
    Taken,
    light_of,
    make_sky,
    psf_of,
    take,
    turbulence,
)
from benchmarks.science_scenes import SPARSE, expose_sky, sky_settings
from ztfpipe.camera import Camera
from ztfpipe.methods.difference.zogy import subtract
from ztfpipe.methods.sky.projection import sky_to_pixel
from ztfpipe.methods.stars.psf_nb import polynomial_terms
from ztfpipe.model.difference import Difference, Exposed
from ztfpipe.model.stars import PsfModel

SCIENCE, REFERENCE = Epoch(2.3, 200.0, 0.9), Epoch(2.0, 120.0, 1.0, 20)
SNR_OFF = (5.0, 7.0, 8.0, 20.0)
PER_SNR = 300
RESIDUAL_PX = 0.004
"""Displacement left of turbulence once it was measured and taken out: what the registration of real pairs leaves."""
LEAST_SEPARATION_PX = 30.0
SPARSE_SEEDS, DENSE_SEEDS, CAMERA_SEEDS = (101, 107, 109, 113), (103, 127, 131), (1, 2, 3, 4)
"""Nothing was fitted to these skies. It takes twelve hundred transients of S/N 5 to know their share to 0.015."""


@dataclass(frozen=True)
class Planted:
    """Transients as they were drawn, and what the difference says of their places."""

    x_px: NDArray[np.float64]
    y_px: NDArray[np.float64]
    flux_adu: NDArray[np.float64]
    aimed_snr: NDArray[np.float64]
    hosted: NDArray[np.bool_]
    result: Subtracted
    science: Taken
    reference: Taken

    @property
    def clear(self) -> NDArray[np.bool_]:
        """Transients away from masks and edges."""
        return self.free[self.row, self.column]

    @property
    def free(self) -> NDArray[np.bool_]:
        """Pixels of the image away from masks and edges."""
        inside = np.zeros(self.result.difference.bad.shape, bool)
        inside[20:-20, 20:-20] = True
        return inside & (distance_transform_edt(~self.result.difference.bad) > 3)

    @property
    def row(self) -> NDArray[np.int64]:
        return np.rint(self.y_px).astype(int)

    @property
    def column(self) -> NDArray[np.int64]:
        return np.rint(self.x_px).astype(int)


def plant(count: int = 5000, seed: int = 5, shape: tuple[int, int] = SHAPE, per_snr: int = PER_SNR) -> Planted:
    """Draw, expose and subtract a pair."""
    rng = np.random.default_rng(seed)
    sky = make_sky(rng, count, shape)
    x, y, hosted = _places(rng, sky, shape, per_snr)
    aimed = np.where(hosted, rng.choice([8.0, 12.0, 25.0], len(x)), np.resize(SNR_OFF, len(x)))
    flux = _flux_of(aimed)
    still = (lambda x, y: 0 * np.asarray(x),) * 2
    moved = turbulence(rng, RESIDUAL_PX, shape)
    # What a source gives through the science image's air.
    science = take(sky, SCIENCE, rng, moved, (x, y, flux / SCIENCE.transparency), shape)
    reference = take(sky, REFERENCE, rng, still, shape=shape)
    # A PSF's flux is that of its stamp, and the zero point says how much of the whole that is.
    flux = flux * _share_in_stamp(sky, science)
    return Planted(x, y, flux, aimed, hosted, subtract_taken(science, reference), science, reference)


def _share_in_stamp(sky, taken: Taken) -> float:
    """Fitted over true flux of bright stars, which is what a zero point takes up."""
    bright = taken.stars.snr > 200
    x, y = taken.stars.x_px[bright], taken.stars.y_px[bright]
    distance, which = cKDTree(np.stack([sky.x_px, sky.y_px], 1)).query(np.stack([x, y], 1))
    alone = distance < 0.1
    truth = sky.flux_adu[which[alone]] * SCIENCE.transparency
    return float(np.median(taken.stars.flux_adu[bright][alone] / truth))


def _places(rng: np.random.Generator, sky, shape: tuple[int, int], per_snr: int) -> tuple:
    """Positions: a few px from the centres of a galaxy each, and on sky without a star that shows."""
    ny, nx = shape
    n = len(sky.galaxies.x_px)
    x = np.concatenate([sky.galaxies.x_px + rng.normal(0, 1.0, n), rng.uniform(30, nx - 30, 1000 * per_snr)])
    y = np.concatenate([sky.galaxies.y_px + rng.normal(0, 1.0, n), rng.uniform(30, ny - 30, 1000 * per_snr)])
    hosted = np.arange(len(x)) < n
    lit = sky.flux_adu > 50
    light = cKDTree(np.concatenate([np.stack([sky.x_px[lit], sky.y_px[lit]], 1), np.stack([x[:n], y[:n]], 1)]))
    distance, _ = light.query(np.stack([x, y], 1))
    usable = hosted | (distance > 12)
    inside = (x > 30) & (y > 30) & (x < nx - 31) & (y < ny - 31)
    # In a dense field one place in a hundred is dark; in a sparse one these are more than enough.
    index = np.flatnonzero(usable & inside)[: n + 40 * per_snr]
    # One by one: none near another.
    kept: list[int] = []
    near = cKDTree(np.stack([x[index], y[index]], 1)).query_ball_point(
        np.stack([x[index], y[index]], 1), LEAST_SEPARATION_PX
    )
    free = np.ones(len(index), bool)
    off = 0
    for k, others in enumerate(near):
        if free[k] and (hosted[index[k]] or off < per_snr * len(SNR_OFF)):
            kept.append(int(index[k]))
            off += not hosted[index[k]]
            free[others] = False
    return x[kept], y[kept], hosted[kept]


def _flux_of(snr: NDArray[np.float64]) -> NDArray[np.float64]:
    """Flux [DN of the science image] with this signal-to-noise ratio in the difference, its own photons included."""
    rng = np.random.default_rng(0)
    epoch = replace(SCIENCE, variation=0.0, transparency=1.0)
    nothing = make_sky(rng, 12, (65, 65))
    empty = replace(nothing, flux_adu=0 * nothing.flux_adu, galaxies=replace(
        nothing.galaxies, flux_e=0 * nothing.galaxies.flux_e))  # fmt: skip
    still = (lambda x, y: 0 * np.asarray(x),) * 2
    one = (np.array([32.0]), np.array([32.0]), np.array([1e5]))
    psf = light_of(empty, epoch, psf_of(epoch, rng), still, one, (65, 65)).astype(float)[20:45, 20:45] / 1e5
    variance = [
        (e.sky_adu + READ_NOISE_E**2 / GAIN_E_PER_ADU) / (GAIN_E_PER_ADU * e.exposures) for e in (SCIENCE, REFERENCE)
    ]
    sky = (variance[0] + variance[1] * SCIENCE.transparency**2) / np.sum(psf**2)
    own = np.sum(psf**3) / np.sum(psf**2) ** 2 / GAIN_E_PER_ADU
    # flux^2 = snr^2 (sky + own flux)
    return 0.5 * snr**2 * own + np.sqrt(0.25 * snr**4 * own**2 + snr**2 * sky)


def _quiet(difference: Difference) -> NDArray[np.bool_]:
    """Pixels of empty sky."""
    return ~difference.bad & (difference.flux_sigma_adu < 1.05 * np.median(difference.flux_sigma_adu))


@dataclass(frozen=True)
class Judged:
    """What became of the transients of one pair or several, each (n,), and empty sky and false candidates by pair.

    share: found according to S_corr; pull: of fitted fluxes, NaN where not found; snr: in the difference.
    """

    aimed_snr: NDArray[np.float64]
    hosted: NDArray[np.bool_]
    clear: NDArray[np.bool_]
    seen: NDArray[np.bool_]
    snr: NDArray[np.float64]
    share: NDArray[np.float64]
    pull: NDArray[np.float64]
    mean: NDArray[np.float64]
    width: NDArray[np.float64]
    scale: NDArray[np.float64]
    false: NDArray[np.int64]


def pooled(several: Sequence[Judged]) -> Judged:
    """All pairs as one."""
    return Judged(*(np.concatenate([getattr(one, f.name) for one in several]) for f in fields(Judged)))


def mean_and_width(difference: Difference, left_out: NDArray[np.bool_]) -> tuple[float, float]:
    """Of S_corr in empty sky; the width is half of what lies between the quantiles of one sigma."""
    values = difference.scorr[_quiet(difference) & ~left_out]
    low, high = np.percentile(values, (15.87, 84.13))
    return float(values.mean()), float(high - low) / 2


def judged(planted: Planted) -> Judged:
    """Match candidates to transients: positive ones within two pixels."""
    difference, found = planted.result.difference, planted.result.candidates
    tree = cKDTree(np.stack([found.x_px[found.positive], found.y_px[found.positive]], 1))
    distance, which = tree.query(np.stack([planted.x_px, planted.y_px], 1), distance_upper_bound=2.0)
    seen = np.isfinite(distance)
    pull = np.full(len(seen), np.nan)
    k = np.flatnonzero(found.positive)[which[seen]]
    pull[seen] = (found.flux_adu[k] - planted.flux_adu[seen]) / found.sigma_flux_adu[k]
    free = planted.free[np.rint(found.y_px).astype(int), np.rint(found.x_px).astype(int)]
    other = cKDTree(np.stack([planted.x_px, planted.y_px], 1)).query(np.stack([found.x_px, found.y_px], 1))[0] > 6
    mean, width = mean_and_width(difference, near_transients(planted))
    snr = planted.flux_adu / difference.flux_sigma_adu[planted.row, planted.column]
    return Judged(
        planted.aimed_snr, planted.hosted, planted.clear, seen, snr, ndtr(_peak_snr(planted) - 5), pull,
        np.array([mean]), np.array([width]), np.array([difference.scale]), np.array([(free & other).sum()]),
    )  # fmt: skip


def sky_rows(name: str, mean: NDArray, width: NDArray, scale: NDArray) -> list[dict[str, Any]]:
    """S_corr in empty sky, of each pair (n,): the worst."""
    mean, width, scale = (np.atleast_1d(one) for one in (mean, width, scale))
    off, wrong = mean[np.argmax(np.abs(mean))], width[np.argmax(np.abs(width - 1))]
    several = f"; the worst of {len(mean)} pairs" if len(mean) > 1 else ""
    multiplied = ", ".join(f"{one:.4f}" for one in scale)
    return [
        row(f"{name}: mean of S_corr in empty sky", off, bar="|mean| <= 0.02", met=abs(off) <= 0.02, unit="sigma"),
        row(f"{name}: width of S_corr in empty sky", wrong, bar="0.98 to 1.02", met=abs(wrong - 1) <= 0.02,
            unit="sigma", note=f"noise as predicted was multiplied by {multiplied}{several}"),
    ]  # fmt: skip


def planted_rows(name: str, all_: Judged) -> list[dict[str, Any]]:
    """Recovery, fluxes and false candidates of planted pairs."""
    table = []
    for aimed, bar in ((5.0, 0.47), (7.0, 0.96), (8.0, 0.99)):
        chosen = all_.clear & ~all_.hosted & (all_.aimed_snr == aimed)
        share, n = all_.seen[chosen].mean(), int(chosen.sum())
        error = np.sqrt(max(share * (1 - share), 1 / n) / n)
        note = f"{n} planted, +- {error:.4f}; S/N in the difference {all_.snr[chosen].mean():.2f}"
        what = f"{name}: transients off hosts found at S/N {aimed:.0f}"
        table.append(row(what, share, bar=f">= {bar}", met=share >= bar, note=note))
    hosted = all_.clear & all_.hosted & (all_.snr < 12)
    predicted, share = all_.share[hosted].mean(), all_.seen[hosted].mean()
    allowed = 3 * np.sqrt(predicted * (1 - predicted) / hosted.sum()) + 0.02
    table.append(row(f"{name}: transients on hosts found less share that S_corr predicts", share - predicted,
                     bar=f"|difference| <= {allowed:.3f}", met=abs(share - predicted) <= allowed,
                     note=f"{hosted.sum()} planted; predicted {predicted:.3f}"))  # fmt: skip
    for where, on in (("off", ~all_.hosted), ("on", all_.hosted)):
        pull = all_.pull[all_.clear & on & all_.seen & (all_.snr > 9)]
        what = f"{name}: flux pulls {where} hosts"
        table += [
            row(f"{what}: mean", pull.mean(), bar="|mean| <= 0.1", met=abs(pull.mean()) <= 0.1,
                note=f"{len(pull)} of S/N above 9, +- {pull.std() / np.sqrt(len(pull)):.3f}"),
            row(f"{what}: width", pull.std(), bar="0.9 to 1.1", met=abs(pull.std() - 1) <= 0.1),
        ]  # fmt: skip
    false = float(all_.false.mean())
    table.append(row(f"{name}: false candidates a quadrant at 5 sigma, both signs", false, bar="<= 6", met=false <= 6,
                     note=", ".join(str(one) for one in all_.false)))  # fmt: skip
    return table


def _peak_snr(planted: Planted) -> NDArray[np.float64]:
    """Flux over the noise of S_corr at the pixel, registration and flux errors included."""
    difference = planted.result.difference
    at = planted.row, planted.column
    with np.errstate(divide="ignore", invalid="ignore"):
        noise = np.abs(difference.flux_adu[at] / difference.scorr[at])
    return planted.flux_adu / noise


def one_psf(psf: PsfModel) -> PsfModel:
    """The same PSF everywhere: that of the centre."""
    ny, nx = psf.shape
    terms = np.empty(len(psf.coefficients))
    polynomial_terms(nx / 2, ny / 2, ny, nx, psf.order, terms)
    table = np.tensordot(terms, psf.coefficients.astype(np.float64), 1)[None].astype(np.float32)
    return replace(psf, coefficients=table, order=0)


def single_psf_rows(planted: Planted) -> list[dict[str, Any]]:
    """What one PSF for the whole quadrant costs, with the very same noise terms."""
    from ztfpipe.methods.difference import preparation as prepare

    found = planted.result.registration
    stars = planted.science.stars
    own = prepare.CatalogStars(stars.x_px, stars.y_px, stars.flux_adu, stars.sigma_x_px, stars.sigma_flux_adu,
                               stars.good_fraction > 0.99)  # fmt: skip
    science, reference = (
        replace(one.exposed, psf=one_psf(one.exposed.psf)) for one in (planted.science, planted.reference)
    )
    pair: tuple[Exposed, Exposed] = prepare.fill_masked(science, prepare.match_throughput(reference, found), own)
    single = subtract(*pair, sigma_x_px=found.sigma_x_px, sigma_y_px=found.sigma_y_px, flux_error=found.flux_error)
    free, at = planted.free, (planted.row, planted.column)
    bright = planted.clear & (planted.aimed_snr >= 20)
    table = []
    for name, difference in (("a PSF for each tile", planted.result.difference), ("one PSF for all", single)):
        far = np.ones(free.shape, bool)
        for y, x in zip(*at, strict=True):
            far[max(y - 6, 0) : y + 7, max(x - 6, 0) : x + 7] = False
        high = np.abs(difference.scorr) > 5
        table.append(row(f"{name}: pixels beyond 5 sigma away from transients", (high & free & far).sum(),
                         bar="", met=None, unit="pixels"))  # fmt: skip
        error = difference.flux_adu[at][bright] / planted.flux_adu[bright]
        table.append(row(f"{name}: scatter of matched-filter fluxes over truth, S/N >= 20", error.std(), bar="",
                         met=None))  # fmt: skip
    return table


@dataclass(frozen=True)
class Null:
    """Two exposures of one field by the synthetic camera, subtracted: halos, and how many candidates are false."""

    result: Subtracted
    halo: NDArray[np.bool_]
    false: int


def null_pair(seed: int) -> Null:
    """Both exposures by the science recipe, the second as reference; false is what is near nothing that changes."""
    camera = Camera.load("quadrant")
    settings = sky_settings({
        "night": {"visits": 2, "exposures_s": [30.0, 30.0]}, "stars": {"stars_per_square_degree": SPARSE},
    })  # fmt: skip
    settings = settings.model_copy(update={"sky_seed": settings.sky_seed + seed, "noise_seed": 1 + seed})
    exposures = [expose_sky(camera, settings, k) for k in (0, 1)]
    science, reference = (one.science() for one in exposures)
    result = subtract_products(science, reference, camera, exposures[0].gain)
    found = result.candidates
    halo = (science.mask & np.uint16(camera.mask_value("halo"))) != 0
    places = []
    for one in exposures:
        for name in ("transients", "asteroids", "stars"):
            truth = one.tables[name]
            truth = truth[truth.kind != 0] if name == "stars" else truth
            places.append(np.stack(sky_to_pixel(science.wcs, truth.ra_deg.to_numpy(), truth.dec_deg.to_numpy()), 1))
    distance, _ = cKDTree(np.concatenate(places)).query(np.stack([found.x_px, found.y_px], 1))
    masked = halo[np.rint(found.y_px).astype(int), np.rint(found.x_px).astype(int)] | (found.bad_pixels > 4)
    return Null(result, halo, int(((distance > 4) & ~masked).sum()))


def null_rows() -> list[dict[str, Any]]:
    """Pairs of the synthetic camera: S_corr of each, false candidates of all."""
    pairs = [null_pair(seed) for seed in CAMERA_SEEDS]
    table = []
    for seed, pair in zip(CAMERA_SEEDS, pairs, strict=True):
        difference = pair.result.difference
        table += sky_rows(f"camera pair {seed}", *mean_and_width(difference, pair.halo), difference.scale)
    false = np.mean([pair.false for pair in pairs])
    seconds = [sum(pair.result.cpu_s.values()) for pair in pairs]
    registration = [pair.result.registration for pair in pairs]
    noise = np.mean([np.hypot(one.sigma_x_px, one.sigma_y_px) / np.sqrt(2) for one in registration])
    return [
        *table,
        row("camera pairs: false candidates a quadrant at 5 sigma, both signs", false, bar="<= 6", met=false <= 6,
            note=f"{', '.join(str(pair.false) for pair in pairs)}; nothing that varies or moves within 4 px, outside "
            "masks and halos; white noise alone gives 3.5 to 4"),
        row("camera pairs: registration noise", noise, bar="", met=None, unit="px"),
        row("camera pairs: processor time", float(np.median(seconds)), bar="<= 8", met=np.median(seconds) <= 8,
            unit="s"),
    ]  # fmt: skip


def near_transients(planted: Planted) -> NDArray[np.bool_]:
    """Pixels within 8 of a transient, or not free."""
    near = ~planted.free
    for y, x in zip(planted.row, planted.column, strict=True):
        near[max(y - 8, 0) : y + 9, max(x - 8, 0) : x + 9] = True
    return near


def rows() -> list[dict[str, Any]]:
    """All rows."""
    table = []
    for name, count, seeds in (("sparse", 5000, SPARSE_SEEDS), ("dense", 30_000, DENSE_SEEDS)):
        pairs = []
        for seed in seeds:
            planted = plant(count, seed)
            pairs.append(judged(planted))
            if seed == SPARSE_SEEDS[0]:
                single = single_psf_rows(planted)
        everything = pooled(pairs)
        table += sky_rows(f"{name} planted pairs", everything.mean, everything.width, everything.scale)
        table += planted_rows(f"{name} planted pairs", everything)
    return table + single + null_rows()
