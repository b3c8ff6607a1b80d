"""What differencing knows: the pair that goes in, the difference that comes out, the candidates found on it.

Arrays are [y, x] on the science image's pixels; fluxes are in DN of the science image; positions are zero-based.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ztfpipe.model.candidates import (
    EXPOSURE_COLUMNS,
    FILTER_COLUMNS,
    KNOWN_COLUMNS,
    NEIGHBOUR_COLUMNS,
    Cutouts,
    RawDetections,
)
from ztfpipe.model.catalogs import PsfCatalog
from ztfpipe.model.columns import Column
from ztfpipe.model.real_bogus import SCORE_COLUMNS
from ztfpipe.model.stars import PsfModel
from ztfpipe.model.wcs import TpvWcs

Image = NDArray[np.float32]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Stored:
    """One of the two images of a difference as the archive has it.

    image_adu: float32 (ny, nx); mask: uint16, bits of the camera; sigma_adu: 1-sigma uncertainty of pixels, or None
    where it follows from the image; noise_correlation: noise of large areas over that of pixels; seeing_px: FWHM; NaN
    for what was not measured. name: of the file; identifier: rfid or pid.
    """

    name: str
    identifier: int
    image_adu: Image
    mask: NDArray[np.uint16]
    sigma_adu: Image | None
    noise_correlation: float
    wcs: TpvWcs
    catalog: PsfCatalog
    gain_e_per_adu: float
    saturation_adu: float
    seeing_px: float
    zero_point_mag: float
    infobits: int
    status: int


@dataclass(frozen=True)
class Exposed:
    """One of the two images of a difference.

    image_adu: float32 (ny, nx), background taken off; variance_adu2: of each pixel, background, read noise and the
    photons of sources, smooth enough not to follow the pixel's own noise; bad: bool (ny, nx), pixels that mean nothing
    (their image and variance are not looked at); psf: on these pixels.
    """

    image_adu: Image
    variance_adu2: Image
    bad: NDArray[np.bool_]
    psf: PsfModel


@dataclass(frozen=True)
class SmoothField:
    """A smooth function of position: sum_ij c_ij cos(pi i (x + m) / (nx + 2m)) cos(pi j (y + m) / (ny + 2m)).

    coefficients: float64 (J, I), [j, i]; margin_px: m; shape: (ny, nx); scatter: of the data about it beyond their own
    errors, one sigma; error: typical one-sigma uncertainty of the function; amplitude: its own one-sigma size.
    """

    coefficients: Floats
    margin_px: float
    shape: tuple[int, int]
    scatter: float
    error: float
    amplitude: float


@dataclass(frozen=True)
class Registration:
    """How a reference on the science image's pixels lies and shines relative to the science image.

    dx, dy: reference minus science position of the same star [px]. sigma_x_px, sigma_y_px: what is left once the
    fields are taken out: scatter from star to star beyond their errors, and error of the fields. log_ratio: natural
    logarithm of science over reference flux. flux_error: relative scatter of that ratio from star to star beyond noise.
    """

    dx: SmoothField
    dy: SmoothField
    log_ratio: SmoothField
    sigma_x_px: float
    sigma_y_px: float
    flux_ratio: float
    flux_error: float
    n_matches: int


@dataclass(frozen=True)
class Tiling:
    """The rectangles within which one PSF holds: tile (j, i) has rows y_edges[j] to y_edges[j + 1], columns alike."""

    y_edges: NDArray[np.int64]
    x_edges: NDArray[np.int64]

    def index(self, x_px: Floats, y_px: Floats) -> NDArray[np.int64]:
        """Number of the tile, j times the tiles in a row plus i, of positions; those outside belong to the nearest."""
        i = np.clip(np.searchsorted(self.x_edges, np.asarray(x_px) + 0.5, "right") - 1, 0, len(self.x_edges) - 2)
        j = np.clip(np.searchsorted(self.y_edges, np.asarray(y_px) + 0.5, "right") - 1, 0, len(self.y_edges) - 2)
        return j * (len(self.x_edges) - 1) + i

    @property
    def boxes(self) -> list[tuple[slice, slice]]:
        """Rows and columns of every tile."""
        rows = [slice(int(a), int(b)) for a, b in zip(self.y_edges[:-1], self.y_edges[1:], strict=True)]
        columns = [slice(int(a), int(b)) for a, b in zip(self.x_edges[:-1], self.x_edges[1:], strict=True)]
        return [(row, column) for row in rows for column in columns]


@dataclass(frozen=True)
class DifferencePsf:
    """The PSF of a difference: that of the science image after the filter that made the pixels of a tile.

    middle: float32 (n, n), of a source at the middle pixel of the middle tile, unit sum. science: the PSF of the
    science image, None where the file has `middle` alone. filters: float32 (tiles, m, m), the origin in the middle.
    """

    middle: Image
    science: PsfModel | None = None
    filters: Image | None = None
    tiling: Tiling | None = None


@dataclass(frozen=True)
class Difference:
    """A ZOGY difference, science minus reference, in DN of the science image; the negative is minus one times it.

    image_adu: D / F_D, noise white; scorr: S_corr, the significance of a new point source at each pixel, registration
    noise included; flux_adu, flux_sigma_adu: matched-filter flux S / F_S of a point source at each pixel and its sigma
    from the pixels' noise alone; all float32 (ny, nx). bad: joint mask. tiling, and per tile: psf: P_D at a pixel's
    centre, float32 (tiles, n, n), unit sum; knots, reference_knots: P_D as a PsfModel's coefficients for a source new
    in the science image and for one gone from it, float32 (tiles, M, M); filters: what makes P_D of the science PSF
    anywhere in a tile, float32 (tiles, m, m); noise_adu: sigma of image_adu in empty sky. science_psf: that PSF.
    oversampling, reference_oversampling, radius_px: of the knots. fwhm_px: of P_D at the centre. scale: factor by which
    the predicted noise of S_corr was multiplied to make its width in empty sky one.
    """

    image_adu: Image
    scorr: Image
    flux_adu: Image
    flux_sigma_adu: Image
    bad: NDArray[np.bool_]
    tiling: Tiling
    psf: Image
    knots: Image
    reference_knots: Image
    filters: Image
    science_psf: PsfModel
    oversampling: int
    reference_oversampling: int
    radius_px: int
    noise_adu: Floats
    fwhm_px: float
    scale: float


CANDIDATE_COLUMNS = (
    Column("xpos", "f8", "pix", "x position of the fitted PSF; the centre of the first pixel is 1"),
    Column("ypos", "f8", "pix", "y position of the fitted PSF; the centre of the first pixel is 1"),
    Column(
        "isdiffpos", "bool", "", "Brighter than the reference; False: fainter, all other columns are of the negative"
    ),
    Column("scorr", "f4", "", "S_corr at the peak pixel, the significance of a point source; positive"),
    Column("flux", "f4", "DN", "PSF-fit flux; positive"),
    Column("sigflux", "f4", "DN", "1-sigma uncertainty of flux, photons of the host included"),
    Column("magpsf", "f4", "mag", "Magnitude of flux"),
    Column("sigmapsf", "f4", "mag", "1-sigma uncertainty of magpsf"),
    Column("chipsf", "f4", "", "Mean square residual of the PSF fit in units of the noise"),
    Column("converged", "bool", "", "The PSF fit settled within reach of the peak"),
    Column("magap", "f4", "mag", "Magnitude in an aperture 14 pixels across; NaN where its flux is not positive"),
    Column("sigmagap", "f4", "mag", "1-sigma uncertainty of magap"),
    Column("magapbig", "f4", "mag", "Magnitude in an aperture 18 pixels across; NaN where its flux is not positive"),
    Column("sigmagapbig", "f4", "mag", "1-sigma uncertainty of magapbig"),
    Column("magdiff", "f4", "mag", "magap - magpsf"),
    Column("magfromlim", "f4", "mag", "Limiting magnitude of the difference - magap"),
    Column("sky", "f4", "DN", "Local background: median of a ring"),
    Column("fwhm", "f4", "pix", "FWHM of a Gaussian of the windowed size; at least half that of the PSF"),
    Column("seeratio", "f4", "", "FWHM of the difference image's PSF over fwhm"),
    Column("classtar", "f4", "", "Likeness to the PSF: 1 a star, 0 extended"),
    Column("aimage", "f4", "pix", "RMS along the major axis of the light in a Gaussian window of the PSF's width"),
    Column("bimage", "f4", "pix", "RMS along the minor axis of the same"),
    Column("aimagerat", "f4", "", "aimage / fwhm"),
    Column("bimagerat", "f4", "", "bimage / fwhm"),
    Column("elong", "f4", "", "aimage / bimage"),
    Column("mindtoedge", "f4", "pix", "Smallest of xpos, ypos, nx + 0.5 - xpos and ny + 0.5 - ypos"),
    Column("nneg", "i4", "", "Number of negative pixels in the 5 x 5 stamp"),
    Column("nbad", "i4", "", "Number of bad pixels in the 5 x 5 stamp"),
    Column("sumrat", "f4", "", "Sum over sum of absolute values of the 5 x 5 stamp after a 3 x 3 median"),
    Column("dsnrms", "f4", "", "Difference image at the peak pixel over its scatter"),
    Column("ssnrms", "f4", "", "Matched-filtered difference at the peak pixel over its scatter"),
    Column("dsdiff", "f4", "", "dsnrms - ssnrms"),
)

CANDIDATE_TABLE = (
    Column("candid", "i8", "", "Candidate identifier, a function of exposure, quadrant, sign and place in the table"),
    Column("ra", "f8", "deg", "Right ascension, ICRS"),
    Column("dec", "f8", "deg", "Declination, ICRS"),
    *CANDIDATE_COLUMNS,
    *NEIGHBOUR_COLUMNS,
    *FILTER_COLUMNS,
    *EXPOSURE_COLUMNS,
    *KNOWN_COLUMNS,
    *SCORE_COLUMNS,
)

_ENDS = ("x0", "y0", "x1", "y1")
STREAK_COLUMNS = (
    Column("x0", "f8", "pix", "x position of one end; the centre of the first pixel is 1"),
    Column("y0", "f8", "pix", "y position of the same end; the centre of the first pixel is 1"),
    Column("x1", "f8", "pix", "x position of the other end; the centre of the first pixel is 1"),
    Column("y1", "f8", "pix", "y position of the other end; the centre of the first pixel is 1"),
    Column("length", "f4", "pix", "Distance of the ends"),
    Column("angle", "f4", "deg", "Direction from +x to +y, 0 to 180"),
    Column("flux", "f4", "DN", "Flux of the whole streak"),
    Column("sigflux", "f4", "DN", "1-sigma uncertainty of flux"),
    Column("snr", "f4", "", "Signal-to-noise ratio of flux"),
    Column("width", "f4", "pix", "Sigma across"),
    Column("chi2", "f4", "", "Mean square residual of its pixels in units of the noise"),
    Column("evenness", "f4", "", "1: both halves are equally bright, 0: one has all"),
    *(
        Column(f"cov_{a}_{b}", "f4", "pix2", f"Covariance of {a} and {b}; NaN where the fit has no maximum")
        for i, a in enumerate(_ENDS)
        for b in _ENDS[i:]
    ),
)


@dataclass(frozen=True)
class Candidates:
    """Peaks of S_corr of both signs, each array (n,), by row, then column; CANDIDATE_COLUMNS says what each is.

    Positions are zero-based here. found: how many there were, more than the length when `capped`. limiting_mag: of a
    5-sigma point source in empty sky of the difference.
    """

    x_px: Floats
    y_px: Floats
    positive: NDArray[np.bool_]
    scorr: Floats
    flux_adu: Floats
    sigma_flux_adu: Floats
    mag: Floats
    sigma_mag: Floats
    chi: Floats
    converged: NDArray[np.bool_]
    aperture_mag: Floats
    sigma_aperture_mag: Floats
    big_aperture_mag: Floats
    sigma_big_aperture_mag: Floats
    mag_from_limit: Floats
    sky_adu: Floats
    fwhm_px: Floats
    seeing_ratio: Floats
    stellarity: Floats
    major_px: Floats
    minor_px: Floats
    edge_distance_px: Floats
    negative_pixels: NDArray[np.int32]
    bad_pixels: NDArray[np.int32]
    sum_ratio: Floats
    d_over_rms: Floats
    s_over_rms: Floats
    found: int
    limiting_mag: float

    def __len__(self) -> int:
        return len(self.x_px)

    @property
    def capped(self) -> bool:
        """There were more than are listed: the subtraction failed."""
        return self.found > len(self)

    def columns(self) -> dict[str, NDArray]:
        """The table of CANDIDATE_COLUMNS, by name, in their units and types."""
        ratio = np.divide(self.major_px, self.minor_px)
        values = (
            self.x_px + 1, self.y_px + 1, self.positive, self.scorr, self.flux_adu, self.sigma_flux_adu, self.mag,
            self.sigma_mag, self.chi, self.converged, self.aperture_mag, self.sigma_aperture_mag,
            self.big_aperture_mag, self.sigma_big_aperture_mag, self.aperture_mag - self.mag, self.mag_from_limit,
            self.sky_adu, self.fwhm_px, self.seeing_ratio, self.stellarity, self.major_px, self.minor_px,
            self.major_px / self.fwhm_px, self.minor_px / self.fwhm_px, ratio, self.edge_distance_px,
            self.negative_pixels, self.bad_pixels, self.sum_ratio, self.d_over_rms, self.s_over_rms,
            self.d_over_rms - self.s_over_rms,
        )  # fmt: skip
        named = zip(CANDIDATE_COLUMNS, values, strict=True)
        return {column.name: np.asarray(value).astype(column.dtype) for column, value in named}


@dataclass(frozen=True)
class Streaks:
    """Straight streaks of a positive difference, each (n,), most significant first.

    Ends [px]; covariance_px2: (n, 4, 4) of x0, y0, x1, y1, NaN where the fit has no maximum in all four; angle_deg: of
    the direction from +x to +y, 0 to 180; flux_adu: of the whole streak; width_px: sigma across; chi2: mean square
    residual of its pixels in units of the noise; evenness: 1 when both halves are equally bright, 0 when one has all;
    snr: of the flux. capped: there were more.
    """

    x0_px: Floats
    y0_px: Floats
    x1_px: Floats
    y1_px: Floats
    covariance_px2: Floats
    length_px: Floats
    angle_deg: Floats
    flux_adu: Floats
    sigma_flux_adu: Floats
    width_px: Floats
    chi2: Floats
    evenness: Floats
    snr: Floats
    capped: bool

    def __len__(self) -> int:
        return len(self.x0_px)

    def columns(self) -> dict[str, NDArray]:
        """The table of STREAK_COLUMNS, by name, in their units and types."""
        covariance = self.covariance_px2.reshape(-1, 4, 4)
        values = (
            self.x0_px + 1, self.y0_px + 1, self.x1_px + 1, self.y1_px + 1, self.length_px, self.angle_deg,
            self.flux_adu, self.sigma_flux_adu, self.snr, self.width_px, self.chi2, self.evenness,
            *(covariance[:, i, j] for i in range(4) for j in range(i, 4)),
        )  # fmt: skip
        named = zip(STREAK_COLUMNS, values, strict=True)
        return {column.name: np.asarray(value).astype(column.dtype) for column, value in named}


@dataclass(frozen=True)
class DifferenceProducts:
    """All products of a difference in memory; None what could not be made, or was not looked for, and `notes` say why.

    ra_deg, dec_deg: of the candidates, (n,). more: further columns of the candidates, (n,), by name. raw: detections
    below the candidates' threshold, with raw_ra_deg and raw_dec_deg. cutouts: of the candidates.
    """

    shape: tuple[int, int]
    difference: Difference | None
    candidates: Candidates | None
    ra_deg: Floats
    dec_deg: Floats
    streaks: Streaks | None
    metrics: Mapping[str, float | int | str | None]
    status: int
    notes: tuple[str, ...]
    more: Mapping[str, NDArray] = field(default_factory=dict)
    raw: RawDetections | None = None
    raw_ra_deg: Floats = field(default_factory=lambda: np.zeros(0))
    raw_dec_deg: Floats = field(default_factory=lambda: np.zeros(0))
    cutouts: Cutouts | None = None
