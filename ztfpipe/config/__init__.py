"""The one validated settings model: every scientific choice of config.yaml, section by section.

A section has the name of its pipeline. Its content, the camera and the recipe's version are written to
`settings/<section>.json` beside the archive (see products/accounts/settings.py); that file, not config.yaml, is what
steps read and what Snakemake compares, so that changing one section re-makes what depends on it and nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError

from ztfpipe.config.alerts import Alerts
from ztfpipe.config.base import Fraction, Positive, Section
from ztfpipe.config.database import Database, Trends
from ztfpipe.config.difference import Difference
from ztfpipe.config.lightcurve import Lightcurve
from ztfpipe.config.moving import Known, Moving
from ztfpipe.config.operations import Operations
from ztfpipe.config.planted import Planted
from ztfpipe.config.reference import InputLimits, Reference
from ztfpipe.config.release import Release
from ztfpipe.config.science import Calibrators, Science
from ztfpipe.config.simulate import (
    SKY_EFFECTS,
    Simulate,
    SimulateDetector,
    SimulateMoving,
    SimulateNight,
    SimulateOptics,
    SimulateStars,
    SimulateWeather,
)
from ztfpipe.config.stream import Stream
from ztfpipe.config.templates import Templates
from ztfpipe.errors import BadSettings

__all__ = [
    "RECIPE_VERSIONS",
    "SKY_EFFECTS",
    "Alerts",
    "Calibration",
    "Calibrators",
    "Config",
    "Database",
    "Difference",
    "Fraction",
    "Ingest",
    "InputLimits",
    "Known",
    "Lightcurve",
    "Moving",
    "Operations",
    "Planted",
    "Positive",
    "Quality",
    "Reference",
    "Release",
    "Science",
    "Section",
    "Simulate",
    "SimulateDetector",
    "SimulateMoving",
    "SimulateNight",
    "SimulateOptics",
    "SimulateStars",
    "SimulateWeather",
    "Stream",
    "Templates",
    "Trends",
    "load_config",
]


class Ingest(Section):
    """What a raw file must be to be accepted."""

    exposure_s: tuple[float, float] = (0.0, 300.0)
    """Allowed requested exposure time [s]; a bias has 0."""
    name_header_tolerance_s: Positive = 120.0
    """Largest difference of the time in the name from OBSJD [s]; the name is set when the exposure is commanded."""
    saturated_fraction_max: Fraction = 0.9
    """Fraction of pixels at the top of the digitiser's range above which a quadrant is set aside."""
    settle_s: Annotated[float, Field(ge=0)] = 0.0
    """A file whose size or time changes within this time of being looked at [s] is still being written."""


class Calibration(Section):
    """Overscan, bias and flat masters."""

    overscan_degree: Annotated[int, Field(ge=0, le=6)] = 2
    """Degree of the floating-bias polynomial along rows; second order in the system paper 3.3."""
    overscan_clip_sigma: Positive = 4.0
    """Rows further than this from the polynomial are left out of the fit."""
    frames_min: Annotated[int, Field(ge=2)] = 20
    """Fewest frames of a master; system paper 3.4.1."""
    frames_max: Annotated[int, Field(ge=2)] = 60
    """Most frames of a master: the first ones of the night in time order are taken."""
    clip_sigma: Positive = 4.0
    """Trimming of the stack, in units of the robust percentile sigma of the pixel."""
    previous_master_nights: Annotated[int, Field(ge=0)] = 14
    """With too few frames, a master up to this many nights old is used instead."""
    noisy_factor: Annotated[float, Field(gt=1)] = 2.0
    """A pixel is noisy when it has at least this many times the noise of the quadrant's typical pixel."""
    noisy_false_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.04
    """Wanted fraction of good pixels among those called noisy; sets the threshold on the measured scatter."""
    dead_response_max: Fraction = 0.2
    """A pixel is dead below this response in the flat."""
    low_response_max: Fraction = 0.6
    """Low responsivity: between dead and this."""
    high_response_min: Annotated[float, Field(ge=1)] = 1.4
    """High responsivity: above this."""
    bias_level_adu: tuple[float, float] = (-50.0, 50.0)
    """Allowed level of a bias exposure above its overscan [DN]; others are left out."""
    flat_level_adu: tuple[float, float] = (2000.0, 45000.0)
    """Allowed median level of a flat exposure above bias [DN]; others are left out."""
    frame_noise_max: Annotated[float, Field(gt=1)] = 1.5
    """A frame whose pixels scatter this many times more than those of the median frame is left out."""
    master_change_sigma: Positive = 5.0
    """A master whose level moved by more than this many of its uncertainties since the previous one is reported."""


class Quality(Section):
    """The night's report and its pictures."""

    picture_pixels: Annotated[int, Field(ge=100, le=4000)] = 900
    """Longer side of a picture of the focal plane [px]; quadrants are averaged down to fit."""
    stretch_percent: tuple[float, float] = (1.0, 99.0)
    """Percentiles of the pixels shown as black and white."""
    database: Database = Database()
    """The operations database, which the report brings up to date."""
    trends: Trends = Trends()
    """What the night is compared with."""
    coverage_order: Annotated[int, Field(ge=4, le=11)] = 9
    """Resolution of the map of the sky seen: 2^order pixels on the side of a twelfth; 9 are 0.11 degrees."""
    night_budget_gb: Positive = 6000.0
    """Disk that a night may take [GB]: 45,000 quadrants of some 0.1 GB each, with margin; more is reported."""


class Config(Section):
    """config.yaml as a whole."""

    camera: str
    """Name of a camera, or the path of its file."""
    workspace: str
    """Folder that holds `incoming/`, `archive/`, `settings/` and `ledger/`."""
    ingest: Ingest = Ingest()
    calibration: Calibration = Calibration()
    science: Science = Science()
    templates: Templates = Templates()
    reference: Reference = Reference()
    difference: Difference = Difference()
    lightcurve: Lightcurve = Lightcurve()
    moving: Moving = Moving()
    planted: Planted = Planted()
    alerts: Alerts = Alerts()
    quality: Quality = Quality()
    operations: Operations = Operations()
    release: Release = Release()
    simulate: Simulate = Simulate()
    stream: Stream = Stream()


RECIPE_VERSIONS = {
    "ingest": 1,
    "calibration": 1,
    "science": 3,
    "templates": 1,
    "reference": 1,
    "difference": 3,
    "lightcurve": 2,
    "moving": 2,
    "planted": 1,
    "alerts": 2,
    "quality": 1,
}
"""Goes up when a change of code must re-make what the section's recipe made."""


def load_config(path: Path, overrides: dict[str, Any] | None = None) -> Config:
    """Read and validate config.yaml with top-level `overrides` laid over it. Raises BadSettings with the reason."""
    try:
        content = yaml.safe_load(path.read_text()) or {}
        return Config.model_validate({**content, **(overrides or {})})
    except (OSError, yaml.YAMLError, TypeError, ValidationError) as error:
        raise BadSettings(path, str(error)) from error
