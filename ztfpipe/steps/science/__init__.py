"""Steps of the science pipeline: `image` and `calibrators`, each imported when it is called."""

from __future__ import annotations

from pathlib import Path


def image(output: str, settings: Path, raw: Path, **inputs: Path | None) -> None:
    """Make a quadrant's science image and its companions; see `steps.science.image`."""
    from ztfpipe.steps.science.image import image as make

    make(output, settings, raw, **inputs)


def calibrators(output: str, settings: Path) -> None:
    """Make a quadrant's calibrator and context catalogs; see `steps.science.calibrators`."""
    from ztfpipe.steps.science.calibrators import calibrators as make

    make(output, settings)
