"""Step of `science`: the uncertainty image of a quadrant, on request. Paths are relative to the archive."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ztfpipe.config import Science
from ztfpipe.model.keys import QuadrantKey
from ztfpipe.pipelines.science.uncertainty import uncertainty_image
from ztfpipe.products.accounts.records import write_record
from ztfpipe.products.accounts.settings import read_settings
from ztfpipe.products.formats.fits import read_image, write_image
from ztfpipe.products.names import key_of, path_of
from ztfpipe.steps.recording import Stopwatch, pixel_checksum, qa_record


def uncertainty(output: str, settings: Path, image: Path, mask: Path) -> None:
    """Make the 1-sigma uncertainty image of a science image that is there, with its header and STATUS."""
    watch = Stopwatch()
    key: QuadrantKey = key_of(output, "sciunc")
    section, camera = read_settings(settings, Science)
    with watch.part("read"):
        pixels, header = read_image(image)
        bits, _ = read_image(mask)
    with watch.part("recipe"):
        sigma = uncertainty_image(pixels, bits.astype(np.uint16), camera, key, section)
    known = bool(np.isfinite(sigma).any())
    with watch.part("write"):
        write_image(output, sigma, {**header, "BUNIT": ("Data Value", "1-sigma uncertainty")})
    reason = "" if known else "less than a hundredth of the pixels is usable"
    metrics = {"median_adu": float(np.median(sigma)) if known else None}
    inputs = {str(image): pixel_checksum(pixels), str(mask): pixel_checksum(bits)}
    record = qa_record("science uncertainty", output, int(known), reason, metrics, section, watch, inputs)
    write_record(path_of("sciuncqa", key), record)
