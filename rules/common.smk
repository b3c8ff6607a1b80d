# The only Python of the workflow: settings, the night's plan, what each target needs, and what may be asked for.
import re
import fcntl
import os
import sys
from functools import cache
from pathlib import Path

from snakemake.cli import get_argument_parser
from snakemake.exceptions import WorkflowError

from ztfpipe.camera import Camera
from ztfpipe.config import load_config
from ztfpipe.errors import ZtfpipeError
from ztfpipe.model.keys import BIAS_FILTER_CAL, SKY_FILTERS, FieldQuadrantKey, IncomingKey, NightKey
from ztfpipe.products import names
from ztfpipe.products.names import PART_PATTERNS, PRODUCTS, path_of
from ztfpipe.products.arrival.incoming import SENT_LIST, incoming_digest, is_plain, received
from ztfpipe.products.accounts.plan import read_plan
from ztfpipe.products.accounts.settings import write_settings

NARROWING = ("night", "field", "filter", "ccd", "quadrant")
RULE_NAME = re.compile("[a-z_]+")


# --- Settings: config.yaml under what the command line says, validated once, kept as one file per section ------------


def said(error):
    """A refusal as Snakemake prints it: one sentence, no traceback."""
    return WorkflowError(str(error))


def configured():
    """The validated configuration, and the workspace; a relative workspace stands beside the Snakefile."""
    overrides = {name: value for name, value in config.items() if name not in NARROWING}
    settings = load_config(Path(workflow.basedir, "config.yaml"), overrides)
    return settings, Path(workflow.basedir, settings.workspace).resolve()


def narrowed():
    """What the command line narrows the named targets to, each value checked against the camera."""
    asked = {name: config[name] for name in NARROWING if name in config}
    if "night" in asked:
        asked["night"] = NightKey(str(asked["night"])).night
    allowed = {
        "filter": SKY_FILTERS,
        "ccd": CAMERA.ccds,
        "quadrant": CAMERA.qids,
        "field": tuple(CAMERA.fields),
    }
    for name, values in allowed.items():
        if name in asked and asked[name] not in values:
            shown = f"one of {', '.join(map(str, values))}" if len(values) <= 16 else "in the camera's field grid"
            raise WorkflowError(f"--config {name}={asked[name]}: not {shown}")
    return asked


def check_targets():
    """Refuse what is neither a named target nor a product's path, before anything is matched or run."""
    targets = get_argument_parser().parse_known_args(sys.argv[1:])[0].targets or ()
    for asked in targets:
        if not RULE_NAME.fullmatch(asked):
            names.parse(asked)
        elif "night" not in ASKED:
            raise WorkflowError(f"{asked} of which night? Say --config night=YYYYMMDD, or name a product by its path")
    if "night" in ASKED and targets:
        files_sent(ASKED["night"])


try:
    CONFIG, WORKSPACE = configured()
    CAMERA = Camera.load(CONFIG.camera)
    ASKED = narrowed()
except ZtfpipeError as error:
    raise said(error) from None

ARCHIVE = str(WORKSPACE / "archive")
ENVIRONMENT = str(Path(workflow.basedir, "envs", "ztfpipe.yaml"))
# A job finds the programs of the environment that runs Snakemake, activated or not.
shell.prefix(f"export PATH={Path(sys.executable).parent}:$PATH; ")


# --- Paths: one spelling of each, relative to the archive -----------------------------------------------------------


def target(product):
    """Pattern of a product's path."""
    return PRODUCTS[product].pattern


def targets(*products):
    """Patterns of several products by their names, for a rule that declares them all."""
    return {product: target(product) for product in products}


def settings(section):
    """The settings file that governs a rule."""
    return f"../settings/{section}.json"


def log_of(pipeline, product):
    """Where a job's own words go: logs/PIPELINE/YYYY/MMDD/, under the name of its product."""
    return f"../logs/{pipeline}/{{year}}/{{monthday}}/{Path(target(product)).name}.log"


def night_of(wildcards):
    return wildcards.year + wildcards.monthday


def incoming(night):
    return Path(WORKSPACE, "incoming", night)


def given(path):
    """Spelling of an earlier night's product that is used as it is: no rule's output matches it, so none re-makes it."""
    return f"../archive/{path}"


# --- The night's plan -----------------------------------------------------------------------------------------------


