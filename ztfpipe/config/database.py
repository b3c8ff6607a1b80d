"""Settings of the operations database and of what is watched with it; where databases may be."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, Field

from ztfpipe.config.base import Positive, Section

SCHEMES = ("postgresql", "sqlite")


def _is_database(url: str) -> str:
    if not url:
        return url
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        raise ValueError("not a database: postgresql://USER@HOST/NAME, sqlite:////FILE, or nothing for the default")
    if parts.password or "password" in parse_qs(parts.query):
        raise ValueError("a password does not belong into a configuration: PGPASSWORD or ~/.pgpass have it")
    if parts.scheme == "sqlite" and (parts.netloc or not parts.path.startswith("//")):
        raise ValueError("a file of SQLite is named by its absolute path: sqlite:////FILE")
    return url


DatabaseUrl = Annotated[str, AfterValidator(_is_database)]
"""Where a database is, without a password: settings are copied into every record."""


class Database(Section):
    """The operations database: what the records of all nights say, for questions and trends."""

    url: DatabaseUrl = ""
    """postgresql://USER@HOST/NAME or sqlite:////FILE; empty: database/operations.sqlite in the workspace. SQLite wants
    a local disk."""
    snapshots_kept: Annotated[int, Field(ge=1)] = 28
    """Dated copies that are kept, the newest; four weeks in the system paper 2.2."""


class Trends(Section):
    """What a night is compared with, and what is told of it."""

    nights: Annotated[int, Field(ge=3)] = 30
    """Nights before this one that a night is compared with, at most."""
    nights_min: Annotated[int, Field(ge=3)] = 15
    """With fewer nights that have a number nothing is said of it: a scatter of so few is no measure."""
    sigma: Positive = 5.0
    """An outlier is this many robust sigmas of the nights before from their median: of 1,500 comparisons of pure noise,
    a camera's every night, 1.4 are false ones with 15 nights and 0.15 with 30."""
    fields: tuple[Annotated[int, Field(ge=1, le=9999)], ...] = ()
    """Test fields: watched night by night, outlier or not."""
