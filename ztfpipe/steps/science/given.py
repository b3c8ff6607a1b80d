"""Step of `science`: all measurements on a science image of the public archive. Paths are relative to the archive."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ztfpipe.config import Science
from ztfpipe.model.keys import QuadrantKey
from ztfpipe.pipelines.science.given import measure_given_image
from ztfpipe.products.accounts.settings import read_settings
from ztfpipe.products.images.given import read_given
from ztfpipe.products.images.science import Origin, science_header
from ztfpipe.products.names import key_of
from ztfpipe.steps.recording import Stopwatch, pixel_checksum
from ztfpipe.steps.science.writing import read_calibrators, write_image_record, write_products

FAMILY = "measured"


def measure(
    output: str,
    settings: Path,
    sciimg: Path,
    mskimg: Path | None = None,
    gaia: Path | None = None,
    ps1: Path | None = None,
    bright: Path | None = None,
) -> None:
    """Measure a downloaded science image, whole or a cut-out; `output` is the path of the image measured.

    The image, its mask, catalogs, PSF, preview, log and record are written, whatever the data allow; the downloads
    are left alone. Raises BadFile when it is cut short, foreign, or not what its name says; no file is written then.
    """
    key: QuadrantKey = key_of(output, f"{FAMILY}sciimg")
    section, camera = read_settings(settings, Science)
    watch = Stopwatch()
    with watch.part("read"):
        image, pointing, header = read_given(sciimg, mskimg, key, camera)
        inputs = {str(sciimg): pixel_checksum(np.nan_to_num(image.image_adu))}
        if mskimg is not None and image.mask is not None:
            inputs[str(mskimg)] = pixel_checksum(image.mask)
        calibrators, unread = read_calibrators(gaia, ps1, bright)
    with watch.part("recipe"):
        made = measure_given_image(image, calibrators, camera, key, pointing, section)
    made = replace(made, notes=(*unread, *made.notes))
    catalog = str(gaia or header.get("SCAMPFIL", ("", ""))[0])
    origin = Origin(key, float(header["OBSJD"][0]), {}, catalog)
    with watch.part("write"):
        write_products(key, made, science_header(header, made, origin, camera), FAMILY)
    write_image_record("science measure", key, output, made, inputs, section, watch, FAMILY)
