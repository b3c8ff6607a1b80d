"""What is known of tracks: the detections that are linked, the tracks with their orbits, what is reported."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ztfpipe.model.columns import Column, typed_arrays

Floats = NDArray[np.float64]

DETECTION_TABLE = (
    Column("candid", "i8", "", "Candidate identifier"),
    Column("jd_mid", "f8", "d", "Middle of the exposure, Julian date UTC"),
    Column("ra", "f8", "deg", "Right ascension, ICRS"),
    Column("dec", "f8", "deg", "Declination, ICRS"),
    Column("sigma", "f4", "arcsec", "1-sigma position error per axis"),
    Column("mag", "f4", "mag", "PSF-fit magnitude in the filter"),
    Column("sigma_mag", "f4", "mag", "1-sigma uncertainty of mag"),
    Column("snr", "f4", "", "S_corr"),
    Column("xpos", "f4", "pix", "x position; the centre of the first pixel is 1"),
    Column("ypos", "f4", "pix", "y position; the centre of the first pixel is 1"),
    Column("exptime", "f4", "s", "Exposure time"),
    Column("filefracday", "str", "", "The exposure"),
    Column("field", "i4", "", "Field"),
    Column("filter", "str", "", "Filter code"),
    Column("ccdid", "i2", "", "CCD"),
    Column("qid", "i2", "", "Quadrant"),
)
"""Candidates of a night that may be moving objects."""

LOOK_TABLE = (
    *(column for column in DETECTION_TABLE if column.name in ("filefracday", "field", "filter", "ccdid", "qid")),
    Column("jd_mid", "f8", "d", "Middle of the exposure, Julian date UTC"),
    Column("limit_mag", "f4", "mag", "5-sigma limit of the difference in the filter"),
    *(Column(f"{name}{k}", "f8", "deg", f"{text} of corner {k}, one after another round the image")
      for k in range(4) for name, text in (("ra", "Right ascension"), ("dec", "Declination"))),
)  # fmt: skip
"""Quadrants of a night with a usable difference: where a moving object would have been seen."""

STREAK_TABLE = (
    Column("streak", "str", "", "Name, a function of the exposure, the quadrant and the place in its table"),
    Column("jd_mid", "f8", "d", "Middle of the exposure, Julian date UTC"),
    Column("ra", "f8", "deg", "Right ascension of the middle, ICRS"),
    Column("dec", "f8", "deg", "Declination of the middle"),
    Column("sigma", "f4", "arcsec", "1-sigma position error of the middle per axis"),
    Column("length_arcsec", "f4", "arcsec", "Length"),
    Column("angle", "f4", "deg", "Position angle from north to east, 0 to 180: the sense is not known"),
    Column("rate", "f4", "deg/d", "Length over the exposure time"),
    Column("mag", "f4", "mag", "Magnitude of the whole streak"),
    Column("sigma_mag", "f4", "mag", "1-sigma uncertainty of mag"),
    Column("snr", "f4", "", "Signal-to-noise ratio"),
    Column("xpos", "f4", "pix", "x position of the middle; the centre of the first pixel is 1"),
    Column("ypos", "f4", "pix", "y position of the middle"),
    *(column for column in DETECTION_TABLE if column.name in ("exptime", "filefracday", "field", "filter")),
    *(column for column in DETECTION_TABLE if column.name in ("ccdid", "qid")),
)
"""Streaks of a night that are shown to a person."""

_STATE = ("x", "y", "z", "vx", "vy", "vz")
_ELEMENTS = (
    ("inverse_axis_per_au", "1/au", "1 / semi-major axis; negative: hyperbolic"),
    ("eccentricity", "", "Eccentricity"),
    ("perihelion_au", "au", "Perihelion distance"),
    ("inclination_deg", "deg", "Inclination; ecliptic and equinox of J2000"),
    ("node_deg", "deg", "Longitude of the ascending node"),
    ("argument_deg", "deg", "Argument of perihelion"),
    ("mean_anomaly_deg", "deg", "Mean anomaly; NaN for hyperbolas"),
)
TRACK_TABLE = (
    Column("track", "str", "", "Name, a function of the candidates in it"),
    Column("n", "i4", "", "Number of detections"),
    Column("nights", "i4", "", "Number of nights"),
    Column("first_jd", "f8", "d", "First detection, Julian date UTC"),
    Column("last_jd", "f8", "d", "Last detection"),
    Column("ra", "f8", "deg", "Right ascension of the last detection, ICRS"),
    Column("dec", "f8", "deg", "Declination of the last detection"),
    Column("rate_ra", "f4", "arcsec/h", "Mean motion in right ascension, times cos dec"),
    Column("rate_dec", "f4", "arcsec/h", "Mean motion in declination"),
    Column("mag", "f4", "mag", "Median magnitude, as V"),
    Column("h_mag", "f4", "mag", "Absolute magnitude H"),
    Column("known", "str", "", "Known body that it is: archive's name (number or provisional designation); or empty"),
    Column("designation", "str", "", "Number and name or provisional designation, as people write them"),
    Column("known_arcsec", "f4", "arcsec", "Largest distance from the known body's places; NaN where it is none"),
    Column("plausible", "bool", "", "Nothing speaks against the orbit; more than that the fit converged"),
    Column("doubt", "str", "", "What speaks against it, or empty"),
    Column("settled", "bool", "", "The full fit came to rest"),
    Column("chi2", "f4", "", "Of the detections about the full orbit"),
    Column("freedom", "i4", "", "Twice the detections less six"),
    Column("rms", "f4", "arcsec", "RMS of the residuals per axis"),
    Column("prior", "f4", "", "What the priors add to chi2"),
    Column("screen_rms", "f4", "arcsec", "RMS of the residuals about the quick orbit"),
    Column("epoch_jd", "f8", "d", "Epoch of orbit and elements, Julian date TDB"),
    Column("observer_au", "f8", "au", "Distance from the observer at the epoch"),
    Column("sun_au", "f8", "au", "Distance from the Sun at the epoch"),
    *(Column(name, "f8", unit, text) for name, unit, text in _ELEMENTS),
    *(Column(f"sigma_{name}", "f8", unit, f"1-sigma uncertainty of {name}") for name, unit, _ in _ELEMENTS),
    *(Column(f"state_{one}", "f8", "au" if k < 3 else "au/d", "Heliocentric state, ICRS")
      for k, one in enumerate(_STATE)),
    *(Column(f"cov_{a}_{b}", "f8", "", "Covariance of the state [au, au/d], priors included")
      for k, a in enumerate(_STATE) for b in _STATE[k:]),
    Column("looked", "i4", "", "Exposures that covered the body's places; those that detected it among them"),
    Column("expected", "f4", "", "Detections expected on them"),
    Column("likely", "f8", "", "Chance that a body's track is so bad in fit, brightness and number of detections"),
)  # fmt: skip
"""Tracks of a night."""

MEMBER_TABLE = (
    Column("track", "str", "", "Name of the track"),
    *DETECTION_TABLE,
    Column("residual_ra", "f4", "arcsec", "Observed less computed in right ascension, times cos dec"),
    Column("residual_dec", "f4", "arcsec", "Observed less computed in declination"),
)
"""Detections of the night's tracks."""