@cache
def files_sent(night):
    """Names of the files received for a night that can be a unit of work, in order; the accounts tell of the others."""
    folder = incoming(night)
    if not folder.is_dir():
        raise WorkflowError(f"night {night}: nothing was received, there is no folder {folder}")
    return [name for name in received(folder) if is_plain(name)]


@cache
def plan_is_current(night):
    """Whether the plan on disk speaks of the files and settings of now; decided once, before anything runs.

    Jobs on a cluster parse this file again: their plan is the one the graph was drawn from, whatever arrived since.
    """
    path = WORKSPACE / "archive" / path_of("plan", NightKey(night))
    if not path.exists():
        return False
    if not workflow.is_main_process:
        return True
    governing = [WORKSPACE / "settings" / f"{section}.json" for section in ("ingest", "calibration")]
    if any(path.stat().st_mtime < one.stat().st_mtime for one in governing):
        return False
    return read_plan(path).incoming_digest == incoming_digest(incoming(night))


def plan_for(night):
    """The plan of a night; while it is missing or old, Snakemake is told to make it first and to ask again."""
    if not plan_is_current(night):
        checkpoints.ingest_plan.get(year=night[:4], monthday=night[4:])
    return loaded_plan(night)


@cache
def loaded_plan(night):
    return read_plan(WORKSPACE / "archive" / path_of("plan", NightKey(night)))


@cache
def masters_of(night):
    """A night's choice of master by (kind, filter, ccd, quadrant)."""
    return {(one.kind, one.filter, one.ccdid, one.qid): one for one in plan_for(night).masters}


# --- What each rule needs -------------------------------------------------------------------------------------------


def sent_file(wildcards):
    """The file received that a raw path is a copy of: the same name, perhaps not yet compressed."""
    name = Path(target("raw").format(**wildcards)).name
    if name not in files_sent(night_of(wildcards)):
        name = name.removesuffix(".fz")
    return f"../incoming/{night_of(wildcards)}/{name}"


def sent_record(wildcards):
    name = Path(sent_file(wildcards)).name
    return path_of("ingestrecord", IncomingKey(night_of(wildcards), name))


def night_records(wildcards):
    """The verdict on every file received, and the list of files sent where there is one."""
    night = night_of(wildcards)
    return [path_of("ingestrecord", IncomingKey(night, name)) for name in files_sent(night)]


def sent_list(wildcards):
    """The list of files sent, where there is one."""
    night = night_of(wildcards)
    return [f"../incoming/{night}/{SENT_LIST}"] if Path(incoming(night), SENT_LIST).exists() else []


def bias_choice(wildcards):
    """The plan's choice of bias master for the quadrant of `wildcards`."""
    return chosen("bias", BIAS_FILTER_CAL, wildcards)


def flat_choice(wildcards):
    """The plan's choice of flat master for the quadrant and filter of `wildcards`."""
    return chosen("hifreqflat", wildcards.filter, wildcards)


def master_frames(choice_of):
    """Input function: raw files of the frames of a master that is made tonight."""

    def frames(wildcards):
        choice = choice_of(wildcards)
        if not choice.made_tonight:
            raise WorkflowError(f"{what(choice, wildcards)} is not made: {choice.note}")
        return [path_of("raw", frame.raw) for frame in choice.frames]

    return frames


def previous_master(choice_of):
    """Input function: the earlier master that a new one is compared with, if there is one."""

    def previous(wildcards):
        choice = choice_of(wildcards)
        return [given(path_of(choice.kind, choice.previous))] if choice.previous else []

    return previous


def bias_used(wildcards):
    """The bias master that a quadrant uses tonight: tonight's as a target, an earlier one as it is."""
    choice = bias_choice(wildcards)
    if choice.key is None:
        raise WorkflowError(f"{what(choice, wildcards)} is not made: {choice.note}")
    path = path_of("bias", choice.key)
    return path if choice.made_tonight else given(path)


def masters_made(wildcards):
    """All masters that are made on a night."""
    return [path_of(one.kind, one.key) for one in plan_for(night_of(wildcards)).masters if one.made_tonight]


def science_records(wildcards):
    """Records of the night's science images."""
    return [path_of("sciqa", key) for key in plan_for(night_of(wildcards)).science]


