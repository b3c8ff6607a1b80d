"""The one validated settings model: every scientific choice of config.yaml, section by section.

A section has the name of its pipeline. Its content, the camera and the recipe's version are written to
`settings/<section>.json` beside the archive (see products/settings.py); that file, not config.yaml, is what steps read
and what Snakemake compares, so that changing one section re-makes what depends on it and nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ztfpipe.errors import BadSettings

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """Base of all sections: frozen, no unknown keys, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Ingest(Section):
    """What a raw file must be to be accepted."""

    exposure_s: tuple[float, float] = (0.0, 300.0)
    """Allowed requested exposure time [s]; a bias has 0."""
    name_header_tolerance_s: Positive = 120.0
    """Largest difference of the time in the name from OBSJD [s]; the name is set when the exposure is commanded."""
    saturated_fraction_max: Fraction = 0.9
    """Fraction of pixels at the top of the digitiser's range above which a quadrant is set aside."""
    settle_s: Annotated[float, Field(ge=0)] = 0.0
    """A file whose size or time changes within this time of being looked at [s] is still being written."""


class Calibration(Section):
    """Overscan, bias and flat masters."""

    overscan_degree: Annotated[int, Field(ge=0, le=6)] = 2
    """Degree of the floating-bias polynomial along rows; second order in the system paper 3.3."""
    overscan_clip_sigma: Positive = 4.0
    """Rows further than this from the polynomial are left out of the fit."""
    frames_min: Annotated[int, Field(ge=2)] = 20
    """Fewest frames of a master; system paper 3.4.1."""
    frames_max: Annotated[int, Field(ge=2)] = 60
    """Most frames of a master: the first ones of the night in time order are taken."""
    clip_sigma: Positive = 4.0
    """Trimming of the stack, in units of the robust percentile sigma of the pixel."""
    previous_master_nights: Annotated[int, Field(ge=0)] = 14
    """With too few frames, a master up to this many nights old is used instead."""
    noisy_factor: Annotated[float, Field(gt=1)] = 2.0
    """A pixel is noisy when it has at least this many times the noise of the quadrant's typical pixel."""
    noisy_false_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.04
    """Wanted fraction of good pixels among those called noisy; sets the threshold on the measured scatter."""
    dead_response_max: Fraction = 0.2
    """A pixel is dead below this response in the flat."""
    low_response_max: Fraction = 0.6
    """Low responsivity: between dead and this."""
    high_response_min: Annotated[float, Field(ge=1)] = 1.4
    """High responsivity: above this."""
    bias_level_adu: tuple[float, float] = (-50.0, 50.0)
    """Allowed level of a bias exposure above its overscan [DN]; others are left out."""
    flat_level_adu: tuple[float, float] = (2000.0, 45000.0)
    """Allowed median level of a flat exposure above bias [DN]; others are left out."""
    frame_noise_max: Annotated[float, Field(gt=1)] = 1.5
    """A frame whose pixels scatter this many times more than those of the median frame is left out."""
    master_change_sigma: Positive = 5.0
    """A master whose level moved by more than this many of its uncertainties since the previous one is reported."""


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
    """Border of the bright-star table: the border above and the 6.1 arcmin radius of the halos of mask bit 12."""
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
    """How far below the tabulated saturation level a clipped pixel may lie [DN]: bias structure and the table's error."""
    fringe_correction: bool = True
    """Whether i-band fringes are taken out where there is a template."""
    fringe_smooth_blocks: Annotated[int, Field(ge=3)] = 15
    """Width of the smooth background under the fringes, in blocks of the template."""
    background_mesh_px: Annotated[int, Field(ge=16)] = 128
    """Mesh of the background [px]: larger than haloes of ordinary stars, smaller than the sky's gradients."""
    first_threshold: Positive = 8.0
    """Significance of the first detections, from which seeing, astrometry and PSF are found."""
    ray_threshold: Positive = 4.5
    """Significance of a cosmic ray's sharpness beyond any blend of stars."""
    track_threshold: Positive = 8.0
    """Least significance of a satellite or aircraft track."""
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
    detection_threshold: Positive = 4.5
    """Matched-filter significance of a detection in either pass."""
    catalog_snr_min: Positive = 4.7
    """Flux over uncertainty of the faintest source kept."""
    edge_px: Annotated[int, Field(ge=0)] = 5
    """Sources nearer to an edge carry flags -1."""
    photometric_mag: tuple[float, float] = (13.0, 19.0)
    """PS1 magnitudes of the calibrators in the filter of the image."""
    photometric_snr_min: Positive = 10.0
    """S/N of detections that calibrate."""
    aperture_diameters_px: tuple[float, ...] = (2.0, 3.0, 4.0, 6.0, 10.0, 14.0)
    """Fixed apertures: FIXAPERS of the archive's headers."""
    aperture_threshold_sigma: Positive = 1.5
    aperture_pixels_min: Annotated[int, Field(ge=1)] = 5
    """Detection of the aperture catalog: that many joined pixels above this many sigma of the smoothed image."""
    halo_mag: float = 6.5
    halo_radius_arcsec: Positive = 368.0
    """Haloes are circles of this radius about stars this bright (V); the archive's masks."""
    cloud_structure_max_mag: Positive = 0.04
    """Zero-point scatter between cells of a quadrant, beyond noise, above which clouds are said to be structured."""
    calibrators: Calibrators = Calibrators()


