"""Settings of tracks: which candidates are linked, how, which orbits are believed, what is reported."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ztfpipe.config.base import Positive, Section

Days = Annotated[int, Field(ge=1, le=7)]


class Sources(Section):
    """Which candidates of a night may be moving objects."""

    scorr_min: Positive = 5.0
    """Smallest significance; system paper appendix B thresholds the signal-to-noise ratio."""
    rb_min: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Smallest real-bogus score, where candidates have one: low, as linking refuses what does not move like a body."""
    bad_pixels_max: Annotated[int, Field(ge=0, le=25)] = 3
    """Most masked pixels of the 5 x 5 about a candidate."""
    bright_star_mag: float = Field(default=17.0, ge=5, le=25)
    """A candidate on a reference source brighter than this is left out [mag]: what is left of a star's light."""
    bright_star_arcsec: Positive = 2.0
    """How near that source is [arcsec]: the width of a stellar image."""
    stationary_arcsec: Positive = 1.0
    """A candidate this near to one of another night has not moved [arcsec]: slower than 1 arcsec a day is no body of
    the solar system but in its stationary point."""
    position_floor_arcsec: Positive = 0.06
    """Position error of a bright candidate per axis [arcsec]: the astrometric calibration's."""


class Linking(Section):
    """How detections become tracks (decision 18)."""

    every_h: float = Field(default=3.0, ge=0, le=24)
    """How often the operator of a night has what came so far linked, provisionally [h]; system paper 3.9. 0: never."""
    nights: Days = 4
    """This night and so many less one before it are linked together; system paper 3.9."""
    max_rate_deg_day: Positive = 1.2
    """Fastest body [deg/d]; faster ones leave streaks."""
    min_motion_arcsec: Positive = 1.0
    """Two detections of a night nearer than this may be one star [arcsec]."""
    pair_h: Positive = 10.0
    """Longest gap of the pair that a track starts from [h]; system paper appendix B."""
    parallax_per_au: tuple[float, Positive] = (0.7, 0.5)
    """Mean and width of the prior of 1 / distance [1/au]."""
    bend_arcsec_day2: Positive = 12.0
    """Width of the prior of the acceleration that the Earth does not explain [arcsec/d^2]."""
    gate_probability: Annotated[float, Field(gt=0, lt=0.1)] = 1e-5
    """Chance that a detection of the body is refused."""


class OrbitFit(Section):
    """Orbits of tracks: priors, and what is believed (decision 35)."""

    inverse_axis_per_au: tuple[float, Positive] = (0.4, 0.3)
    """Mean and width of the prior of 1 / semi-major axis [1/au]."""
    eccentricity_width: Positive = 0.4
    """Width of the prior of the eccentricity about 0."""
    chance: Annotated[float, Field(gt=0, lt=0.1)] = 1e-4
    """Chance that a body's track is refused for its chi2."""
    prior_max: Positive = 15.0
    """How far from the priors an orbit may lie, in chi2."""
    steps_max: Annotated[int, Field(ge=5, le=200)] = 40
    """Most steps of a full fit: the limit of what one track may cost."""
    rms_max_arcsec: Positive = 0.6
    """Larger residuals are doubted [arcsec]: no true track of real candidates has them, 86 % of false ones do."""
    distance_min_au: Positive = 0.01
    """Nearer ones are doubted [au]: satellites."""


class Attendance(Section):
    """Whether a track was seen as often, and is as steady, as a body would be (decision 44)."""

    detected_share: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Of bodies far above the limit, those detected: the rest falls on bad pixels, stars and gaps."""
    limit_width_mag: Positive = 0.4
    """Width of the fall of that share about the limit [mag]: bodies turn, and limits differ within an image."""
    edge_arcsec: Positive = 10.0
    """A place this near to an image's edge is not held against a track [arcsec]."""
    scatter_mag: Positive = 0.2
    """Scatter of a body's brightness over some nights, turning and colours together [mag]."""
    chance_of_four: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Chance that a body's track of four detections is refused. False detections make as many of these as bodies do
    where there are a hundred on a square degree."""
    chance: Annotated[float, Field(gt=0, lt=0.1)] = 1e-3
    """The same for longer ones, of which false detections make hardly any."""


class TrackReport(Section):
    """What is reported to the Minor Planet Center."""

    known_arcsec: Positive = 10.0
    """A track is a known body's when all its detections are this near to the body's places [arcsec]."""
    strips_max: Annotated[int, Field(ge=0, le=2000)] = 200
    """New tracks shown with their strips of cutouts, longest first."""
    strip_half_px: Annotated[int, Field(ge=5, le=100)] = 20
    """Half-width of a cutout of a strip [px]."""
    streak_snr_min: Positive = 10.0
    """Streaks less significant are not shown for vetting."""
    streak_length_max_px: Positive = 300.0
    """Longer ones are satellites' [px]: a body at 10 deg/d moves 12 px in 30 s."""
    streak_chi2_max: Positive = 3.0
    """Streaks that fit worse are not shown for vetting."""
    submitter: str = "ZTF"
    """Who submits: `submitter` of the reports."""
    observers: tuple[str, ...] = ("ZTF",)
    measurers: tuple[str, ...] = ("ZTF",)
    telescope: dict[str, str] = {"design": "Schmidt", "aperture": "1.2", "detector": "CCD", "fRatio": "2.4"}
    """`telescope` of the reports, as ADES names its parts."""
    astrometric_catalog: str = "Gaia2"
    """`astCat` of the reports: the catalog of the science images' astrometry."""


class Tracks(Section):
    """Tracks of moving objects, their orbits and reports."""

    sources: Sources = Sources()
    linking: Linking = Linking()
    orbits: OrbitFit = OrbitFit()
    attendance: Attendance = Attendance()
    report: TrackReport = TrackReport()
