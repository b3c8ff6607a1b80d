"""Recipe: what all epochs of a matchfile together tell: zero points, errors, and statistics of each source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Filter
from ztfpipe.config import Lightcurve
from ztfpipe.methods.time.error_model import ErrorModel, fit_error_model
from ztfpipe.methods.time.grouping_nb import group, group_median_sigma
from ztfpipe.methods.time.photometric_bias import PhotometricBias
from ztfpipe.methods.time.relative_photometry import Measurements, ZeroPoints, relative_zero_points
from ztfpipe.methods.time.variability import direction_scatter, light_curve_statistics
from ztfpipe.model.catalogs import POGSON, PhotometricCalibrators
from ztfpipe.model.dates import mid_exposure
from ztfpipe.model.lightcurve import BAD_EPOCH, BAD_EPOCH_INFOBIT, DTYPES, SURFACE_COLUMNS
from ztfpipe.pipelines.lightcurve.bias import Typical, bias_against_ps1

Rows = NDArray[np.void]
Columns = Mapping[str, NDArray]
Groups = tuple[NDArray[np.int64], NDArray[np.int32]]
DATA_COLUMNS = ("matchid", "expid", "uncalibmag", "magerrmodel", "catflags", "xpos", "ypos", "ra", "dec")
"""What the recipe needs of `sourcedata` and `transientdata`."""
_USABLE_MAG = (0.0, 50.0)


@dataclass(frozen=True)
class Refined:
    """What is found: zero points, the error model or None, and `exposures`, `sources` and `transients` as they shall
    be.

    mag, magerr: of the rows of sourcedata and of transientdata.
    """

    zero_points: ZeroPoints
    bias: PhotometricBias | None
    errors: ErrorModel | None
    exposures: Rows
    sources: Rows
    transients: Rows
    sourcedata: tuple[NDArray[np.float32], NDArray[np.float32]]
    transientdata: tuple[NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True)
class _Data:
    """Measurements of one of the data tables: indices of source and epoch, and the columns that were read."""

    source: NDArray[np.int64]
    epoch: NDArray[np.int64]
    columns: Columns
    shape: tuple[int, int]

    @property
    def good(self) -> NDArray[np.bool_]:
        """Of epochs and places that are usable, and with a magnitude and a positive error."""
        mag, error = self.columns["uncalibmag"], self.columns["magerrmodel"]
        low, high = _USABLE_MAG
        return (self.columns["catflags"] < BAD_EPOCH) & (mag > low) & (mag < high) & (error > 0)

    @cached_property
    def place(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Places over the quadrant from -1 to 1."""
        ny, nx = self.shape
        return (
            2.0 * (self.columns["xpos"].astype(np.float64) - 1.0) / (nx - 1) - 1.0,
            2.0 * (self.columns["ypos"].astype(np.float64) - 1.0) / (ny - 1) - 1.0,
        )


def refine(
    exposures: Rows, sources: Rows, transients: Rows, source_columns: Columns, transient_columns: Columns,
    shape: tuple[int, int], photometric: PhotometricCalibrators | None, band: Filter, settings: Lightcurve,
) -> Refined:  # fmt: skip
    """Solve zero points, correct magnitudes, fit the error model and collapse every light curve.

    exposures, sources, transients: whole tables; source_columns, transient_columns: DATA_COLUMNS of the data tables;
    shape: (ny, nx) of the quadrant; photometric: PS1 calibrators of the field, if there are any. Nothing given is
    changed.
    """
    measured = _data(exposures, 0, source_columns, shape)
    seen = _data(exposures, _first(transients), transient_columns, shape)
    zero_points = _zero_points(measured, exposures, len(sources), settings)
    mags = [_corrected(measured, zero_points, measured.source), _corrected(seen, zero_points)]
    # Epochs in order of time, whatever the order of their arrival: statistics of succession need it.
    in_time = np.argsort(np.argsort(exposures["obsmjd"], kind="stable"), kind="stable")
    light_curves = [_good_by_source(one, in_time, n) for one, n in ((measured, len(sources)), (seen, len(transients)))]
    known = np.isfinite(exposures["clrcoeff"])
    coefficient = float(np.median(exposures["clrcoeff"][known])) if known.any() else np.nan
    typical = _typical(sources, measured, light_curves[0], mags[0])
    bias = bias_against_ps1(typical, coefficient, photometric, band, settings)
    if bias is not None:
        pairs = zip((measured, seen), mags, strict=True)
        mags = [(mag + bias.at(*one.place, mag)).astype(np.float32) for one, mag in pairs]
    errors = _error_model(light_curves[0], mags[0], settings)
    magerrs = [
        one.columns["magerrmodel"] if errors is None else _errors(errors, mag)
        for one, mag in zip((measured, seen), mags, strict=True)
    ]
    tables = [
        _with_statistics(rows, one, curves, mag, error, exposures, settings)
        for rows, one, curves, mag, error in zip(
            (sources, transients), (measured, seen), light_curves, mags, magerrs, strict=True
        )
    ]
    tables[0]["calibrator"] = zero_points.calibrator
    return Refined(
        zero_points, bias, errors, _with_zero_points(exposures, zero_points), *tables, (mags[0], magerrs[0]),
        (mags[1], magerrs[1]),
    )  # fmt: skip


