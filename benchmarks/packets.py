"""The public alert packets that lie beside the project: their cutouts and scores."""

from __future__ import annotations

import gzip
import io
from dataclasses import dataclass
from pathlib import Path

import fastavro
import numpy as np
from astropy.io import fits

from ztfpipe.methods.difference.cutouts import SIZE_PX
from ztfpipe.model.candidates import Cutouts

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "alerts"
_PLANES = ("cutoutScience", "cutoutTemplate", "cutoutDifference")


@dataclass(frozen=True)
class Packet:
    """What a packet says of its candidate, and its three cutouts, each (1, 63, 63)."""

    candid: int
    positive: bool
    mag: float
    scorr: float
    fwhm_px: float
    rb: float
    drb: float
    cutouts: Cutouts


def read_packets(folder: Path = FOLDER) -> list[Packet]:
    """All packets of a folder, none where it is not there."""
    packets = []
    for path in sorted(folder.glob("*.avro")):
        with path.open("rb") as stream:
            record = next(iter(fastavro.reader(stream)))
        one = record["candidate"]
        planes = [_pixels(record[name]["stampData"])[None] for name in _PLANES]
        packets.append(
            Packet(
                one["candid"], one["isdiffpos"] in ("t", "1"), one["magpsf"], one["scorr"], one["fwhm"], one["rb"],
                one["drb"], Cutouts(*planes),
            )
        )  # fmt: skip
    return packets


def _pixels(stamp: bytes) -> np.ndarray:
    """A cutout on its square; smaller ones are of an edge, and padded below and to the right as their readers do."""
    # Their first keyword is spelt out of line, which astropy would remark upon.
    with fits.open(io.BytesIO(gzip.decompress(stamp)), ignore_missing_simple=True, output_verify="silentfix") as hdus:
        pixels = hdus[0].data.astype(np.float32)
    out = np.full((SIZE_PX, SIZE_PX), np.nan, np.float32)
    out[: pixels.shape[0], : pixels.shape[1]] = pixels
    return out
