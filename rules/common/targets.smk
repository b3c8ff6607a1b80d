# What the named targets ask for, within what the command line narrows to.


def asked_night():
    if "night" not in ASKED:
        raise WorkflowError("which night? Say --config night=YYYYMMDD, or name a product by its path")
    return ASKED["night"]


def wanted(key):
    """Whether a key is within what the command line narrows to."""
    values = {"ccd": key.ccdid, "quadrant": key.qid, "filter": None, "field": None}
    exposure = getattr(key, "exposure", key)
    values |= {name: getattr(exposure, name) for name in ("filter", "field") if hasattr(exposure, name)}
    if "exposure" in ASKED and getattr(exposure, "filefracday", None) not in (None, *ASKED["exposure"]):
        return False
    return all(values[name] is None or values[name] == ASKED[name] for name in ASKED if name in values)


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
    """Archive paths of the accepted files that the archive lacks: their verdict archives them."""
    paths = (path_of("raw", key) for key in plan_for(asked_night()).raws)
    return [path for path in paths if not Path(ARCHIVE, path).exists()]


def biases_of_night(wildcards):
    return masters_of_night("bias")


def flats_of_night(wildcards):
    return masters_of_night("hifreqflat")


def splits_of_night(wildcards):
    return [path_of("split", key) for key in plan_for(asked_night()).science if wanted(key)]


def sciimgs_of_night(wildcards):
    return [path_of("sciimg", key) for key in plan_for(asked_night()).science if wanted(key)]


def templates_of_night(kind, filters):
    """Paths of the versions of a kind that are named by a night."""
    keys = (CalibrationKey(asked_night(), code, *place) for code in filters for place in CAMERA.quadrants())
    return [path_of(kind, key) for key in keys if wanted(key)]


def lofreqflats_of_night(wildcards):
    return templates_of_night("lofreqflat", CAMERA.filters)


def fringes_of_night(wildcards):
    return templates_of_night("fringe", CONFIG.templates.fringe_filters)


def measured_of_night(wildcards):
    """What is measured on the science images that were downloaded of a night."""
    night = asked_night()
    found = Path(ARCHIVE, "given", "sci", night[:4], night[4:]).glob("*/ztf_*_sciimg.fits")
    keys = [names.parse(path.relative_to(ARCHIVE))[1] for path in sorted(found)]
    if not keys:
        raise WorkflowError(f"night {night}: no science image was downloaded into {Path(ARCHIVE, 'given/sci')}")
    return [path_of("measuredsciimg", key) for key in keys if wanted(key)]
