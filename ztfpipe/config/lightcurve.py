"""Settings of the lightcurve pipeline."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ztfpipe.config.base import Fraction, Positive, Section


class Lightcurve(Section):
    """Matchfiles: which detections are one source, relative photometry, errors and statistics."""

    match_radius_arcsec: Positive = 1.5
    """Farthest detection from the place of a source; what alerts use for their neighbours."""
    motion_radius_arcsec: Positive = 1.0
    """Farthest reference source from a Gaia star, both at the reference's epoch, for it to move as the star does."""
    edge_px: Annotated[float, Field(ge=0)] = 5.0
    """A source nearer to the edge of an image than this is not covered by it, and gets no upper limit [px]."""
    relative_photometry: bool = True
    """Whether zero points are solved again relative to each other; system paper 3.8."""
    calibrators_max: Annotated[int, Field(ge=10)] = 5000
    """Most least-variable sources that zero points are solved from; system paper 3.8."""
    calibrators_min: Annotated[int, Field(ge=3)] = 20
    """Fewest of them in an epoch; one with fewer keeps its zero point."""
    calibrator_seen_min: Fraction = 0.5
    """Least fraction of the good epochs in which a calibrator is measured."""
    calibrator_snr_min: Positive = 20.0
    """Least typical S/N of a calibrator: fainter ones add nothing but their bias."""
    reject_sigma: Positive = 4.0
    """Measurements farther from the solution than this are left out of it, and the solution repeated."""
    rejections: Annotated[int, Field(ge=0, le=20)] = 4
    """Number of times that measurements are rejected and calibrators are chosen again."""
    scatter_floor_mag: Positive = 0.003
    """Joined in quadrature to the error of a measurement when it is weighed: no star counts for all others."""
    surface_degree: Annotated[int, Field(ge=0, le=4)] = 3
    """Degree of the polynomial over the quadrant by which an epoch's zero point may vary; 0 for a constant."""
    surface_stars_per_term: Annotated[int, Field(ge=2)] = 15
    """An epoch with fewer calibrators per term gets a polynomial of lower degree."""
    structure_scale_px: Annotated[float, Field(ge=0)] = 150.0
    """Correlation length of what clouds leave beyond that polynomial, learned where calibrators of an epoch agree with
    their neighbours; 0: never."""
    bias: bool = True
    """Whether magnitudes are corrected for their bias against PS1 with place and brightness (Masci 2019-09-03), where
    there are PS1 calibrators enough."""
    bias_degree: Annotated[int, Field(ge=0, le=4)] = 4
    """Degree of the polynomial over the quadrant."""
    bias_stars_min: Annotated[int, Field(ge=50)] = 300
    """Fewest calibrators that a bias is learned from."""
    bias_bin_mag: Positive = 0.5
    """Bins of magnitude of the bias with brightness [mag]."""
    bias_bin_stars_min: Annotated[int, Field(ge=5)] = 20
    """Fewest calibrators in one; others have none of their own."""
    bias_error_max_mag: Positive = 0.05
    """Largest error of a calibrator in PS1, and of ours."""
    error_bins: Annotated[int, Field(ge=6)] = 25
    """Bins of magnitude in which the repeatability is measured, of equal numbers of sources."""
    error_bin_sources_min: Annotated[int, Field(ge=3)] = 15
    """With fewer sources in a bin the error model has fewer bins; below six bins it is not fitted."""
    error_epochs_min: Annotated[int, Field(ge=3)] = 8
    """Fewest good epochs of a source whose scatter tells of the repeatability."""
    stetson_pair_d: Positive = 0.1
    """Two measurements within this time are a pair for Stetson's J [d]."""
