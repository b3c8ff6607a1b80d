"""Step of `difference`: the difference of a science image and a reference. Paths are relative to the archive."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ztfpipe.config import Difference
from ztfpipe.model.candidates import Surroundings
from ztfpipe.model.dates import julian_year, mid_exposure
from ztfpipe.model.difference import DifferenceProducts, Stored
from ztfpipe.model.images import Cards
from ztfpipe.model.keys import QuadrantKey
from ztfpipe.model.orbits import KnownSky
from ztfpipe.pipelines.difference.known import quadrant_cone
from ztfpipe.pipelines.difference.recipe import make_difference
from ztfpipe.products.accounts.records import write_record
from ztfpipe.products.accounts.settings import read_settings
from ztfpipe.products.catalogs.calibrators import read_gaia_context, read_ps1_context
from ztfpipe.products.catalogs.events import write_candidates, write_raw_detections, write_streaks
from ztfpipe.products.catalogs.exposure_words import exposure_words
from ztfpipe.products.catalogs.orbits import count_known, read_known
from ztfpipe.products.formats.atomic import write_text
from ztfpipe.products.images.difference import (
    difference_header,
    read_reference_side,
    read_science_side,
    write_difference_images,
    write_scorr_image,
)
from ztfpipe.products.images.headers import needed
from ztfpipe.products.images.previews import write_preview
from ztfpipe.products.names import key_of, path_of
from ztfpipe.products.weights import read_scorers
from ztfpipe.steps.recording import Stopwatch, pixel_checksum, qa_record, spelt


def image(
    output: str,
    settings: Path,
    image: Path,
    mask: Path,
    psfcat: Path,
    refimg: Path,
    refmsk: Path,
    refunc: Path,
    refpsfcat: Path,
    ps1: Path | None = None,
    gaia: Path | None = None,
    bodies: Path | None = None,
) -> None:
    """Make the difference of a quadrant with its PSF, candidates, raw detections, streaks, preview, log and record.

    ps1, gaia: context catalogs of the field's quadrant; without one candidates have no neighbours there. bodies: the
    night's table of known bodies, likewise. S_corr is written as an image when the settings ask for it.

    Every product is written, whatever the data allow: STATUS 0, zero rows and the reason where they do not. Raises
    BadFile, and writes nothing, when a file cannot be read or the reference is of another field, filter or quadrant.
    """
    watch = Stopwatch()
    key: QuadrantKey = key_of(output, "scimrefdiffimg")
    section, camera = read_settings(settings, Difference)
    with watch.part("read"):
        science, science_header = read_science_side(image, mask, psfcat, key, camera)
        reference, reference_header = read_reference_side(refimg, refmsk, refunc, refpsfcat, key, camera)
        inputs = {
            str(image): pixel_checksum(science.image_adu, science.mask),
            str(refimg): pixel_checksum(reference.image_adu, reference.mask),
        }
        around = Surroundings(
            read_ps1_context(ps1) if ps1 else None,
            read_gaia_context(gaia) if gaia else None,
            julian_year(needed(image, science_header, "OBSJD")),
            _known_sky(bodies, image, science, science_header, section) if bodies else None,
        )
        scorers = read_scorers(section.rb_version, section.drb_version)
    with watch.part("recipe"):
        made = make_difference(science, reference, camera, section, around, scorers)
    with watch.part("write"):
        limit = float(made.metrics.get("diffmaglim") or np.nan)
        words = exposure_words(key, camera, science_header, reference_header, limiting_mag=limit)
        _write(key, made, words, difference_header(made, science_header, reference_header), section.scorr_image)
    record = qa_record(
        "difference image", output, made.status, "; ".join(made.notes), made.metrics, section, watch, inputs
    )
    write_record(path_of("diffqa", key), record)


def _known_sky(path: Path, image: Path, science: Stored, header: Cards, section: Difference) -> KnownSky | None:
    """The night's known bodies near the image, and the middle of its exposure; None when the night's table is empty."""
    if not count_known(path):
        return None
    mid_jd = mid_exposure(needed(image, header, "OBSJD"), needed(image, header, "EXPTIME"))
    cone = quadrant_cone(science.wcs, science.image_adu.shape, section.known_radius_arcsec)
    return KnownSky(read_known(path, cone).sky, mid_jd)


def _write(
    key: QuadrantKey, made: DifferenceProducts, words: Mapping[str, Any], header: Cards, scorr_image: bool
) -> None:
    """Everything but the record; the image last, so that with it all is there."""
    write_candidates(path_of("candidates", key), made, words)
    write_raw_detections(path_of("rawdetections", key), made, words["pid"], words["magzpsci"])
    write_streaks(path_of("streaks", key), made.streaks)
    shown = made.difference.image_adu if made.difference is not None else np.zeros(made.shape, np.float32)
    noise = float(made.metrics.get("diffsigpix") or np.nan)
    write_preview(path_of("diffpreview", key), shown, 0.0, noise)
    write_text(path_of("diffimlog", key), _log(key, made))
    if scorr_image:
        write_scorr_image(path_of("scorrimg", key), made, header)
    write_difference_images(path_of("scimrefdiffimg", key), path_of("diffimgpsf", key), made, header)


def _log(key: QuadrantKey, made: DifferenceProducts) -> str:
    """What happened, for people."""
    lines = [
        f"difference image {key.exposure.filefracday} field {key.exposure.field} {key.exposure.filter}"
        f" CCD {key.ccdid} quadrant {key.qid}",
        f"STATUS = {made.status}",
        *made.notes,
        *spelt(made.metrics),
    ]
    return "\n".join(lines) + "\n"
