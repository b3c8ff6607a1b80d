"""A campaign's products in the place of the old ones: by command only, and restartable."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ztfpipe.config import Config
from ztfpipe.errors import BadFile
from ztfpipe.model.campaign import BACKFILL, Campaign
from ztfpipe.model.keys import NightKey
from ztfpipe.products.accounts import references as accounts
from ztfpipe.products.accounts.campaigns import Swap, campaign_folder
from ztfpipe.products.accounts.locks import take_lock
from ztfpipe.products.accounts.plan import read_plan, write_plan
from ztfpipe.products.names import path_of
from ztfpipe.steps.operations.campaigns.fringe import FringeWork
from ztfpipe.steps.operations.campaigns.others import ReferenceWork, version_in_force
from ztfpipe.steps.operations.campaigns.running import counted, work_of
from ztfpipe.steps.reference.renewal import adopt

SETTINGS = ("science", "difference")
"""Sections that govern what a fringe campaign makes."""


def run_adopt(campaign: Campaign, config: Config, workspace: Path, *, incomplete: bool, discard: bool) -> int:
    """Put what a campaign has made in the place of the old products, which are kept aside, or with `discard` removed.

    Raises BadFile when units are missing, unless `incomplete` is meant, or when the campaign worked with other settings
    than the archive's; Busy while the campaign or a night of it is being worked on.
    """
    folder = campaign_folder(workspace, campaign.name)
    if campaign.kind == BACKFILL:
        raise BadFile(folder, "what was back-filled is in its place already")
    work = work_of(campaign, config, workspace)
    progress = counted(work)
    if not progress.done:
        raise BadFile(folder, "nothing is made yet: there is nothing to adopt")
    if progress.left and not incomplete:
        text = f"{progress.left} of {progress.total} units are missing; say --incomplete to adopt the others"
        raise BadFile(folder, text)
    with take_lock(workspace / "ledger" / "locks", f"campaign-{campaign.name}"):
        if isinstance(work, ReferenceWork):
            return _adopt_references(work)
        assert isinstance(work, FringeWork)
        _same_settings(work)
        swap = Swap(work.area, work.archive, folder)
        count = adopt_images(work, swap, print)
        if discard:
            swap.discard_kept()
    where = "removed" if discard else f"kept below {swap.kept}"
    print(f"{count} units are in the place of the old ones, which are {where}")
    print("# what was made of the old ones, and the nights' reports, are brought up to date by:")
    for night in work.nights:
        print(f"snakemake --profile profiles/local night --config night={night}")
    return 0


def adopt_images(work: FringeWork, swap: Swap, say: Callable[[str], None]) -> int:
    """Swap night by night, with the night's lock held: first the plan says which templates are used, then the units.

    The units swapped in all. Each night's is told.
    """
    count = 0
    if swap.finish():
        say("the unit that an earlier adoption was ended in has been finished")
    for night in work.nights:
        with take_lock(work.workspace / "ledger" / "locks", night):
            plan = work.plan(night)
            made = [key for key in work.units(plan) if work.made(work.records(plan, key))]
            if not made:
                continue
            _plan_templates(work, night)
            for key in made:
                if not swap.done(path_of("sciqa", key)):
                    swap([path for path in work.files(plan, key) if (swap.area / path).exists()])
            count += len(made)
            say(f"night {night}: {len(made)} quadrants")
    return count


def _plan_templates(work: FringeWork, night: str) -> None:
    """Let the night's plan name the templates that its images were made with."""
    path = work.archive / path_of("plan", NightKey(night))
    before, age = read_plan(path), path.stat()
    now = replace(before, templates=work.plan(night).templates)
    if now != before:
        write_plan(path, now)
        # No newer than it was: Snakemake must still see if settings or files have changed since it was made.
        os.utime(path, ns=(age.st_atime_ns, age.st_mtime_ns))


def _same_settings(work: FringeWork) -> None:
    """Refuse products that the next run of the night would make again, for the archive's settings are others."""
    for section in SETTINGS:
        theirs, ours = (root / "settings" / f"{section}.json" for root in (work.runs_in, work.workspace))
        if theirs.exists() and ours.exists() and theirs.read_bytes() != ours.read_bytes():
            raise BadFile(theirs, f"not the settings of the archive ({ours}): products would be made again")


def _adopt_references(work: ReferenceWork) -> int:
    with contextlib.chdir(work.archive):
        for version in work.versions:
            if version == version_in_force(Path(), version):
                continue
            if accounts.usable(Path(), version):
                print(adopt(version))
            else:
                print(f"{path_of('vrefimg', version)}: not adopted, it was not made or its STATUS is 0")
    return 0
