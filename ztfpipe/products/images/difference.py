"""Files of a difference: reading the pair it is made of, its header, and its images."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np

from ztfpipe.camera import Camera
from ztfpipe.errors import BadFile, BadName
from ztfpipe.model import identifiers
from ztfpipe.model.difference import Difference, DifferenceProducts, DifferencePsf, Image, Stored, Tiling
from ztfpipe.model.images import Cards
from ztfpipe.model.keys import QuadrantKey, ReferenceVersionKey
from ztfpipe.model.stars import PsfModel
from ztfpipe.products.catalogs.catalogs import read_psfcat
from ztfpipe.products.formats.fits import ImageExtension, read_image, write_image, write_packed_image
from ztfpipe.products.formats.fits_rows import ImageRows
from ztfpipe.products.images.headers import Card, known, measured, needed, whole
from ztfpipe.products.images.reference import must_be_of
from ztfpipe.products.images.wcs import wcs_of
from ztfpipe.products.names import parse

_SCIENCE_PSF, _FILTERS = "SCIPSF", "FILTERS"


def read_science_side(image: Path, mask: Path, psfcat: Path, key: QuadrantKey, camera: Camera) -> tuple[Stored, Cards]:
    """A science image with mask and catalog, and its keywords.

    Raises BadFile when a file cannot be read, is of another field, filter or quadrant than `key`, or does not fit.
    """
    stored, header = _read(image, mask, psfcat, key, camera)
    pid = identifiers.processing_id(identifiers.exposure_id(needed(image, header, "OBSJD")), key.rcid)
    gain = camera.amplifier(key.ccdid, key.qid).gain_e_per_adu
    return replace(stored, identifier=pid, gain_e_per_adu=gain), header


def read_reference_side(
    image: Path, mask: Path, uncertainty: Path, psfcat: Path, key: QuadrantKey, camera: Camera
) -> tuple[Stored, Cards]:
    """A reference with mask, uncertainty and catalog, and its keywords.

    Raises BadFile as for a science image: also when its name or header is of another place than `key`.
    """
    try:
        _, named = parse(image)
    except BadName as error:
        raise BadFile(image, error.reason) from error
    named = named.reference if isinstance(named, ReferenceVersionKey) else named
    if named != key.reference:
        raise BadFile(image, "not the reference of the science image's field, filter and quadrant")
    stored, header = _read(image, mask, psfcat, key, camera)
    sigma, _ = read_image(uncertainty)
    if sigma.shape != stored.image_adu.shape:
        raise BadFile(uncertainty, f"shape {sigma.shape} is not that of its image, {stored.image_adu.shape}")
    correlation = known(header, "NOISCORR")
    return replace(
        stored,
        identifier=whole(header, "RFID"),
        sigma_adu=sigma.astype(np.float32, copy=False),
        noise_correlation=correlation if math.isfinite(correlation) else 1.0,
        gain_e_per_adu=known(header, "GAIN"),
    ), header


def _read(image: Path, mask: Path, psfcat: Path, key: QuadrantKey, camera: Camera) -> tuple[Stored, Cards]:
    """What science images and references have in common."""
    pixels, header = read_image(image)
    must_be_of(image, header, key, camera)
    bits, _ = read_image(mask)
    if pixels.ndim != 2 or bits.shape != pixels.shape:
        raise BadFile(mask, f"shape {bits.shape} is not that of its image, {pixels.shape}")
    catalog, _ = read_psfcat(psfcat)
    return Stored(
        name=Path(image).name,
        identifier=0,
        image_adu=pixels.astype(np.float32, copy=False),
        mask=bits.astype(np.uint16),
        sigma_adu=None,
        noise_correlation=1.0,
        wcs=wcs_of(image, header),
        catalog=catalog,
        gain_e_per_adu=math.nan,
        saturation_adu=known(header, "SATURATE"),
        seeing_px=known(header, "SEEING"),
        zero_point_mag=known(header, "MAGZP"),
        infobits=whole(header, "INFOBITS"),
        status=whole(header, "STATUS"),
    ), header


def difference_header(made: DifferenceProducts, science: Cards, reference: Cards) -> Cards:
    """The science image's keywords, calibration and WCS included, and those of the difference.

    A number that could not be measured is left out: FITS has no NaN.
    """
    return {**science, **measured((*_pair_cards(made, reference), *_quality_cards(made)))}


def _pair_cards(made: DifferenceProducts, reference: Cards) -> Iterator[Card]:
    yield "REFIMFIL", made.metrics.get("refimfilename"), "Reference image"
    for keyword, text in (("RFID", "Identifier of the reference"), ("REFVERS", "Version of the reference")):
        yield keyword, reference.get(keyword, (None, ""))[0], text
    yield "REFZP", reference.get("MAGZP", (None, ""))[0], "Zero point of the reference [mag]"


def _quality_cards(made: DifferenceProducts) -> Iterator[Card]:
    for keyword, name, text in (
        ("FLUXRAT", "fluxrat", "Flux of a star, science over reference"),
        ("NREGIST", "nregistered", "Number of stars that register the pair"),
        ("REGSIGX", "registration_x_px", "Scatter of the registration in x [pixels]"),
        ("REGSIGY", "registration_y_px", "Scatter of the registration in y [pixels]"),
        ("SCIBCKG", "scibckgnd", "Background of the science image [DN]"),
        ("SCISIGPX", "scisigpix", "Robust noise of its pixels [DN]"),
        ("REFSIGPX", "refsigpix", "Robust noise of the reference's pixels [DN]"),
        ("REFSEE", "refinpseeing", "FWHM of the reference [pixels]"),
        ("DIFSIGPX", "diffsigpix", "Robust noise of the difference's pixels [DN]"),
        ("DIFPCBAD", "diffpctbad", "Masked pixels [percent]"),
        ("DIFFWHM", "difffwhm", "FWHM of the difference's PSF [pixels]"),
        ("DIFMLIM", "diffmaglim", "5-sigma mag-limit of the difference [mag]"),
        ("SCORRWID", "scorr_width", "Width of S_corr in empty sky as predicted"),
        ("NCANDPOS", "ncandscimref", "Candidates, science minus reference"),
        ("NCANDNEG", "ncandrefmsci", "Candidates, reference minus science"),
        ("NFILTPOS", "ncandscimreffilt", "Of these, past the light filters, positive"),
        ("NFILTNEG", "ncandrefmscifilt", "Of these, past the light filters, negative"),
        ("AVSQBEF", "diffavgsqbef", "Mean square of the plain difference [DN^2]"),
        ("AVSQAFT", "diffavgsqaft", "Mean square of the difference image [DN^2]"),
        ("AVSQCHG", "diffavgsqchg", "Change of the mean square [percent]"),
    ):
        yield keyword, made.metrics.get(name), text
    yield "STATUS", made.status, "of the difference: 0 = bad; 1 = usable"


def write_difference_images(path: str | Path, psf_path: str | Path, made: DifferenceProducts, header: Cards) -> None:
    """Write the PSF of the middle of the image, of unit sum, and then the difference image, packed; NaN where masked.

    What the PSF of any other place follows from stands in two extensions of the PSF's file. Without a difference all
    pixels are NaN and the PSF is zero.
    """
    pixels, stamp = np.full(made.shape, np.nan, np.float32), np.zeros((25, 25), np.float32)
    extensions: list[ImageExtension] = []
    if made.difference is not None:
        pixels = np.where(made.difference.bad, np.float32(np.nan), made.difference.image_adu)
        stamp = made.difference.psf[len(made.difference.psf) // 2]
        extensions = _psf_extensions(made.difference)
    write_image(psf_path, stamp, header, extensions)
    write_packed_image(path, pixels, header)


def _psf_extensions(difference: Difference) -> list[ImageExtension]:
    """Tables of the science PSF below each other, and the filters of the tiles likewise."""
    psf, edges = difference.science_psf, {"Y": difference.tiling.y_edges, "X": difference.tiling.x_edges}
    of_psf: Cards = {
        "PSFORDER": (psf.order, "degree of the polynomial over the image"),
        "PSFKNOTS": (psf.oversampling, "knots of the cubic B-spline per pixel"),
        "PSFHALF": (psf.radius_px, "half-width of the stamp [pix]"),
        "PSFNX": (psf.shape[1], "columns of the image"),
        "PSFNY": (psf.shape[0], "rows of the image"),
    }
    of_tiles: Cards = {
        f"{axis}EDGE{k}": (int(edge), "first pixel of a tile; the last: the end")
        for axis, values in edges.items()
        for k, edge in enumerate(values)
    }
    tables, filters = (one.reshape(-1, one.shape[-1]) for one in (psf.coefficients, difference.filters))
    return [ImageExtension(_SCIENCE_PSF, tables, of_psf), ImageExtension(_FILTERS, filters, of_tiles)]


def read_difference_psf(path: str | Path) -> tuple[DifferencePsf, float]:
    """The PSF of a difference image wherever it is, and its FWHM in the middle [px]; that of the middle alone where the
    file has no other. BadFile when it cannot be read."""
    stamp = ImageRows(path)
    middle, width = stamp.read(0, stamp.shape[0]), stamp.number("DIFFWHM")
    if stamp.extensions < 2:
        return DifferencePsf(middle), width
    tables, filters = ImageRows(path, 1), ImageRows(path, 2)
    y, x = (np.array(list(_numbered(filters, f"{axis}EDGE")), np.int64) for axis in "YX")
    order, knots, half, nx, ny = (tables.number(f"PSF{name}") for name in ("ORDER", "KNOTS", "HALF", "NX", "NY"))
    terms, tiles = (order + 1) * (order + 2) / 2, (len(y) - 1) * (len(x) - 1)
    if not (tables.shape[0] == terms * tables.shape[1] and filters.shape[0] == tiles * filters.shape[1] > 0):
        raise BadFile(path, "the tables of the PSF, or the filters of the tiles, do not fit their number", 1)
    science = PsfModel.of_tables(_squares(tables), int(knots), int(order), int(half), (int(ny), int(nx)))
    return DifferencePsf(middle, science, _squares(filters), Tiling(y, x)), width


def _squares(image: ImageRows) -> Image:
    """Squares that stand below each other."""
    rows, side = image.shape
    return image.read(0, rows).reshape(-1, side, side)


def _numbered(image: ImageRows, name: str) -> Iterator[float]:
    """Values of a keyword with a number behind it, from 0 on."""
    for k in count():
        if math.isnan(value := image.number(f"{name}{k}")):
            return
        yield value


def write_scorr_image(path: str | Path, made: DifferenceProducts, header: Cards) -> None:
    """Write S_corr, the significance of a point source at each pixel, packed; NaN where masked or without a difference.

    The header is the difference image's, whose SCORRWID S_corr has been divided by.
    """
    pixels = np.full(made.shape, np.nan, np.float32)
    if made.difference is not None:
        pixels = np.where(made.difference.bad, np.float32(np.nan), made.difference.scorr)
    write_packed_image(path, pixels, {**header, "BUNIT": ("sigma", "S_corr of the difference image")})


def read_difference_image(path: str | Path, *, negative: bool = False) -> tuple[Image, Cards]:
    """The difference image, float32 in DN, NaN where masked, and its keywords; `negative`: reference minus science.

    There is one subtraction, and the negative image is minus one times the positive. Raises BadFile as `read_image`.
    """
    pixels, header = read_image(path, 1)
    pixels = pixels.astype(np.float32, copy=False)
    return (-pixels if negative else pixels), header
