"""Steps of the science pipeline, each module imported when its step is asked for."""

from ztfpipe.steps import found_in

__getattr__ = found_in(
    __name__,
    {
        "image": "quadrant",
        "uncertainty": "sigma",
        "measure": "given",
        "calibrators": "catalogs",
        "zero_points": "usual",
        "covered": "catalogs",
    },
)
