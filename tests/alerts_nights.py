"""Three nights of packets, made by the steps of `alerts` from differences and candidates that nothing was found on."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.alerts_scene import CAMERA, Look, alert_settings, plan_of, sky_of
from ztfpipe.methods.sky.projection import sky_to_pixel
from ztfpipe.model.keys import NightKey
from ztfpipe.products.names import path_of
from ztfpipe.steps.alerts import exposure, names

START = 2458200.7
NIGHTS = 3
N_STARS = 20


def looks():
    """Twelve looks of three nights: two filters, both signs, a dithered neighbour, one that failed, one half away."""
    rng = np.random.default_rng(3)
    stars = [sky_of(x, y) for x, y in rng.uniform(20, 490, (N_STARS, 2))]
    out = []
    for k in range(4 * NIGHTS):
        # A third of the stars each time, within 0.2 arcsec: far less than 1.5 arcsec from their first detection.
        chosen = [stars[i] for i in np.flatnonzero(rng.uniform(size=N_STARS) < 0.35)]
        moved = [(ra + d[0], dec + d[1]) for (ra, dec), d in zip(chosen, rng.normal(0, 3e-5, (99, 2)), strict=False)]
        faint = [stars[i] for i in np.flatnonzero(rng.uniform(size=N_STARS) < 0.2)]
        look = Look(
            jd=START + 9.0 * (k // 4) + 0.02 * (k % 4),
            qid=2 if k % 4 == 3 else 1,
            filter="zg" if k % 4 == 1 else "zr",
            programid=2 if k % 4 == 1 else 1,
            status=0 if k == 6 else 1,
            shift_deg=(0.0, 0.05) if k % 4 == 2 else (0.0, 0.0),
        )
        inside = seen_by(look, moved)
        signs = tuple(bool(one) for one in rng.uniform(size=len(inside)) < 0.6)
        ra, dec = (tuple(one[axis] for one in inside) for axis in (0, 1))
        out.append(replace(look, ra=ra, dec=dec, positive=signs, raw=tuple(seen_by(look, faint))))
    return out


def seen_by(look, places):
    """Those of some places [deg] that lie on a look's image; none on one that failed."""
    x, y = sky_to_pixel(look.wcs, *np.array(places).reshape(-1, 2).T)
    ny, nx = CAMERA.quadrant_shape
    there = (x > 0) & (x < nx - 1) & (y > 0) & (y < ny - 1) & (look.status == 1)
    return [places[i] for i in np.flatnonzero(there)]


def nights(everything):
    return sorted({one.key.night for one in everything})


def run_night(everything, date, **settings_values):
    """The steps of a night in the order of the workflow."""
    settings, plan = alert_settings(**settings_values), plan_of(everything, date)
    given = Path(path_of("objectnames", NightKey(date)))
    names(str(given), settings, plan)
    for one in sorted({one.key.exposure for one in everything if one.key.night == date}):
        exposure(path_of("alertsqa", one), settings, plan, given)
