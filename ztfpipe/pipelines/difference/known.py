"""What a quadrant's candidates may be of all that is known to move."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Observatory
from ztfpipe.methods.sky.matching import unit_vectors
from ztfpipe.methods.sky.projection import pixel_to_sky, sky_to_pixel
from ztfpipe.methods.solar_system.ephemeris import bodies_near, dynamical_time, observer
from ztfpipe.methods.solar_system.known import nearest_known
from ztfpipe.model.candidates import NearestKnown
from ztfpipe.model.orbits import KnownSky
from ztfpipe.model.skycatalogs import Cone
from ztfpipe.model.wcs import TpvWcs

Floats = NDArray[np.float64]


def quadrant_cone(wcs: TpvWcs, shape: tuple[int, int], margin_arcsec: float) -> Cone:
    """The cone about the middle of an image that holds its corners and a margin."""
    ny, nx = shape
    x = np.array([(nx - 1) / 2, -0.5, nx - 0.5, -0.5, nx - 0.5])
    y = np.array([(ny - 1) / 2, -0.5, -0.5, ny - 0.5, ny - 0.5])
    ra, dec = pixel_to_sky(wcs, x, y)
    directions = unit_vectors(ra, dec)
    chord = np.linalg.norm(directions[1:] - directions[0], axis=1).max()
    return Cone(float(ra[0]), float(dec[0]), float(np.degrees(2 * np.arcsin(chord / 2))) + margin_arcsec / 3600.0)


def known_near_candidates(
    known: KnownSky | None,
    wcs: TpvWcs,
    shape: tuple[int, int],
    site: Observatory,
    candidates_deg: tuple[Floats, Floats],
    *,
    radius_arcsec: float,
) -> tuple[NearestKnown, int | None]:
    """The nearest known body to each candidate in the middle of the exposure, and how many bodies the image holds.

    Without a table of them no candidate has any, and their number is None.
    """
    if known is None:
        return NearestKnown.none(len(candidates_deg[0])), None
    cone = quadrant_cone(wcs, shape, radius_arcsec)
    here = observer(known.mid_jd, site.longitude_deg, site.latitude_deg, site.height_m)
    found, seen = bodies_near(known.sky, dynamical_time(known.mid_jd), here, cone.ra_deg, cone.dec_deg, cone.radius_deg)
    x, y = sky_to_pixel(wcs, seen.ra_deg, seen.dec_deg)
    ny, nx = shape
    inside = (np.abs(x - (nx - 1) / 2) <= nx / 2) & (np.abs(y - (ny - 1) / 2) <= ny / 2)
    return nearest_known(*candidates_deg, found.name, seen, radius_arcsec=radius_arcsec), int(np.count_nonzero(inside))