def _every_filter(sizes: dict[str, float]) -> dict[str, float]:
    if set(sizes) != {"zg", "zr", "zi"}:
        raise ValueError("a number for each of zg, zr and zi is needed")
    return sizes


ByFilter = Annotated[dict[str, float], AfterValidator(_every_filter)]
"""A number for each filter."""


class Quality(Section):
    """The night's report and its pictures."""

    picture_pixels: Annotated[int, Field(ge=100, le=4000)] = 900
    """Longer side of a picture of the focal plane [px]; quadrants are averaged down to fit."""
    stretch_percent: tuple[float, float] = (1.0, 99.0)
    """Percentiles of the pixels shown as black and white."""


class SimulateStars(Section):
    """The fixed sky: stars, galaxies and how many of the stars vary. Counts are per square degree."""

    stars_per_square_degree: Positive = 20000.0
    """Stars brighter than `counts_at_mag`. 5700 give a full-size quadrant 5,000 detectable in r, 34000 give 30,000."""
    counts_at_mag: float = 20.5
    """r magnitude at which the counts are given: S/N 5 in 30 s of moonlight, airmass 1.4, seeing 2 px."""
    slope_faint: Positive = 0.30
    """d log10 N / dm of the cumulative counts fainter than `slope_break_mag`; high galactic latitude."""
    slope_bright: Positive = 0.45
    """The same for brighter stars, which are near enough for space to look uniform (0.6 without any structure)."""
    slope_break_mag: float = 14.0
    bright_limit_mag: float = 7.0
    """Brightest star made (r)."""
    faint_limit_mag: float = 21.8
    """Faintest star and galaxy made (r): about half a magnitude below the limit of a dark 30 s exposure."""
    proper_motion_mas_per_year: Annotated[float, Field(ge=0)] = 7.0
    """Median total proper motion at r = 15; log-normal with a factor of 2.5, smaller for faint stars."""
    galaxies_per_square_degree: Annotated[float, Field(ge=0)] = 1500.0
    """Galaxies brighter than `counts_at_mag`, slope 0.45; counts of deep surveys in r."""
    galaxy_radius_arcsec: Positive = 1.5
    """Median half-light radius at r = 20; it shrinks by a factor 10^-0.1 per magnitude; scatter a factor of 1.5."""
    variables: dict[Literal["rrlyrae", "eclipsing", "rotating", "mira", "stochastic"], Fraction] = {
        "rrlyrae": 0.006,
        "eclipsing": 0.010,
        "rotating": 0.012,
        "mira": 0.003,
        "stochastic": 0.008,
    }
    """Fraction of the stars that vary, by kind: more than nature's, so that a small camera sees some of each."""
    transients_per_square_degree: Annotated[float, Field(ge=0)] = 40.0
    """Transients that peak per square degree and 30 days (nature: about 1): a small camera must see several."""
    transients_hostless: Fraction = 0.3
    """Fraction of transients without a host brighter than the faint limit."""


