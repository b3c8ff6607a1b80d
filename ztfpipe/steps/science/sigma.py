"""Step of `science`: the uncertainty image of a quadrant, on request. Paths are relative to the archive."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ztfpipe.config import RECIPE_VERSIONS, Science
from ztfpipe.errors import BadName
from ztfpipe.model.keys import QuadrantKey
from ztfpipe.model.records import QaRecord
from ztfpipe.pipelines.science.uncertainty import uncertainty_image
from ztfpipe.products.accounts.records import write_record
from ztfpipe.products.accounts.settings import read_settings
from ztfpipe.products.formats.fits import read_image, write_image
from ztfpipe.products.names import parse, path_of
from ztfpipe.steps.recording import Stopwatch, finite, peak_memory_mb, pixel_checksum, versions


def uncertainty(output: str, settings: Path, image: Path, mask: Path) -> None:
    """Make the 1-sigma uncertainty image of a science image that is there, with its header and STATUS."""
    watch = Stopwatch()
    name, key = parse(output)
    if name != "sciunc" or not isinstance(key, QuadrantKey):
        raise BadName(output, "not the path of an uncertainty image")
    section, camera = read_settings(settings)
    if not isinstance(section, Science):
        raise BadName(settings, "not the settings of science")
    with watch.part("read"):
        pixels, header = read_image(image)
        bits, _ = read_image(mask)
    with watch.part("recipe"):
        sigma = uncertainty_image(pixels, bits.astype(np.uint16), camera, key, section)
    known = bool(np.isfinite(sigma).any())
    with watch.part("write"):
        write_image(output, sigma, {**header, "BUNIT": ("Data Value", "1-sigma uncertainty")})
    record = QaRecord(
        step="science uncertainty",
        product=output,
        status=int(known),
        reason="" if known else "less than a hundredth of the pixels is usable",
        metrics=finite({"median_adu": float(np.median(sigma)) if known else None, "peak_memory_mb": peak_memory_mb()}),
        inputs={str(image): pixel_checksum(pixels), str(mask): pixel_checksum(bits)},
        timings_s=watch.timings_s(),
        versions={**versions(), "recipe": str(RECIPE_VERSIONS["science"])},
        settings=section.model_dump(mode="json"),
    )
    write_record(path_of("sciuncqa", key), record)
