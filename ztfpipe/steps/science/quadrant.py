"""Step of `science`: one calibrated quadrant with all its companions. Paths are relative to the archive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from numpy.typing import NDArray

from ztfpipe.config import Science
from ztfpipe.model import identifiers
from ztfpipe.model.dates import mid_exposure
from ztfpipe.model.images import Cards, RawQuadrant
from ztfpipe.model.keys import QuadrantKey
from ztfpipe.model.science import FringeTemplate, Masters, Pointing
from ztfpipe.pipelines.science.recipe import make_science_image, without_masters
from ztfpipe.products.accounts.settings import read_settings
from ztfpipe.products.accounts.zero_points import read_zero_points
from ztfpipe.products.arrival.raw import header_value, read_raw_quadrant
from ztfpipe.products.images.calibration import StoredMaster, master_id, master_kind, read_master
from ztfpipe.products.images.headers import needed
from ztfpipe.products.images.science import Origin, science_header
from ztfpipe.products.images.templates import lofreqflat_id, read_fringes, read_lofreqflat
from ztfpipe.products.names import key_of
from ztfpipe.steps.recording import Stopwatch, pixel_checksum
from ztfpipe.steps.science.writing import read_calibrators, write_account, write_image_record, write_products

T = TypeVar("T", FringeTemplate, NDArray)


def image(
    output: str,
    settings: Path,
    raw: Path,
    bias: Path | None = None,
    flat: Path | None = None,
    gaia: Path | None = None,
    ps1: Path | None = None,
    bright: Path | None = None,
    lofreqflat: Path | None = None,
    fringe: Path | None = None,
    usual: Path | None = None,
) -> None:
    """Make a quadrant's science image, mask, catalogs, PSF, preview, log and record.

    Every product is written, whatever the data allow: STATUS 0, zero rows and the reason where they do not.
    """
    watch = Stopwatch()
    key: QuadrantKey = key_of(output, "sciimg")
    section, camera = read_settings(settings, Science)
    inputs: dict[str, str] = {}
    with watch.part("read"):
        quadrant = read_raw_quadrant(raw, camera, key.ccdid, key.qid)
        inputs[str(raw)] = pixel_checksum(quadrant.image, quadrant.overscan)
        bias_master, flat_master = _master(bias, inputs), _master(flat, inputs)
        calibrators, unread = read_calibrators(gaia, ps1, bright)
        if usual is not None:
            channel = key.exposure.filter, key.rcid
            calibrators = replace(calibrators, usual=read_zero_points(usual).channels.get(channel))
        response = _template(lofreqflat if section.responsivity_correction else None, read_lofreqflat, inputs)
        fringes = _template(fringe if section.fringe_correction else None, read_fringes, inputs)
    pointing = _pointing(raw, quadrant)
    with watch.part("recipe"):
        if bias_master is None or flat_master is None:
            missing = " and ".join(name for name, one in (("bias", bias_master), ("flat", flat_master)) if one is None)
            made = without_masters(quadrant, camera, key, pointing, f"no usable {missing} master")
        else:
            mask = bias_master.mask | flat_master.mask
            masters = Masters(bias_master.mean, flat_master.mean, mask, response, fringes)
            made = make_science_image(quadrant, masters, calibrators, camera, key, pointing, section)
    made = replace(made, notes=(*unread, *made.notes))
    origin = Origin(key, float(header_value(quadrant.header, "OBSJD")), {}, str(gaia or ""))
    for one in (bias_master, flat_master):
        if one is not None:
            kind = master_kind(one.key)
            _, origin.calibration_ids[kind] = master_id(one.key, camera)
            origin.master_nights[kind] = one.key.night
    if response is not None:
        lofreqflat_key = key_of(lofreqflat, "lofreqflat")
        origin.master_nights["lofreqflat"] = lofreqflat_key.night
        origin.calibration_ids["lofreqflat"] = lofreqflat_id(lofreqflat_key, camera)
    if made.fringes is not None:
        origin.master_nights["fringe"] = key_of(fringe, "fringe").night
    origin.calibration_ids["pmask"] = identifiers.calibration_id(
        "pmask", 0, key.rcid, camera.filter(key.exposure.filter).fid
    )
    with watch.part("write"):
        write_products(key, made, science_header(quadrant.header, made, origin, camera))
    record = write_image_record("science image", key, output, made, inputs, section, watch)
    write_account(key, record, origin, made, camera)


def _master(path: Path | None, inputs: dict[str, str]) -> StoredMaster | None:
    """A master that may be used, or None."""
    if path is None:
        return None
    stored = read_master(path)
    inputs[str(path)] = pixel_checksum(stored.mean, stored.mask)
    return stored if stored.usable else None


def _template(path: Path | None, read: Callable[[Path], tuple[T | None, Cards]], inputs: dict[str, str]) -> T | None:
    """A template that may be used, or None."""
    if path is None:
        return None
    found, _ = read(path)
    if found is not None:
        inputs[str(path)] = pixel_checksum(found.components if isinstance(found, FringeTemplate) else found)
    return found


def _pointing(raw: Path, quadrant: RawQuadrant) -> Pointing:
    """What was commanded; ingest has checked that the keywords are there and in range."""
    ra_deg, dec_deg, start_jd, airmass, exposure_s = (
        needed(raw, quadrant.header, keyword) for keyword in ("RAD", "DECD", "OBSJD", "AIRMASS", "EXPTIME")
    )
    return Pointing(ra_deg, dec_deg, mid_exposure(start_jd, exposure_s), airmass, exposure_s)
