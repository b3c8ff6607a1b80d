"""The stream of the demonstration: packets sent to a mock cluster, read back by a stranger, and looked at."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from tools.demo_tables import LATER
from tools.mock_cluster import mock_cluster
from ztfpipe.model.summary import NightSummary, Table
from ztfpipe.products.accounts.report import text_tables
from ztfpipe.products.alerts.packets import read_archive, read_packet
from ztfpipe.products.alerts.sheet import contact_sheet_png
from ztfpipe.products.formats.atomic import write_bytes

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
SHOWN = 12
LIKELY = "likely_{night}"
"""An extra topic: what is probably real."""


def stream_table(config_path: Path) -> str:
    """Send the second night's packets to a mock cluster and read them back in another process; what each topic has."""
    # A mock cluster forgets all when it ends: so must we.
    shutil.rmtree(config_path.parent / "ledger" / "stream", ignore_errors=True)
    with mock_cluster() as (address, _):
        extra = {LIKELY: {"cuts": [{"column": "drb", "at_least": 0.65}]}}
        stream_path = config_path.with_name("stream.yaml")
        config = yaml.safe_load(config_path.read_text()) | {"stream": {"servers": address, "extra": extra}}
        stream_path.write_text(yaml.safe_dump(config))
        sent = _run([BIN / "ztfpipe", "publish", "--night", LATER, "--config", stream_path])
        lines = _run([sys.executable, ROOT / "tools" / "read_stream.py", address, ""]).splitlines()
    came = [json.loads(line) for line in lines]
    count = Counter(one["topic"] for one in came)
    different = Counter(topic for topic, _ in {(one["topic"], one["candid"]) for one in came})
    rows = [
        (one["topic"], int(one["packets"]), int(one["confirmed"]), count[one["topic"]], different[one["topic"]])
        for one in csv.DictReader(io.StringIO(sent))
    ]
    head = ("topic", "packets", "confirmed by the cluster", "read back", "different candids")
    text = "The stream: packets sent to a mock Kafka cluster, and read back by fastavro in another process"
    return text_tables(NightSummary(LATER, "", (Table(text, "", head, tuple(rows)),)))


def all_packets() -> list[dict[str, Any]]:
    """The second night's packets. Works in the archive."""
    paths = sorted(Path("sci", LATER[:4], LATER[4:]).glob("*/*_alerts.tar.gz"))
    return [read_packet(content) for path in paths for _, content in read_archive(path)]


def draw_sheet(packets: list[dict[str, Any]], path: Path) -> None:
    """The likeliest packet of each of the likeliest objects."""
    best: dict[str, dict[str, Any]] = {}
    for one in sorted(packets, key=_score):
        best[one["objectId"]] = one
    likely = sorted(best.values(), key=_score, reverse=True)[:SHOWN]
    night = f"{LATER[:4]}-{LATER[4:6]}-{LATER[6:]}"
    write_bytes(path, contact_sheet_png(likely, f"The likeliest {len(likely)} of {len(best)} objects of {night}"))


def transient(packets: list[dict[str, Any]]) -> dict[str, Any]:
    """The packet of an object that stayed: most detections before it, then the best score."""
    return max(packets, key=lambda one: (_detections(one), _score(one)))


def _detections(packet: dict[str, Any]) -> int:
    return sum(entry["candid"] is not None for entry in packet["prv_candidates"] or ())


def _score(packet: dict[str, Any]) -> float:
    return packet["candidate"]["drb"] or 0.0


def _run(command: list[Any]) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
