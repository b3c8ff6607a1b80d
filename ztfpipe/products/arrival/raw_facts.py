"""Looking at a file sent: everything about it that can be wrong, without deciding anything."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

from ztfpipe.camera import Camera
from ztfpipe.errors import BadFile
from ztfpipe.model.images import RawQuadrant
from ztfpipe.model.incoming import QuadrantFacts, RawFacts
from ztfpipe.products.arrival.raw import read_quadrant_of
from ztfpipe.products.formats.atomic import machine_faults
from ztfpipe.products.formats.fits_blocks import BrokenBlocks, HduBlocks, checksum_fault, scan

_BITPIX = ("16", "32", "-32")
"""16 bit as the camera writes; the wider ones as other tools unpack."""


def raw_facts(path: Path, camera: Camera, settle_s: float = 0.0) -> RawFacts:
    """Read a file sent, once, and return what was found; `settle_s` [s] is waited to see whether it is still written.

    All facts are of the same bytes. Raises TryAgain when the machine fails, BadFile when there is no such file.
    """
    with machine_faults(path):
        try:
            before = path.stat()
            content = path.read_bytes()
        except (FileNotFoundError, IsADirectoryError) as error:
            raise BadFile(path, "no such file") from error
        if settle_s > 0:
            time.sleep(settle_s)
        after = path.stat()
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    facts = RawFacts(path.name, len(content), md5)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or len(content) != after.st_size:
        return _with_faults(facts, "still being written")
    if not content:
        return _with_faults(facts, "empty")
    try:
        hdus = scan(content)
    except BrokenBlocks as error:
        return _with_faults(facts, error.reason)
    return _facts_of_hdus(facts, content, hdus, camera)


def _with_faults(facts: RawFacts, *faults: str) -> RawFacts:
    return RawFacts(facts.name, facts.size, facts.md5, tuple(fault for fault in faults if fault))


def _facts_of_hdus(facts: RawFacts, content: bytes, hdus: list[HduBlocks], camera: Camera) -> RawFacts:
    layout = camera.raw
    expected = 1 + len(camera.qids) * 2
    if len(hdus) != expected:
        # The overscans are known by their place only: with one HDU missing, no place can be trusted.
        return _with_faults(facts, f"{len(hdus)} HDUs instead of {expected}")
    checksums = any("CHECKSUM" in hdu.keywords or "DATASUM" in hdu.keywords for hdu in hdus)
    sums = [_sum_fault(content, hdu, index) if checksums else "" for index, hdu in enumerate(hdus)]
    quadrants = {}
    for qid in camera.qids:
        image, overscan = layout.image_hdu[qid], layout.overscan_hdu[qid]
        faults = [sums[image], sums[overscan]]
        faults += _layout_faults(hdus[image], camera.quadrant_shape, image)
        faults += _layout_faults(hdus[overscan], camera.overscan_shape, overscan)
        quadrants[qid] = QuadrantFacts(tuple(fault for fault in faults if fault), hdus[image].keywords, None)
    if not sums[0]:
        quadrants = {qid: _with_pixels(facts.name, content, hdus, one, camera, qid) for qid, one in quadrants.items()}
    faults = (sums[0],) if sums[0] else ()
    return RawFacts(facts.name, facts.size, facts.md5, faults, hdus[0].keywords, quadrants, checksums)


def _sum_fault(content: bytes, hdu: HduBlocks, index: int) -> str:
    fault = checksum_fault(content, hdu)
    return f"HDU {index}: {fault}" if fault else ""


def _layout_faults(hdu: HduBlocks, shape: tuple[int, int], index: int) -> list[str]:
    words = hdu.keywords
    prefix = "Z" if words.get("ZIMAGE") == "T" else ""
    faults = []
    if words.get(f"{prefix}BITPIX") not in _BITPIX:
        faults.append(f"HDU {index}: BITPIX is {words.get(f'{prefix}BITPIX')}, not 16")
    axes = tuple(words.get(f"{prefix}NAXIS{axis}", "absent") for axis in (1, 2))
    if words.get(f"{prefix}NAXIS") != "2" or axes != (str(shape[1]), str(shape[0])):
        found = f"NAXIS {words.get(f'{prefix}NAXIS')}, {axes[0]} x {axes[1]}"
        faults.append(f"HDU {index}: {found} instead of {shape[1]} x {shape[0]} pixels")
    return faults


def _with_pixels(
    name: str, content: bytes, hdus: list[HduBlocks], facts: QuadrantFacts, camera: Camera, qid: int
) -> QuadrantFacts:
    if facts.faults:
        return facts
    try:
        pixels: RawQuadrant = read_quadrant_of(name, content, hdus, camera, qid)
    except BadFile as error:
        where = f"HDU {error.hdu}: " if error.hdu is not None else ""
        return QuadrantFacts((where + error.reason,), facts.header, None)
    return QuadrantFacts((), facts.header, pixels)
