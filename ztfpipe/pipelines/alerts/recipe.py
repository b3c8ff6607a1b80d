"""The packets of a quadrant, as the system paper lists their content in its section 4.1.

Everything but bytes and files: which candidates, their records, histories, forced photometry, names of cutouts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ztfpipe.config import Alerts as Settings
from ztfpipe.methods.difference.cutouts import truncated
from ztfpipe.model.alerts import OF_A_DETECTION, UPPER_LIMIT_FIELDS, Alert, Row
from ztfpipe.model.candidates import Cutouts
from ztfpipe.pipelines.alerts.history import Past, Seen, look_back
from ztfpipe.pipelines.alerts.rows import records

Fields = Mapping[str, Mapping[str, str]]
NOT_SCORED = "none"
"""Version of a classifier where there was none."""
_FILLERS = {
    "rbversion": NOT_SCORED, "drbversion": NOT_SCORED, "nmtchps": 0, "nmatches": 0, "ranr": -999.0, "decnr": -999.0,
    "jdstartref": -999.0, "jdendref": -999.0, "nframesref": 0, "rfid": 0, "tooflag": 0, "ssdistnr": -999.0,
    "ssmagnr": -999.0, "ssnamenr": "null",
}  # fmt: skip
"""What a record has where nothing is known: what may not be null, and what real packets fill."""


def packaged(candidates: pd.DataFrame) -> pd.DataFrame:
    """The candidates that become packets: those that passed all light filters, in order of candid."""
    return candidates[candidates["filterbits"] == 0].sort_values("candid", kind="stable", ignore_index=True)


def make_alerts(
    candidates: pd.DataFrame,
    cutouts: Cutouts,
    names: Mapping[int, str],
    image: pd.Series,
    past: Past,
    forced: Sequence[Sequence[Row]],
    settings: Settings,
    fields: Fields,
) -> list[Alert]:
    """The alerts of one image.

    candidates: those packaged, with their cutouts in the same order; names: of their objects, by candid; image: its row
    of the coverage; past: all that is known of their places; forced: entries of each candidate, in order of time;
    fields: of `candidate`, `prv_candidate` and `fp_hist`, name and type in the order of the schema. KeyError for a
    candidate without a name.
    """
    seen = look_back(
        past, candidates, jd=float(image["jd"]), rcid=int(image["rcid"]), field=int(image["field"]),
        programs=readable_with(int(image["programid"]), settings),
        radius_arcsec=settings.match_radius_arcsec, days=settings.history_days,
    )  # fmt: skip
    histories = history_entries(past, seen, fields["prv_candidate"])
    rows = records(_with_history(candidates, image, seen), fields["candidate"], _FILLERS)
    shape = int(image["ny"]), int(image["nx"])
    squares = (cutouts.science, cutouts.template, cutouts.difference)
    cuts = [_on_the_image(stack, candidates, shape) for stack in squares]
    alerts = []
    for k, candid in enumerate(candidates["candid"].tolist()):
        named = zip(cutout_names(candid, bool(candidates["isdiffpos"][k])), (cut[k] for cut in cuts), strict=True)
        alerts.append(Alert(names[candid], candid, rows[k], histories[k], forced[k], tuple(named)))
    return alerts


def readable_with(programid: int, settings: Settings) -> set[int]:
    """Programs whose data may stand in the history of a packet of a program: the public ones and its own."""
    return {*settings.public_programs, programid}


def history_entries(past: Past, seen: Sequence[Seen], names: Mapping[str, str]) -> list[list[Row]]:
    """Entries of `prv_candidates` of each place, in order of time; each is made once, however many places share it."""
    limits, detections = past.coverage, past.detections
    wanted_limits = _union(one.limits for one in seen)
    wanted = _union(one.detections for one in seen)
    table = detections.iloc[wanted].drop(columns=_shared(detections, limits))
    table = table.merge(limits, on="pid", how="left")
    found = dict(zip(wanted.tolist(), records(table, names, {"rbversion": NOT_SCORED}), strict=True))
    blank = limits.iloc[wanted_limits][[name for name in limits if name in UPPER_LIMIT_FIELDS]]
    empty = dict(zip(wanted_limits.tolist(), records(blank, names, {"rbversion": NOT_SCORED}), strict=True))
    jd, candid = (list(names).index(name) for name in ("jd", "candid"))
    entries = ([found[i] for i in one.detections] + [empty[i] for i in one.limits] for one in seen)
    return [sorted(rows, key=lambda row: (row[jd], row[candid] or 0)) for rows in entries]


def cutout_names(candid: int, positive: bool) -> tuple[str, str, str]:
    """File names of the cutouts, as real packets have them."""
    pid = candid // 10**6
    sign = "scimref" if positive else "refmsci"
    return (
        f"candid{candid}_pid{pid}_targ_sci.fits.gz",
        f"candid{candid}_ref.fits.gz",
        f"candid{candid}_pid{pid}_targ_{sign}.fits.gz",
    )


def _with_history(candidates: pd.DataFrame, image: pd.Series, seen: Sequence[Seen]) -> pd.DataFrame:
    """Candidates with what their image and history say; what a candidate says of its image itself goes first."""
    counts = {
        name: [getattr(one, name) for one in seen] for name in ("ndethist", "ncovhist", "jdstarthist", "jdendhist")
    }
    shared = {name: [image[name]] * len(candidates) for name in image.index if name not in candidates}
    return candidates.assign(**shared, **counts)


def _shared(detections: pd.DataFrame, coverage: pd.DataFrame) -> list[str]:
    """Columns of detections that their image has too: the image's are taken."""
    both = {*coverage.columns} - {"pid", *OF_A_DETECTION}
    return [name for name in detections if name in both]


def _union(parts: Any) -> NDArray[np.int64]:
    return np.unique(np.concatenate([np.zeros(0, np.int64), *parts]))


def _on_the_image(
    squares: NDArray[np.float32], candidates: pd.DataFrame, shape: tuple[int, int]
) -> list[NDArray[np.float32]]:
    """Squares without their rows and columns beyond the image's edge, as packets have them."""
    places = zip(squares, candidates["xpos"] - 1, candidates["ypos"] - 1, strict=True)
    return [truncated(square, x, y, shape) for square, x, y in places]
