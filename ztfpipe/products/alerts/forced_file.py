"""Answers of forced photometry as text, in the columns and layout of the survey's own service (version 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ztfpipe.model.alerts import MISSING
from ztfpipe.products.formats.atomic import write_text

FORCED_COLUMNS: Mapping[str, str] = {
    "index": "number of the row, from 0",
    "field": "survey field",
    "ccdid": "CCD, 1 to 16",
    "qid": "quadrant, 1 to 4",
    "filter": "ZTF_g, ZTF_r or ZTF_i",
    "pid": "identifier of the science image",
    "infobitssci": "quality bits of the science image",
    "sciinpseeing": "FWHM of the science image [pixels]",
    "scibckgnd": "background of the science image [DN]",
    "scisigpix": "robust noise of its pixels [DN]",
    "zpmaginpsci": "zero point of the science image [mag]",
    "zpmaginpsciunc": "1-sigma uncertainty of zpmaginpsci [mag]",
    "zpmaginpscirms": "scatter of the calibrators about the calibration [mag]",
    "clrcoeff": "colour coefficient of the calibration: g-r in g and r, r-i in i",
    "clrcoeffunc": "1-sigma uncertainty of clrcoeff",
    "ncalmatches": "number of PS1 calibrators",
    "exptime": "exposure time [s]",
    "adpctdif1": "scatter of stars about Gaia in right ascension [arcsec]",
    "adpctdif2": "scatter of stars about Gaia in declination [arcsec]",
    "diffmaglim": "magnitude of a 5-sigma point source in empty sky of the difference [mag]",
    "zpdiff": "zero point of the difference image [mag]",
    "programid": "observing program: 0 engineering, 1 public, 2 partnership, 3 Caltech",
    "jd": "start of the exposure, Julian date UTC [days]",
    "rfid": "identifier of the reference",
    "forcediffimflux": "PSF-fit flux at the place, of either sign [DN]",
    "forcediffimfluxunc": "1-sigma uncertainty of forcediffimflux [DN]",
    "forcediffimsnr": "forcediffimflux over its uncertainty",
    "forcediffimchisq": "mean square residual of the fit in units of the noise",
    "forcediffimfluxap": "flux in an aperture 9 pixels across, corrected to the whole [DN]",
    "forcediffimfluxuncap": "1-sigma uncertainty of forcediffimfluxap [DN]",
    "forcediffimsnrap": "forcediffimfluxap over its uncertainty",
    "aperturecorr": "factor that corrected forcediffimfluxap",
    "dnearestrefsrc": "distance to the nearest source of the reference within 5 arcsec [arcsec]",
    "nearestrefmag": "magnitude of that source [mag]",
    "nearestrefmagunc": "1-sigma uncertainty of nearestrefmag [mag]",
    "nearestrefchi": "DAOPHOT chi of that source",
    "nearestrefsharp": "DAOPHOT sharp of that source",
    "refjdstart": "first exposure of the reference, Julian date [days]",
    "refjdend": "last exposure of the reference, Julian date [days]",
    "procstatus": "0: no warning; 56: some pixels masked; 61: too many, no flux",
}
_FROM = {
    "infobitssci": "infobits", "zpmaginpsci": "magzpsci", "zpmaginpsciunc": "magzpsciunc",
    "zpmaginpscirms": "magzpscirms", "clrcoeffunc": "clrcounc", "ncalmatches": "nmatches", "zpdiff": "magzpsci",
    "forcediffimchisq": "chi2", "forcediffimfluxap": "aperture", "forcediffimfluxuncap": "sigma_aperture",
    "aperturecorr": "aperture_correction", "dnearestrefsrc": "distnr", "nearestrefmag": "magnr",
    "nearestrefmagunc": "sigmagnr", "nearestrefchi": "chinr", "nearestrefsharp": "sharpnr",
}  # fmt: skip
_DIGITS = {"jd": ".7f", "refjdstart": ".7f", "refjdend": ".7f"}


@dataclass(frozen=True)
class Request:
    """What was asked: a place [deg] and a range of Julian dates."""

    ra_deg: float
    dec_deg: float
    jd_range: tuple[float, float]


def service_table(measured: pd.DataFrame) -> pd.DataFrame:
    """The service's columns of what was measured at one place, in order of time."""
    table = measured.sort_values("jd", kind="stable", ignore_index=True)
    table = table.assign(**{name: table[source] for name, source in _FROM.items()})
    for name in ("", "ap"):
        table[f"forcediffimsnr{name}"] = table[f"forcediffimflux{name}"] / table[f"forcediffimfluxunc{name}"]
    return table.assign(index=np.arange(len(table)))[list(FORCED_COLUMNS)]


def write_forced(path: str | Path, request: Request, table: pd.DataFrame) -> None:
    """Write a service's table as text: what was asked, what the columns are, one row per difference image.

    The place stands on the fourth and fifth line, the columns' names on the last before the rows; what is missing is
    -99999.
    """
    rule = "# " + "-" * 66
    low, high = request.jd_range
    head = [
        rule, "# Forced photometry on difference images", "#",
        f"# Requested input R.A. = {request.ra_deg:.14g} degrees",
        f"# Requested input Dec. = {request.dec_deg:.14g} degrees",
        f"# Requested JD start = {low:.7f} days", f"# Requested JD end = {high:.7f} days", "#", "# Column definitions:",
        *(f"# {name} = {text}" for name, text in FORCED_COLUMNS.items()), "#",
        "# magnitude = zpdiff - 2.5 log10(forcediffimflux) where forcediffimsnr is 3 or more,",
        "# else brighter than zpdiff - 2.5 log10(5 forcediffimfluxunc) it was not", "#", rule,
        "# Order of columns below:", " " + ", ".join(FORCED_COLUMNS), "#",
    ]  # fmt: skip
    rows = [" " + " ".join(_text(name, value) for name, value in row.items()) for row in table.to_dict("records")]
    write_text(path, "\n".join([*head, *rows]) + "\n")


def _text(name: str, value: object) -> str:
    if isinstance(value, float):
        return format(value, _DIGITS.get(name, ".9g")) if np.isfinite(value) else f"{MISSING:.0f}"
    return str(value)
