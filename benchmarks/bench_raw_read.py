"""Reading one quadrant with its overscan from a full-size raw CCD file, beside fitsio reading the same extensions.

Two files of the same pixels: as ztfpipe writes them, and with one Rice tile per row as fpack does by default. Both
sides open the file, read image, overscan and headers, and close it, several times over.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import measure, row
from ztfpipe.camera import Camera
from ztfpipe.model.images import RawCcd, RawQuadrant
from ztfpipe.products.arrival.raw import read_raw_quadrant, write_raw_ccd

READS = 5
CCDID, QID = 10, 4
KEYWORDS = 150
"""About as many as a real exposure has."""
SLOWER_MAX = 1.1
"""The bar: within 10 % of fitsio."""


def ours(path: str) -> Callable[[], object]:
    """The reader that the pipeline uses; once before the clock starts, for what libraries load at first use."""
    camera = Camera.load("ztf")
    read_raw_quadrant(path, camera, CCDID, QID)

    def work() -> object:
        sums = [int(read_raw_quadrant(path, camera, CCDID, QID).image[0].sum()) for _ in range(READS)]
        return sums[0]

    return work


def peer(path: str) -> Callable[[], object]:
    """fitsio on the same extensions."""
    import fitsio

    layout = Camera.load("ztf").raw

    def read() -> np.ndarray:
        with fitsio.FITS(path) as hdus:
            hdus[0].read_header()
            hdus[layout.image_hdu[QID]].read_header()
            hdus[layout.overscan_hdu[QID]].read()
            return hdus[layout.image_hdu[QID]].read()

    read()

    def work() -> object:
        sums = [int(read()[0].sum()) for _ in range(READS)]
        return sums[0]

    return work


def rows() -> list[dict[str, Any]]:
    """One row per file layout."""
    camera = Camera.load("ztf")
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder, "ztfpipe.fits.fz")
        write_raw_ccd(written, _ccd(camera), camera)
        fpack = Path(folder, "fpack.fits.fz")
        _retile_by_row(written, fpack)
        return [
            _row(f"{READS} reads of a raw quadrant", written),
            _row(f"{READS} reads of a raw quadrant in fpack's row tiles", fpack),
        ]


def _row(name: str, path: Path) -> dict[str, Any]:
    mine = measure("benchmarks.bench_raw_read:ours", str(path))
    theirs = measure("benchmarks.bench_raw_read:peer", str(path))
    if mine.value != theirs.value:
        raise AssertionError("ztfpipe and fitsio read different pixels")
    met = mine.cpu_s <= SLOWER_MAX * theirs.cpu_s
    return row(name, mine, peer="fitsio", theirs=theirs, bar="at most 10 % slower than fitsio", met=met)


def _ccd(camera: Camera) -> RawCcd:
    """A CCD of sky noise: what Rice compression makes of it does not depend on the stars."""
    rng = np.random.default_rng(0)
    header = {f"KEY{index}": (index * 1.5, "a keyword of the exposure") for index in range(KEYWORDS)}
    quadrants = {}
    for qid in camera.qids:
        image = rng.normal(1500, 18, camera.quadrant_shape).astype(np.uint16)
        overscan = rng.normal(1100, 3, camera.overscan_shape).astype(np.uint16)
        quadrants[qid] = RawQuadrant(image, overscan, {**header, "CCD_ID": (CCDID, ""), "AMP_ID": (qid - 1, "")})
    return RawCcd(header, quadrants)


def _retile_by_row(source: Path, destination: Path) -> None:
    from astropy.io import fits

    with fits.open(source) as hdus:
        packed = [fits.CompImageHDU(hdu.data, hdu.header, compression_type="RICE_1") for hdu in hdus[1:]]
        fits.HDUList([fits.PrimaryHDU(header=hdus[0].header), *packed]).writeto(destination, checksum=True)
