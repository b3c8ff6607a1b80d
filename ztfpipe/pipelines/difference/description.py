"""What a candidate's record says beyond the difference's pixels: neighbours, light filters, cutouts; and how well the
subtraction did, in the words of the survey's quality tables."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Camera
from ztfpipe.config.difference import LightFilters
from ztfpipe.methods.difference.cutouts import cutouts
from ztfpipe.methods.difference.light_filters import failed_filters
from ztfpipe.methods.difference.neighbours import nearest_in_gaia, nearest_in_ps1, nearest_in_reference
from ztfpipe.model.candidates import Cutouts, Surroundings
from ztfpipe.model.difference import Candidates, Difference, Exposed, Image, Stored
from ztfpipe.model.quality import bits_set

Floats = NDArray[np.float64]
_THIN = slice(None, None, 3)
"""One pixel in nine tells an average."""


def neighbours(
    ra_deg: Floats, dec_deg: Floats, reference: Stored, around: Surroundings | None, camera: Camera
) -> dict[str, NDArray]:
    """NEIGHBOUR_COLUMNS of places on the sky, by name."""
    around = around or Surroundings(None, None, np.nan)
    return {
        **nearest_in_reference(
            ra_deg, dec_deg, reference.catalog, zero_point_mag=reference.zero_point_mag,
            pixel_scale_arcsec=camera.pixel_scale_arcsec,
        ),
        **nearest_in_ps1(ra_deg, dec_deg, around.ps1),
        **nearest_in_gaia(ra_deg, dec_deg, around.gaia, epoch_year=around.epoch_year),
    }  # fmt: skip


def light_filters(found: Candidates, settings: LightFilters) -> NDArray[np.int32]:
    """Bits of the light filters that candidates do not pass."""
    return failed_filters(
        found.columns(), snr_min=settings.snr_min, mag_max=settings.mag_max, bad_pixels_max=settings.bad_pixels_max,
        fwhm_max_px=settings.fwhm_max_px, elongation_max=settings.elongation_max, magdiff_range=settings.magdiff_range,
    )  # fmt: skip


def filtered_counts(found: Candidates, bits: NDArray[np.int32]) -> dict[str, int]:
    """Candidates of each sign that pass all filters, by their names in the survey's quality tables."""
    passed = bits == 0
    return {
        "ncandscimreffilt": int(np.count_nonzero(passed & found.positive)),
        "ncandrefmscifilt": int(np.count_nonzero(passed & ~found.positive)),
    }


def cut_out(found: Candidates, science_adu: Image, template_adu: Image, difference: Difference) -> Cutouts:
    """Cutouts of all candidates from the science image, the reference as matched to it, and their difference."""
    where = found.x_px, found.y_px
    hidden = cutouts(difference.bad, *where) != 0  # beyond the edge too, where the cutout is NaN
    science, template, stamps = (cutouts(one, *where) for one in (science_adu, template_adu, difference.image_adu))
    stamps *= np.where(found.positive, 1, -1).astype(np.float32)[:, None, None]
    for one in (science, template, stamps):
        one[hidden] = np.nan
    return Cutouts(science, template, stamps)


def mean_square(image_adu: Image, bad: NDArray[np.bool_]) -> float:
    """Average square of good pixels; NaN when there are none."""
    values = image_adu[_THIN, _THIN][~bad[_THIN, _THIN]]
    return float(np.mean(np.square(values, dtype=np.float64))) if values.size else float("nan")


def squares_before(science: Exposed, reference: Exposed) -> float:
    """Average square of the plain difference of a matched pair, before it is filtered."""
    bad = science.bad | reference.bad
    return mean_square(science.image_adu - reference.image_adu, bad)


def squares_after(before: float, difference: Difference) -> dict[str, float]:
    """The same of the difference image beside what it was before, and its change in per cent."""
    after = mean_square(difference.image_adu, difference.bad)
    return {
        "diffavgsqbef": before,
        "diffavgsqaft": after,
        "diffavgsqchg": 100.0 * (after - before) / before if before > 0 else float("nan"),
    }


def bits_in_words(bits: int) -> str:
    """Numbers of the bits set, as headers spell them; "null" when none is."""
    return ",".join(map(str, bits_set(bits))) or "null"
