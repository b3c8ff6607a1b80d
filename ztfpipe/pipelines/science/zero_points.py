"""What zero point is usual for each readout channel and filter: over the images of a window of nights."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ztfpipe.methods.statistics import MAD_TO_SIGMA
from ztfpipe.model.zero_points import UsualZeroPoint, UsualZeroPoints


def usual_zero_points(night: str, images: pd.DataFrame) -> UsualZeroPoints:
    """Medians and scatters of the usable images of the window before `night`.

    images: night, filter, rcid, status, standard_zero_point_mag (NaN where there was none). The order of the rows does
    not matter.
    """
    known = images[(images["status"] == 1) & np.isfinite(images["standard_zero_point_mag"])]
    channels = {}
    for (code, rcid), group in known.groupby(["filter", "rcid"]):
        values = group["standard_zero_point_mag"].to_numpy(np.float64)
        median = float(np.median(values))
        scatter = MAD_TO_SIGMA * float(np.median(np.abs(values - median)))
        channels[str(code), int(rcid)] = UsualZeroPoint(median, scatter, values.size)
    return UsualZeroPoints(night, tuple(sorted(set(known["night"]))), channels)
