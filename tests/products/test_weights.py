"""The files of the classifiers."""

import numpy as np
import pytest

from ztfpipe.config import Difference
from ztfpipe.errors import BadFile
from ztfpipe.methods.difference.real_bogus import FEATURES, LAYERS
from ztfpipe.model.real_bogus import Forest, Network
from ztfpipe.products.formats.plain import read_arrays, write_arrays
from ztfpipe.products.weights import WEIGHTS_FOLDER, read_scorers, write_forest, write_network

FOREST = Forest(
    "a", ("one", "two"), -0.5, np.array([0], np.int32), np.array([1], np.int16), np.array([0.25]),
    np.array([0], np.int32), np.array([0], np.int32), np.array([1.5], np.float32), 0,
)  # fmt: skip
NETWORK = Network("b", {"out_w": np.ones((2, 1), np.float32), "out_b": np.zeros(1, np.float32)})


@pytest.fixture
def folder(tmp_path):
    write_forest(tmp_path, FOREST)
    write_network(tmp_path, NETWORK)
    return tmp_path


def test_what_was_written_is_read(folder):
    scorers = read_scorers("a", "b", folder)
    for name, value in vars(FOREST).items():
        np.testing.assert_array_equal(getattr(scorers.forest, name), value)
    assert scorers.network.version == "b"
    np.testing.assert_array_equal(scorers.network.weights["out_w"], NETWORK.weights["out_w"])


def test_a_version_that_is_not_there_is_refused(folder):
    with pytest.raises(BadFile, match="no classifier of this version"):
        read_scorers("a", "c", folder)


def test_a_file_that_is_not_whole_is_refused(folder):
    arrays = read_arrays(folder / "rb_a.npz")
    del arrays["threshold"]
    write_arrays(folder / "rb_a.npz", arrays)
    with pytest.raises(BadFile, match="no array threshold"):
        read_scorers("a", "b", folder)


def test_the_classifiers_in_force_are_of_this_code():
    """The versions that the settings name ask for the features and layers that are computed; and they are small."""
    settings = Difference()
    scorers = read_scorers(settings.rb_version, settings.drb_version)
    assert scorers.forest.features == FEATURES
    assert scorers.forest.feature.max() < len(FEATURES)
    assert {name: array.shape for name, array in scorers.network.weights.items() if name.endswith("_w")} == {
        f"{name}_w": shape for name, shape in LAYERS.items()
    }
    assert sum(path.stat().st_size for path in WEIGHTS_FOLDER.iterdir()) < 2e6
