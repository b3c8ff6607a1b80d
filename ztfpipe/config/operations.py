"""Section `operations`: how long what can be made again is kept, and what a night is expected to take."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ztfpipe.config.base import Section

Days = Annotated[float, Field(ge=1)]


class Operations(Section):
    """Housekeeping. `ztfpipe tidy` removes by these ages, counted from the last writing of a file, when told to."""

    split_days: Days = 14.0
    """Quadrants less their overscan, made on request [days]."""
    uncertainty_days: Days = 30.0
    """Uncertainty images, made on request [days]."""
    planted_days: Days = 90.0
    """Tables of planted sources, once the night's efficiency was made of them [days]."""
    logs_days: Days = 180.0
    """Words of single jobs [days]."""
    replaced_days: Days = 180.0
    """Products that a campaign has replaced, counted from the replacement [days]."""
    temporary_days: Days = 2.0
    """Hidden files that a job killed while writing has left [days]; no job runs so long."""
    disk_margin: Annotated[float, Field(ge=1)] = 1.2
    """A night is expected to take so many times what the largest of the last nights took."""
    disk_nights: Annotated[int, Field(ge=1, le=100)] = 10
    """Nights looked back at for that."""
