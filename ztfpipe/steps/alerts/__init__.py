"""Steps of the alerts pipeline, each module imported when its step is asked for."""

from ztfpipe.steps import found_in

__getattr__ = found_in(
    __name__, {"names": "naming", "exposure": "packaging", "quadrant": "packaging", "night": "publishing"}
)