def _typical(sources: Rows, data: _Data, curves: Groups, mag: NDArray[np.float32]) -> Typical:
    """Sources as all good epochs see them."""
    index = np.repeat(np.arange(len(sources)), np.diff(curves[0]))
    with np.errstate(invalid="ignore"):
        u, v = (np.bincount(index, one[curves[1]], len(sources)) / np.diff(curves[0]) for one in data.place)
    median = group_median_sigma(mag, *curves)[0]
    error = group_median_sigma(data.columns["magerrmodel"], *curves)[0]
    return Typical(sources["ra"], sources["dec"], median, error, u, v)


def _data(exposures: Rows, first: int, columns: Columns, shape: tuple[int, int]) -> _Data:
    order, expid = np.argsort(exposures["expid"], kind="stable"), columns["expid"]
    # Rows stand epoch by epoch: each is looked for once, not every row.
    begins = np.flatnonzero(np.diff(expid, prepend=expid[:1] + 1)) if len(expid) else np.zeros(0, np.int64)
    place = order[np.searchsorted(exposures["expid"][order], expid[begins])]
    epoch = np.repeat(place, np.diff(begins, append=len(expid)))
    return _Data(columns["matchid"].astype(np.int64) - first, epoch, columns, shape)


def _first(rows: Rows) -> int:
    return int(rows["matchid"][0]) if len(rows) else 0


def _zero_points(data: _Data, exposures: Rows, n_sources: int, settings: Lightcurve) -> ZeroPoints:
    if not settings.relative_photometry:
        return ZeroPoints.none(n_sources, len(exposures))
    # Clouds are what zero points are solved for, so the bad epoch's bit does not count here; defects do.
    error = data.columns["magerrmodel"]
    clean = ((data.columns["catflags"] & (BAD_EPOCH - 1)) == 0) & (error > 0)
    clean &= error < POGSON / settings.calibrator_snr_min
    clean &= np.isfinite(data.columns["uncalibmag"])
    rows = np.flatnonzero(clean)
    u, v = (one[rows] for one in data.place)
    mag, error = (data.columns[name][rows].astype(np.float64) for name in ("uncalibmag", "magerrmodel"))
    stars = Measurements(data.source[rows], data.epoch[rows], mag, error, u, v, n_sources, len(exposures))
    names = (
        "calibrators_max", "calibrators_min", "calibrator_seen_min", "reject_sigma", "rejections", "scatter_floor_mag",
        "surface_degree", "surface_stars_per_term", "structure_scale_px",
    )  # fmt: skip
    good = (exposures["infobits"] >> BAD_EPOCH_INFOBIT & 1) == 0
    return relative_zero_points(stars, good, shape=data.shape, **{name: getattr(settings, name) for name in names})


def _corrected(data: _Data, zero_points: ZeroPoints, star: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
    correction = zero_points.at(data.epoch, *data.place, star)
    return (data.columns["uncalibmag"] + correction).astype(np.float32)


def _good_by_source(data: _Data, in_time: NDArray[np.int64], n: int) -> Groups:
    """Rows of good measurements by source, each source's in order of time."""
    rows = np.flatnonzero(data.good).astype(np.int32)
    rank = in_time[data.epoch[rows]] if rows.size else rows
    if np.any(np.diff(rank) < 0):
        rows = rows[np.argsort(rank, kind="stable")]
    return group(data.source, rows, n)


def _error_model(curves: Groups, mag: NDArray[np.float32], settings: Lightcurve) -> ErrorModel | None:
    median, sigma = group_median_sigma(mag, *curves)
    enough = np.diff(curves[0]) >= settings.error_epochs_min
    return fit_error_model(
        median[enough], sigma[enough], bins=settings.error_bins, sources_min=settings.error_bin_sources_min
    )


def _errors(model: ErrorModel, mag: NDArray[np.float32]) -> NDArray[np.float32]:
    return model.at(mag).astype(np.float32)


def _with_statistics(
    rows: Rows, data: _Data, curves: Groups, mag: NDArray[np.float32],
    error: NDArray[np.float32], exposures: Rows, settings: Lightcurve,
) -> Rows:  # fmt: skip
    filled = rows.copy()
    times = mid_exposure(exposures["obsmjd"], exposures["exptime"].astype(np.float64))
    found = light_curve_statistics(
        *curves, mag, error, data.columns["uncalibmag"], times[data.epoch], stetson_pair_d=settings.stetson_pair_d
    )
    for name, values in found.items():
        filled[name] = values
    filled["astrometricrms"] = direction_scatter(*curves, data.columns["ra"], data.columns["dec"])
    filled["nobs"] = filled["nobsrel"] = np.bincount(data.source, minlength=len(rows))
    filled["ngoodobs"] = filled["ngoodobsrel"] = np.diff(curves[0])
    return filled


def _with_zero_points(exposures: Rows, found: ZeroPoints) -> Rows:
    filled = np.zeros(len(exposures), DTYPES["exposures"])
    filled[:] = exposures
    for name, values in zip(SURFACE_COLUMNS, found.correction_mag.T, strict=True):
        filled[name] = values
    filled["relphotzp"] = found.correction_mag[:, 0]
    filled["relphotzperr"], filled["relphotrms"] = found.error_mag, found.rms_mag
    filled["relphotstars"] = found.count
    return filled
