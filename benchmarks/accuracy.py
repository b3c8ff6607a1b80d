"""Rows of the accuracy table."""

from __future__ import annotations

from typing import Any


def row(name: str, value: float, *, bar: str, met: bool | None, unit: str = "", note: str = "") -> dict[str, Any]:
    """One line: what was compared with truth, the figure found, and the bar; met None where there is no bar."""
    return {
        "name": name,
        "value": float(f"{value:.4g}"),
        "unit": unit,
        "bar": bar,
        "met": None if met is None else bool(met),
        "note": note,
    }
