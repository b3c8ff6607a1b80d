"""Settings of the science pipeline."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ztfpipe.config.base import Fraction, Positive, Section


class Calibrators(Section):
    """Calibrator and context catalogs of the science pipeline: where they come from, and who may calibrate."""

    gaia: str = "network"
    """`network`, or the path of a local copy: a Parquet file, a folder of them, or a HATS catalog."""
    ps1: str = "network"
    bright: str = "network"
    gaia_columns: dict[str, str] = {}
    """Names of a local copy's columns where they differ from those of the survey's own tables: ours to theirs."""
    ps1_columns: dict[str, str] = {}
    bright_columns: dict[str, str] = {}
    cache: str = "../calibrators"
    """Folder that keeps the network's answers, from the archive."""
    border_arcmin: Annotated[float, Field(ge=0)] = 2.0
    """Border around a quadrant for pointing errors; system paper 3.5.1."""
    bright_border_arcmin: Annotated[float, Field(ge=0)] = 8.0
    """Border of the bright-star table around the CCD, whose quadrants share ghosts: the border above and the 6.1
    arcmin radius of the halos of mask bit 12."""
    bright_v_max_mag: float = 11.5
    """Faintest bright star kept; Tycho-2 is complete to V 11. Halos need V 6.5, ghosts more."""
    g_mag_range: tuple[float, float] = (12.0, 18.0)
    """Gaia G of astrometric calibrators; system paper 3.5.1."""
    position_error_max_mas: Positive = 3.0
    """Largest position error of a calibrator: a tenth of the floor that turbulence leaves; galaxies exceed it."""
    ruwe_max: Positive = 1.4
    """Largest ruwe of a calibrator: above, the source is probably double (Lindegren et al. 2021)."""
    bands: tuple[Literal["g", "r", "i", "z"], ...] = ("r", "g", "i")
    """Bands in which a photometric calibrator must be good; neighbours are judged in the first."""
    ps1_mag_range: tuple[float, float] = (14.0, 20.0)
    """PS1 saturates at 12 to 14 (Chambers et al. 2016); beyond 20 the image's own noise leaves no weight."""
    ps1_error_max_mag: Positive = 0.03
    """Largest error of a mean magnitude."""
    ps1_detections_min: Annotated[int, Field(ge=1)] = 6
    """Fewest single-epoch detections in all bands together: without several no scatter can be told."""
    stable_floor_mag: Positive = 0.03
    """Scatter of single epochs of constant bright stars, from zero points and flat fields (Magnier et al. 2020)."""
    stable_factor: Positive = 2.0
    """Scatter allowed in units of the expected one: single-epoch errors are uncertain by tens of per cent."""
    star_score_min: Fraction = 0.83
    """Least star/galaxy score: the threshold of Tachibana & Miller 2018 for one galaxy in 200 taken for a star."""
    isolation_arcsec: Positive = 6.0
    """No neighbour within this radius: three pixels beyond the FWHM, where a fit still parts stars well."""
    isolation_contrast_mag: float = 3.0
    """... that is brighter than the calibrator plus this."""


class Science(Section):
    """Science images: calibrated pixels, masks, astrometry, PSF, catalogs, photometry."""

    bad_pixels_max: Fraction = 0.9
    """A quadrant with a larger fraction of saturated or bad pixels is not looked at further."""
    saturation_margin_adu: Annotated[float, Field(ge=0)] = 300.0
    """How far below the tabulated saturation level a clipped pixel may lie [DN]: bias structure, error of the table."""
    fringe_correction: bool = True
    """Whether i-band fringes are taken out where there is a template."""
    responsivity_correction: bool = True
    """Whether pixels are divided by the low-frequency responsivity where there is a map."""
    background_mesh_px: Annotated[int, Field(ge=16)] = 128
    """Mesh of the background [px]: larger than haloes of ordinary stars, smaller than the sky's gradients."""
    first_threshold: Positive = 8.0
    """Significance of the first detections, from which seeing, astrometry and PSF are found."""
    ray_threshold: Positive = 4.5
    """Significance of a cosmic ray's sharpness beyond any blend of stars."""
    track_threshold: Positive = 8.0
    """Least significance of a satellite or aircraft track."""
    wide_track_threshold: Positive = 5.0
    """The same for bands of light too wide for the background's mesh; stars make their sums scatter more."""
    track_length_min_px: Positive = 150.0
    """Shorter trails may be asteroids and are not masked."""
    astrometric_mag: tuple[float, float] = (12.0, 18.0)
    """Gaia G of the calibrators; system paper 3.5.1."""
    pointing_error_max_arcsec: Positive = 180.0
    rotation_error_max_deg: Positive = 0.5
    """How far the commanded pointing and orientation may be off."""
    turbulence_mas: Annotated[float, Field(ge=0)] = 25.0
    """Error per axis that no polynomial takes out: smooth turbulence in 30 s."""
    match_radius_arcsec: Positive = 1.0
    """Of the final match with calibrators; half a seeing disc."""
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
    photometric_mag: tuple[float, float] = (13.0, 19.0)
    """PS1 magnitudes of the calibrators in the filter of the image."""
    flatness_mag: tuple[float, float] = (13.5, 18.5)
    """PS1 magnitudes of the stars that the evenness of the zero point is judged by (flatrms, flatrange)."""
    photometric_snr_min: Positive = 10.0
    """S/N of detections that calibrate."""
    photometric_floor_mag: Annotated[float, Field(ge=0)] = 0.005
    """Error of a PS1 mean magnitude beyond its formal one: their calibration scatters by 7 to 12 mmag over the sky
    (Magnier et al. 2020), less within a quadrant. Few calibrators cannot tell it themselves."""
    aperture_diameters_px: tuple[float, ...] = (2.0, 3.0, 4.0, 6.0, 10.0, 14.0)
    """Fixed apertures: FIXAPERS of the archive's headers."""
    given_scale_diameter_px: Positive = 20.0
    """PSF fluxes of an image of the archive are put on the scale of this aperture. Which one the archive's DAOPHOT has
    is not public: any from 17 to 22 px reproduces the headers' APCOR alike. It must fit where clean stars are alone."""
    aperture_threshold_sigma: Positive = 1.5
    aperture_pixels_min: Annotated[int, Field(ge=1)] = 5
    """Detection of the aperture catalog: that many joined pixels above this many sigma of the smoothed image."""
    halo_mag: float = 6.5
    halo_radius_arcsec: Positive = 368.0
    """Haloes are circles of this radius about stars this bright (V); the archive's masks."""
    cloud_structure_max_mag: Positive = 0.04
    """Zero-point scatter between cells of a quadrant, beyond noise, above which clouds are said to be structured."""
    zero_point_days: Annotated[int, Field(ge=1)] = 10
    """Days before a night whose images tell what zero point is usual for a readout channel and filter: the window of
    INFOBITS bit 26 of the archive since data release 11."""
    zero_point_images_min: Annotated[int, Field(ge=3)] = 10
    """Fewest usable images in that window for an image to be judged."""
    zero_point_sigma: Positive = 5.0
    """Bit 26 is set beyond this many robust sigmas: Gaussian noise alone does so to one image in two million."""
    zero_point_floor_mag: Positive = 0.03
    """Scatter below which that of the window is not believed to be [mag]: good nights differ by so much."""
    calibrators: Calibrators = Calibrators()