class SimulateMoving(Section):
    """What moves: asteroids, near-Earth objects, satellites, aircraft."""

    asteroids_per_square_degree: Annotated[float, Field(ge=0)] = 60.0
    """Main-belt asteroids within the camera's footprint on the date, 15 < r < 21.3; near opposition about that many."""
    near_earth_objects: Annotated[int, Field(ge=0)] = 2
    """Near-Earth objects within the footprint of each field on the date."""
    known_fraction: Fraction = 0.8
    """Fraction of the asteroids listed in the table of known ones."""
    streaks_per_exposure: Annotated[float, Field(ge=0)] = 0.3
    """Mean number of satellites and aircraft that cross the camera's field in 30 s."""
    aircraft_fraction: Fraction = 0.1
    """Fraction of the streaks that are aircraft: out of focus, several parallel lights."""


class SimulateOptics(Section):
    """Where light falls: pointing, geometry of the focal plane, refraction, turbulence, image quality."""

    pointing_error_arcsec: Annotated[float, Field(ge=0)] = 25.0
    """RMS per axis of actual minus commanded pointing; real headers show up to 130 arcsec."""
    rotation_error_deg: Annotated[float, Field(ge=0)] = 0.02
    """RMS rotation of the camera from exposure to exposure."""
    drift_px: Annotated[float, Field(ge=0)] = 0.0
    """Drift of the telescope during each exposure, in a direction of its own: trailed images when it is large."""
    dither_arcsec: Annotated[float, Field(ge=0)] = 20.0
    """Largest commanded offset from the field's centre in each axis."""
    ccd_shift_px: Annotated[float, Field(ge=0)] = 3.0
    """RMS displacement of a CCD from its nominal place; with it a rotation of ccd_shift_px / 3000 px."""
    radial_distortion_arcsec: Annotated[float, Field(ge=0)] = 20.0
    """Radial displacement 3.6 deg from the axis; Schmidt cameras with flat detectors have this much."""
    tangential_distortion_arcsec: Annotated[float, Field(ge=0)] = 3.0
    """Swirl 3.6 deg from the axis."""
    pattern_mas: Annotated[float, Field(ge=0)] = 130.0
    """RMS per axis of a smooth fixed pattern over each quadrant; real headers have 140 mas of terms beyond linear."""
    refraction_colour_nm_per_mag: ByFilter = {"zg": 7.0, "zr": 3.0, "zi": 1.5}
    """Change of effective wavelength per magnitude of g - r, by filter, from integrals over stellar spectra."""
    turbulence_mas: tuple[float, float] = (25.0, 32.0)
    """Range of the RMS per axis of the smooth displacement field of a 30 s exposure; falls with the root of time."""
    turbulence_scale_arcmin: Positive = 4.0
    """Correlation length (Gaussian sigma) of that field; a mixture of half, once and twice this."""
    seeing_px: tuple[float, float] = (1.5, 4.0)
    """Range that the FWHM at the centre of a quadrant is kept in."""
    seeing_median_px: Positive = 1.9
    """Median FWHM in r at the zenith; 2.0 arcsec in the system paper's figures for airmass 1.2."""
    seeing_scatter: Annotated[float, Field(ge=0)] = 0.18
    """Natural-log scatter of the seeing over a night, with a memory of 40 minutes."""
    psf_variation: Annotated[float, Field(ge=0)] = 0.05
    """Relative change of FWHM over a quadrant (peak), and the size of ellipticity and skewness changes."""


