"""Alert packets a second: containers with histories and three cutouts made, beside fastavro with astropy's cutouts.

The work is a night's: every packet has 28 earlier entries and 30 forced ones of its own, none of them shared.
"""

from __future__ import annotations

import gzip
import io
import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
from astropy.io import fits

from benchmarks.alert_scenes import CANDIDATES, EARLIER
from benchmarks.measure import measure, row
from ztfpipe.model.alerts import Alert
from ztfpipe.products.alerts import packets

PACKETS = 300
HISTORY, FORCED = 28, 30
PER_SECOND_MIN = 500.0
"""The bar: packets a second on one core."""
QUADRANT_MAX_S = 2.0
"""The bar: from a quadrant's candidates to its alerts."""
PARTS = ("candidate", "prv_candidate", "fp_hist")
CUTOUTS = ("cutoutScience", "cutoutTemplate", "cutoutDifference")


def ours(archive: str = "") -> Callable[[], object]:
    """Containers as the pipeline makes them; with any argument, within a compressed archive."""
    alerts = [_alert(k) for k in range(PACKETS)]
    packets.packet_bytes(alerts[0])

    def work() -> object:
        made = ((alert.candid, packets.packet_bytes(alert)) for alert in alerts)
        if not archive:
            return sum(len(content) > 0 for _, content in made)
        with tempfile.TemporaryDirectory() as folder:
            return packets.write_archive(Path(folder, "a.tar.gz"), made, 0)

    return work


def peer() -> Callable[[], object]:
    """The same packets by fastavro and astropy."""
    alerts = [_alert(k) for k in range(PACKETS)]
    schema = fastavro.parse_schema(packets.whole_schema())
    names = {part: list(packets.fields_of(part)) for part in PARTS}

    def work() -> object:
        return sum(len(_general(alert, schema, names)) > 0 for alert in alerts)

    return work


def rows() -> list[dict[str, Any]]:
    """Containers alone beside the peer, within an archive, and all that a quadrant's alerts take."""
    mine, theirs, whole = (measure(f"benchmarks.bench_alerts:{name}") for name in ("ours", "peer", "ours_archived"))
    quadrant = measure("benchmarks.alert_scenes:quadrant_alerts")
    rate = PACKETS / mine.cpu_s
    return [
        row(
            f"{PACKETS} alert packets with {HISTORY} earlier and {FORCED} forced entries, cutouts made", mine,
            peer="fastavro, astropy", theirs=theirs, bar=f"{PER_SECOND_MIN:.0f} a second", met=rate >= PER_SECOND_MIN,
            note=f"{rate:.0f} a second",
        ),
        row(
            f"{PACKETS} alert packets in a tar.gz", whole, bar=f"{PER_SECOND_MIN:.0f} a second",
            met=PACKETS / whole.cpu_s >= PER_SECOND_MIN, note=f"{PACKETS / whole.cpu_s:.0f} a second",
        ),
        row(
            f"names and alerts of a quadrant, {CANDIDATES} candidates, {EARLIER} earlier images", quadrant,
            bar=f"{QUADRANT_MAX_S:g} s", met=quadrant.cpu_s <= QUADRANT_MAX_S,
            note=f"histories, forced photometry, {quadrant.value / 1e6:.1f} MB",
        ),
    ]  # fmt: skip


def ours_archived() -> Callable[[], object]:
    """The packets within an archive."""
    return ours("archive")


def _alert(seed: int) -> Alert:
    rng, noise = random.Random(seed), np.random.default_rng(seed)
    records = [[_record(part, rng) for _ in range(n)] for part, n in zip(PARTS, (1, HISTORY, FORCED), strict=True)]
    squares = noise.normal(150, 9, (3, 63, 63)).astype(np.float32)
    cutouts = tuple((f"candid{seed}_{name}.fits.gz", square) for name, square in zip("str", squares, strict=True))
    return Alert("ZTF18abcdefg", 442000003615010000 + seed, records[0][0], records[1], records[2], cutouts)


def _record(part: str, rng: random.Random) -> Sequence[Any]:
    values = {"string": lambda: "t17_f5_c3", "int": lambda: rng.randrange(1000), "long": lambda: rng.randrange(2**59)}
    return tuple(values.get(kind, lambda: rng.gauss(0, 20))() for kind in packets.fields_of(part).values())


def _general(alert: Alert, schema: Any, names: dict[str, list[str]]) -> bytes:
    lists = zip(PARTS, ([alert.candidate], alert.history, alert.forced), strict=True)
    one, history, forced = ([dict(zip(names[part], r, strict=True)) for r in rows] for part, rows in lists)
    squares = {
        field: {"fileName": name, "stampData": _astropy_stamp(pixels)}
        for field, (name, pixels) in zip(CUTOUTS, alert.cutouts, strict=True)
    }
    out = io.BytesIO()
    content = {
        "schemavsn": "4.02", "publisher": "ZTF", "objectId": alert.object_id, "candid": alert.candid,
        "candidate": one[0], "prv_candidates": history, "fp_hists": forced, **squares,
    }  # fmt: skip
    fastavro.writer(out, schema, [content])
    return out.getvalue()


def _astropy_stamp(pixels: Any) -> bytes:
    unit = fits.PrimaryHDU(pixels)
    unit.header["BUNIT"] = "DN"
    content = io.BytesIO()
    unit.writeto(content)
    return gzip.compress(content.getvalue())
