"""Reading one quadrant with its overscan from a full-size raw CCD file, beside fitsio reading the same extensions.

Two files of the same pixels: as ztfpipe writes them, and with one Rice tile per row as fpack does by default. Both
sides read image, overscan and both headers. CPU time, best of several: the machine is shared.
"""

from __future__ import annotations

import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import fitsio
import numpy as np
from astropy.io import fits

from ztfpipe.camera import Camera
from ztfpipe.model.images import RawCcd, RawQuadrant
from ztfpipe.products.raw import read_raw_quadrant, write_raw_ccd

REPEATS = 7
CCDID, QID = 10, 4
KEYWORDS = 150
"""About as many as a real exposure has."""


def rows() -> list[dict[str, object]]:
    """One row per file layout; `peak_mb` is what one read allocates at most."""
    camera = Camera.load("ztf")
    with tempfile.TemporaryDirectory() as folder:
        ours = Path(folder, "ztfpipe.fits.fz")
        write_raw_ccd(ours, _ccd(camera), camera)
        fpack = Path(folder, "fpack.fits.fz")
        _retile_by_row(ours, fpack)
        return [_row("raw quadrant", ours, camera), _row("raw quadrant, fpack's row tiles", fpack, camera)]


def _row(name: str, path: Path, camera: Camera) -> dict[str, object]:
    image, overscan = camera.raw.image_hdu[QID], camera.raw.overscan_hdu[QID]

    def read() -> np.ndarray:
        return read_raw_quadrant(path, camera, CCDID, QID).image

    def peer() -> np.ndarray:
        with fitsio.FITS(str(path)) as hdus:
            hdus[0].read_header(), hdus[image].read_header(), hdus[overscan].read()
            return hdus[image].read()

    if not np.array_equal(read(), peer()):
        raise AssertionError("ztfpipe and fitsio read different pixels")
    cpu_s, peer_cpu_s = _best_cpu_s(read, peer)
    tracemalloc.start()
    read()
    peak_mb = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return {
        "name": name,
        "cpu_s": cpu_s,
        "peer": "fitsio",
        "peer_cpu_s": peer_cpu_s,
        "ratio": cpu_s / peer_cpu_s,
        "peak_mb": peak_mb,
    }


def _best_cpu_s(*calls: Callable[[], object]) -> list[float]:
    """Least CPU time [s] of each call, taken in turns so that a busy moment does not hit one of them only."""
    best = [np.inf] * len(calls)
    for _ in range(REPEATS):
        for index, call in enumerate(calls):
            start = time.process_time()
            call()
            best[index] = min(best[index], time.process_time() - start)
    return best


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
    with fits.open(source) as hdus:
        packed = [fits.CompImageHDU(hdu.data, hdu.header, compression_type="RICE_1") for hdu in hdus[1:]]
        fits.HDUList([fits.PrimaryHDU(header=hdus[0].header), *packed]).writeto(destination, checksum=True)
