"""Recipes of `templates`: which images, the fringe template, the low-frequency responsivity map."""

from ztfpipe.pipelines.templates.fringe import make_fringe_template
from ztfpipe.pipelines.templates.lofreqflat import make_lofreqflat
from ztfpipe.pipelines.templates.selection import choose_frames

__all__ = ["choose_frames", "make_fringe_template", "make_lofreqflat"]
