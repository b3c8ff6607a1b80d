"""digest2's scores (the Minor Planet Center's own program): how likely an object is a near-Earth one.

`digest2` is an optional part of the installation (`pip install digest2`): without it there are no scores.
"""

from __future__ import annotations

import importlib.util
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ztfpipe.camera import Observatory
from ztfpipe.model.dates import JD_OF_MJD_ZERO
from ztfpipe.model.tracks import Observation

_EARTH_KM, _FLATTENING = 6378.1366, 1 / 298.25642
SHOWN = ("Int", "NEO", "N22", "N18")


def available() -> bool:
    """Whether digest2 is installed."""
    return importlib.util.find_spec("digest2") is not None


def scores(observations: Sequence[Observation], site: Observatory) -> dict[str, dict[str, float]]:
    """Scores, 0 to 100, by class, of each object with two observations or more; empty where there is no digest2."""
    if not available():
        return {}
    import digest2

    objects: dict[str, list[Observation]] = {}
    for one in observations:
        objects.setdefault(one.name, []).append(one)
    result = {}
    with tempfile.TemporaryDirectory() as folder:
        codes = Path(folder) / "obscodes"
        codes.write_text(observatory_line(site), encoding="ascii")
        with digest2.Digest2(obscodes_path=str(codes)) as scorer:
            for name, own in objects.items():
                if len(own) >= 2:
                    answer = scorer.classify_tracklet([_observation(digest2, one, site.code) for one in own])
                    result[name] = {kind: float(answer.noid[kind]) for kind in SHOWN}
    return result


def _observation(digest2, one: Observation, code: str):
    mag = one.mag if math.isfinite(one.mag) else 0.0
    return digest2.Observation(
        one.jd_mid - JD_OF_MJD_ZERO,
        one.ra_deg,
        one.dec_deg,
        mag,
        one.band or "V",
        code,
        one.sigma_arcsec,
        one.sigma_arcsec,
    )


def observatory_line(site: Observatory) -> str:
    """The list of observatory codes with this one alone: longitude, rho cos phi', rho sin phi'."""
    latitude = math.radians(site.latitude_deg)
    reduced = math.atan((1 - _FLATTENING) * math.tan(latitude))
    height = site.height_m / 1000 / _EARTH_KM
    cosine = math.cos(reduced) + height * math.cos(latitude)
    sine = (1 - _FLATTENING) * math.sin(reduced) + height * math.sin(latitude)
    return (
        "Code  Long.   cos      sin    Name\n"
        f"{site.code} {site.longitude_deg % 360:9.5f}{cosine:8.6f}{sine:+9.6f}{'observatory'}\n"
    )


def text(found: dict[str, dict[str, float]]) -> str:
    """The scores as a table, one object a line, likeliest near-Earth objects first; or that there are none."""
    if not found:
        return "# no scores: digest2 is not installed, or no object has two observations\n"
    lines = [f"{'# object':<10}" + "".join(f"{name:>5}" for name in SHOWN)]
    for name, own in sorted(found.items(), key=lambda item: (-item[1]["NEO"], item[0])):
        lines.append(f"{name:<10}" + "".join(f"{own[kind]:5.0f}" for kind in SHOWN))
    return "\n".join(lines) + "\n"
