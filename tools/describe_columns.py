"""Write docs/columns.md, what every column of the survey's tables means, from the column contracts.

`make docs` calls it; a test tells when the page is out of date.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ztfpipe.model import columns, release, tracks
from ztfpipe.model.candidates import CUTOUT_COLUMNS, RAW_TABLE
from ztfpipe.model.columns import Column
from ztfpipe.model.difference import CANDIDATE_TABLE, STREAK_COLUMNS
from ztfpipe.model.operations import TABLES as OPERATIONS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "columns.md"
TABLES: tuple[tuple[str, str, Sequence[Column]], ...] = (
    ("psfcat, refpsfcat", "FITS; PSF-fit sources of a science image or reference", columns.PSF_CATALOG),
    ("sexcat, refsexcat", "FITS; aperture sources of the same", columns.APERTURE_CATALOG),
    ("candidates", "Parquet; candidates of a difference, both signs", (*CANDIDATE_TABLE, *CUTOUT_COLUMNS)),
    ("rawdetections", "Parquet; peaks below the candidates' threshold, for histories", RAW_TABLE),
    ("streaks", "Parquet; streaks of the positive difference", STREAK_COLUMNS),
    ("gaiacalibrators, gaiacontext", "FITS; Gaia sources of a quadrant", columns.GAIA_CALIBRATORS),
    ("ps1calibrators", "FITS; PS1 objects that calibrate a quadrant", columns.PS1_CALIBRATORS),
    ("ps1context", "FITS; all PS1 objects of a quadrant", columns.PS1_CONTEXT),
    ("brightstars", "FITS; bright stars of a CCD", columns.BRIGHT_STARS),
    ("detections", "Parquet; candidates of a night that may be moving objects", tracks.DETECTION_TABLE),
    ("streaklist", "Parquet; streaks of a night that a person is asked about", tracks.STREAK_TABLE),
    ("looks", "Parquet; quadrants of a night that would have shown a moving object", tracks.LOOK_TABLE),
    ("tracks", "Parquet; tracks of moving objects with their orbits", tracks.TRACK_TABLE),
    ("objects", "Parquet; objects of a release of light curves", release.OBJECT_TABLE),
    ("trackmembers", "Parquet; the detections of tracks", tracks.MEMBER_TABLE),
    *((f"database: {name}", f"Operations database; {one.text}", one.columns) for name, one in OPERATIONS.items()),
)
HEAD = """# Columns of tables

Written by `make docs` from the contracts in `ztfpipe/model/`, which writers, readers and tests use too. Types are
numpy's: `f4` single and `f8` double precision, `i2`, `i4`, `i8` whole numbers, `str` a text. Names are the archive's
where it has the thing.
"""


def page() -> str:
    """The page as it should be."""
    return "\n".join([HEAD, *(_section(*table) for table in TABLES)])


def _section(name: str, text: str, contract: Sequence[Column]) -> str:
    head = [f"## {name}", "", f"{text}.", "", "| column | type | unit | meaning |", "|---|---|---|---|"]
    rows = [
        f"| {one.name} | {one.dtype if one.width == 1 else f'{one.dtype}[{one.width}]'} | {one.unit} | {one.text} |"
        for one in contract
    ]
    return "\n".join([*head, *rows, ""])


if __name__ == "__main__":
    PAGE.write_text(page())
