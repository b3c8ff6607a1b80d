"""What an operator does with the lists of matchfiles: begin them, let them grow, begin them anew.

Nothing else changes a list, and a matchfile changes when its list does.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from ztfpipe.config import RECIPE_VERSIONS, Lightcurve
from ztfpipe.errors import BadFile
from ztfpipe.model.keys import QuadrantKey, ReferenceKey
from ztfpipe.model.lightcurve import MatchEpochs
from ztfpipe.products.accounts import references as accounts
from ztfpipe.products.accounts.matchepochs import read_match_epochs, write_match_epochs
from ztfpipe.products.names import key_of, path_of
from ztfpipe.steps.reference.looking import ALL_NIGHTS, earlier_epochs, epochs_by_reference
from ztfpipe.steps.reference.renewal import all_references
from ztfpipe.steps.workspace import archive_of, configured

ARCHIVE = Path()


def run_extend(
    config_path: Path, workspace: Path | None, products: Sequence[str], *, new_min: int = 1, again: bool = False
) -> int:
    """`ztfpipe lightcurve extend [MATCHFILE ...]`: let lists grow by the epochs known now; print whose lists have
    grown.

    Without names those of all references in force. new_min: a list grows by that many epochs or not at all; again:
    begin the lists anew, with the reference and settings in force. Returns 0. Raises BadFile for a matchfile whose
    field has no usable reference.
    """
    config = configured(config_path, workspace)
    with contextlib.chdir(archive_of(config)):
        asked = [key_of(one, "matchfile") for one in products]
        for key in asked:
            if accounts.usable_in_force(ARCHIVE, key) is None:
                raise BadFile(path_of("refimg", key), "no usable reference is in force: there is nothing to match with")
        for key in extend(asked or all_references(), config.lightcurve, new_min=new_min, again=again):
            print(path_of("matchfile", key))
    return 0


def extend(
    references: Sequence[ReferenceKey], settings: Lightcurve, *, new_min: int, again: bool
) -> Iterator[ReferenceKey]:
    """Let the lists of some references grow; those that did. Fields without a usable reference are passed over."""
    history = epochs_by_reference(earlier_epochs(ARCHIVE, ALL_NIGHTS, set(references)))
    for reference in sorted(references):
        in_force = accounts.usable_in_force(ARCHIVE, reference)
        if in_force is None:
            continue
        usable = sorted(one.key for one in history[reference] if one.status == 1)
        path = ARCHIVE / path_of("matchepochs", reference)
        if again or not path.exists():
            values = settings.model_dump(mode="json")
            begun = MatchEpochs(reference, in_force.version, RECIPE_VERSIONS["lightcurve"], values, tuple(usable))
            if len(usable) >= new_min:
                write_match_epochs(ARCHIVE, begun)
                yield reference
            continue
        frozen = read_match_epochs(path)
        grown = longer(frozen, usable)
        if len(grown.epochs) - len(frozen.epochs) >= new_min:
            write_match_epochs(ARCHIVE, grown)
            yield reference


def longer(frozen: MatchEpochs, epochs: Sequence[QuadrantKey]) -> MatchEpochs:
    """A list with the epochs that it does not have at its end, in order of time: what stands in it stays."""
    had = set(frozen.epochs)
    new = tuple(sorted(key for key in set(epochs) if key not in had))
    return MatchEpochs(frozen.reference, frozen.version, frozen.recipe_version, frozen.settings, frozen.epochs + new)
