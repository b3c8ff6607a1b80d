"""Settings of planted sources: how many, how bright, where."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ztfpipe.config.base import Fraction, Positive, Section


class Planted(Section):
    """Sources of known flux put into science images to measure how many of them a difference gives back."""

    fraction: Annotated[float, Field(gt=0, le=1)] = 0.02
    """Of the night's differenced quadrants in which sources are planted by the target `planted`; at least one. Each
    costs as much as its difference; thirty quadrants of 500 sources place the limit of a night to 0.01 mag."""
    points_per_megapixel: Positive = 60.0
    """Density of point sources: 570 in a full quadrant; each keeps `apart_px` from the others."""
    apart_px: Annotated[float, Field(ge=10)] = 30.0
    """Least distance of planted points from each other, from planted streaks and from candidates already there [px]."""
    hosted_fraction: Fraction = 0.4
    """Of the points, those put on sources of the reference, galaxies first; the others keep away from sources."""
    host_offset_px: Positive = 1.5
    """Scatter of them about the middle of their host, per axis [px]."""
    brighter_mag: Positive = 2.0
    """Magnitudes begin this much brighter than the 5-sigma limit of the difference ..."""
    fainter_mag: Positive = 1.2
    """... and end this much fainter: from efficiency one to none."""
    streaks_per_megapixel: Annotated[float, Field(ge=0)] = 1.0
    """Density of streaks: ten in a full quadrant."""
    streak_length_px: tuple[float, float] = (10.0, 1000.0)
    """Shortest and longest streak [px]; as many in each octave. Those longer than half of the image are shortened."""
    streak_snr: tuple[float, float] = (5.0, 15.0)
    """Range of the signal-to-noise ratio of a whole streak."""
    match_px: Positive = 2.0
    """A candidate this near a planted point is it: a FWHM."""
