"""Steps of the moving pipeline, each module imported when its step is asked for."""

from ztfpipe.steps import found_in

__getattr__ = found_in(
    __name__,
    {
        "known": "knowing",
        "detections": "gathering",
        "tracks": "tracking",
        "sofar": "provisional",
        "report": "reporting",
    },
)