class SimulateWeather(Section):
    """What happens to light on its way: zero points, extinction, clouds, sky."""

    zero_point_scatter_mag: Annotated[float, Field(ge=0)] = 0.04
    """RMS of the quadrants' zero points about the filter's; the archive's thresholds scatter as much."""
    zero_point_airmass: Positive = 1.2
    """Airmass at which the camera's reference zero points hold."""
    colour_term: ByFilter = {"zg": -0.055, "zr": 0.110, "zi": 0.150}
    """m_PS1 - m_inst per magnitude of the filter's colour: real headers of 2025 and the archive's accepted ranges."""
    colour_term_scatter: Annotated[float, Field(ge=0)] = 0.012
    """RMS of the quadrants' colour terms: two detector coatings."""
    colour_curvature: float = 0.003
    """Second-order colour term [1/mag] about the colour 0.6 (0.25 in i), which no linear fit can follow."""
    extinction_scatter: Annotated[float, Field(ge=0)] = 0.02
    """Relative night-to-night scatter of the extinction coefficient."""
    transparency_mag: Annotated[float, Field(ge=0)] = 0.008
    """RMS of the grey transparency between exposures of a clear night, with a memory of 15 minutes."""
    cloudy_fraction: Fraction = 0.12
    """Fraction of the sky exposures taken through clouds."""
    cloud_mag: Positive = 0.5
    """Median grey extinction of a cloud (log-normal, factor 1.8)."""
    cloud_structure: Fraction = 0.25
    """RMS of a cloud's structure relative to its grey extinction."""
    cloud_scale_arcmin: Positive = 5.0
    """Correlation length (Gaussian sigma) of that structure, and half and twice it."""
    dark_sky_mag: ByFilter = {"zg": 21.7, "zr": 20.9, "zi": 19.9}
    """Sky at the zenith without Moon [mag per square arcsec]; from sky levels and zero points of real headers."""
    sky_gradient: Annotated[float, Field(ge=0)] = 0.02
    """RMS relative change of the sky from centre to edge of a quadrant, per axis; a third of it in second order."""
    fringe_fraction: ByFilter = {"zg": 0.0, "zr": 0.0, "zi": 0.015}
    """Peak amplitude of fringes relative to the sky, by filter."""


class SimulateNight(Section):
    """What is observed, in which order."""

    date: Annotated[str, Field(pattern=r"^[0-9]{8}$")] = "20180325"
    """UT date."""
    biases: Annotated[int, Field(ge=0)] = 22
    flats: Annotated[int, Field(ge=0)] = 22
    """Screen flats per filter."""
    flat_exposure_s: Annotated[dict[str, Positive], AfterValidator(_every_filter)] = {
        "zg": 20.0,
        "zr": 15.0,
        "zi": 15.0,
    }
    """Exposure time of the screen flats, by filter."""
    fields: tuple[int, ...] = (473, 1467)
    """Survey fields; these two culminate at midnight on the date, on the ecliptic."""
    filters: tuple[Literal["zg", "zr", "zi"], ...] = ("zg", "zr", "zi")
    visits: Annotated[int, Field(ge=0)] = 3
    """Visits of each field in each filter, spread over the night: 2 fields x 3 filters x 3 visits = 18 exposures."""
    exposures_s: tuple[Annotated[float, Field(ge=30, le=300)], ...] = (30.0, 30.0, 90.0)
    """Exposure times, by visit, repeated."""
    programs: tuple[Annotated[int, Field(ge=0, le=3)], ...] = (1, 1, 2, 3)
    """Observing programs, by exposure, repeated."""
    hours_ut: tuple[float, float] = (4.5, 11.5)
    """First and last visit [h UT]."""


