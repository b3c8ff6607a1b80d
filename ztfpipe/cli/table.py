"""The steps of all pipelines: what each is called, reads and writes. A rule's shell command is one line of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Input:
    """A named input of a step: one path, or `many`; `optional` when the step can do without; or a text.

    beside: another input and a product: one that is not named is that product of the other's key, made by the same job.
    """

    name: str
    text: str
    many: bool = False
    optional: bool = False
    is_path: bool = True
    beside: tuple[str, str] | None = None


@dataclass(frozen=True)
class Step:
    """A function of steps/PIPELINE.py, called as function(output, settings, **inputs)."""

    pipeline: str
    action: str
    text: str
    output: str
    inputs: tuple[Input, ...] = ()


_FRAMES = Input("frames", "raw files of the frames to stack, in order of time", many=True)
_PREVIOUS = Input("previous", "the most recent earlier master, to compare with", optional=True)
_PLAN = Input("plan", "the night's plan")
_NAMES = Input("names", "the night's names of objects")
_NOTE = Input("note", "sentence for header and log", optional=True, is_path=False)
_LISTED = (Input("frames", "the frozen list of images, which are read by their names in it"),)
_PAIR = (
    Input("image", "the science image"),
    Input("mask", "its mask", beside=("image", "mskimg")),
    Input("psfcat", "its PSF catalog", beside=("image", "psfcat")),
    Input("refimg", "the reference"),
    Input("refmsk", "its mask", beside=("refimg", "vrefmsk")),
    Input("refunc", "its uncertainty", beside=("refimg", "vrefunc")),
    Input("refpsfcat", "its PSF catalog", beside=("refimg", "vrefpsfcat")),
)
_CALIBRATORS = (
    Input("gaia", "astrometric calibrators", optional=True),
    Input("ps1", "photometric calibrators", optional=True, beside=("gaia", "ps1calibrators")),
    Input("bright", "bright stars around", optional=True, beside=("gaia", "brightstars")),
)
STEPS = (
    Step("ingest", "verify", "check one file sent, archive it", "ingestrecord", (Input("incoming", "the file sent"),)),
    Step(
        "ingest",
        "archive",
        "copy an accepted file to its archive path again",
        "raw",
        (Input("incoming", "the file sent"), Input("record", "its record")),
    ),
    Step("ingest", "arrived", "say what has been verified of the incoming folder", "arrived"),
    Step("ingest", "manifest", "make the night's accounts", "manifest"),
    Step("ingest", "plan", "freeze what the graph may know", "plan", (Input("manifest", "the night's accounts"),)),
    Step("calibration", "split", "correct one quadrant for its overscan", "split", (Input("raw", "the raw file"),)),
    Step("calibration", "bias", "stack a bias master", "bias", (_FRAMES, _PREVIOUS, _NOTE)),
    Step(
        "calibration",
        "flat",
        "stack a flat master",
        "hifreqflat",
        (_FRAMES, Input("bias", "the bias master to subtract"), _PREVIOUS, _NOTE),
    ),
    Step("science", "calibrators", "make a quadrant's calibrator and context catalogs", "gaiacalibrators"),
    Step("science", "covered", "say that the catalogs of a night's fields have been made", "covered"),
    Step(
        "science",
        "image",
        "make a quadrant's science image and its companions",
        "sciimg",
        (
            Input("raw", "the raw file"),
            Input("bias", "the bias master", optional=True),
            Input("flat", "the flat master", optional=True),
            *_CALIBRATORS,
            Input("lofreqflat", "the low-frequency responsivity", optional=True),
            Input("fringe", "the fringe template", optional=True),
            Input("usual", "the usual zero points before the night", optional=True),
        ),
    ),
    Step("science", "zero_points", "freeze what zero points are usual before a night", "zeropoints"),
    Step("templates", "fringe_frames", "freeze the list of images of a fringe template", "fringeframes"),
    Step("templates", "fringe", "learn the fringes of a quadrant", "fringe", _LISTED),
    Step("templates", "lofreqflat_frames", "freeze the list of images of a low-frequency map", "lofreqflatframes"),
    Step("templates", "lofreqflat", "map the response of a quadrant to stars", "lofreqflat", _LISTED),
    Step(
        "science",
        "uncertainty",
        "make the uncertainty image of a science image",
        "sciunc",
        (_PAIR[0], _PAIR[1]),
    ),
    Step(
        "science",
        "measure",
        "measure a science image of the public archive",
        "measuredsciimg",
        (
            Input("sciimg", "the archive's image"),
            Input("mskimg", "its mask", optional=True),
            *_CALIBRATORS,
        ),
    ),
    Step("reference", "check", "find the fields that have become ready", "references", (_PLAN,)),
    Step(
        "reference",
        "coadd",
        "make one version of a reference",
        "vrefimg",
        (Input("inputs", "the version's frozen list of inputs"),),
    ),
    Step("reference", "publish", "give a version the archive's names", "refimg", (Input("version", "its image"),)),
    Step(
        "difference",
        "image",
        "subtract the reference from a science image and extract events",
        "scimrefdiffimg",
        (
            *_PAIR,
            Input("ps1", "all PS1 objects around", optional=True, beside=("image", "ps1context")),
            Input("gaia", "all Gaia sources around", optional=True, beside=("image", "gaiacontext")),
            Input("bodies", "the night's table of known solar-system bodies", optional=True),
        ),
    ),
    Step(
        "lightcurve",
        "match",
        "bring a matchfile to its frozen list of epochs",
        "matchfile",
        (Input("epochs", "the frozen list"),),
    ),
    Step(
        "difference",
        "planted",
        "plant sources of known flux into a quadrant and look for them in its difference",
        "planted",
        (
            Input("planting", "settings of what to plant"),
            *_PAIR,
            Input("candidates", "candidates of the difference as it is", beside=("image", "candidates")),
            Input("diffqa", "record of the difference as it is"),
        ),
    ),
    Step(
        "difference",
        "efficiency",
        "make a night's efficiency against magnitude",
        "efficiency",
        (Input("tables", "tables of planted sources", many=True),),
    ),
    Step(
        "moving",
        "known",
        "make the night's table of known solar-system bodies",
        "known",
        (Input("orbits", "the site's catalog of orbits", optional=True),),
    ),
    Step("moving", "detections", "gather a night's candidates that may be moving objects", "detections", (_PLAN,)),
    Step(
        "moving",
        "tracks",
        "link the detections of up to four nights and fit orbits",
        "tracks",
        (
            Input("detections", "detections of this night and of nights before", many=True),
            Input("looks", "images of these nights", many=True),
            Input("streaks", "the night's streaks to be vetted"),
            Input("known", "the night's table of known solar-system bodies"),
        ),
    ),
    Step(
        "moving",
        "sofar",
        "link what a night has before a time of it, provisionally",
        "sofartracks",
        (
            _PLAN,
            Input("known", "the night's table of known solar-system bodies"),
            Input("detections", "detections of nights before", many=True, optional=True),
            Input("looks", "images of nights before", many=True, optional=True),
        ),
    ),
    Step(
        "moving",
        "report",
        "write what goes to the Minor Planet Center",
        "adespsv",
        (
            Input("tracks", "the night's tracks"),
            Input("members", "their detections"),
            Input("streaks", "the night's streaks to be vetted"),
            Input("decisions", "what a person decided on the page", optional=True),
        ),
    ),
    Step("alerts", "names", "give names to objects and bring histories up to date", "objectnames", (_PLAN,)),
    Step("alerts", "exposure", "make the packets of an exposure", "alertsqa", (_PLAN, _NAMES)),
    Step("alerts", "quadrant", "make the packets of one quadrant", "alerts", (_NAMES,)),
    Step("alerts", "night", "gather a program's packets of a night", "nightalerts", (_PLAN,)),
    Step("quality", "coverage", "map the sky seen", "skymap", (Input("epochs", "the night's science images"),)),
    Step(
        "quality",
        "report",
        "write the night's report",
        "nightreport",
        (
            Input("manifest", "the night's accounts"),
            _PLAN,
            Input("references", "the night's list of references", optional=True),
            Input("masters", "masters made tonight", many=True, optional=True),
            Input("raw", "raw files of one exposure to show", many=True, optional=True),
            Input("sky", "pictures of the sky seen", many=True, optional=True),
        ),
    ),
)
