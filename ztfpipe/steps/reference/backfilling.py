"""What an operator does when references have come since a night was planned: find its images, add them to its plan.

Nothing here makes a difference: with the reference in the plan, Snakemake does, when `diffimgs` of the night is asked.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from ztfpipe.model.keys import NightKey, QuadrantKey, ReferenceVersionKey
from ztfpipe.products.accounts import references as accounts
from ztfpipe.products.accounts.locks import FOLDER, take_lock
from ztfpipe.products.accounts.plan import read_plan, write_plan
from ztfpipe.products.names import path_of
from ztfpipe.steps.reference.looking import ARCHIVE
from ztfpipe.steps.workspace import archive_of, configured


def run_backfill(config_path: Path, workspace: Path | None, first: str | None, last: str | None, plan: bool) -> int:
    """Print the science images of nights first..last that have a usable reference only since their night was planned.

    plan: add these references to the plans of the nights, and print the commands that then make the differences.
    """
    with contextlib.chdir(archive_of(configured(config_path, workspace))):
        nights = nights_within(ARCHIVE, first, last)
        if plan:
            for night, count in add_references(nights).items():
                print(f"# {count} science images of night {night} have a reference now")
                print(f"snakemake --profile profiles/local diffimgs --config night={night}")
            return 0
        late = list(late_references(nights))
        for key, _ in late:
            print(path_of("sciimg", key))
        print(f"# {len(late)} science images of {len({key.night for key, _ in late})} nights")
    return 0


def late_references(nights: Iterable[str]) -> Iterator[tuple[QuadrantKey, ReferenceVersionKey]]:
    """Science quadrants to be back-filled, and with what: their plan pins no reference, and their field has a usable
    one now."""
    for night in nights:
        plan = read_plan(ARCHIVE / path_of("plan", NightKey(night)))
        for key in plan.science:
            reference = key.reference
            if reference is None or reference in plan.pinned:
                continue
            version = accounts.usable_in_force(ARCHIVE, reference)
            if version is not None:
                yield key, version


def add_references(nights: Iterable[str]) -> Counter[str]:
    """Add the references that have come since to the plans of nights; how many images of each night gain one.

    What a plan pins stays pinned. Raises Busy while another run works on the night.
    """
    gained: Counter[str] = Counter()
    for night in nights:
        path = ARCHIVE / path_of("plan", NightKey(night))
        with take_lock(ARCHIVE / FOLDER, night):
            late = list(late_references([night]))
            if not late:
                continue
            plan, age = read_plan(path), path.stat()
            write_plan(path, replace(plan, references=tuple(sorted({*plan.references, *(one for _, one in late)}))))
            # No newer than it was: Snakemake must still see if settings or files have changed since it was made.
            os.utime(path, ns=(age.st_atime_ns, age.st_mtime_ns))
            gained[night] = len(late)
    return gained


def planned_nights(archive: Path = ARCHIVE) -> list[str]:
    """Nights that have a plan, in order."""
    paths = archive.glob("ops/night/[0-9][0-9][0-9][0-9]/[0-9][0-9][0-9][0-9]/ztf_*_plan.json")
    return sorted(path.parts[-3] + path.parts[-2] for path in paths)


def nights_within(archive: Path, first: str | None, last: str | None) -> list[str]:
    """Those of first..last, of all where one is not given; BadKey when one of these is no night."""
    low, high = (NightKey(one).night if one else None for one in (first, last))
    return [one for one in planned_nights(archive) if (low is None or low <= one) and (high is None or one <= high)]
