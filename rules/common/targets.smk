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
