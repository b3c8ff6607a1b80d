"""A quadrant of full size with a month of earlier looks, as files: what the alerts of one quadrant are made from."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

import numpy as np

from tests import alerts_scene
from tests.alerts_scene import Look, alert_settings, plan_of, sky_of, write_look
from ztfpipe.camera import Camera
from ztfpipe.model.keys import NightKey
from ztfpipe.products.alerts import history
from ztfpipe.products.catalogs.events import read_candidates
from ztfpipe.products.names import path_of
from ztfpipe.steps.alerts import exposure, names

EARLIER, CANDIDATES, RAW = 20, 20, 10_000
"""Images of the same field and channel in 30 days; candidates of one, of some 5 on average; its raw detections."""
_START_JD = 2458200.7


def write_scene(archive: Path) -> Look:
    """Earlier looks and tonight's in an empty archive; tonight's. Pixels of the earlier ones are one file under all
    their names: what is read is the same."""
    # The scene of the tests, on a quadrant of full size.
    alerts_scene.CAMERA = camera = Camera.load("quadrant")
    ny, nx = camera.quadrant_shape
    rng = np.random.default_rng(11)
    places = [sky_of(x, y) for x, y in zip(rng.uniform(50, nx - 50, RAW), rng.uniform(50, ny - 50, RAW), strict=True)]
    ra, dec = (tuple(one[axis] for one in places[:CANDIDATES]) for axis in (0, 1))
    signs = tuple(bool(k % 3) for k in range(CANDIDATES))
    looks = [
        Look(_START_JD + 1.4 * k, ra=ra, dec=dec, positive=signs, raw=tuple(places[CANDIDATES:]))
        for k in range(EARLIER + 1)
    ]
    with contextlib.chdir(archive):
        first, tonight = looks[0], looks[-1]
        write_look(first)
        write_look(tonight)
        row = history.coverage_row(first.key, camera.quadrant_shape)
        found = read_candidates(path_of("candidates", first.key))
        rows, detections = [], []
        for one in looks[:-1]:
            changed = {"jd": one.jd, "pid": one.pid, "filefracday": one.key.exposure.filefracday}
            rows.append(row | changed)
            # Found on every second image, an upper limit on the others.
            if len(rows) % 2:
                detections.append(found.assign(pid=one.pid, jd=one.jd, candid=found["candid"] + one.pid - first.pid))
            for product in ("scimrefdiffimg", "diffimgpsf", "rawdetections"):
                path = Path(path_of(product, one.key))
                if one is not first:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    os.link(path_of(product, first.key), path)
        history.update_place(first.key.place, history.coverage_table(rows), history.joined(detections))
    return tonight


def quadrant_alerts():
    """Names and packets of tonight's quadrant, as the steps make them."""
    folder = tempfile.TemporaryDirectory()
    archive = Path(folder.name, "archive")
    archive.mkdir()
    look = write_scene(archive)

    def work() -> int:
        with folder, contextlib.chdir(archive):
            settings, plan = alert_settings(), plan_of([look], look.key.night)
            given = path_of("objectnames", NightKey(look.key.night))
            names(given, settings, plan)
            exposure(path_of("alertsqa", look.key.exposure), settings, plan, Path(given))
            return Path(path_of("alerts", look.key)).stat().st_size

    return work