def exposure_shown(wildcards):
    """The raw files of the night's first exposure of the sky, for a picture."""
    first = plan_for(night_of(wildcards)).science[:1]
    raws = {key.raw for key in plan_for(night_of(wildcards)).science if key.exposure == first[0].exposure}
    return [path_of("raw", raw) for raw in sorted(raws)]


def master_used(choice_of):
    """Input function: the master a quadrant uses tonight, or nothing: its image is then made with STATUS 0."""

    def used(wildcards):
        choice = choice_of(wildcards)
        if choice.key is None:
            return []
        path = path_of(choice.kind, choice.key)
        return path if choice.made_tonight else given(path)

    return used


def catalog_of(product):
    """Input function: a calibrator catalog of the field and quadrant."""

    def catalog(wildcards):
        key = FieldQuadrantKey(int(wildcards.field), int(wildcards.ccd), int(wildcards.qid))
        return path_of(product, key)

    return catalog


def what(choice, wildcards):
    noun = "the bias" if choice.kind == "bias" else f"the {choice.filter} flat"
    return f"{noun} of CCD {choice.ccdid} quadrant {choice.qid} of night {night_of(wildcards)}"


def chosen(kind, filter_code, wildcards):
    key = (kind, filter_code, int(wildcards.ccd), int(wildcards.qid))
    night = night_of(wildcards)
    if key not in masters_of(night):
        raise WorkflowError(f"camera {CAMERA.name} has no {kind} of filter {key[1]}, CCD {key[2]}, quadrant {key[3]}")
    return masters_of(night)[key]


# --- Named targets --------------------------------------------------------------------------------------------------


def asked_night():
    if "night" not in ASKED:
        raise WorkflowError("which night? Say --config night=YYYYMMDD, or name a product by its path")
    return ASKED["night"]


def wanted(key):
    """Whether a key is within what the command line narrows to."""
    values = {"ccd": key.ccdid, "quadrant": key.qid, "filter": None, "field": None}
    exposure = getattr(key, "exposure", key)
    values |= {name: getattr(exposure, name) for name in ("filter", "field") if hasattr(exposure, name)}
    return all(values[name] is None or values[name] == ASKED[name] for name in ASKED if name != "night")


def manifest_of_night(wildcards):
    return path_of("manifest", NightKey(asked_night()))


def plan_of_night(wildcards):
    return path_of("plan", NightKey(asked_night()))


def masters_of_night(kind):
    """Paths of the masters of a kind that are made tonight."""
    choices = (one for one in masters_of(asked_night()).values() if one.kind == kind and one.made_tonight)
    return [path_of(kind, one.key) for one in choices if wanted(one.key)]


def report_of_night(wildcards):
    return path_of("nightreport", NightKey(asked_night()))


def raws_of_night(wildcards):
    """Archive paths of all accepted files, also of those that nothing else needs."""
    return [path_of("raw", key) for key in plan_for(asked_night()).raws]


def biases_of_night(wildcards):
    return masters_of_night("bias")


def flats_of_night(wildcards):
    return masters_of_night("hifreqflat")


def splits_of_night(wildcards):
    return [path_of("split", key) for key in plan_for(asked_night()).science if wanted(key)]


def sciimgs_of_night(wildcards):
    return [path_of("sciimg", key) for key in plan_for(asked_night()).science if wanted(key)]


# --- One run per night ----------------------------------------------------------------------------------------------

HELD_LOCKS = []


def lock_nights(workflow):
    """Take the lock of every night this run works on; the system lets go of them when the run ends, however it ends."""
    if not workflow.is_main_process:
        return
    folder = WORKSPACE / "ledger" / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    nights = {night_of(job.wildcards) for job in workflow.dag.needrun_jobs() if "year" in job.wildcards.keys()}
    for night in sorted(nights):
        held = (folder / night).open("a+")
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held.seek(0)
            raise WorkflowError(f"night {night} is being worked on by {held.read().strip() or 'another run'}") from None
        held.truncate(0)
        held.write(f"process {os.getpid()} of {os.uname().nodename}\n")
        held.flush()
        HELD_LOCKS.append(held)


# --- Before anything is drawn ---------------------------------------------------------------------------------------

if workflow.is_main_process:
    try:
        check_targets()
        for section in ("ingest", "calibration", "science", "quality"):
            write_settings(WORKSPACE / "settings", section, CONFIG)
    except ZtfpipeError as error:
        raise said(error) from None
