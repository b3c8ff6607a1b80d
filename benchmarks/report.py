"""Results as JSON, one file per module, and the tables of the docs made from them."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
DOCS = {"bench": ROOT / "docs" / "performance.md", "validate": ROOT / "docs" / "accuracy.md"}
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
Rows = Sequence[dict[str, Any]]


def keep(kind: str, name: str, rows: Rows) -> Path:
    """Write the rows of one module with date, commit and machine; the path of the file."""
    content = {
        "kind": kind,
        "name": name,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": _commit(),
        "machine": machine(),
        "rows": list(rows),
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{kind}_{name}.json"
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path


def machine() -> str:
    """Processor, its count, memory, operating system: what the figures depend on."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return (
        f"{model}, {os.cpu_count()} cores, {memory_gb:.0f} GB, {platform.system()}, Python {platform.python_version()}"
    )


def _commit() -> str:
    """The commit measured, `-dirty` when any file but results and pages differs from it."""
    commit = _git("describe", "--always")
    changed = _git("status", "--porcelain", "--", ".", ":!benchmarks/results", ":!docs")
    return f"{commit or 'unknown'}{'-dirty' if changed else ''}"


def _git(*arguments: str) -> str:
    ran = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    return ran.stdout.strip()


def write_table(kind: str) -> str:
    """Replace the table in the page of this kind by one of all kept results; the table."""
    results = [json.loads(path.read_text()) for path in sorted(RESULTS.glob(f"{kind}_*.json"))]
    table = _performance(results) if kind == "bench" else _accuracy(results)
    page = DOCS[kind]
    before, _, rest = page.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")
    return table


def _performance(results: list[dict[str, Any]]) -> str:
    head = (
        "| what | CPU s | peak MB | peer | its CPU s | its peak MB | times faster | at least | met |\n"
        + "|---" * 9
        + "|"
    )
    lines = [
        f"| {one['name']} | {_number(one['cpu_s'])} | {_number(one['peak_mb'])} | {one['peer'] or ''} "
        f"| {_number(one['peer_cpu_s'])} | {_number(one['peer_peak_mb'])} | {_number(one['ratio'])} "
        f"| {_cell(one['bar'])} | {_met(one['met'] if one['bar'] else None)} |"
        for result in results
        for one in result["rows"]
    ]
    return "\n".join([head, *lines, *_notes(results)])


def _accuracy(results: list[dict[str, Any]]) -> str:
    head = "| what | found | unit | bar | met |\n" + "|---" * 5 + "|"
    lines = [
        f"| {one['name']} | {one['value']:g} | {one['unit']} | {_cell(one['bar'])} | {_met(one['met'])} |"
        for result in results
        for one in result["rows"]
    ]
    return "\n".join([head, *lines, *_notes(results)])


def _notes(results: list[dict[str, Any]]) -> list[str]:
    """How each row was measured, then when and where each module ran."""
    notes: dict[str, str] = {}
    for one in (one for result in results for one in result["rows"] if one.get("note")):
        notes.setdefault(one["note"], one["name"])
    runs = [f"- {r['name']}: {r['date']}, commit {r['commit']}, {r['machine']}" for r in results]
    return ["", *(f"- {name}: {note}" for note, name in notes.items()), "", "Measured:", "", *runs]


def _cell(text: str) -> str:
    """Text for a cell of a table, in which a bar would end the cell."""
    return text.replace("|", "\\|")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _met(met: bool | None) -> str:
    return {True: "yes", False: "**no**", None: ""}[met]
