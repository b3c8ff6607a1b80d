"""Settings of the difference pipeline."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ztfpipe.config.base import Positive, Section


class LightFilters(Section):
    """What a candidate's packet needs; Explanatory Supplement 9.1. A candidate that fails is tagged and kept."""

    snr_min: Positive = 5.0
    """Flux over uncertainty of the PSF fit."""
    mag_max: Positive = 23.5
    """Faintest PSF magnitude."""
    bad_pixels_max: Annotated[int, Field(ge=0, le=25)] = 4
    """Masked pixels of the 5 x 5 stamp."""
    fwhm_max_px: Positive = 7.0
    """Widest [px]."""
    elongation_max: Annotated[float, Field(ge=1)] = 1.6
    """Major over minor axis."""
    magdiff_range: tuple[float, float] = (-0.4, 0.75)
    """Aperture less PSF magnitude."""


class Difference(Section):
    """Difference images: how a pair is prepared, what counts as a candidate, and when a difference is of no use."""

    background_mesh_px: Annotated[int, Field(ge=16)] = 128
    """Mesh of the background taken off each image [px], as for science images; at most an eighth of a quadrant's side:
    on a small camera, the sky varies over so many pixels as on a large one over a few times more."""
    psf_radius_px: Annotated[int, Field(ge=6)] = 12
    """Half-width of the PSFs' stamps, as for science images and references."""
    match_radius_px: Positive = 1.5
    """Of stars of both catalogs: half a FWHM at poor seeing; both WCSs are good to a tenth of a pixel."""
    match_snr_min: Positive = 20.0
    """Flux over uncertainty, in both catalogs, of stars that register the images: each places them to 0.05 px."""
    matches_max: Annotated[int, Field(ge=50)] = 1500
    """The brightest matches are used; more add time and no accuracy."""
    matches_min: Annotated[int, Field(ge=5)] = 10
    """With fewer matches there is no overlap, or the reference is of another place: STATUS 0."""
    registration_scale_px: Positive = 250.0
    """Correlation length of displacement and throughput [px]: a few arcminutes, as of air and clouds."""
    background_cell_px: Annotated[int, Field(ge=32)] = 128
    """Cells whose medians the differential background is made of [px]; at most a tenth of a quadrant's side."""
    background_scale_px: Positive = 300.0
    """Its correlation length [px]; smaller ones would follow galaxies. At most a fifth of a quadrant's side."""
    tile_px: Annotated[int, Field(ge=64)] = 514
    """Largest side of a tile in which one PSF holds; with margins 576, a fast length for transforms (decision 26)."""
    candidate_scorr_min: Annotated[float, Field(ge=3)] = 5.0
    """|S_corr| of a candidate; ZTF's alerts begin at 5."""
    raw_scorr_min: Annotated[float, Field(ge=2.5)] = 3.0
    """|S_corr| of raw detections, kept for histories; ndethist of ZTF's alerts counts those of S/N 3."""
    raw_detections_max: Annotated[int, Field(ge=0, le=450_000)] = 50_000
    """The most significant ones are kept; noise alone makes ten thousand."""
    light_filters: LightFilters = LightFilters()
    """What candidates are tagged by."""
    scorr_image: bool = False
    """Whether S_corr is written as an image, `scorrimg`."""
    edge_px: Annotated[int, Field(ge=0)] = 10
    """Pixels at the edges without candidates; the lower limit of mindtoedge in ZTF's alerts."""
    candidates_max: Annotated[int, Field(ge=10, le=5000)] = 5000
    """With more, the subtraction failed: STATUS 0. An image's candid has room for 5000 of each sign."""
    known_radius_arcsec: Annotated[float, Field(gt=0, le=300)] = 30.0
    """A known solar-system body is a candidate's neighbour within this distance; the alerts' definition of ssdistnr."""
    streaks: bool = True
    """Whether streaks are looked for."""
    streak_snr_min: Positive = 6.8
    """Signal-to-noise ratio of a whole streak (decision 27)."""
    streak_length_min_px: Positive = 7.0
    """Shorter ones are stars."""
    streaks_max: Annotated[int, Field(ge=1)] = 30
    """The most significant ones are kept."""
    bad_fraction_max: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """With more of the pixels masked in either image or outside of the reference, STATUS 0."""
    registration_scatter_max_px: Positive = 0.3
    """With more scatter of stars about the registration, per axis, STATUS 0: every star would leave a dipole."""
    noise_scale: tuple[float, float] = (0.8, 1.5)
    """Allowed width of S_corr in empty sky before it is made one; outside, the noise was not understood: STATUS 0."""
    rb_version: str = Field(default="t1", pattern=r"^[a-z0-9_]+$")
    """The trees that score candidates by their features: weights/rb_VERSION.npz."""
    drb_version: str = Field(default="n1", pattern=r"^[a-z0-9_]+$")
    """The network that scores candidates by their cutouts: weights/drb_VERSION.npz."""
