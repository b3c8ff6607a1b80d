"""Where a known body was caught by the exposures of the archive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ztfpipe.model.columns import Column
from ztfpipe.model.dates import DAY_S
from ztfpipe.model.keys import QuadrantKey
from ztfpipe.model.wcs import TpvWcs

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Frame:
    """A quadrant of an exposure as far as it matters to what falls on it.

    path: of its science image below the archive, made or not. jd_start: UTC. shape: (ny, nx). solved: the WCS is the
    image's own; else that of the camera's table and the field's centre, good to an arcminute or two.
    """

    key: QuadrantKey
    path: str
    jd_start: float
    exptime_s: float
    wcs: TpvWcs
    shape: tuple[int, int]
    solved: bool

    @property
    def mid_jd(self) -> float:
        """Middle of the exposure, Julian date UTC."""
        return self.jd_start + 0.5 * self.exptime_s / DAY_S


@dataclass(frozen=True)
class Sighting:
    """A body on or near a quadrant, in the middle of the exposure.

    ra_deg, dec_deg: ICRS. sun_au, observer_au: distances. x_px, y_px: zero-based; dx_px, dy_px: its way during the
    exposure. centre_distance_deg: from the middle of the image. inside: on its pixels.
    """

    frame: Frame
    ra_deg: float
    dec_deg: float
    sun_au: float
    observer_au: float
    phase_deg: float
    v_mag: float
    x_px: float
    y_px: float
    dx_px: float
    dy_px: float
    centre_distance_deg: float
    inside: bool


MOST_TABLE = (
    Column("image_id", "str", "", "Exposure, field, filter, CCD, quadrant of the science image"),
    Column("date_obs", "str", "", "UT date of the start of the exposure"),
    Column("time_obs", "str", "", "UT of the start of the exposure"),
    Column("mjd_obs", "f8", "day", "Modified Julian date of the start of the exposure, UTC"),
    Column("ra_obj", "f8", "deg", "Right ascension of the body in the middle of the exposure, ICRS"),
    Column("dec_obj", "f8", "deg", "Declination"),
    Column("sun_dist", "f8", "AU", "Distance from the Sun"),
    Column("geo_dist", "f8", "AU", "Distance from the observatory"),
    Column("dist_ctr", "f8", "deg", "Distance of the body from the middle of the image"),
    Column("phase", "f8", "deg", "Angle at the body between Sun and observatory"),
    Column("vmag", "f8", "mag", "Predicted V magnitude"),
    Column("match", "i4", "", "1: on the image's pixels; 0: beside them, within the margin"),
    Column("x", "f8", "pix", "x position; the centre of the first pixel is 1"),
    Column("y", "f8", "pix", "y position; the centre of the first pixel is 1"),
    Column("trail", "f8", "pix", "Length of its way during the exposure"),
    Column("wcs", "str", "", "solved: the image's own WCS; nominal: no image was made, good to an arcminute or two"),
    Column("image", "str", "", "Path of the science image below the archive"),
)
"""The table of `ztfpipe most`: the columns of the archive's Moving Object Search Tool under its names, and ours."""


@dataclass(frozen=True)
class OrbitDrawing:
    """An orbit as people look at it: heliocentric positions (n, 3) [au] on the axes of the ecliptic.

    planets: name and path of each shown. body_at, earth_at (k, 3): when the body fell on images. ra_deg, dec_deg (k,):
    where it was seen then; inside (k,): on their pixels.
    """

    title: str
    path: Floats
    planets: tuple[tuple[str, Floats], ...]
    body_at: Floats
    earth_at: Floats
    ra_deg: Floats
    dec_deg: Floats
    inside: NDArray[np.bool_]
