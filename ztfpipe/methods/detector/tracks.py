"""Satellite and aircraft tracks: straight lines of light across a quadrant.

The background-subtracted image is binned in units of its noise and clipped, so that a star weighs no more than any
bin of a track: first high, for the bright ones, of which a short chord counts among many stars, then low. A fast
discrete Radon transform (Brady 1998; for streaks: Nir, Zackay and Ofek 2018) sums all lines of all lengths from 128 px
up. The strongest is then followed on full pixels: medians along the line, which stars do not move, give its course,
width and ends. It is masked and the search repeated until nothing is left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter, uniform_filter1d

from ztfpipe.methods.detector.tracks_nb import binned_significance, draw_segment, strongest_lines
from ztfpipe.methods.statistics import MAD_TO_SIGMA, percentile_sigma

Floats = NDArray[np.float64]
Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
_BIN_PX = 4  # about the width of a satellite's trail
_CLIPS = ((60.0, 2.0), (4.0, 1.0))  # and factors of the threshold: bright tracks, which outshine most stars; all others
_FIRST_LEVEL = 5  # 2^5 bins of 4 px
_SMOOTH_BINS = 33  # of the running mean that is taken for the surroundings' level
_RUN_BINS = 16  # whose sums tell the scatter of a line
_CHUNK_PX = 32  # along a line; a median over it is not moved by a star
_REACHES_PX = (24, 72)  # half widths of the strip looked at: a satellite; an aircraft out of focus
_MAX_TRACKS = 30  # bounds the time that a ruined image takes
_MAX_FRUITLESS = 3  # rounds whose four candidates were no tracks
_RUN = 9  # chunks
_ALIGNED_PX = 2.0  # a line that leaves its row or column by less is a defect of the detector
_GROWTHS = 3  # times that a line is followed anew after it proved longer


@dataclass(frozen=True)
class Track:
    """A segment [px] (zero-based, ends may lie just outside the image), half its masked width, and how strong it is.

    significance: of the sum along it; peak_sigma: median brightness of its ridge in units of the pixel noise.
    """

    x0_px: float
    y0_px: float
    x1_px: float
    y1_px: float
    half_width_px: float
    significance: float
    peak_sigma: float


@dataclass(frozen=True)
class _Lit:
    """Columns lit (first, and one past the last), the same with a chunk to spare inside the image (start, stop), and
    whether the line enters and leaves the image lit."""

    first: int
    last: int
    start: int
    stop: int
    enters: bool
    leaves: bool

    @staticmethod
    def of(first: int, last: int, known: Mask, columns: int) -> _Lit:
        """From the first and last chunk lit and which chunks are known at all."""
        rows = np.flatnonzero(known)
        enters, leaves = bool(first <= rows[0] + 2), bool(last >= rows[-1] - 2)
        start = (rows[0] if enters else first - 1) * _CHUNK_PX
        stop = ((rows[-1] if leaves else last + 1) + 1) * _CHUNK_PX
        if leaves and rows[-1] == known.size - 1:
            stop = columns
        return _Lit(first * _CHUNK_PX, (last + 1) * _CHUNK_PX, int(max(start, 0)), int(stop), enters, leaves)


def find_tracks(
    residual_adu: Image,
    noise_adu: Image,
    excluded: Mask,
    *,
    threshold: float = 8.0,
    min_length_px: float = 150.0,
    edge_sigma: float = 0.15,
    local_level: bool = True,
) -> list[Track]:
    """Tracks in a background-subtracted image (ny, nx), strongest first.

    noise_adu: background noise per pixel. excluded: bad pixels; saturated ones may count, they are bright. threshold:
    least significance of a line's sum. min_length_px: shorter trails may be asteroids and are left. edge_sigma:
    brightness of the track, in units of the pixel noise, at which the mask ends. local_level: whether surroundings,
    rows and columns are brought to one level before the search, which a very wide band does not survive.
    """

    def follow(ends: list[float], significance: float) -> Track | None:
        return _follow(residual_adu, noise_adu, excluded, ends, significance, min_length_px, edge_sigma)

    tracks: list[Track] = []
    for clip, factor in _CLIPS:
        bins = binned_significance(residual_adu, noise_adu, excluded, _BIN_PX, np.float32(clip))
        if local_level:
            _level(bins)
        else:
            bins -= bins.mean()
        # Structure that was not levelled is to count as noise, all of it.
        scatter = percentile_sigma if local_level else np.std
        tracks += _search(bins, tracks, factor * threshold, follow, scatter)
    return sorted(tracks, key=lambda track: -track.significance)


def _search(
    bins: Image,
    found: list[Track],
    threshold: float,
    follow: Callable[[list[float], float], Track | None],
    scatter: Callable[[Image], float],
) -> list[Track]:
    """Tracks beyond those found already; bins that have been judged become nought."""
    tracks: list[Track] = []
    known, fruitless = np.zeros(bins.shape, np.bool_), 0
    for track in found:
        _draw_binned(known, track)
    bins[known] = 0.0
    while len(found) + len(tracks) < _MAX_TRACKS and fruitless < _MAX_FRUITLESS:
        candidates = _candidates(bins, max(_line_scatter(bins, scatter), 0.5), threshold)
        if not candidates:
            break
        new = []
        for significance, *ends in candidates:
            if _covered(bins == 0.0, ends):
                continue
            track = follow(ends, significance)
            # Another piece of a line may lead to a track that is known.
            if track is not None and not _covered(known, _binned_ends(track)):
                new.append(track)
            # Followed or not, its bins have been judged: they must not be the strongest line again.
            blank = np.zeros(bins.shape, np.bool_)
            draw_segment(blank, *ends, 2.0)
            if track is not None:
                _draw_binned(known, track)
            bins[blank | known] = 0.0
        tracks += new
        fruitless = 0 if new else fruitless + 1
    return tracks


def _level(bins: Image) -> None:
    """Take off, in place, what surrounds each bin, and what is common to a row or a column.

    Bad columns and what the bias left of rows are lines too, but along the axes. Stars put the median below the mean,
    which has to stay nought.
    """
    bins -= uniform_filter(bins, _SMOOTH_BINS)
    middle = np.median(bins)
    bins -= np.median(bins, axis=0) - middle
    bins -= np.median(bins, axis=1)[:, None] - middle


def track_mask(shape: tuple[int, int], tracks: list[Track]) -> Mask:
    """Mask of `shape` with all pixels of the tracks set."""
    mask = np.zeros(shape, np.bool_)
    for track in tracks:
        draw_segment(mask, track.x0_px, track.y0_px, track.x1_px, track.y1_px, track.half_width_px)
    return mask


def _line_scatter(bins: Image, scatter: Callable[[Image], float]) -> float:
    """Scatter of a line's sum over the root of its length: stars reach over bins, so it exceeds that of one bin.

    scatter: of many values. By half their central 68 % other tracks, which cross a few of the runs along rows and
    columns, do not hide a track.
    """
    runs = (uniform_filter1d(bins, _RUN_BINS, axis=axis) for axis in (0, 1))
    return max(float(scatter(one)) for one in runs) * float(np.sqrt(_RUN_BINS))


def _candidates(bins: Image, sigma: float, threshold: float) -> list[tuple[float, float, float, float, float]]:
    """(significance, x0, y0, x1, y1) in bins of the strongest line of each octant, strongest first."""
    found = []
    for transposed in (False, True):
        view = bins.T if transposed else bins
        height = view.shape[0]
        for flipped in (False, True):
            lines = strongest_lines(
                np.ascontiguousarray(view[::-1] if flipped else view), sigma, _FIRST_LEVEL, threshold
            )
            significance, x0, y0, x1, y1 = lines[np.argmax(lines[:, 0])]
            if significance == 0.0:
                continue
            if flipped:
                y0, y1 = height - 1 - y0, height - 1 - y1
            found.append((significance, y0, x0, y1, x1) if transposed else (significance, x0, y0, x1, y1))
    return sorted(found, reverse=True)


def _covered(known: Mask, ends: list[float]) -> bool:
    """Whether most of a line of bins is known already: blanked in this round, or part of a track."""
    line = np.zeros(known.shape, np.bool_)
    draw_segment(line, *ends, 1.0)
    return bool(np.mean(known[line]) > 0.5)


def _draw_binned(known: Mask, track: Track) -> None:
    draw_segment(known, *_binned_ends(track), track.half_width_px / _BIN_PX + 1.5)


def _binned_ends(track: Track) -> list[float]:
    return [(v - (_BIN_PX - 1) / 2) / _BIN_PX for v in (track.x0_px, track.y0_px, track.x1_px, track.y1_px)]


def _follow(residual, noise, excluded, ends, significance, min_length_px, edge_sigma) -> Track | None:
    """Measure a line on full pixels, or None when it is not a track: too short, too patchy, or no ridge at all."""
    x0, y0, x1, y1 = (v * _BIN_PX + (_BIN_PX - 1) / 2 for v in ends)
    steep = abs(y1 - y0) > abs(x1 - x0)
    if steep:
        x0, y0, x1, y1 = y0, x0, y1, x1
        residual, noise, excluded = residual.T, noise.T, excluded.T
    slope = (y1 - y0) / (x1 - x0)
    line = y0 - slope * x0, slope
    on = _inside(line, (max(int(x0), 0), min(int(x1) + 1, residual.shape[1])), residual.shape[0])
    for reach in _REACHES_PX:
        for _ in range(_GROWTHS):
            if on[1] - on[0] < _CHUNK_PX // 2:
                return None  # nothing of it inside the image
            line = _refined(residual, noise, excluded, line, on, reach)
            strip = _strip(residual, noise, excluded, line, reach)
            # The core is told from where the line is known to be lit; its ends are then sought in the whole image.
            lit = _lit_chunks(strip, _profile(strip[on[0] : on[1]])[0])
            if lit is None:
                return None
            grown, on = lit.start < on[0] - _CHUNK_PX or lit.stop > on[1] + _CHUNK_PX, (lit.start, lit.stop)
            if not grown:
                break
        profile, scatter = _profile(strip[on[0] : on[1]])
        edge = max(edge_sigma, 4.0 * scatter)
        half = _half_width(profile, edge)
        if half < reach - 2:
            break
    length = (lit.last - lit.first) * np.hypot(1.0, line[1])
    # Light along a column or row to within two pixels is a defect of the detector.
    if half == 0 or length < min_length_px or abs(line[1]) * (on[1] - on[0]) < _ALIGNED_PX:
        return None
    # Where the ridge leaves the image, half of the track may still be inside.
    xs = np.array([-1.0 if lit.enters else on[0] - 1.0, float(residual.shape[1] if lit.leaves else on[1])])
    ys = line[0] + line[1] * xs
    across = (half + 1.5) / np.hypot(1.0, line[1])
    (x0, x1), (y0, y1) = (ys, xs) if steep else (xs, ys)
    return Track(float(x0), float(y0), float(x1), float(y1), float(across), float(significance), float(profile.max()))


def _inside(line: tuple[float, float], span: tuple[int, int], ny: int) -> tuple[int, int]:
    """The part of a span of columns in which a line is inside an image of ny rows."""
    y = line[0] + line[1] * np.arange(*span)
    columns = np.flatnonzero((y >= 0) & (y <= ny - 1))
    return (span[0] + int(columns[0]), span[0] + int(columns[-1]) + 1) if columns.size else (span[0], span[0])


def _strip(residual, noise, excluded, line, reach: int) -> Image:
    """The image along y = a + b x as (columns, 2 reach + 1) in units of the noise; NaN outside and where excluded."""
    ny, nx = residual.shape
    x = np.arange(nx)
    y = np.round(line[0] + line[1] * x).astype(np.int64)[:, None] + np.arange(-reach, reach + 1)[None, :]
    inside = (y >= 0) & (y < ny)
    rows, columns = np.clip(y, 0, ny - 1), np.broadcast_to(x[:, None], y.shape)
    values = residual[rows, columns] / noise[rows, columns]
    return np.where(inside & ~excluded[rows, columns], values, np.nan).astype(np.float32)


def _medians(strip: Image, chunk: int) -> Image:
    """Medians along the line in chunks, (n_chunks, offsets); offsets with under half of the pixels known are NaN."""
    n = max(strip.shape[0] // chunk, 1)
    blocks = strip[: n * chunk].reshape(n, -1, strip.shape[1])
    known = np.isfinite(blocks).sum(axis=1)
    ordered = np.sort(blocks, axis=1)  # NaN sorts last
    middle = np.take_along_axis(ordered, np.maximum(known - 1, 0)[:, None, :] // 2, axis=1)[:, 0]
    return np.where(2 * known >= blocks.shape[1], middle, np.nan)


def _refined(residual, noise, excluded, line, span, reach: int) -> tuple[float, float]:
    """Intercept and slope of the ridge: a robust line through the brightest offset of each chunk of a span."""
    for search in (12, 5, 3):
        chunk = min(2 * _CHUNK_PX, max((span[1] - span[0]) // 4, _CHUNK_PX // 2))
        medians = _medians(_strip(residual, noise, excluded, line, reach)[span[0] : span[1]], chunk)
        medians = np.nan_to_num(medians, nan=0.0)
        smooth = uniform_filter(medians, size=(1, 3))[:, reach - search : reach + search + 1]
        offset = np.argmax(smooth, axis=1) - search
        weight = np.clip(smooth.max(axis=1) - np.median(smooth, axis=1), 0.0, 1.0) ** 2 + 1e-6
        x = span[0] + (np.arange(offset.size) + 0.5) * chunk
        for _ in range(4):
            correction = np.polynomial.polynomial.polyfit(x, offset, 1, w=np.sqrt(weight)) if x.size > 1 else (0.0, 0.0)
            misfit = np.abs(offset - correction[0] - correction[1] * x)
            weight = np.where(misfit > 3.0, weight * 0.01, weight)
        line = (line[0] + correction[0], line[1] + correction[1])
    return line


def _profile(strip: Image) -> tuple[Floats, float]:
    """Median brightness against offset from the ridge, flanks subtracted, and its scatter per offset."""
    medians = _medians(strip, max(strip.shape[0], 1))[0].astype(np.float64)
    quarter = strip.shape[1] // 8
    flanks = np.concatenate([medians[:quarter], medians[-quarter:]])
    known = np.isfinite(flanks)
    medians -= np.median(flanks[known]) if known.any() else 0.0
    count = max(int(np.isfinite(strip).sum()) / strip.shape[1], 1.0)
    return np.nan_to_num(medians, nan=0.0), 1.2533 / np.sqrt(count)


def _lit_chunks(strip: Image, profile: Floats) -> _Lit | None:
    """Where a line is lit, or None when it is not along most of its length.

    A spike of a bright star fades away from the star; a track is about as bright everywhere.
    """
    core = np.flatnonzero(profile > 0.5 * profile.max())
    middle = strip.shape[1] // 2
    core = core[np.abs(core - middle) <= max(4, middle // 2)]
    if core.size == 0:
        return None
    medians = _medians(strip, _CHUNK_PX)
    quarter = strip.shape[1] // 8
    flanks = np.concatenate([medians[:, :quarter], medians[:, -quarter:]], axis=1)
    known = np.isfinite(medians[:, core]).any(axis=1) & np.isfinite(flanks).any(axis=1)
    excess = np.full(known.size, np.nan)
    excess[known] = _mean(medians[known][:, core]) - np.nanmedian(flanks[known], axis=1)
    # Stars make the chunks' medians scatter more than noise does: as much as those beside the line do.
    beside = np.concatenate([_mean(medians[:, : core.size]), _mean(medians[:, -core.size :])])
    beside = beside[np.isfinite(beside)]
    scatter = 1.2533 / np.sqrt(_CHUNK_PX * core.size)
    if beside.size:
        scatter = max(scatter, MAD_TO_SIGMA * float(np.median(np.abs(beside - np.median(beside)))))
    bright = known & (excess > 4.0 * scatter)
    # A faint track shows only in longer runs, which reach beyond its ends by half a run on either side.
    run = known & (uniform_filter(np.nan_to_num(excess), _RUN, mode="nearest") > 4.0 * scatter / np.sqrt(_RUN))
    faint = np.sum(bright) < 0.5 * (np.sum(run) - _RUN)
    rows = np.flatnonzero(run if faint else bright)
    if rows.size < 3:
        return None
    first, last = _longest_stretch(rows, known)
    between = excess[first : last + 1]
    between = between[np.isfinite(between)]
    # At least half of the chunks must share the light, and of a short track nearly all, and evenly: a few stars in a
    # row do not make a track.
    short = between.size < 2 * _RUN
    least = max((0.25 if short else 0.1) * np.percentile(between, 90), 5.0 * 1.2533 * scatter / np.sqrt(between.size))
    if np.median(between) < least or np.mean(between > 0) < 0.7:
        return None
    if short and np.mean(bright[first : last + 1][known[first : last + 1]]) < 0.75:
        return None
    return _Lit.of(first, last, known, strip.shape[0])


def _mean(rows: Image) -> Image:
    """Mean of each row's known values, NaN where there is none."""
    known = np.isfinite(rows)
    count = known.sum(axis=1)
    return np.where(count > 0, np.where(known, rows, 0.0).sum(axis=1) / np.maximum(count, 1), np.nan)


def _longest_stretch(rows: NDArray[np.int64], known: Mask, gap: int = 12) -> tuple[int, int]:
    """Ends of the longest run of chunks with no gap of more than `gap` known ones: a blinking light's dark spells are
    shorter, and a line is the same before and behind another one that hides it."""
    count = np.cumsum(known)[rows]
    pieces = np.split(rows, np.flatnonzero(np.diff(count) > gap) + 1)
    longest = max(pieces, key=lambda piece: piece[-1] - piece[0])
    return int(longest[0]), int(longest[-1])


def _half_width(profile: Floats, edge: float) -> int:
    """Offsets from the ridge to where the profile stays below the edge for two pixels, the wider side; 0: no ridge."""
    middle = profile.size // 2
    widths = []
    for side in (profile[middle:], profile[middle::-1]):
        dark = side < edge
        stays = dark[:-1] & dark[1:]
        widths.append(int(np.argmax(stays)) if stays.any() else side.size - 1)
    return max(widths) if profile[max(middle - 2, 0) : middle + 3].max() > edge else 0
