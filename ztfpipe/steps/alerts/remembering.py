"""What is known of some places on the sky, from the histories of all fields' quadrants that look there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ztfpipe.camera import Camera
from ztfpipe.config import Alerts
from ztfpipe.model.alerts import Floats
from ztfpipe.pipelines.alerts.history import Past, covered, near_any, places_at
from ztfpipe.products.alerts import history
from ztfpipe.products.catalogs.events import read_raw_detections
from ztfpipe.products.names import path_of


def past_of(ra_deg: Floats, dec_deg: Floats, jd: float, camera: Camera, settings: Alerts) -> Past:
    """Coverage and detections of positions [deg], at any time; raw detections of the days of history before `jd`.

    Raw detections, below the threshold of candidates, are too many to be kept in histories: the tables of the images
    that looked there are read, as far as they still exist.
    """
    since = jd - settings.history_days
    places = places_at(ra_deg, dec_deg, camera, settings.place_margin_deg)
    coverage = [table for place in places if len(table := history.read_coverage(place))]
    detections = [table for place in places if len(table := history.read_detections(place, since))]
    known = pd.concat(coverage or [history.coverage_table([])], ignore_index=True)
    past = Past(known, tuple(history.wcs_from(one) for one in known["wcs"]), history.joined(detections))
    looked = covered(past, ra_deg, dec_deg).any(axis=1)
    recent = ((known["jd"] < jd) & (known["jd"] >= since)).to_numpy(bool)
    raw = [_raw(known.loc[k], ra_deg, dec_deg, settings) for k in np.flatnonzero(looked & recent)]
    return Past(past.coverage, past.wcs, history.joined([past.detections, *raw]))


def _raw(image: pd.Series, ra_deg: Floats, dec_deg: Floats, settings: Alerts) -> pd.DataFrame:
    """Raw detections of an image near any of the positions."""
    path = path_of("rawdetections", history.quadrant_of(image))
    if not Path(path).exists():
        return history.no_detections()
    table = read_raw_detections(path)
    near = near_any(table, ra_deg, dec_deg, settings.match_radius_arcsec)
    return table[near].assign(pid=int(image["pid"]))
