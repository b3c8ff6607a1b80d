"""Parts of the sky that can be asked for: cones, boxes and polygons."""

from __future__ import annotations

from dataclasses import dataclass

from ztfpipe.errors import BadKey
from ztfpipe.model.skycatalogs import Cone


@dataclass(frozen=True)
class Box:
    """All directions between two right ascensions, eastwards from the first to the second, and two declinations
    [deg]. BadKey when it is none."""

    ra_min_deg: float
    ra_max_deg: float
    dec_min_deg: float
    dec_max_deg: float

    def __post_init__(self) -> None:
        good = all(0 <= ra <= 360 for ra in (self.ra_min_deg, self.ra_max_deg))
        if not (good and -90 <= self.dec_min_deg <= self.dec_max_deg <= 90):
            limits = (self.ra_min_deg, self.ra_max_deg, self.dec_min_deg, self.dec_max_deg)
            raise BadKey("box", limits, "ra 0 to 360, and dec -90 to 90 in order")

    @property
    def width_deg(self) -> float:
        """Extent in right ascension; a box from 359 to 1 is 2 wide."""
        width = self.ra_max_deg - self.ra_min_deg
        return width if width >= 0 else width + 360


@dataclass(frozen=True)
class Polygon:
    """All directions within great-circle arcs from corner to corner [deg], at most 80 deg from the mean of the
    corners. Either sense of rotation; it may be concave. BadKey for fewer than three corners, or impossible ones."""

    ra_deg: tuple[float, ...]
    dec_deg: tuple[float, ...]

    def __post_init__(self) -> None:
        corners = list(zip(self.ra_deg, self.dec_deg, strict=True))
        if len(corners) < 3 or not all(0 <= ra <= 360 and -90 <= dec <= 90 for ra, dec in corners):
            raise BadKey("polygon", corners, "three corners or more, in degrees")


Region = Cone | Box | Polygon
