"""The PSF files of a science image: DAOPHOT II's text file of profile and tables, and a stamp at the image's centre.

The text file has Fortran records: name, table side, numbers of parameters, tables and fractional-pixel terms,
magnitude, height and centre (1X, A8, 4I5, F9.3, F15.3, 2F9.1); the parameters; and each table, x fastest, from a new
record on (all 1X, 6E13.6). The centre is written as DAOPHOT has it: half the frame's last zero-based coordinate.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ztfpipe.errors import BadFile
from ztfpipe.model.daophot import ORDER_BY_TABLES, PARAMETER_COUNT, DaophotPsf
from ztfpipe.model.images import Cards
from ztfpipe.products.formats.atomic import machine_faults, write_text
from ztfpipe.products.formats.fits import write_image

_PER_RECORD = 6
_WIDTH = 13
_SMALLEST = 1e-30
_HEADER_FIELDS = (1, 9, 14, 19, 24, 29, 38, 53, 62, 71)
"""Column at which each field of the first record begins, and where the last ends."""


def write_daophot_psf(path: str | Path, psf: DaophotPsf) -> None:
    """Write a PSF for DAOPHOT II, atomically. The same PSF gives the same bytes."""
    counts = f"{psf.side:5d}{len(psf.parameters):5d}{len(psf.tables):5d}{0:5d}"
    x, y = psf.centre_px
    records = [f" {psf.function:<8s}{counts}{psf.psf_mag:9.3f}{psf.height_adu:15.3f}{x:9.1f}{y:9.1f}"]
    records += _records(np.array(psf.parameters))
    for table in psf.tables:
        records += _records(table.ravel())
    write_text(path, "\n".join(records) + "\n")


def read_daophot_psf(path: str | Path) -> DaophotPsf:
    """A PSF as DAOPHOT II writes it.

    Raises BadFile when the file is missing, cut short, of an unknown profile, or uses terms in the fraction of a pixel
    (which DAOPHOT's present editions do not make); TryAgain when the machine fails.
    """
    with machine_faults(path):
        try:
            lines = Path(path).read_text(encoding="ascii").splitlines()
        except (FileNotFoundError, IsADirectoryError) as error:
            raise BadFile(path, "no such file") from error
        except UnicodeDecodeError as error:
            raise BadFile(path, "not a text file") from error
    try:
        return _parsed(path, lines)
    except (ValueError, IndexError) as error:
        raise BadFile(path, f"not a DAOPHOT PSF: {error}") from error


def write_psf_stamp(path: str | Path, stamp: NDArray[np.float32], header: Cards) -> None:
    """Write a PSF stamp (y, x) of unit sum as a FITS image."""
    write_image(path, stamp, header)


def _records(values: NDArray[np.float64]) -> list[str]:
    # A third digit of the exponent would not fit the field; such values are nothing beside a star.
    values = np.where(np.abs(values) < _SMALLEST, 0.0, values)
    texts = [f"{value:{_WIDTH}.6E}" for value in values.tolist()]
    return [" " + "".join(texts[start : start + _PER_RECORD]) for start in range(0, len(texts), _PER_RECORD)]


def _parsed(path: str | Path, lines: list[str]) -> DaophotPsf:
    function, *fields = (lines[0][begin:end].strip() for begin, end in pairwise(_HEADER_FIELDS))
    side, n_parameters, n_tables, n_fractional = (int(field) for field in fields[:4])
    psf_mag, height, x, y = (float(field) for field in fields[4:])
    if PARAMETER_COUNT.get(function) != n_parameters:
        raise BadFile(path, f"profile {function!r} with {n_parameters} parameters is none of DAOPHOT's")
    if n_fractional or n_tables not in ORDER_BY_TABLES or side < 7 or side % 2 == 0:
        raise BadFile(path, f"{n_tables} + {n_fractional} tables of side {side} are not supported")
    parameters, rest = _numbers(lines[1:], n_parameters)
    tables = np.empty((n_tables, side, side))
    for table in tables:
        values, rest = _numbers(rest, side * side)
        table[:] = np.reshape(values, (side, side))
    return DaophotPsf(function, tuple(parameters), height, psf_mag, (x, y), tables)


def _numbers(lines: list[str], count: int) -> tuple[list[float], list[str]]:
    """The next `count` numbers, which begin on a new line, and the lines after them."""
    used = -(-count // _PER_RECORD)
    texts = [line[1 + _WIDTH * k : 1 + _WIDTH * (k + 1)] for line in lines[:used] for k in range(_PER_RECORD)]
    values = [float(text) for text in texts[:count]]
    if len(values) != count:
        raise ValueError(f"cut short: {len(values)} numbers of {count}")
    return values, lines[used:]
