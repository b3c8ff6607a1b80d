"""What a person asks of alerts: `ztfpipe candidates` and `ztfpipe forced`. They read the archive and change nothing."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ztfpipe.camera import Camera
from ztfpipe.config import Alerts
from ztfpipe.errors import BadKey
from ztfpipe.pipelines.alerts.history import Past, covered, near_any, places_at
from ztfpipe.products.alerts import history
from ztfpipe.products.alerts.curve import light_curve_png
from ztfpipe.products.alerts.forced_file import FORCED_COLUMNS, Request, service_table, write_forced
from ztfpipe.products.alerts.ledger import first_place, names_of
from ztfpipe.products.formats.atomic import write_bytes
from ztfpipe.steps.alerts.measuring import measure_images
from ztfpipe.steps.alerts.naming import ledger_of
from ztfpipe.steps.workspace import archive_of, configured

SHOWN = (
    "objectid", "candid", "jd", "field", "rcid", "fid", "ra", "dec", "isdiffpos", "magpsf", "sigmapsf", "diffmaglim",
    "scorr", "rb", "drb", "filterbits", "programid",
)  # fmt: skip
ALWAYS = (-math.inf, math.inf)


@dataclass(frozen=True)
class Question:
    """Which candidates: about a place [deg], of an object, of a field; between Julian dates; with a score at least so.

    score: name of a column and its least value.
    """

    place: tuple[float, float] | None = None
    radius_arcsec: float = 1.5
    name: str | None = None
    field: int | None = None
    jd_range: tuple[float, float] = ALWAYS
    score: tuple[str, float] | None = None


def run_candidates(config_path: Path, workspace: Path | None, question: Question) -> int:
    """Print the candidates that answer a question, as comma-separated values; and, on the other stream, how many there
    are and how often their place was looked at."""
    config = configured(config_path, workspace)
    settings, camera = config.alerts, Camera.load(config.camera)
    with contextlib.chdir(archive_of(config)):
        found, looks = find_candidates(question, camera, settings)
    found.to_csv(sys.stdout, index=False)
    asked = "" if looks is None else f"; {looks} difference images covered the place"
    print(f"{len(found)} candidates{asked}", file=sys.stderr)
    return 0


def find_candidates(question: Question, camera: Camera, settings: Alerts) -> tuple[pd.DataFrame, int | None]:
    """Candidates by the columns SHOWN, in order of time; and how many usable images covered the place that was asked
    for, None when none was. Works in the archive. BadKey for an object that is not known."""
    place, radius = question.place, question.radius_arcsec
    if question.name is not None:
        place = first_place(ledger_of(settings), question.name)
        if place is None:
            raise BadKey("object", question.name, "one that has been given a name")
        radius = settings.match_radius_arcsec
    past = _past(question, place, camera, settings)
    found = past.detections.drop(columns=[c for c in past.coverage if c != "pid" and c in past.detections])
    found = found.merge(past.coverage, on="pid", how="inner")
    low, high = question.jd_range
    chosen = (found["jd"] >= low) & (found["jd"] <= high)
    looks = None
    if place is not None:
        ra, dec = (np.array([value]) for value in place)
        chosen &= near_any(found, ra, dec, radius)
        within = (past.coverage["jd"] >= low) & (past.coverage["jd"] <= high)
        looks = int(np.count_nonzero(covered(past, ra, dec)[:, 0] & within))
    if question.score is not None:
        column, least = question.score
        if column not in found:
            raise BadKey("score", column, "a column of candidates")
        chosen &= found[column] >= least
    found = found[chosen]
    names = names_of(ledger_of(settings), found["candid"].tolist()) if len(found) else {}
    found = found.assign(objectid=[names.get(candid, "") for candid in found["candid"].tolist()])
    if question.name is not None:
        found = found[found["objectid"] == question.name]
    return found[[name for name in SHOWN if name in found]].sort_values(["jd", "candid"], ignore_index=True), looks


def _past(question: Question, place: tuple[float, float] | None, camera: Camera, settings: Alerts) -> Past:
    """Histories of the places that a question is about."""
    if place is not None:
        places = places_at(*(np.array([value]) for value in place), camera, settings.place_margin_deg)
    else:
        places = history.known_places()
    if question.field is not None:
        places = [one for one in places if one.field == question.field]
    coverage = [table for one in places if len(table := history.read_coverage(one))]
    detections = [table for one in places if len(table := history.read_detections(one))]
    known_images = pd.concat(coverage or [history.coverage_table([])], ignore_index=True)
    return Past(
        known_images,
        tuple(history.wcs_from(numbers) for numbers in known_images["wcs"]),
        pd.concat(detections or [history.no_detections()], ignore_index=True),
    )


def run_forced(
    config_path: Path,
    workspace: Path | None,
    places: Sequence[tuple[float, float]],
    jd_range: tuple[float, float],
    output: Path,
    plot: bool,
) -> int:
    """Write forced photometry of places [deg] on all their difference images into a folder, a text file for each, and a
    picture when asked for."""
    config = configured(config_path, workspace)
    settings, camera = config.alerts, Camera.load(config.camera)
    output = output.resolve()
    with contextlib.chdir(archive_of(config)):
        for place in places:
            table = measure_place(place, jd_range, camera, settings)
            stem = output / f"forced_{place[0]:.6f}_{place[1]:+.6f}"
            write_forced(stem.with_name(f"{stem.name}.txt"), Request(*place, jd_range), table)
            if plot:
                title = f"forced photometry at {place[0]:.6f} {place[1]:+.6f}"
                write_bytes(stem.with_name(f"{stem.name}.png"), light_curve_png(table, title))
            print(f"{stem}.txt: {len(table)} difference images", file=sys.stderr)
    return 0


def measure_place(
    place: tuple[float, float], jd_range: tuple[float, float], camera: Camera, settings: Alerts
) -> pd.DataFrame:
    """Forced photometry of a place [deg] on all usable images of it, in the service's columns and order of time."""
    ra, dec = (np.array([value], np.float64) for value in place)
    past = _past(Question(place=place), place, camera, settings)
    images = past.coverage
    wanted = covered(past, ra, dec)[:, 0] & ((images["jd"] >= jd_range[0]) & (images["jd"] <= jd_range[1])).to_numpy()
    if not wanted.any():
        return pd.DataFrame(columns=list(FORCED_COLUMNS))
    measured = measure_images(images[wanted], ra, dec, settings)
    headers = {code: one.header for code, one in camera.filters.items()}
    return service_table(measured.assign(filter=measured["filter"].map(headers)))
