"""Steps of the science pipeline: `image`, `uncertainty`, `measure` and `calibrators`, imported when they are called."""

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
    lofreqflat: Path | None = None,
    fringe: Path | None = None,
) -> None:
    """Make a quadrant's science image and its companions; see `steps.science.quadrant`."""
    from ztfpipe.steps.science import quadrant

    quadrant.image(output, settings, raw, bias, flat, gaia, ps1, bright, lofreqflat, fringe)


def uncertainty(output: str, settings: Path, image: Path, mask: Path) -> None:
    """Make the uncertainty image of a science image; see `steps.science.sigma`."""
    from ztfpipe.steps.science import sigma

    sigma.uncertainty(output, settings, image, mask)


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
