"""Steps of the moving pipeline, each imported when it is called."""

from __future__ import annotations

from pathlib import Path


def known(output: str, settings: Path, orbits: Path | None = None) -> None:
    """Make the night's table of known bodies; see `steps.moving.known`."""
    from ztfpipe.steps.moving.known import make_known

    make_known(output, settings, orbits)
