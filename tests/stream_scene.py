"""Packets of a night as archives on disk, without cutouts and histories: what matters is that each arrives."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from ztfpipe.model.alerts import Alert
from ztfpipe.model.keys import ExposureKey, QuadrantKey
from ztfpipe.products.alerts import packets
from ztfpipe.products.names import path_of

ROOT = Path(__file__).resolve().parents[1]
NIGHT = "20180410"
PROGRAMS = (1, 2, 1, 3)
"""Of the quadrants' exposures, in turn."""
OF_A_TYPE = {"string": "text", "int": 0, "long": 0, "float": 0.0, "double": 0.0}


def write_packets(archive: Path, quadrants: int = 4, each: int = 5) -> dict[int, dict[str, object]]:
    """Archives of packets below `archive`; the candidates by candid. Every second one has a good score; each lies at
    right ascension 10, 11, 12 ... of its quadrant's declination 0, 1, 2 ..."""
    out = {}
    for q in range(quadrants):
        key = QuadrantKey(ExposureKey(f"{NIGHT}{187500 + 10000 * (q // 4):06d}", 473 + q, "zr", "o"), 10, q % 4 + 1)
        made = []
        for k in range(each):
            candid = 465187500 * 10**9 + q * 10**6 + 15000 + k
            fields = packets.fields_of("candidate")
            known = {
                "candid": candid, "programid": PROGRAMS[q % 4], "ra": 10.0 + k, "dec": float(q), "magpsf": 18.5,
                "drb": 0.9 - 0.5 * (k % 2), "isdiffpos": "t" if k % 3 else "f",
            }  # fmt: skip
            record = {name: known.get(name, OF_A_TYPE[kind]) for name, kind in fields.items()}
            alert = Alert(f"ZTF18aaaaa{chr(97 + q)}{chr(97 + k)}", candid, tuple(record.values()), [], [], NO_CUTOUTS)
            made.append((candid, packets.packet_bytes(alert)))
            out[candid] = record
        packets.write_archive(archive / path_of("alerts", key), made, 0)
    return out


NO_CUTOUTS = (("s", None), ("t", None), ("d", None))


def write_config(workspace: Path, **stream: object) -> Path:
    """A configuration with a stream section; a second of patience, so that faults show soon."""
    path = workspace / "config.yaml"
    quick = {"delivery_timeout_s": 1, "tries": 2, "pause_s": 0.1}
    content = {"camera": "mini", "workspace": str(workspace), "stream": quick | stream}
    path.write_text(yaml.safe_dump(content))
    return path


def read_back(address: str, prefix: str = "") -> list[dict[str, object]]:
    """All messages of topics that begin so, by a consumer in another process."""
    command = [sys.executable, ROOT / "tools" / "read_stream.py", address, prefix]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def by_topic(messages: Sequence[dict[str, object]]) -> dict[str, list[int]]:
    """Candids of messages by topic, sorted, as often as they came."""
    out: dict[str, list[int]] = {}
    for one in messages:
        out.setdefault(str(one["topic"]), []).append(int(str(one["candid"])))
    return {topic: sorted(candids) for topic, candids in out.items()}
