"""The one validated settings model: every scientific choice of config.yaml, section by section.

A section has the name of its pipeline. Its content, the camera and the recipe's version are written to
`settings/<section>.json` beside the archive (see steps/settings.py); that file, not config.yaml, is what steps read
and what Snakemake compares, so that changing one section re-makes what depends on it and nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

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
    noisy_factor: Positive = 2.0
    """A pixel is noisy when its untrimmed scatter is this many times the quadrant's."""
    dead_response_max: Fraction = 0.2
    """A pixel is dead below this response in the flat."""
    low_response_max: Fraction = 0.6
    """Low responsivity: between dead and this."""
    high_response_min: Annotated[float, Field(ge=1)] = 1.4
    """High responsivity: above this."""
    flat_level_adu: tuple[float, float] = (2000.0, 45000.0)
    """Allowed median level of a flat exposure above bias [DN]; others are left out."""
    master_change_sigma: Positive = 5.0
    """A master whose level moved by more than this many of its uncertainties since the previous one is reported."""


class SimulateDetector(Section):
    """Optics, detector and electronics of the synthetic camera.

    A size of 0 switches its effect off; an effect whose size stands in the camera's tables has a switch. Sizes are true
    only of the synthetic camera; they are of the order seen in real frames.
    """

    pattern_seed: int = 1
    """Seed of what is fixed to the detector: pixel response, bias structure, bad pixels, fringes."""
    noise_seed: int = 2
    """Seed of what differs from exposure to exposure: photons, read noise, cosmic rays, drifts."""

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


class Config(Section):
    """config.yaml as a whole."""

    camera: str
    """Name of a camera, or the path of its file."""
    workspace: str
    """Folder that holds `incoming/`, `archive/`, `settings/` and `ledger/`."""
    ingest: Ingest = Ingest()
    calibration: Calibration = Calibration()


RECIPE_VERSIONS = {"ingest": 1, "calibration": 1}
"""Goes up when a change of code must re-make what the section's recipe made."""


def load_config(path: Path, overrides: dict[str, Any] | None = None) -> Config:
    """Read and validate config.yaml with top-level `overrides` laid over it. Raises BadSettings with the reason."""
    try:
        content = yaml.safe_load(path.read_text())
        return Config.model_validate({**content, **(overrides or {})})
    except (OSError, yaml.YAMLError, TypeError, ValidationError) as error:
        raise BadSettings(path, str(error)) from error
