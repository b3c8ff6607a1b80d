"""The picture of the sky seen in the docs: a season of `survey_nights` (`python -m benchmarks.draw_sky`)."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from benchmarks.survey_nights import CAMERA, key_of_exposure, nights_of, survey
from ztfpipe.config import Quality
from ztfpipe.model.keys import QuadrantKey
from ztfpipe.pipelines.quality.coverage import added, sky_map
from ztfpipe.steps.sky_coverage import night_png

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "pictures" / "sky-seen.png"
NIGHTS = 75


def main() -> None:
    """Draw the last night of the season beside all of it."""
    order = Quality().coverage_order
    so_far = tonight = added([], order)
    night = ""
    for night, pointings in survey(nights_of(date(2018, 3, 25), NIGHTS)):
        exposures = [key_of_exposure(night, one) for one in pointings]
        tonight = sky_map(
            (QuadrantKey(one, *place) for one in exposures for place in CAMERA.quadrants()), CAMERA, order
        )
        so_far = added([so_far, tonight], order)
    PICTURE.write_bytes(night_png(night, tonight, so_far, galactic=False))


if __name__ == "__main__":
    main()