@dataclass(frozen=True)
class Sightings:
    """Candidates of several nights that may be moving objects, each array (n,); DETECTION_TABLE says what each is."""

    candid: NDArray[np.int64]
    jd_mid: Floats
    ra: Floats
    dec: Floats
    sigma: Floats
    mag: Floats
    sigma_mag: Floats
    snr: Floats
    xpos: Floats
    ypos: Floats
    exptime: Floats
    filefracday: NDArray[Any]
    field: NDArray[np.int32]
    filter: NDArray[Any]
    ccdid: NDArray[np.int16]
    qid: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.candid)

    def select(self, which: NDArray[Any]) -> Sightings:
        """The sightings of a mask or of a list of indices."""
        return Sightings(*(getattr(self, one.name)[which] for one in fields(self)))

    def columns(self) -> dict[str, NDArray[Any]]:
        """By name, in the types of DETECTION_TABLE."""
        return typed_arrays(vars(self), DETECTION_TABLE)


@dataclass(frozen=True)
class FoundTracks:
    """The tracks of a night: columns of TRACK_TABLE and of MEMBER_TABLE by name, and counts for the record."""

    tracks: dict[str, NDArray[Any]]
    members: dict[str, NDArray[Any]]
    counts: dict[str, float | int | str | None]

    def __len__(self) -> int:
        return len(self.tracks["track"])


@dataclass(frozen=True)
class Observation:
    """One line of a report: a detection of an object. name: trkSub; designation: where the object is known, else empty.

    jd_mid: middle of the exposure, UTC. band: as the Minor Planet Center spells it. NaN where not measured.
    """

    name: str
    designation: str
    jd_mid: float
    ra_deg: float
    dec_deg: float
    sigma_arcsec: float
    mag: float
    sigma_mag: float
    band: str
    snr: float
    exposure_s: float
    discovery: bool = False
    remarks: str = ""
