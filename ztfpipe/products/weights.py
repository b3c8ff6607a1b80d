"""The files of the classifiers: plain arrays in the folder `weights`, by version, beside the recipe that made them."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np

from ztfpipe.errors import BadFile
from ztfpipe.model.real_bogus import Forest, Network, Scorers
from ztfpipe.products.formats.plain import read_arrays, write_arrays

WEIGHTS_FOLDER = Path(__file__).resolve().parents[2] / "weights"


def read_scorers(rb_version: str, drb_version: str, folder: Path = WEIGHTS_FOLDER) -> Scorers:
    """The classifiers of these versions. Raises BadFile for one that is not there or is not whole."""
    return Scorers(_read_forest(folder, rb_version), _read_network(folder, drb_version))


def write_forest(folder: Path, forest: Forest) -> None:
    """Write the trees as rb_VERSION.npz."""
    write_arrays(folder / f"rb_{forest.version}.npz", {one.name: getattr(forest, one.name) for one in fields(Forest)})


def write_network(folder: Path, network: Network) -> None:
    """Write the network as drb_VERSION.npz."""
    write_arrays(folder / f"drb_{network.version}.npz", network.weights)


def _read_forest(folder: Path, version: str) -> Forest:
    path = folder / f"rb_{version}.npz"
    arrays = _read(path)
    missing = {one.name for one in fields(Forest)} - arrays.keys()
    if missing:
        raise BadFile(path, f"no array {min(missing)}")
    arrays |= {"features": tuple(str(name) for name in arrays["features"]), "version": version}
    return Forest(**{**arrays, "base": float(arrays["base"]), "depth": int(arrays["depth"])})


def _read_network(folder: Path, version: str) -> Network:
    return Network(
        version, {name: array.astype(np.float32) for name, array in _read(folder / f"drb_{version}.npz").items()}
    )


def _read(path: Path) -> dict[str, np.ndarray]:
    if not path.exists():
        raise BadFile(path, "no classifier of this version")
    return read_arrays(path)
