"""Files of the templates: fringe patterns on their block grid, and low-frequency responsivity maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ztfpipe.camera import Camera
from ztfpipe.errors import BadFile
from ztfpipe.model.identifiers import calibration_id, night_id, night_jd
from ztfpipe.model.images import Cards, HeaderValue
from ztfpipe.model.keys import CalibrationKey
from ztfpipe.model.science import FringesTaken, FringeTemplate
from ztfpipe.model.templates import FRINGE, LOFREQFLAT, MadeFringes, MadeResponsivity, MadeTemplate
from ztfpipe.products.formats.fits import read_image, write_image
from ztfpipe.products.names import path_of

NIGHT_KEYWORDS = {LOFREQFLAT: "LOFLNITE", FRINGE: "FRNGNITE"}
"""Where the header of a science image names the versions that its pixels were calibrated with."""
_SKY_KEYWORD, _STRENGTH_KEYWORD = "FRNGSKY", "FRNGAMP"


def lofreqflat_id(key: CalibrationKey, camera: Camera) -> int:
    """CIDLOFLT of a version."""
    return calibration_id(LOFREQFLAT, night_id(night_jd(key.night)), key.rcid, camera.filter(key.filter).fid)


def write_fringes(key: CalibrationKey, made: MadeFringes, camera: Camera, settings: Cards) -> None:
    """Write a template: a cube of patterns (component, y, x), a pixel a block; one of zeros where none was made."""
    header = _header(FRINGE, key, made, camera) | dict(settings)
    cube = np.zeros((1, 1, 1), np.float32)
    if made.template is not None:
        cube = made.template.components
        header["BLOCKPX"] = (made.template.block_px, "[px] size of a block")
        header["SMOOTHBK"] = (made.template.smooth_blocks, "[blocks] running mean taken as the sky")
        for index, share in enumerate(made.template.explained, start=1):
            header[f"EXPLAIN{index}"] = (float(share), f"share of the variance in pattern {index}")
    header["BUNIT"] = ("", "patterns in units of the sky, each of length 1")
    write_image(path_of(FRINGE, key), cube.astype(np.float32, copy=False), header)


def read_fringes(path: str | Path) -> tuple[FringeTemplate | None, Cards]:
    """A template and its header; None when its STATUS is 0. BadFile when it is missing or something else."""
    cube, header = read_image(path)
    if _status(path, header) == 0:
        return None, header
    try:
        block_px, smooth_blocks = (int(header[word][0]) for word in ("BLOCKPX", "SMOOTHBK"))
        explained = np.array([float(header[f"EXPLAIN{index}"][0]) for index in range(1, len(cube) + 1)])
    except (KeyError, TypeError, ValueError) as error:
        raise BadFile(path, f"not a fringe template: {error}") from error
    if cube.ndim != 3:
        raise BadFile(path, f"not a fringe template: {cube.ndim} dimensions")
    return FringeTemplate(cube, block_px, smooth_blocks, explained), header


def write_lofreqflat(key: CalibrationKey, made: MadeResponsivity, camera: Camera, settings: Cards) -> None:
    """Write a map and its uncertainty, the map last."""
    header = _header(LOFREQFLAT, key, made, camera) | dict(settings) | {"BUNIT": ("", "relative response, median 1")}
    write_image(path_of("lofreqflatunc", key), made.error, {**header, "IMAGE": ("1-sigma uncertainty", "")})
    write_image(path_of(LOFREQFLAT, key), made.response, {**header, "IMAGE": ("low-frequency response", "")})


def read_lofreqflat(path: str | Path) -> tuple[np.ndarray | None, Cards]:
    """A map, float32 (ny, nx), and its header; None when its STATUS is 0. BadFile when it is missing or no map."""
    response, header = read_image(path)
    return (response if _status(path, header) else None), header


def fringe_cards(taken: FringesTaken) -> Cards:
    """Keywords of a science image that say how to put back the fringes taken out of it."""
    cards: dict[str, tuple[HeaderValue, str]] = {_SKY_KEYWORD: (taken.sky_adu, "[DN] sky of the fringes taken out")}
    for index, value in enumerate(taken.strength, start=1):
        cards[f"{_STRENGTH_KEYWORD}{index}"] = (value, f"strength of fringe pattern {index}")
    return cards


def fringes_taken(header: Cards) -> FringesTaken | None:
    """What `fringe_cards` wrote; None when no fringes were taken out."""
    if _SKY_KEYWORD not in header:
        return None
    strength = []
    while (word := f"{_STRENGTH_KEYWORD}{len(strength) + 1}") in header:
        strength.append(float(header[word][0]))
    return FringesTaken(tuple(strength), float(header[_SKY_KEYWORD][0]))


def _status(path: str | Path, header: Cards) -> int:
    if "STATUS" not in header:
        raise BadFile(path, "no STATUS in the header")
    return int(header["STATUS"][0])


def _header(kind: str, key: CalibrationKey, made: MadeTemplate, camera: Camera) -> dict[str, tuple[HeaderValue, str]]:
    amplifier = camera.amplifier(key.ccdid, key.qid)
    cards: dict[str, tuple[HeaderValue, str]] = {
        "ORIGIN": (camera.header.get("ORIGIN"), "data origin"),
        "INSTRUME": (camera.header.get("INSTRUME"), "camera"),
        "TELESCOP": (camera.header.get("TELESCOP"), "telescope"),
        "CALTYPE": (kind, "type of calibration image"),
        "NIGHT": (key.night, "last UT date of the exposures, YYYYMMDD"),
        "CCDID": (key.ccdid, "CCD number, 1 to 16"),
        "QID": (key.qid, "quadrant of the CCD, 1 to 4"),
        "RCID": (key.rcid, "readout channel, 0 to 63"),
        "AMP_ID": (amplifier.amp_id, "amplifier of the CCD, 0 to 3"),
        "FILTER": (camera.filter(key.filter).header, "filter"),
        "FILTERID": (camera.filter(key.filter).fid, "filter number"),
        "STATUS": (made.status, "0 = bad, 1 = usable"),
        "NFRAMES": (len(made.used), "images used"),
        "NREJECT": (len(made.left_out), "images left out"),
    }
    if kind == LOFREQFLAT:
        cards["CIDLOFLT"] = (lofreqflat_id(key, camera), "identifier of this calibration image")
    if made.reason:
        cards["REASON"] = (made.reason, "why it is bad")
    for index, name in enumerate(made.used, start=1):
        cards[f"FRAME{index:03d}"] = (name, "image used")
    return cards
