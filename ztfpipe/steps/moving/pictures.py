"""Pictures of what a person vets: cutouts of science image, reference and difference about each place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from ztfpipe.methods.sky.projection import sky_to_pixel
from ztfpipe.model.keys import ExposureKey, QuadrantKey, ReferenceVersionKey
from ztfpipe.products.formats.fits import read_header
from ztfpipe.products.images.cutouts import ImageCutouts
from ztfpipe.products.images.wcs import wcs_of
from ztfpipe.products.names import path_of
from ztfpipe.products.reports.strips import Cutout, animation_gif, strip_png

SCIENCE, DIFFERENCE = "sciimg", "scimrefdiffimg"
Triple = tuple[Cutout, Cutout, Cutout]


def cutouts_of(objects: Mapping[str, pd.DataFrame], half_px: int) -> dict[str, list[Triple]]:
    """Cutouts (science, reference, difference) of each row of each object, every image opened once.

    Rows as in DETECTION_TABLE or STREAK_TABLE. A reference that is not there any more is not-a-number.
    """
    wanted: dict[QuadrantKey, list[tuple[str, int, pd.Series]]] = {}
    result: dict[str, list] = {name: [None] * len(rows) for name, rows in objects.items()}
    for name, rows in objects.items():
        for number, (_, row) in enumerate(rows.iterrows()):
            exposure = ExposureKey(row["filefracday"], int(row["field"]), str(row["filter"]), "o")
            quadrant = QuadrantKey(exposure, int(row["ccdid"]), int(row["qid"]))
            wanted.setdefault(quadrant, []).append((name, number, row))
    for quadrant, places in wanted.items():
        science, difference = (ImageCutouts(path_of(product, quadrant)) for product in (SCIENCE, DIFFERENCE))
        reference = _reference(quadrant, half_px)
        for name, number, row in places:
            x, y = float(row["xpos"]) - 1, float(row["ypos"]) - 1
            result[name][number] = (
                science.at(x, y, half_px),
                reference(float(row["ra"]), float(row["dec"])),
                difference.at(x, y, half_px),
            )
    return result


def _reference(quadrant: QuadrantKey, half_px: int) -> Callable[[float, float], Cutout]:
    """Cuts the version of the reference that was subtracted, about a direction, in its own pixels."""
    nothing = np.full((2 * half_px + 1, 2 * half_px + 1), np.nan, np.float32)
    version = read_header(path_of(DIFFERENCE, quadrant), 1).get("REFVERS", (None, ""))[0]
    path = path_of("vrefimg", ReferenceVersionKey(quadrant.reference, int(version))) if version else ""
    if not path or not Path(path).exists():
        return lambda ra_deg, dec_deg: nothing
    image, wcs = ImageCutouts(path), wcs_of(path, read_header(path))

    def cut(ra_deg: float, dec_deg: float) -> Cutout:
        x, y = sky_to_pixel(wcs, np.array([ra_deg]), np.array([dec_deg]))
        return image.at(float(x[0]), float(y[0]), half_px)

    return cut


def strip(triples: list[Triple]) -> tuple[bytes, bytes]:
    """The cutouts of an object side by side (PNG), and its science images one after another (GIF)."""
    if not triples:
        return b"", b""
    science, reference, difference = ([one[k] for one in triples] for k in range(3))
    return strip_png([science, reference, difference]), animation_gif(science)
