"""Recipes of `calibration`: a split quadrant, a bias master, a flat master (system paper 3.3 and 3.4)."""

from ztfpipe.pipelines.calibration.frames import Frames, Metrics, Rejected
from ztfpipe.pipelines.calibration.masters import make_bias_master, make_flat_master
from ztfpipe.pipelines.calibration.split import SplitQuadrant, split_quadrant
from ztfpipe.pipelines.calibration.verdict import BiasForFlat, EarlierMaster, Master

__all__ = [
    "BiasForFlat",
    "EarlierMaster",
    "Frames",
    "Master",
    "Metrics",
    "Rejected",
    "SplitQuadrant",
    "make_bias_master",
    "make_flat_master",
    "split_quadrant",
]
