"""Settings of the moving pipeline: known bodies of a night, tracks, orbits, reports."""

from __future__ import annotations

from pydantic import Field

from ztfpipe.config.base import Positive, Section
from ztfpipe.config.moving_tracks import Tracks


class Known(Section):
    """Which known bodies a night's table has."""

    orbits: str = ""
    """The site's orbit catalog, a path from the archive: MPCORB.DAT (also gzipped) or Parquet. Empty: there is none."""
    v_max_mag: float = Field(default=23.0, ge=10, le=30)
    """Bodies predicted fainter are left out [V mag]: 1.5 mag below the limit of a dark exposure, as predictions err by
    a few tenths and bodies turn."""
    age_max_d: Positive = 1000.0
    """Orbits whose epoch is farther from the night are left out [d]: nobody has seen such a body for years."""


class Moving(Section):
    """Known bodies; tracks of unknown ones, their orbits and reports."""

    known: Known = Known()
    tracks: Tracks = Tracks()
