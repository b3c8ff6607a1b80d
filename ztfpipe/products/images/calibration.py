"""Calibration files: split quadrants, and the masters with their companion images and mask."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Camera
from ztfpipe.errors import BadFile
from ztfpipe.model.identifiers import calibration_id, night_id, night_jd
from ztfpipe.model.images import Cards, HeaderValue, MasterFrames
from ztfpipe.model.keys import BIAS_FILTER_CAL, CalibrationKey
from ztfpipe.products.formats.fits import read_image, write_image
from ztfpipe.products.names import parse, path_of

COMPANIONS = {
    "unc": ("uncertainty", "1-sigma uncertainty of the trimmed average"),
    "stda": ("std_trimmed", "scatter of the samples after trimming"),
    "stdb": ("std_all", "scatter of the samples before trimming"),
    "num": ("count", "number of samples left after trimming"),
}
"""Suffix of a companion product -> its field of MasterFrames, and what it is."""
_ID_KEYWORDS = {"bias": "CIDBIAS", "hifreqflat": "CIDHIFLT"}


@dataclass(frozen=True)
class StoredMaster:
    """A master as read back: mean and uncertainty float32 (ny, nx), mask uint16 (ny, nx), and its header."""

    key: CalibrationKey
    mean: NDArray[np.float32]
    uncertainty: NDArray[np.float32]
    mask: NDArray[np.uint16]
    header: Cards

    @property
    def usable(self) -> bool:
        """Whether the header says STATUS 1."""
        return self.header["STATUS"][0] == 1

    def number(self, keyword: str) -> float:
        """A numeric keyword, NaN when it has no value."""
        value = self.header.get(keyword, (None, ""))[0]
        return float(value) if isinstance(value, (int, float)) else float("nan")


def master_kind(key: CalibrationKey) -> str:
    """`bias` or `hifreqflat`: the product of a calibration key."""
    return "bias" if key.filter == BIAS_FILTER_CAL else "hifreqflat"


def master_id(key: CalibrationKey, camera: Camera) -> tuple[str, int]:
    """The keyword and value by which products name this master (CIDBIAS, CIDHIFLT)."""
    kind = master_kind(key)
    fid = 0 if kind == "bias" else camera.filter(key.filter).fid
    return _ID_KEYWORDS[kind], calibration_id(kind, night_id(night_jd(key.night)), key.rcid, fid)


def master_header(
    key: CalibrationKey, camera: Camera, verdict: Cards, used: tuple[str, ...], note: str = ""
) -> dict[str, tuple[HeaderValue, str]]:
    """Header of a master's files: what it is of, the `verdict` cards of the recipe, a note, and the frames used."""
    kind = master_kind(key)
    amplifier = camera.amplifier(key.ccdid, key.qid)
    keyword, identifier = master_id(key, camera)
    cards: dict[str, tuple[HeaderValue, str]] = {
        "ORIGIN": (camera.header.get("ORIGIN"), "data origin"),
        "INSTRUME": (camera.header.get("INSTRUME"), "camera"),
        "TELESCOP": (camera.header.get("TELESCOP"), "telescope"),
        "CALTYPE": (kind, "type of calibration image"),
        "NIGHT": (key.night, "UT date of the exposures, YYYYMMDD"),
        keyword: (identifier, "identifier of this calibration image"),
        "CCDID": (key.ccdid, "CCD number, 1 to 16"),
        "QID": (key.qid, "quadrant of the CCD, 1 to 4"),
        "RCID": (key.rcid, "readout channel, 0 to 63"),
        "AMP_ID": (amplifier.amp_id, "amplifier of the CCD, 0 to 3"),
        "GAIN": (amplifier.gain_e_per_adu, "[e-/DN] gain of the camera's table"),
        "READNOI": (amplifier.read_noise_e, "[e-] read noise of the camera's table"),
    }
    if kind == "hifreqflat":
        cards["FILTER"] = (camera.filter(key.filter).header, "filter")
        cards["FILTERID"] = (camera.filter(key.filter).fid, "filter number")
    cards.update(verdict)
    if note:
        cards["CALNOTE1"] = (note, "")
    for i, name in enumerate(used, 1):
        cards[f"FRAME{i:03d}"] = (name, "frame of the stack")
    return cards


def write_master(key: CalibrationKey, frames: MasterFrames, mask: NDArray[np.uint16], header: Cards) -> None:
    """Write the six images of a master below the working directory: companions first, the main product last."""
    kind = master_kind(key)
    unit = {"BUNIT": ("DN" if kind == "bias" else "", "unit of the pixels")}
    for suffix, (field, text) in COMPANIONS.items():
        own = {**header, **({"BUNIT": ("", "samples")} if suffix == "num" else unit), "IMAGE": (text, "")}
        write_image(path_of(kind + suffix, key), getattr(frames, field), own)
    own = {**header, "IMAGE": ("static and dynamic bad pixels, bits as in mskimg", "")}
    write_image(path_of(kind + "cmask", key), mask.astype(np.int16), own)
    write_image(path_of(kind, key), frames.mean, {**header, **unit, "IMAGE": ("trimmed average", "")})


def read_master(path: str | Path) -> StoredMaster:
    """Read a master's average, uncertainty and mask by the archive path of its main product.

    Raises BadName for a path of something else, BadFile when a file is missing or not as `write_master` makes it.
    """
    product, key = parse(path)
    if not isinstance(key, CalibrationKey) or product != master_kind(key):
        raise BadFile(path, "not a calibration master")
    mean, header = read_image(path)
    uncertainty, _ = read_image(path_of(f"{product}unc", key))
    mask, _ = read_image(path_of(f"{product}cmask", key))
    if not mean.shape == uncertainty.shape == mask.shape:
        raise BadFile(
            path, f"shapes of average {mean.shape}, uncertainty {uncertainty.shape}, mask {mask.shape} differ"
        )
    if "STATUS" not in header:
        raise BadFile(path, "no STATUS in the header")
    return StoredMaster(key, mean, uncertainty, mask.astype(np.uint16), header)


def write_split(path: str | Path, image: NDArray[np.float32], raw_header: Cards, verdict: Cards) -> None:
    """Write an overscan-corrected quadrant [DN] with the keywords of its raw file and those of the correction."""
    write_image(path, image, {**raw_header, "BUNIT": ("DN", "unit of the pixels"), **verdict})
