"""Steps of the lightcurve pipeline, each imported when it is called."""

from __future__ import annotations

from pathlib import Path


def match(output: str, settings: Path, epochs: Path) -> None:
    """Bring a matchfile to its frozen list; see `steps.lightcurve.matching`."""
    from ztfpipe.steps.lightcurve import matching

    matching.match(output, settings, epochs)
