"""Tables of the demonstration's light curves: repeatability before and after, and the variable stars found.

All are called in the archive. Variables are found by the statistics of the matchfiles alone; the truth only says which
of them are right.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ztfpipe.model.lightcurve import BAD_EPOCH
from ztfpipe.model.summary import Cell, NightSummary, Table
from ztfpipe.products.accounts.report import text_tables
from ztfpipe.products.catalogs.matchfile import read_columns
from ztfpipe.products.names import key_of

FAINTEST_MAG, TIMES_ERROR, MISSING_MAX = 18.5, 3.0, 2
"""A variable star is brighter, its median deviation as many errors, and so many good epochs at most are missing."""
CHI_MAX, SHARP_MAX = 3.0, 0.25
"""Of a star in the reference; what lies in a halo or is a galaxy varies with the seeing."""
_NEAR_ARCSEC = 2.0


def curves_table() -> str:
    """The matchfiles made, with the scatter of their bright stars before and after relative photometry."""
    rows: list[tuple[Cell, ...]] = []
    for path in _matchfiles():
        table = _sources(path)
        bright = table[(table.medianmag < 16.5) & (table.ngoodobs >= 5)]
        before, after = (1000 * float(one.median()) if len(bright) else None
                         for one in (_scatter_before(path).reindex(bright.matchid), bright.magrms))  # fmt: skip
        name = path.name.removesuffix("_match.pytable")
        rows.append((name, len(table), int(table.nobs.max()), len(bright), before, after))
    head = (
        "matchfile", "sources", "most epochs", "sources brighter than 16.5", "their median RMS before [mmag]",
        "after relative photometry",
    )  # fmt: skip
    return _table("Light curves of both nights", head, rows)


def variables_table(truth: Path) -> str:
    """The sources that vary most, by what matchfiles say of them, and what the simulator says they are."""
    found, listed = [], []
    for path in _matchfiles():
        place = key_of(path, "matchfile")
        name = f"variables_{place.field:06d}_c{place.ccdid:02d}_q{place.qid}.parquet"
        known = pd.read_parquet(truth / "fields" / name)
        good = _good(_sources(path))
        # Of all kinds these alone change much within a day, whenever one looks.
        listed.append(_sources_near(good, known[known.kind == "rrlyrae"]))
        good = good.assign(kind=_kinds(good, known), file=path.name.removesuffix("_match.pytable"))
        found.append(good[_varies(good)])
    table = pd.concat(found).sort_values("medianabsdev", ascending=False)
    right = int((table.kind != "").sum())
    text = (
        f"Variable stars found by their statistics: {right} of {len(table)} are variable;"
        f" {int((table.kind == 'rrlyrae').sum())} of {sum(listed)} RR Lyrae measured as often are among them"
    )
    rows = [
        (one.file, int(one.matchid), one.medianmag, 1000 * one.medianabsdev, 1000 * one.medmagerr, one.kind or "-")
        for one in table.head(8).itertuples()
    ]
    head = ("matchfile", "source", "median [mag]", "median deviation [mmag]", "median error [mmag]", "in truth")
    return _table(text, head, rows)


def most_variable() -> tuple[float, float]:
    """Place [deg] of the source that varies most beyond its errors."""
    good = pd.concat([_good(_sources(path)) for path in _matchfiles()])
    # Half of the epochs tell: an aircraft over the star in one of them is no variability.
    varying = good[_varies(good)] if _varies(good).any() else good
    star = varying.iloc[int(np.argmax(varying.medianabsdev / varying.medmagerr))]
    return float(star.ra), float(star.dec)


def _matchfiles() -> list[Path]:
    return sorted(Path("ops/srcmatch").glob("*/*/*_match.pytable"))


def _sources(path: Path) -> pd.DataFrame:
    names = (
        "matchid", "ra", "dec", "medianmag", "magrms", "nobs", "ngoodobs", "medianabsdev", "medmagerr", "refchi",
        "refsharp",
    )  # fmt: skip
    return pd.DataFrame(read_columns(path, "sources", names))


def _good(table: pd.DataFrame) -> pd.DataFrame:
    return table[(table.ngoodobs >= table.ngoodobs.max() - MISSING_MAX) & (table.medianmag < FAINTEST_MAG)]


def _varies(table: pd.DataFrame) -> pd.Series:
    star = (table.refchi < CHI_MAX) & (table.refsharp.abs() < SHARP_MAX)
    return star & (table.medianabsdev > TIMES_ERROR * table.medmagerr)


def _scatter_before(path: Path) -> pd.Series:
    """Standard deviation of the uncorrected good magnitudes of each source, by match id."""
    data = pd.DataFrame(read_columns(path, "sourcedata", ("matchid", "uncalibmag", "catflags")))
    return data[data.catflags < BAD_EPOCH].groupby("matchid").uncalibmag.std()


def _near(first: pd.DataFrame, ra_deg: np.ndarray, dec_deg: np.ndarray) -> np.ndarray:
    """Whether each row lies near each place (rows, places)."""
    north = first.dec.to_numpy()[:, None] - dec_deg[None]
    east = (first.ra.to_numpy()[:, None] - ra_deg[None]) * np.cos(np.radians(dec_deg))[None]
    return np.hypot(east, north) < _NEAR_ARCSEC / 3600


def _kinds(sources: pd.DataFrame, known: pd.DataFrame) -> list[str]:
    """Kind of the true variable at the place of each source, empty for none."""
    near = _near(sources, known.ra_deg.to_numpy(), known.dec_deg.to_numpy())
    return [str(known.kind.iloc[int(row.argmax())]) if row.any() else "" for row in near]


def _sources_near(sources: pd.DataFrame, known: pd.DataFrame) -> int:
    return int(_near(sources, known.ra_deg.to_numpy(), known.dec_deg.to_numpy()).any(axis=1).sum())


def _table(text: str, head: tuple[str, ...], rows: list[tuple[Cell, ...]]) -> str:
    return text_tables(NightSummary("", "", (Table(text, "", head, tuple(rows)),)))
