"""Settings of data releases of light curves."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ztfpipe.config.base import Positive, Section


class Proprietary(Section):
    """A rule of the release calendar; the first that is of a program and in force holds."""

    programs: tuple[Annotated[int, Field(ge=0, le=3)], ...]
    """Program ids: 0 engineering, 1 public, 2 partnership, 3 Caltech."""
    months: Annotated[int, Field(ge=0, le=120)]
    """Whole months that lie between the end of the last month shown and the release."""
    until: Annotated[str, Field(pattern="^[0-9]{8}$")] | None = None
    """Last night of a release, YYYYMMDD, for which the rule is in force; always when it is left out."""


class Release(Section):
    """What a release may show, and how its objects are put together and shared out."""

    proprietary: tuple[Proprietary, ...] = (
        Proprietary(programs=(1,), months=6, until="20201209"),
        Proprietary(programs=(1,), months=2),
        Proprietary(programs=(0, 2, 3), months=18),
    )
    """When measurements become public; the survey's release plan of 2020-11-19: public data after 6 months up to
    release 4, after 2 months since, others after 18. A program of no rule is never released."""
    same_star_arcsec: Positive = 1.5
    """Objects nearer to each other than this are one star when they are grouped: the match radius of light curves."""
    hats_rows_max: Annotated[int, Field(ge=1)] = 100_000
    """Most light curves of one partition of a HATS catalog; a file of a quadrant has some 26,000."""
    hats_order_max: Annotated[int, Field(ge=0, le=12)] = 10
    """Highest HEALPix order of a partition [0.06 deg at order 10], however many light curves it then has."""
