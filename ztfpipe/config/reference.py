"""Settings of the reference pipeline."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from ztfpipe.config.base import Positive, Section

Range = tuple[float, float]


class InputLimits(Section):
    """What an epoch must be to become an input, in one filter. Roman numbers are those of the survey's own criteria
    (Masci, ZTF Science Data System: Progress and Plans, 2019-09-03, "Plan: extend selection criteria")."""

    fwhm_arcsec: Range
    """(i) Allowed seeing."""
    zero_point_mag: Range
    """(iii) Allowed MAGZP."""
    colour_coefficient: Range
    """(iv) Allowed CLRCOEFF."""
    limiting_mag_min: float
    """(v) Least MAGLIM."""
    background_max_adu: Positive
    """(vi) Largest median of the pixels."""
    noise_max_adu: Positive
    """(vii) Largest robust RMS of the pixels."""
    flatness_rms_max_mag: Positive
    """Flatness: largest robust RMS of the residuals against PS1 (provisional there)."""
    flatness_range_max_mag: Positive
    """Flatness: largest difference between the median residuals of 3 x 3 cells (provisional there)."""


def _input(*values: object) -> InputLimits:
    return InputLimits(**dict(zip(InputLimits.model_fields, values, strict=True)))


def _every_filter(values: dict[str, InputLimits]) -> dict[str, InputLimits]:
    if set(values) != {"zg", "zr", "zi"}:
        raise ValueError("needs a value for each of zg, zr, zi")
    return values


class Reference(Section):
    """References: which epochs, how they are joined, what is measured on them, and when one is suspect."""

    inputs: Annotated[dict[str, InputLimits], AfterValidator(_every_filter)] = {
        "zg": _input((1.7, 5.0), (25.3, 26.5), (-0.20, 0.15), 19.0, 1900.0, 100.0, 0.035, 0.047),
        "zr": _input((1.7, 5.0), (25.3, 26.5), (-0.05, 0.22), 19.0, 1600.0, 100.0, 0.030, 0.045),
        "zi": _input((1.7, 4.5), (25.25, 25.85), (0.05, 0.30), 18.0, 1200.0, 80.0, 0.030, 0.045),
    }
    """(ii) is STATUS 1; the others by filter, see above."""
    first_night: Annotated[str, Field(pattern=r"^[0-9]{8}$")] = "20180205"
    """(viii) Epochs from this UT date on: the camera was reinstalled then."""
    epochs_min: Annotated[int, Field(ge=2)] = 15
    """(ix) Fewest inputs; system paper 3.7."""
    epochs_max: Annotated[int, Field(ge=2, le=200)] = 40
    """(x) Most inputs, those of best seeing; system paper 3.7. 50 is proposed for references made again."""
    flatness_mag: Range = (13.5, 18.5)
    """PS1 magnitudes of the stars that flatness is judged by; the same source."""
    match_radius_arcsec: Positive = 2.0
    """Of an input's stars with calibrators, when it is read: wide, so that a shifted image still matches."""
    matches_min: Annotated[int, Field(ge=5)] = 10
    """Fewest matches that confirm an input's astrometry and zero point."""
    offset_max_arcsec: Positive = 0.3
    """Largest median offset of an input from calibrators: three times what a shaken image shows, a third of a pixel."""
    scatter_max_arcsec: Positive = 0.3
    """Largest robust scatter of the offsets per axis: a WCS that is turned or stretched."""
    zero_point_error_max_mag: Positive = 0.05
    """Largest median difference of an input's calibrated magnitudes from PS1: beyond it the zero point is wrong."""
    clip_sigma: Positive = 5.0
    """Outlier trimming of the stack, in units of a sample's noise or the pixel's percentile sigma, the larger."""
    background_mesh_px: Annotated[int, Field(ge=16)] = 128
    """Mesh of the background taken off each input [px], as for science images."""
    first_threshold: Positive = 8.0
    """Significance of the detections that the PSF is made of."""
    psf_radius_px: Annotated[int, Field(ge=6)] = 12
    """Half-width of the PSF's stamp."""
    psf_order: Annotated[int, Field(ge=0, le=3)] = 3
    """Highest order of the PSF's variation; few stars lower it."""
    detection_threshold: Positive = 4.2
    """Matched-filter significance of a detection in either pass."""
    catalog_snr_min: Positive = 4.65
    """Flux over uncertainty of the faintest source kept."""
    edge_px: Annotated[int, Field(ge=0)] = 5
    """Sources nearer to an edge carry flags -1."""
    aperture_diameters_px: tuple[float, ...] = (2.0, 3.0, 4.0, 6.0, 10.0, 14.0)
    """Fixed apertures: FIXAPERS of the archive's headers."""
    aperture_threshold_sigma: Positive = 1.5
    aperture_pixels_min: Annotated[int, Field(ge=1)] = 5
    """Detection of the aperture catalog: that many joined pixels above this many sigma of the smoothed image."""
    covered_min: Annotated[float, Field(gt=0, le=1)] = 0.5
    """A reference with less than this fraction of its pixels covered by epochs_min / 2 epochs has STATUS 0."""
    suspect_shortfall_mag: Positive = 0.3
    """A reference shallower than its inputs promise by more than this is suspect."""
    renew_gain_mag: Positive = 0.2
    """Other inputs that promise at least this much more depth are reason to make a reference again."""
