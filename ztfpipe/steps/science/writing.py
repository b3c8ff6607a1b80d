"""What the steps of `science` write of an image: all products, the log for people, the record for the database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from ztfpipe.camera import Camera
from ztfpipe.config import Science
from ztfpipe.errors import BadFile
from ztfpipe.methods.sky.footprint import footprint
from ztfpipe.methods.stars import daophot
from ztfpipe.model.images import Cards
from ztfpipe.model.keys import QuadrantKey
from ztfpipe.model.records import QaRecord
from ztfpipe.model.science import Calibrators, ScienceImage
from ztfpipe.products.accounts.records import write_record
from ztfpipe.products.catalogs import calibrators as catalog_files
from ztfpipe.products.catalogs.catalogs import write_psfcat, write_sexcat
from ztfpipe.products.formats.atomic import write_text
from ztfpipe.products.images.daophot import write_daophot_psf, write_psf_stamp
from ztfpipe.products.images.previews import write_preview
from ztfpipe.products.images.science import Origin, write_mask_image, write_science_image
from ztfpipe.products.names import path_of
from ztfpipe.steps.recording import Stopwatch, qa_record, spelt

Catalog = TypeVar("Catalog")


def read_calibrators(gaia: Path | None, ps1: Path | None, bright: Path | None) -> tuple[Calibrators, list[str]]:
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


def write_products(key: QuadrantKey, made: ScienceImage, header: Cards, family: str = "") -> None:
    """Write everything but the record; `family` is what the products' names begin with."""
    form = daophot.from_model(made.psf) if made.psf is not None else daophot.absent(made.image_adu.shape)
    write_daophot_psf(path_of(f"{family}sciimgdao", key), form)
    write_psf_stamp(path_of(f"{family}sciimgdaopsfcent", key), daophot.stamp(form, *form.centre_px), header)
    write_psfcat(path_of(f"{family}psfcat", key), made.psf_catalog, header)
    write_sexcat(path_of(f"{family}sexcat", key), made.aperture_catalog, header)
    write_mask_image(path_of(f"{family}mskimg", key), made, header)
    sky, scatter = (float(made.metrics.get(name) or np.nan) for name in ("gmedian", "gstddev"))
    write_preview(path_of(f"{family}scipreview", key), made.image_adu, sky, scatter)
    write_text(path_of(f"{family}sciimlog", key), _log(key, made))
    write_science_image(path_of(f"{family}sciimg", key), made, header)


def _log(key: QuadrantKey, made: ScienceImage) -> str:
    """What happened, for people."""
    lines = [
        f"science image {key.exposure.filefracday} field {key.exposure.field} {key.exposure.filter}"
        f" CCD {key.ccdid} quadrant {key.qid}",
        f"STATUS = {made.status}, INFOBITS = {made.infobits}",
        *made.notes,
        *spelt(made.metrics),
    ]
    return "\n".join(lines) + "\n"


def write_image_record(
    step: str, key: QuadrantKey, output: str, made: ScienceImage, inputs: dict[str, str], section: Science,
    watch: Stopwatch, family: str = "",
) -> QaRecord:  # fmt: skip
    """Write the QA record of an image, and return it."""
    where = footprint(made.wcs, made.image_adu.shape) if made.astrometry is not None else {}
    metrics = {**made.metrics, "infobits": made.infobits, **where}
    record = qa_record(step, output, made.status, "; ".join(made.notes), metrics, section, watch, inputs)
    write_record(path_of(f"{family}sciqa", key), record)
    return record


def write_account(key: QuadrantKey, record: QaRecord, origin: Origin, made: ScienceImage, camera: Camera) -> None:
    """Write log.txt."""
    write_text(path_of("log", key), _account(record, origin, made, camera))


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
