"""Step of `reference`: at the end of a night, find the fields that have become ready, and freeze their inputs.

Paths are relative to the archive. The night's science images are read once, from their records, and kept as one table;
the history of a field is read from the tables of earlier nights.
"""

from __future__ import annotations

from pathlib import Path

from ztfpipe.camera import Camera
from ztfpipe.config import Reference
from ztfpipe.model.keys import NightKey, ReferenceKey, ReferenceVersionKey
from ztfpipe.model.plan import NightPlan
from ztfpipe.model.records import QaRecord
from ztfpipe.model.reference import MADE, WAITING, Epoch, FrozenInputs, Selection
from ztfpipe.pipelines.reference.selection import candidate, epoch_of, select
from ztfpipe.products.accounts import references as accounts
from ztfpipe.products.accounts.plan import read_plan
from ztfpipe.products.accounts.records import read_record
from ztfpipe.products.accounts.settings import read_settings
from ztfpipe.products.catalogs import epochs as tables
from ztfpipe.products.names import key_of, path_of
from ztfpipe.steps.reference.looking import ARCHIVE, earlier_epochs, epochs_by_reference, look, suspects


def check(output: str, settings: Path, plan: Path) -> None:
    """Write the night's list of references, its table of epochs, and why fields without a reference have none.

    The inputs of a field, quadrant and filter that has no reference yet and enough good epochs, those of earlier nights
    included, are frozen as its version 1. One that was frozen stays so, whatever comes later. A suspect reference is
    listed as such, with whether there are now enough other epochs to make it again.
    """
    key: NightKey = key_of(output, "references")
    values, camera = read_settings(settings, Reference)
    tonight = epochs_of(read_plan(plan), camera)
    tables.write_epochs(path_of("epochs", key), tonight)
    observed = {one.reference for one in tonight}
    versions = {one: accounts.newest_version(ARCHIVE, one) for one in observed}
    without = {one for one in observed if versions[one] is None or _frozen_on(one, key.night)}
    history = epochs_by_reference([*tonight, *earlier_epochs(ARCHIVE, key.night, without)])
    stands = {one.key.reference: one.standing.state for one in look(values, suspects(values, observed - without))}
    lines, waiting = [], []
    for reference in sorted(observed):
        selection = select(history[reference], values) if reference in without else Selection((), (), values.epochs_min)
        version = versions[reference]
        if version is None and selection.enough:
            version = _freeze(reference, key.night, selection, values)
        state = stands.get(reference, MADE)
        line = candidate(reference, selection, version, frozen_tonight=reference in without, made=state)
        lines.append(line)
        if line.state == WAITING:
            waiting.append(selection)
    tables.write_verdicts(path_of("refverdicts", key), waiting)
    accounts.write_candidates(output, key.night, lines)


def epochs_of(plan: NightPlan, camera: Camera) -> list[Epoch]:
    """A night's science images of survey fields, from their records; those not made are no epochs."""
    epochs = []
    for key in plan.science:
        path = ARCHIVE / path_of("sciqa", key)
        if key.exposure.field in camera.fields and path.exists():
            epochs.append(epoch_of(key, read_record(QaRecord, path)))
    return epochs


def _frozen_on(reference: ReferenceKey, night: str) -> bool:
    """Whether the first version was frozen by the check of this night: it then stays on this night's list."""
    frozen = accounts.read_frozen_inputs(ARCHIVE / path_of("refinputs", ReferenceVersionKey(reference, 1)))
    return frozen.night == night


def _freeze(reference: ReferenceKey, night: str, selection: Selection, values: Reference) -> int:
    why = f"{len(selection.chosen)} good epochs of {values.epochs_min} needed"
    first = ReferenceVersionKey(reference, 1)
    accounts.write_frozen_inputs(ARCHIVE, FrozenInputs(first, night, why, selection, values.model_dump(mode="json")))
    return 1
