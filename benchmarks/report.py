"""Results as JSON, one file per module, and the tables of the docs made from them."""

from __future__ import annotations

import ast
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
    """Replace what stands between the marks in the page of this kind by tables of all kept results; the text.

    How many bars are met and which are missed comes first, then a section for each module with its rows and notes.
    """
    results = [json.loads(path.read_text()) for path in sorted(RESULTS.glob(f"{kind}_*.json"))]
    text = "\n\n".join([_digest(results), *map(_section, results)])
    page = DOCS[kind]
    before, _, rest = page.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
    return text


def _digest(results: list[dict[str, Any]]) -> str:
    """How many bars are met, and a line for each that is missed."""
    judged = [(result, one) for result in results for one in result["rows"] if one["bar"] and one["met"] is not None]
    missed = [(result["name"], one) for result, one in judged if not one["met"]]
    found = f"{len(judged) - len(missed)} of {len(judged)} bars are met" + ("; missed:" if missed else ".")
    lines = [f"- [{name}](#{name}): {one['name']}: {_found(one)} (bar: {_cell(one['bar'])})" for name, one in missed]
    return "\n".join([found, *([""] if missed else []), *lines])


def _found(one: dict[str, Any]) -> str:
    if "value" in one:
        return f"{one['value']:g} {one['unit']}".rstrip()
    return f"{_number(one['cpu_s'])} CPU s, {_number(one['peak_mb'])} MB"


def _section(result: dict[str, Any]) -> str:
    """One module: what it measures in its own words, its rows, how they were measured, when and where."""
    rows = result["rows"]
    notes: dict[str, str] = {}
    for one in rows:
        if one.get("note"):
            notes.setdefault(one["note"], one["name"])
    table = (_performance if result["kind"] == "bench" else _accuracy)(rows)
    lines = [f"## {result['name']}", "", _purpose(result), "", table, ""]
    lines += [*(f"- {name}: {note}" for note, name in notes.items()), *([""] if notes else [])]
    return "\n".join([*lines, f"{result['date']}, commit {result['commit']}, {result['machine']}."])


def _purpose(result: dict[str, Any]) -> str:
    """The first paragraph of the docstring of the module that measured it."""
    module = ROOT / "benchmarks" / f"{result['kind']}_{result['name']}.py"
    documented = ast.get_docstring(ast.parse(module.read_text())) if module.exists() else None
    return " ".join((documented or result["name"]).partition("\n\n")[0].split())


def _performance(rows: Rows) -> str:
    head = (
        "| what | CPU s | peak MB | peer | its CPU s | its peak MB | times faster | at least | met |\n"
        + "|---" * 9
        + "|"
    )
    lines = [
        f"| {one['name']} | {_number(one['cpu_s'])} | {_number(one['peak_mb'])} | {one['peer'] or ''} "
        f"| {_number(one['peer_cpu_s'])} | {_number(one['peer_peak_mb'])} | {_number(one['ratio'])} "
        f"| {_cell(one['bar'])} | {_met(one['met'] if one['bar'] else None)} |"
        for one in rows
    ]
    return "\n".join([head, *lines])


def _accuracy(rows: Rows) -> str:
    head = "| what | found | unit | bar | met |\n" + "|---" * 5 + "|"
    lines = [
        f"| {one['name']} | {one['value']:g} | {one['unit']} | {_cell(one['bar'])} | {_met(one['met'])} |"
        for one in rows
    ]
    return "\n".join([head, *lines])


def _cell(text: str) -> str:
    """Text for a cell of a table, in which a bar would end the cell."""
    return text.replace("|", "\\|")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _met(met: bool | None) -> str:
    return {True: "yes", False: "**no**", None: ""}[met]
