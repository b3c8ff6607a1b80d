"""Frozen lists of matchfiles: reference version, settings, and epochs in the order of their arrival.

A list grows at its end, by command only; what stands in it stays. The matchfile is a function of it.
"""

from __future__ import annotations

import json
from pathlib import Path

from ztfpipe.model.lightcurve import MatchEpochs
from ztfpipe.products.formats.atomic import write_text
from ztfpipe.products.formats.text import reading
from ztfpipe.products.names import key_of, path_of


def write_match_epochs(archive: Path, frozen: MatchEpochs) -> None:
    """Write the list of a matchfile, atomically."""
    head = {
        "product": path_of("matchfile", frozen.reference),
        "version": frozen.version,
        "recipe_version": frozen.recipe_version,
        "settings": dict(frozen.settings),
    }
    epochs = ",\n".join(json.dumps(path_of("psfcat", key)) for key in frozen.epochs)
    text = (
        "{" + ",\n ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in head.items())
        + ',\n "epochs": [\n' + epochs + "\n]}\n"
    )  # fmt: skip
    write_text(archive / path_of("matchepochs", frozen.reference), text)


def read_match_epochs(path: str | Path) -> MatchEpochs:
    """Read a list. BadFile when it is missing or holds something else."""
    with reading(path, "a list of a matchfile's epochs") as text:
        content = json.loads(text)
        return MatchEpochs(
            reference=key_of(content["product"], "matchfile"),
            version=int(content["version"]),
            recipe_version=int(content["recipe_version"]),
            settings=content["settings"],
            epochs=tuple(key_of(one, "psfcat") for one in content["epochs"]),
        )
