"""Step of `science`: one calibrated quadrant with all its companions. Paths are relative to the archive."""

from __future__ import annotations

from pathlib import Path

from ztfpipe.camera import Camera
from ztfpipe.config import Science
from ztfpipe.errors import BadFile, BadName
from ztfpipe.model import identifiers
from ztfpipe.model.images import RawQuadrant
from ztfpipe.model.keys import QuadrantKey
from ztfpipe.model.science import Masters, Pointing
from ztfpipe.pipelines.science.recipe import make_science_image, without_masters
from ztfpipe.products.accounts.settings import read_settings
from ztfpipe.products.arrival.raw import header_value, read_raw_quadrant
from ztfpipe.products.images.calibration import StoredMaster, master_id, master_kind, read_master
from ztfpipe.products.images.science import (
    Origin,
    science_header,
)
from ztfpipe.products.names import parse
from ztfpipe.steps.recording import Stopwatch, pixel_checksum
from ztfpipe.steps.science.writing import read_calibrators, write_image_record, write_products


def image(
    output: str,
    settings: Path,
    raw: Path,
    bias: Path | None = None,
    flat: Path | None = None,
    gaia: Path | None = None,
    ps1: Path | None = None,
    bright: Path | None = None,
) -> None:
    """Make a quadrant's science image, mask, catalogs, PSF, preview, log and record.

    Every product is written, whatever the data allow: STATUS 0, zero rows and the reason where they do not.
    """
    watch = Stopwatch()
    key, section, camera = _call(output, settings)
    inputs: dict[str, str] = {}
    with watch.part("read"):
        quadrant = read_raw_quadrant(raw, camera, key.ccdid, key.qid)
        inputs[str(raw)] = pixel_checksum(quadrant.image, quadrant.overscan)
        bias_master, flat_master = _master(bias, inputs), _master(flat, inputs)
        calibrators = read_calibrators(gaia, ps1, bright)
    pointing = _pointing(raw, quadrant)
    with watch.part("recipe"):
        if bias_master is None or flat_master is None:
            missing = " and ".join(name for name, one in (("bias", bias_master), ("flat", flat_master)) if one is None)
            made = without_masters(quadrant, camera, key, pointing, f"no usable {missing} master")
        else:
            masters = Masters(bias_master.mean, flat_master.mean, bias_master.mask | flat_master.mask)
            made = make_science_image(quadrant, masters, calibrators, camera, key, pointing, section)
    origin = Origin(key, float(header_value(quadrant.header, "OBSJD")), {}, str(gaia or ""))
    for one in (bias_master, flat_master):
        if one is not None:
            kind = master_kind(one.key)
            _, origin.calibration_ids[kind] = master_id(one.key, camera)
            origin.master_nights[kind] = one.key.night
    origin.calibration_ids["pmask"] = identifiers.calibration_id(
        "pmask", 0, key.rcid, camera.filter(key.exposure.filter).fid
    )
    with watch.part("write"):
        write_products(key, made, science_header(quadrant.header, made, origin, camera))
    write_image_record("science image", key, output, made, inputs, section, watch)


def _call(output: str, settings: Path) -> tuple[QuadrantKey, Science, Camera]:
    name, key = parse(output)
    if name != "sciimg" or not isinstance(key, QuadrantKey):
        raise BadName(output, "not the path of a science image")
    section, camera = read_settings(settings)
    if not isinstance(section, Science):
        raise BadName(settings, "not the settings of science")
    return key, section, camera


def _master(path: Path | None, inputs: dict[str, str]) -> StoredMaster | None:
    """A master that may be used, or None."""
    if path is None:
        return None
    stored = read_master(path)
    inputs[str(path)] = pixel_checksum(stored.mean, stored.mask)
    return stored if stored.usable else None


def _pointing(raw: Path, quadrant: RawQuadrant) -> Pointing:
    """What was commanded; ingest has checked that the keywords are there and in range."""
    numbers = {}
    for keyword in ("RAD", "DECD", "OBSJD", "AIRMASS", "EXPTIME"):
        value = header_value(quadrant.header, keyword)
        if not isinstance(value, (int, float)):
            raise BadFile(raw, f"{keyword} is missing or no number")
        numbers[keyword] = float(value)
    half_day = numbers["EXPTIME"] / 2 / 86400
    return Pointing(
        numbers["RAD"], numbers["DECD"], numbers["OBSJD"] + half_day, numbers["AIRMASS"], numbers["EXPTIME"]
    )
