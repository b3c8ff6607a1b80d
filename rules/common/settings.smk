# What the user chose: config.yaml under what the command line says, validated once, kept as one file per section.
import re
import gc
import hashlib
import math
import os
import sys
from contextlib import suppress
from datetime import date, timedelta
from functools import cache
from pathlib import Path

from snakemake.cli import get_argument_parser
from snakemake.exceptions import WorkflowError

from ztfpipe.camera import Camera
from ztfpipe.config import RECIPE_VERSIONS, load_config
from ztfpipe.errors import ZtfpipeError
from ztfpipe.model.keys import (
    BIAS_FILTER_CAL,
    SKY_FILTERS,
    CalibrationKey,
    CutoffKey,
    ExposureKey,
    FieldQuadrantKey,
    IncomingKey,
    NightKey,
    ProgramKey,
    QuadrantKey,
    RawKey,
    ReferenceKey,
    ReferenceVersionKey,
)
from ztfpipe.model.reference import READY
from ztfpipe.products import names
from ztfpipe.products.name_parts import PART_PATTERNS
from ztfpipe.products.names import PRODUCTS, path_of
from ztfpipe.products.arrival.incoming import SENT_LIST, incoming_digest, is_plain, received
from ztfpipe.products.accounts.arrivals import verified_digest
from ztfpipe.products.accounts.campaigns import CAMPAIGN_FILE
from ztfpipe.products.accounts.locks import take_lock
from ztfpipe.products.accounts.plan import read_plan
from ztfpipe.products.accounts.references import read_candidates, version_in_force
from ztfpipe.products.accounts.settings import write_settings
from ztfpipe.products.accounts.templates import read_frames

NARROWING = ("night", "exposure", "field", "filter", "ccd", "quadrant", "made", "cutoff")
CATALOGS = ("gaiacalibrators", "ps1calibrators", "brightstars", "gaiacontext", "ps1context")
"""What an image and its difference need of the sky: the first is written last."""
RULE_NAME = re.compile("[a-z_]+")


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
    if "cutoff" in asked:
        asked["cutoff"] = str(asked["cutoff"]).zfill(4)  # 0600 reaches us as a number
    if "exposure" in asked:
        asked["exposure"] = str(asked["exposure"]).split(",")
        if strange := [one for one in asked["exposure"] if not re.fullmatch("[0-9]{14}", one)]:
            raise WorkflowError(f"--config exposure={strange[0]}: not the 14 digits of an exposure")
    if str(asked.get("made", "true")).lower() != "true":
        raise WorkflowError(f"--config made={asked['made']}: say made=true, or nothing")
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


def words_asked():
    """The targets of the command line."""
    return get_argument_parser().parse_known_args(sys.argv[1:])[0].targets or ()


def products_asked():
    """Product and key of each path on the command line."""
    found = []
    for asked in words_asked():
        with suppress(ZtfpipeError):
            found.append(names.parse(asked))
    return found


def check_targets():
    """Refuse what is neither a named target nor a product's path, before anything is matched or run."""
    targets = words_asked()
    for asked in targets:
        if not RULE_NAME.fullmatch(asked):
            names.parse(asked)
        elif "night" not in ASKED:
            raise WorkflowError(f"{asked} of which night? Say --config night=YYYYMMDD, or name a product by its path")
    if "night" in ASKED and set(targets) - {"measured"} and not SEALED:
        files_sent(ASKED["night"])


try:
    CONFIG, WORKSPACE = configured()
    CAMERA = Camera.load(CONFIG.camera)
    ASKED = narrowed()
except ZtfpipeError as error:
    raise said(error) from None

KEYS_ASKED = [key for _, key in products_asked()]
PRODUCTS_ASKED = {product for product, _ in products_asked()}
ARCHIVE = str(WORKSPACE / "archive")
# A campaign's own workspace has plans and no incoming files: what its products are made of is used as it is.
SEALED = (WORKSPACE / CAMPAIGN_FILE).exists()
ENVIRONMENT = str(Path(workflow.basedir, "envs", "ztfpipe.yaml"))
# A graph only grows while it is drawn: to look through its millions of objects for what can be freed, after every few
# hundred of them, is a third of the work and finds little. `onstart` puts the graph aside and lets the collector go on
# as usual.
USUAL_GC = gc.get_threshold()
gc.set_threshold(50_000, 10, 2)
# A job finds the programs of the environment that runs Snakemake, activated or not.
shell.prefix(f"export PATH={Path(sys.executable).parent}:$PATH; ")
