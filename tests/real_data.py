"""Where real data of the survey are found: beside the checkout. They are never copied into it."""

from __future__ import annotations

from pathlib import Path

REAL_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
