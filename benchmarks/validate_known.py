"""Known bodies placed from a catalog a hundred days old, beside an integration by another hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy import row
from benchmarks.moving_scenes import SITE, bodies_of
from ztfpipe.methods.solar_system.ephemeris import dynamical_time, observer, places
from ztfpipe.methods.solar_system.perturbed import carried
from ztfpipe.model.identifiers import night_jd
from ztfpipe.model.orbits import Orbits
from ztfpipe.simulate.sky import orbits as simulated

NIGHT, BODIES, AGE_D = "20180325", 1000, 100.0
AFTER_MIDNIGHT_D = 0.2
BELT_ARCSEC_MAX = 1.0


def _off_arcsec(kind: str) -> NDArray[np.float64]:
    """Distances [arcsec] of bodies of a kind from the truth, by the chain of a night: epoch, midnight, exposure."""
    position, velocity = bodies_of(kind, BODIES, np.random.default_rng(30))
    midnight_utc = night_jd(NIGHT) + 0.32
    jd_utc = midnight_utc + AFTER_MIDNIGHT_D
    midnight, epoch = dynamical_time(midnight_utc), dynamical_time(midnight_utc) - AGE_D
    truth = simulated.integrate(position, velocity, epoch, epoch, midnight + 1)
    states = carried(position, velocity, np.full(BODIES, epoch), midnight)
    names, magnitudes = np.arange(BODIES).astype(str), np.full(BODIES, 15.0)
    here = observer(jd_utc, SITE.longitude_deg, SITE.latitude_deg, SITE.height_m)
    orbits = Orbits(names, midnight, *states, magnitudes, np.full(BODIES, 0.15))
    seen = places(orbits, dynamical_time(jd_utc), here)
    direction, _, _ = simulated.seen_from(truth, jd_utc, SITE)
    ra, dec = np.radians(seen.ra_deg), np.radians(seen.dec_deg)
    found = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)
    return np.degrees(np.linalg.norm(found - direction, axis=1)) * 3600


def rows() -> list[dict[str, Any]]:
    """The largest distance of the main belt, and quantiles of both kinds."""
    belt, near = _off_arcsec("main belt"), _off_arcsec("near Earth")
    text = f"{BODIES} bodies, elements {AGE_D:.0f} days old, {24 * AFTER_MIDNIGHT_D:.1f} h after midnight"
    return [
        row(
            f"known main-belt bodies: largest error, {text}", belt.max(), unit="arcsec",
            bar=f"<= {BELT_ARCSEC_MAX:g}", met=belt.max() <= BELT_ARCSEC_MAX,
        ),
        row("known main-belt bodies: median error", np.median(belt), unit="arcsec", bar="", met=None),
        row("known near-Earth bodies: median error", np.median(near), unit="arcsec", bar="", met=None),
        row("known near-Earth bodies: 99th percentile", np.quantile(near, 0.99), unit="arcsec", bar="", met=None),
    ]  # fmt: skip