class SimulateDetector(Section):
    """Optics, detector and electronics of the synthetic camera.

    A size of 0 switches its effect off; an effect whose size stands in the camera's tables has a switch. Sizes are true
    only of the synthetic camera; they are of the order seen in real frames.
    """

    pattern_seed: Annotated[int, Field(ge=0)] = 1
    """Seed of what is fixed to the detector: pixel response, bias structure, bad pixels, fringes."""
    shot_noise: bool = True
    """Poisson noise of light and dark current."""
    read_noise: bool = True
    """Gaussian noise of the amplifier, from the camera's table."""
    dark_current: bool = True
    """Dark current of the camera's table."""
    nonlinearity: bool = True
    """Measured DN follow the camera's table of the night."""
    saturation: bool = True
    """Pixels stop at the camera's full well."""
    bleeding: bool = True
    """What a full pixel cannot hold runs along its column."""
    crosstalk: bool = True
    """The quadrants of a CCD are read together and leak into each other by the camera's table."""
    static_bad_pixels: bool = True
    """The camera's known bad pixels are bad."""

    vignetting: Fraction = 0.10
    """Light lost at the corner of the focal plane."""
    screen_residual: Fraction = 0.03
    """Peak-to-valley of the smooth difference between the illumination by screen and by sky."""
    screen_gradient: Fraction = 0.05
    """Peak-to-valley of the lamps' linear gradient over the focal plane."""
    screen_level_adu: Positive = 20000.0
    """Level of a screen flat above bias [DN] at the centre."""
    screen_drift: Fraction = 0.02
    """Standard deviation of the lamps' brightness from one flat to the next."""
    fringes: bool = True
    """The interference pattern of night-sky lines; its amplitude comes with the sky."""
    fringe_period_px: Positive = 90.0
    """Typical distance from fringe to fringe [px]."""
    halo_fraction: Fraction = 0.01
    """Share of a bright star's light in the disc of its reflection halo, on top of its own."""
    halo_radius_arcsec: Positive = 368.0
    """Radius of the halo; the survey masks 368 arcsec around bright stars."""
    ghost_fraction: Fraction = 0.002
    """Share of a bright star's light in its ghost, an annulus mirrored about the centre of the CCD."""
    ghost_radius_arcsec: Positive = 60.0
    """Outer radius of the ghost."""
    reflection_min_e_per_s: Positive = 2e6
    """Only stars brighter than this [e-/s] get a halo and a ghost."""

    prnu_rms: Fraction = 0.008
    """Standard deviation of the pixels' response."""
    prnu_filter_share: Fraction = 0.2
    """Share of that variance that belongs to the filter."""
    dust_depth: Fraction = 0.02
    """Light lost in the rings that dust on the window throws, about one per 512 x 512 pixels."""
    dead_pixels: Fraction = 1e-4
    """Fraction of pixels that respond below 0.1."""
    low_response_pixels: Fraction = 1e-4
    """Fraction of pixels that respond with 0.25 to 0.55."""
    high_response_pixels: Fraction = 5e-5
    """Fraction of pixels that respond with 1.5 to 1.8."""
    noisy_pixels: Fraction = 1e-4
    """Fraction of pixels with more read noise than the others."""
    noisy_factor: Annotated[float, Field(ge=2)] = 3.0
    """Their typical noise in units of the amplifier's; at least 2.2 each."""
    hot_pixels: Fraction = 1e-4
    """Fraction of pixels with a strong dark current."""
    hot_e_per_s: Positive = 40.0
    """Typical dark current of a hot pixel [e-/s]."""

    cosmic_rays_per_px_s: Annotated[float, Field(ge=0)] = 2e-7
    """Cosmic-ray hits per pixel and second."""
    cosmic_length_px: Positive = 4.0
    """Mean length of a track [px]; exponential."""
    cosmic_e_per_px: Positive = 1200.0
    """Typical charge a track leaves per pixel of its length [e-]."""
    bias_level_adu: Annotated[float, Field(ge=0)] = 1500.0
    """Mean level of the bias [DN]; each amplifier has its own, up to 10 % off."""
    bias_jump_adu: Annotated[float, Field(ge=0)] = 2.0
    """Standard deviation of an amplifier's level from one exposure to the next [DN]."""
    bias_structure_adu: Annotated[float, Field(ge=0)] = 1.5
    """Standard deviation of the fixed two-dimensional bias pattern [DN]; not in the overscan."""
    overscan_drift_adu: Annotated[float, Field(ge=0)] = 3.0
    """Rise of the level from the first row read to the last [DN], by exponential settling."""
    overscan_wave_adu: Annotated[float, Field(ge=0)] = 0.1
    """Amplitude of a slow wave along the rows, of another phase in every exposure [DN]."""
    overscan_trail: Fraction = 0.002
    """Share of a row's last pixel found in its first overscan pixel; it decays with overscan_trail_px."""
    overscan_trail_px: Positive = 2.5
    """Decay length of the trail [px]."""

    @classmethod
    def quiet(cls, **sizes: object) -> SimulateDetector:
        """A camera with every effect off but those named, for tests that look at one effect alone."""
        off: dict[str, object] = {
            name: False if field.annotation is bool else 0.0
            for name, field in cls.model_fields.items()
            if field.annotation is bool or name in cls._SWITCHED_BY_SIZE
        }
        return cls.model_validate({**off, **sizes})

    _SWITCHED_BY_SIZE: ClassVar[frozenset[str]] = frozenset(
        {"vignetting", "screen_residual", "screen_gradient", "screen_drift", "halo_fraction", "ghost_fraction"}
        | {"prnu_rms", "dust_depth", "dead_pixels", "low_response_pixels", "high_response_pixels", "noisy_pixels"}
        | {"hot_pixels", "cosmic_rays_per_px_s", "bias_jump_adu", "bias_structure_adu", "overscan_drift_adu"}
        | {"overscan_wave_adu", "overscan_trail"}
    )


