"""Step of `science`: freeze what zero points are usual before a night. Paths are relative to the archive."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pandas as pd

from ztfpipe.config import Science
from ztfpipe.model.keys import NightKey
from ztfpipe.pipelines.science.zero_points import usual_zero_points
from ztfpipe.products.accounts.settings import read_settings
from ztfpipe.products.accounts.zero_points import write_zero_points
from ztfpipe.products.catalogs.epochs import read_standard_zero_points
from ztfpipe.products.names import key_of, path_of

ARCHIVE = Path()


def zero_points(output: str, settings: Path) -> None:
    """Write the usual zero points before a night, from the tables of epochs of the window that the archive has now.

    The night itself is no part of it: its first image and its last are judged alike, and one made again as before. It
    is made once: a night before that is made again later changes nothing (no input of the rule), nor does one that
    was made out of turn.
    """
    night = key_of(output, "zeropoints").night
    section, _ = read_settings(settings, Science)
    paths = {one: ARCHIVE / path_of("epochs", NightKey(one)) for one in nights_before(night, section.zero_point_days)}
    found = [read_standard_zero_points(path).assign(night=one) for one, path in paths.items() if path.exists()]
    none = pd.DataFrame(columns=["night", "filter", "rcid", "status", "standard_zero_point_mag"])
    images = pd.concat(found) if found else none.astype({"standard_zero_point_mag": float})
    write_zero_points(output, usual_zero_points(night, images))


def nights_before(night: str, days: int) -> list[str]:
    """The dates of the `days` days before a night, the oldest first."""
    day = date(int(night[:4]), int(night[4:6]), int(night[6:]))
    return [f"{day - timedelta(days=back):%Y%m%d}" for back in range(days, 0, -1)]
