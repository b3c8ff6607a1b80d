"""Steps of the science pipeline: `image`, `measure` and `calibrators`, each imported when it is called."""

from __future__ import annotations

from pathlib import Path


def image(
    output: str,
    settings: Path,
    raw: Path,
    bias: Path | None = None,
    flat: Path | None = None,
    gaia: Path | None = None,
    ps1: Path | None = None,
    bright: Path | None = None,
) -> None:
    """Make a quadrant's science image and its companions; see `steps.science.quadrant`."""
    from ztfpipe.steps.science import quadrant

    quadrant.image(output, settings, raw, bias, flat, gaia, ps1, bright)


def measure(
    output: str,
    settings: Path,
    sciimg: Path,
    mskimg: Path | None = None,
    gaia: Path | None = None,
    ps1: Path | None = None,
    bright: Path | None = None,
) -> None:
    """Measure a science image of the public archive; see `steps.science.given`."""
    from ztfpipe.steps.science import given

    given.measure(output, settings, sciimg, mskimg, gaia, ps1, bright)


def calibrators(output: str, settings: Path) -> None:
    """Make a quadrant's calibrator and context catalogs; see `steps.science.catalogs`."""
    from ztfpipe.steps.science import catalogs

    catalogs.calibrators(output, settings)
