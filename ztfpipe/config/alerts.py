"""Settings of the alerts pipeline."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from ztfpipe.config.base import Positive, Section
from ztfpipe.config.database import DatabaseUrl


def _on_server(url: str) -> str:
    if url.startswith("sqlite"):
        raise ValueError("names are in ledger/objects.sqlite (say nothing) or on PostgreSQL")
    return url


class Alerts(Section):
    """Alert packets: what is one object, and how far back a packet looks."""

    match_radius_arcsec: Positive = 1.5
    """Detections this near to each other are of one object; system paper 4.1."""
    history_days: Positive = 30.0
    """How far back earlier detections and upper limits go; system paper 4.1."""
    forced_days: Annotated[float, Field(ge=0)] = 30.0
    """How far back forced photometry goes; 0: none is made."""
    place_margin_deg: Annotated[float, Field(ge=0, le=1)] = 0.1
    """How far from its nominal place a quadrant may look: pointing and dithers of up to 130 arcsec, rotation."""
    neighbour_arcsec: Positive = 5.0
    """Farthest source of the reference that forced photometry names; that of the survey's own service."""
    forced_radius_fwhm: Positive = 2.0
    """Radius of the pixels that a fixed PSF is fitted to [FWHM]: 0.999 of the information on a faint source."""
    ledger: Annotated[DatabaseUrl, AfterValidator(_on_server)] = ""
    """Where objects' names are: postgresql://USER@HOST/NAME; empty: ledger/objects.sqlite in the workspace."""
    public_programs: tuple[Annotated[int, Field(ge=0, le=9)], ...] = (1,)
    """Programs whose data anyone may see. A packet's history has these and those of its own program."""
