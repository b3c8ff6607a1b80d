"""Step of `science`: one calibrated quadrant with all its companions. Paths are relative to the archive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Camera
from ztfpipe.config import RECIPE_VERSIONS, Science
from ztfpipe.errors import BadFile, BadName
from ztfpipe.methods.stars import daophot
from ztfpipe.model import identifiers
from ztfpipe.model.images import Cards, RawQuadrant
from ztfpipe.model.keys import CalibrationKey, QuadrantKey
from ztfpipe.model.records import QaRecord
from ztfpipe.model.science import Calibrators, FringeTemplate, Masters, Pointing, ScienceImage
from ztfpipe.pipelines.science.recipe import make_science_image, without_masters
from ztfpipe.products.accounts.records import write_record
from ztfpipe.products.accounts.settings import read_settings
from ztfpipe.products.arrival.raw import header_value, read_raw_quadrant
from ztfpipe.products.catalogs import calibrators as catalog_files
from ztfpipe.products.catalogs.catalogs import write_psfcat, write_sexcat
from ztfpipe.products.formats.atomic import write_text
from ztfpipe.products.images.calibration import StoredMaster, master_id, master_kind, read_master
from ztfpipe.products.images.daophot import write_daophot_psf, write_psf_stamp
from ztfpipe.products.images.previews import write_preview
from ztfpipe.products.images.science import (
    Origin,
    science_header,
    write_mask_image,
    write_science_image,
)
from ztfpipe.products.images.templates import lofreqflat_id, read_fringes, read_lofreqflat
from ztfpipe.products.names import parse, path_of
from ztfpipe.steps.recording import Stopwatch, finite, peak_memory_mb, pixel_checksum, versions

T = TypeVar("T", FringeTemplate, NDArray)
Catalog = TypeVar("Catalog")


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
        calibrators, unread = _calibrators(gaia, ps1, bright)
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
        origin.master_nights["lofreqflat"] = _key_of(lofreqflat).night
        origin.calibration_ids["lofreqflat"] = lofreqflat_id(_key_of(lofreqflat), camera)
    if made.fringes is not None:
        origin.master_nights["fringe"] = _key_of(fringe).night
    origin.calibration_ids["pmask"] = identifiers.calibration_id(
        "pmask", 0, key.rcid, camera.filter(key.exposure.filter).fid
    )
    with watch.part("write"):
        _write(key, made, science_header(quadrant.header, made, origin, camera))
    record = _record(output, made, inputs, section, watch)
    write_text(path_of("log", key), _account(record, origin, made, camera))
    write_record(path_of("sciqa", key), record)


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


def _template(path: Path | None, read: Callable[[Path], tuple[T | None, Cards]], inputs: dict[str, str]) -> T | None:
    """A template that may be used, or None."""
    if path is None:
        return None
    found, _ = read(path)
    if found is not None:
        inputs[str(path)] = pixel_checksum(found.components if isinstance(found, FringeTemplate) else found)
    return found


def _key_of(path: Path) -> CalibrationKey:
    _, key = parse(path)
    return key


def _calibrators(gaia: Path | None, ps1: Path | None, bright: Path | None) -> tuple[Calibrators, list[str]]:
    """The catalogs, and why one is missing that cannot be read: the image is made without it, and says so."""
    unread: list[str] = []

    def read(reader: Callable[[Path], Catalog], path: Path | None) -> Catalog | None:
        try:
            return reader(path) if path else None
        except BadFile as error:
            unread.append(str(error))
            return None

    found = Calibrators(
        read(catalog_files.read_astrometric_calibrators, gaia),
        read(catalog_files.read_photometric_calibrators, ps1),
        read(catalog_files.read_bright_stars, bright),
    )
    return found, unread


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


def _write(key: QuadrantKey, made: ScienceImage, header: Cards) -> None:
    form = daophot.from_model(made.psf) if made.psf is not None else daophot.absent(made.image_adu.shape)
    write_daophot_psf(path_of("sciimgdao", key), form)
    write_psf_stamp(path_of("sciimgdaopsfcent", key), daophot.stamp(form, *form.centre_px), header)
    write_psfcat(path_of("psfcat", key), made.psf_catalog, header)
    write_sexcat(path_of("sexcat", key), made.aperture_catalog, header)
    write_mask_image(path_of("mskimg", key), made, header)
    sky, scatter = (float(made.metrics.get(name) or np.nan) for name in ("gmedian", "gstddev"))
    write_preview(path_of("scipreview", key), made.image_adu, sky, scatter)
    write_text(path_of("sciimlog", key), _log(key, made))
    write_science_image(path_of("sciimg", key), made, header)


def _log(key: QuadrantKey, made: ScienceImage) -> str:
    """What happened, for people."""
    lines = [
        f"science image {key.exposure.filefracday} field {key.exposure.field} {key.exposure.filter}"
        f" CCD {key.ccdid} quadrant {key.qid}",
        f"STATUS = {made.status}, INFOBITS = {made.infobits}",
        *made.notes,
        *(f"{name} = {value:.6g}" if isinstance(value, float) else f"{name} = {value}"
          for name, value in made.metrics.items()),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _record(output: str, made: ScienceImage, inputs: dict[str, str], section: Science, watch: Stopwatch) -> QaRecord:
    return QaRecord(
        step="science image",
        product=output,
        status=made.status,
        reason="; ".join(made.notes),
        metrics=finite({**made.metrics, "infobits": made.infobits, "peak_memory_mb": peak_memory_mb()}),
        inputs=inputs,
        timings_s=watch.timings_s(),
        versions={**versions(), "recipe": str(RECIPE_VERSIONS["science"])},
        settings=section.model_dump(mode="json"),
    )


def _account(record: QaRecord, origin: Origin, made: ScienceImage, camera: Camera) -> str:
    """How the products came about, for people: from what, with what, how long, and what is wrong with them."""
    night = origin.key.night
    lines = [f"{record.step} {record.product}", f"STATUS = {made.status}, INFOBITS = {made.infobits}"]
    lines += [f"bit {one.bit}: {one.sentence(night)}" for one in camera.infobits if made.infobits >> one.bit & 1]
    lines += list(made.notes)
    parts = {
        "inputs": record.inputs,
        "master of night": origin.master_nights,
        "versions": record.versions,
        "settings": record.settings,
        "seconds": record.timings_s,
    }
    for title, entries in parts.items():
        lines += ["", *(f"{title}: {name} = {value}" for name, value in entries.items())]
    return "\n".join(lines) + "\n"
