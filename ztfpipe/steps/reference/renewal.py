"""What an operator does with references: look for those to be made again, freeze new inputs, put in force.

Nothing here runs by itself: each change of a reference is one of these commands.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from ztfpipe.config import Reference
from ztfpipe.errors import BadFile
from ztfpipe.model.keys import ReferenceKey, ReferenceVersionKey
from ztfpipe.model.reference import SUSPECT, FrozenInputs
from ztfpipe.pipelines.reference.renewal import DEEPER, GOOD
from ztfpipe.products.accounts import references as accounts
from ztfpipe.products.names import key_of, path_of
from ztfpipe.steps.reference.looking import ARCHIVE, Known, look
from ztfpipe.steps.reference.publishing import link_version
from ztfpipe.steps.workspace import archive_of, configured


def run_renew(config_path: Path, workspace: Path | None, products: Sequence[str]) -> int:
    """List references that should be made again and why; with the paths of references, freeze their new inputs.

    Prints the path of each new version: it is made by asking Snakemake for it, and comes in force by `adopt` only.
    Raises BadFile when a reference asked for has too few good epochs, or has a newer version already.
    """
    config = configured(config_path, workspace)
    with contextlib.chdir(archive_of(config)):
        asked = [key_of(product, "refimg") for product in products]
        known = list(look(config.reference, asked or all_references()))
        if not asked:
            for one in known:
                if one.standing.state != GOOD:
                    path = path_of("refimg", one.key.reference)
                    print(f"{one.standing.state}: {path}: {'; '.join(one.standing.reasons)}")
            count = {state: sum(one.standing.state == state for one in known) for state in (SUSPECT, DEEPER)}
            total = f"{count[SUSPECT]} suspect with other inputs at hand, {count[DEEPER]} could be deeper"
            print(f"{len(known)} references, {total}")
        for one in known if asked else ():
            print(path_of("vrefimg", freeze_next(one, config.reference)))
    return 0


def run_adopt(config_path: Path, workspace: Path | None, product: str, version: int | None) -> int:
    """Put a version in force: the newest, or the one given. Raises BadFile when it was not made or has STATUS 0.

    It gets the archive's names, and plans made from now on use it; every version stays where it is.
    """
    with contextlib.chdir(archive_of(configured(config_path, workspace))):
        reference = key_of(product, "refimg")
        _, newest = in_force_and_newest(reference)
        print(adopt(ReferenceVersionKey(reference, newest if version is None else version)))
    return 0


def adopt(key: ReferenceVersionKey) -> str:
    """Put a version in force, and say so. Raises BadFile when it was not made or has STATUS 0."""
    old, _ = in_force_and_newest(key.reference)
    if not accounts.usable(ARCHIVE, key):
        raise BadFile(path_of("vrefimg", key), "it was not made, or its STATUS is 0")
    accounts.put_in_force(ARCHIVE, key, f"adopted in place of version {old}")
    link_version(key)
    return f"{path_of('refimg', key.reference)}: version {key.version} is in force, version {old} was"


def all_references() -> list[ReferenceKey]:
    """References of which some version's inputs are frozen."""
    paths = ARCHIVE.glob("ref/*/field*/*/ccd*/q*/v001/*_refinputs.json")
    return sorted(accounts.read_frozen_inputs(path).key.reference for path in paths)


def freeze_next(known: Known, settings: Reference) -> ReferenceVersionKey:
    """Freeze the inputs of a new version. Raises BadFile when there are too few, or a newer version waits."""
    path = path_of("refimg", known.key.reference)
    if known.newest != known.key.version:
        raise BadFile(path, f"version {known.newest} has its inputs already and is not in force: compare, then adopt")
    if not known.selection.enough:
        raise BadFile(path, f"{len(known.selection.chosen)} good epochs of {settings.epochs_min} needed")
    key = ReferenceVersionKey(known.key.reference, known.newest + 1)
    night = max(one.key.night for one in known.selection.chosen)
    why = f"{known.standing.state}: {'; '.join(known.standing.reasons) or 'asked for'}"
    frozen = FrozenInputs(key, night, why, known.selection, settings.model_dump(mode="json"))
    accounts.write_frozen_inputs(ARCHIVE, frozen)
    return key


def in_force_and_newest(reference: ReferenceKey) -> tuple[int, int]:
    """Numbers of the version in force and of the newest. BadFile when there is none."""
    version = accounts.version_in_force(ARCHIVE, reference)
    newest = accounts.newest_version(ARCHIVE, reference)
    if version is None or newest is None:
        raise BadFile(path_of("refimg", reference), "there is no version of this reference")
    return version, newest
