"""Settings of the templates: fringe templates and low-frequency responsivity maps of many nights."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ztfpipe.config.base import Fraction, Positive, Section


class Templates(Section):
    """Calibration of many nights, learned from science images."""

    nights: Annotated[int, Field(ge=1)] = 60
    """A version is made of images of its own night and this many nights before; the design document 7.5 says a week, a
    month or longer, until the map is good enough."""
    bad_sky: tuple[str, ...] = ("photometric_bad", "cloud_structured")
    """Metrics of a science image's record that must be 0 for it to be learned from: clouds mimic both effects."""
    fringe_filters: tuple[Literal["zg", "zr", "zi"], ...] = ("zi",)
    """Filters with fringes: night-sky lines are strong and the silicon transparent beyond 700 nm."""
    fringe_frames_min: Annotated[int, Field(ge=3)] = 20
    """Fewest images of a fringe template: the noise of n images adds 1/n of its variance to each."""
    fringe_frames_max: Annotated[int, Field(ge=3)] = 150
    """Most images of a fringe template, spread evenly over those there are."""
    fringe_components: Annotated[int, Field(ge=1, le=10)] = 3
    """Patterns of a template: lines of a few molecules vary apart (Medford et al. 2021 keep six)."""
    fringe_block_px: Annotated[int, Field(ge=2, le=64)] = 8
    """Blocks whose medians are learned from [px]: far smaller than a fringe, and a median without stars."""
    fringe_smooth_blocks: Annotated[int, Field(ge=3)] = 51
    """Width of the running mean, taken twice, that is the sky under the fringes, in blocks: 400 px, over four times a
    usual fringe, for where the silicon's thickness is even fringes are far wider; sky gradients are longer still."""
    fringe_period_min_px: Positive = 20.0
    """Finer structure than this is noise and not part of a template, and tells how much noise there is [px]: a fifth of
    the usual distance from fringe to fringe, which bends and thickness make shorter in places; above two blocks."""
    fringe_window_px: Positive = 384.0
    """Windows in which a template is freed from noise [px]: a few fringes, so narrow that they are nearly straight."""
    fringe_noise_factor: Annotated[float, Field(ge=1)] = 3.0
    """Frequencies of a window with less power than this many times the noise are left out; the power is a mean of nine,
    which noise alone brings above three times its own in one place of fifty."""
    fringe_blocks_min: Fraction = 0.5
    """An image with a smaller share of blocks free of stars and defects is left out."""
    fringe_noise_max: Annotated[float, Field(gt=1)] = 2.0
    """An image whose blocks scatter this many times more than those of the median image is left out."""
    lofreqflat_frames_min: Annotated[int, Field(ge=1)] = 20
    """Fewest images of a low-frequency map: clouds too thin to be seen differ from one to the next."""
    lofreqflat_frames_max: Annotated[int, Field(ge=1)] = 400
    """Most images of a low-frequency map, spread evenly over those there are."""
    star_snr_min: Positive = 30.0
    """S/N of the stars of a low-frequency map: fainter ones weigh little and are more often blended."""
    star_mag: tuple[float, float] = (14.0, 19.0)
    """PS1 magnitudes of them, in the filter of the image: PS1 saturates at 12 to 14."""
    match_radius_arcsec: Positive = 1.0
    """Of the match with calibrators; half a seeing disc."""
    stars_min: Annotated[int, Field(ge=1)] = 3000
    """Fewest star residuals of a map: 20 mmag each in sixty independent places make 3 mmag."""
    cell_px: Annotated[int, Field(ge=8)] = 128
    """Cells of the map [px]."""
    smooth_cells: Positive = 3.0
    """Gaussian weight of the local parabolas, in cells: the screen's light changes over a thousand pixels."""

    @model_validator(mode="after")
    def _noise_is_seen(self) -> Self:
        if self.fringe_period_min_px < 2 * self.fringe_block_px:
            raise ValueError(
                f"fringe_period_min_px {self.fringe_period_min_px:g} must be at least two fringe_block_px of "
                f"{self.fringe_block_px}: noise is measured in what is finer"
            )
        return self
