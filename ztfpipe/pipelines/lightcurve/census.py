"""Recipe: what a release holds, as the archive's release notes have it: tables 1 to 4, timespans, cadence, coverage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ztfpipe.model.keys import SKY_FILTERS, ReferenceKey
from ztfpipe.model.lightcurve import BAD_EPOCH_INFOBIT
from ztfpipe.model.release import NOBS_LIMITS

ALL = "all"
PRIMARY_GRID = range(1, 1000)
"""Fields of the primary grid; those of the secondary one, shifted into its gaps, have 1001 and more."""
SOUTHERN_LIMIT_DEG = -31.0
"""Centre of the southernmost fields that the telescope observes; system paper, section 2."""
Floats = NDArray[np.float64]


def with_total(table: pd.DataFrame) -> pd.DataFrame:
    """Counts by filter, and of all filters together."""
    table = table.reindex([code for code in SKY_FILTERS if code in table.index])
    table.loc[ALL] = table.sum()
    return table.astype(np.int64)


def image_table(images: pd.DataFrame) -> pd.DataFrame:
    """Table 1: exposures, and good and bad quadrant images of them, by filter.

    images: one row a quadrant image, columns filter, expid, infobits.
    """
    bad = (images["infobits"].to_numpy(np.int64) >> BAD_EPOCH_INFOBIT) & 1
    table = pd.DataFrame(
        {
            "exposures": images.groupby("filter")["expid"].nunique(),
            "good": (1 - pd.Series(bad)).groupby(images["filter"].to_numpy()).sum(),
            "bad": pd.Series(bad).groupby(images["filter"].to_numpy()).sum(),
            "total": images.groupby("filter").size(),
        }
    )
    table = with_total(table)
    table["bad_percent"] = 100.0 * table["bad"] / table["total"]
    return table


def reference_table(
    references: Iterable[ReferenceKey], visited: Iterable[ReferenceKey], accessible: Sequence[int], quadrants: int
) -> pd.DataFrame:
    """Table 2: references by filter; per cent of the fields' quadrants with an image in the filter that have one; and
    of the quadrants of the primary grid's accessible fields.

    accessible: those fields; quadrants: of one field.
    """
    made, seen, fields = set(references), set(visited), set(accessible)
    rows = {}
    for code in SKY_FILTERS:
        ours, theirs = {one for one in made if one.filter == code}, {one for one in seen if one.filter == code}
        if ours or theirs:
            rows[code] = (len(ours), len(ours & theirs), len(theirs), sum(one.field in fields for one in ours),
                          len(fields) * quadrants)  # fmt: skip
    names = ["references", "of_visited", "visited", "of_accessible", "accessible"]
    table = with_total(pd.DataFrame.from_dict(rows, orient="index", columns=names))
    table["visited_percent"] = 100.0 * table["of_visited"] / table["visited"].clip(lower=1)
    table["accessible_percent"] = 100.0 * table["of_accessible"] / table["accessible"].clip(lower=1)
    return table[["references", "visited_percent", "accessible_percent"]]


def source_table(counts: pd.DataFrame) -> pd.DataFrame:
    """Table 3: rows of catalogs by kind of image and of photometry.

    counts: columns filter and psfcat_sci, sexcat_sci, psfcat_ref, sexcat_ref, one row a file of the release.
    """
    return with_total(counts.groupby("filter")[["psfcat_sci", "sexcat_sci", "psfcat_ref", "sexcat_ref"]].sum())


def curve_table(files: pd.DataFrame) -> pd.DataFrame:
    """Table 4: light curves of so many epochs or more, by filter."""
    return with_total(files.groupby("filter")[[f"curves_{least}" for least in NOBS_LIMITS]].sum())


def span_table(images: pd.DataFrame) -> pd.DataFrame:
    """Timespans and cadence by field and filter: number of exposures, first and last MJD, their distance, and the
    median time between one exposure and the next [d].

    images: as in table 1, with field and mjd.
    """
    rows = []
    for (field, code), mjd in exposures_of(images):
        gap = np.diff(mjd)
        median = float(np.median(gap)) if gap.size else np.nan
        rows.append((field, code, mjd.size, mjd[0], mjd[-1], mjd[-1] - mjd[0], median))
    names = ["field", "filter", "epochs", "first_mjd", "last_mjd", "timespan_d", "cadence_d"]
    return pd.DataFrame(rows, columns=names)


def cadence_points(images: pd.DataFrame, code: str) -> tuple[Floats, Floats]:
    """Times between successive exposures of a field in a filter, and the timespan of that field and filter [d]."""
    gaps, spans = [np.zeros(0)], [np.zeros(0)]
    for (_, one), mjd in exposures_of(images):
        if one == code:
            gaps.append(np.diff(mjd))
            spans.append(np.full(mjd.size - 1, mjd[-1] - mjd[0]))
    return np.concatenate(gaps), np.concatenate(spans)


def exposures_of(images: pd.DataFrame) -> list[tuple[tuple[int, str], Floats]]:
    """Times of the exposures of each field and filter, ascending."""
    each = images.drop_duplicates(["field", "filter", "expid"])
    return [((int(field), str(code)), np.sort(one["mjd"].to_numpy())) for (field, code), one in
            each.groupby(["field", "filter"])]  # fmt: skip


def coverage_map(ra_deg: Floats, dec_deg: Floats, weight: Floats, shape: tuple[int, int]) -> Floats:
    """Sum of weights in pixels of a degree of the Hammer-Aitoff projection about ra, dec = 0, 0, east to the left.

    Source: Calabretta & Greisen 2002 (A&A 395, 1077), equations 108 and 109.
    """
    ny, nx = shape
    half = np.radians((np.asarray(ra_deg) + 180.0) % 360.0 - 180.0) / 2
    dec = np.radians(dec_deg)
    gamma = np.degrees(np.sqrt(2.0 / (1.0 + np.cos(dec) * np.cos(half))))
    x, y = 2 * gamma * np.cos(dec) * np.sin(half), gamma * np.sin(dec)
    column = np.rint((nx - 1) / 2 - x).astype(np.int64)
    row = np.rint((ny - 1) / 2 + y).astype(np.int64)
    found = np.zeros(shape)
    np.add.at(found, (row, column), weight)
    return found
