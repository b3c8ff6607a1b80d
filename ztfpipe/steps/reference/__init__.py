"""Steps of the reference pipeline, each imported when it is called."""

from __future__ import annotations

from pathlib import Path


def check(output: str, settings: Path, plan: Path) -> None:
    """Find the references that have become possible; see `steps.reference.checking`."""
    from ztfpipe.steps.reference import checking

    checking.check(output, settings, plan)


def coadd(output: str, settings: Path, inputs: Path) -> None:
    """Make one version of a reference; see `steps.reference.coadding`."""
    from ztfpipe.steps.reference import coadding

    coadding.coadd(output, settings, inputs)


def publish(output: str, settings: Path, version: Path) -> None:
    """Give the files of a version the archive's names; see `steps.reference.publishing`."""
    from ztfpipe.steps.reference import publishing

    publishing.publish(output, settings, version)