SKY_EFFECTS = (
    "proper_motions", "galaxies", "variables", "transients", "asteroids", "near_earth_objects", "streaks",
    "pointing_errors", "dithers", "ccd_displacements", "distortion", "pattern", "refraction", "turbulence",
    "seeing_changes", "psf_variation", "zero_point_scatter", "colour_terms", "extinction", "transparency", "clouds",
    "cloud_structure", "sky_gradient", "moonlight", "fringes",
)  # fmt: skip
"""Everything of the synthetic sky that can be switched off by name."""


class Simulate(Section):
    """The synthetic night. Sizes stand in the parts; `off` switches effects of the sky off by name.

    sky_seed makes what stays (stars, orbits, the telescope's own errors), noise_seed what each exposure draws anew
    (weather, turbulence, pointing, photons).
    """

    sky_seed: Annotated[int, Field(ge=0)] = 20180325
    noise_seed: Annotated[int, Field(ge=0)] = 1
    off: tuple[Literal[SKY_EFFECTS], ...] = ()  # type: ignore[valid-type]
    stars: SimulateStars = SimulateStars()
    moving: SimulateMoving = SimulateMoving()
    optics: SimulateOptics = SimulateOptics()
    weather: SimulateWeather = SimulateWeather()
    night: SimulateNight = SimulateNight()
    detector: SimulateDetector = SimulateDetector()

    def on(self, effect: str) -> bool:
        """Whether an effect is switched on."""
        if effect not in SKY_EFFECTS:
            raise KeyError(effect)
        return effect not in self.off


class Config(Section):
    """config.yaml as a whole."""

    camera: str
    """Name of a camera, or the path of its file."""
    workspace: str
    """Folder that holds `incoming/`, `archive/`, `settings/` and `ledger/`."""
    ingest: Ingest = Ingest()
    calibration: Calibration = Calibration()
    science: Science = Science()
    quality: Quality = Quality()
    simulate: Simulate = Simulate()


RECIPE_VERSIONS = {"ingest": 1, "calibration": 1, "science": 1, "quality": 1}
"""Goes up when a change of code must re-make what the section's recipe made."""


def load_config(path: Path, overrides: dict[str, Any] | None = None) -> Config:
    """Read and validate config.yaml with top-level `overrides` laid over it. Raises BadSettings with the reason."""
    try:
        content = yaml.safe_load(path.read_text())
        return Config.model_validate({**content, **(overrides or {})})
    except (OSError, yaml.YAMLError, TypeError, ValidationError) as error:
        raise BadSettings(path, str(error)) from error
