# Input functions: what a job needs, by the plan.


def sent_file(wildcards):
    """The file received that a raw path is a copy of: the same name, perhaps not yet compressed."""
    name = Path(target("raw").format(**wildcards)).name
    if name not in files_sent(night_of(wildcards)):
        name = name.removesuffix(".fz")
    return f"../incoming/{night_of(wildcards)}/{name}"


def sent_record(wildcards):
    name = Path(sent_file(wildcards)).name
    return path_of("ingestrecord", IncomingKey(night_of(wildcards), name))


def records_due(wildcards):
    """Verdicts that are missing, or older than the file or the settings they were made of."""
    return verdicts_due(night_of(wildcards))


def all_verified(wildcards):
    """What says that all files received have their verdict; while some lack it, Snakemake is told to see to that."""
    night = night_of(wildcards)
    path = path_of("arrived", NightKey(night))
    if verdicts_due(night) or verified_digest(Path(ARCHIVE, path)) != incoming_digest(incoming(night)):
        checkpoints.ingest_arrived.get(year=wildcards.year, monthday=wildcards.monthday)
    return given(path)


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
        return [raw_file(frame.raw) for frame in choice.frames]

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
    return [raw_file(raw) for raw in sorted(raws)]


def master_used(choice_of):
    """Input function: the master a quadrant uses tonight, or nothing: its image is then made with STATUS 0."""

    def used(wildcards):
        choice = choice_of(wildcards)
        if choice.key is None:
            return []
        path = path_of(choice.kind, choice.key)
        return path if choice.made_tonight and not SEALED else given(path)

    return used


def raw_file(key):
    """A raw file as it is, which is no job in the graph; as a target only where the archive lacks it."""
    path = path_of("raw", key)
    return given(path) if SEALED or Path(ARCHIVE, path).exists() else path


def raw_used(wildcards):
    """The raw file of a quadrant."""
    return raw_file(names.key_from(RawKey, dict(wildcards.items())))


def calibrators_used(wildcards):
    """The calibrators of the field and quadrant as they are, when those that are due have been made."""
    place = names.key_from(FieldQuadrantKey, dict(wildcards.items()))
    if place in catalogs_due():
        checkpoints.science_covered.get(year=wildcards.year, monthday=wildcards.monthday)
    return given(path_of("gaiacalibrators", place))


@cache
def catalogs_due():
    """Catalogs to be made, by field's quadrant: missing or older than the settings, of what this run is about.

    Decided once, before anything runs; jobs on a cluster and campaigns take what is there.
    """
    if SEALED or not workflow.is_main_process:
        return {}
    settled = (WORKSPACE / "settings" / "science.json").stat().st_mtime
    due = {}
    for place in places_asked():
        paths = [path_of(product, place) for product in CATALOGS]
        there = [path for path in paths if Path(ARCHIVE, path).exists()]
        if not all(Path(ARCHIVE, path).stat().st_mtime >= settled for path in there):
            due[place] = paths[:1]
        elif len(there) < len(paths):
            due[place] = sorted(set(paths) - set(there)) if there else paths[:1]  # one job makes them all
    return due


def places_asked():
    """The fields' quadrants that the targets are of: of a path its own, or those of its exposure or night."""
    keys, nights = set(KEYS_ASKED), {ASKED[name] for name in ("night",) if name in ASKED}
    nights |= {key.night for key in keys if isinstance(key, (NightKey, ProgramKey, CutoffKey, ExposureKey))}
    for night in nights:
        keys.update(key for key in plan_for(night).science if within(key, night))
    return {key.place for key in keys if isinstance(key, QuadrantKey) and key.exposure.field}


def within(key, night):
    """Whether a quadrant of a night is within what the command line asks for, by name or by path."""
    if ASKED.get("night") == night:
        return wanted(key)
    exposures = [one for one in KEYS_ASKED if isinstance(one, ExposureKey)]
    return not exposures or key.exposure in exposures


def catalogs_to_wait_for(wildcards):
    """The catalogs that are due."""
    return [path for _, paths in sorted(catalogs_due().items()) for path in paths]


def bodies_known(wildcards):
    """The night's table of known bodies; for a campaign, if it is there."""
    path = path_of("known", NightKey(night_of(wildcards)))
    return if_there("known")(wildcards) if SEALED else ancient(path)


def zero_points_used(wildcards):
    """The usual zero points before the night; for a campaign, if they are there."""
    path = path_of("zeropoints", NightKey(night_of(wildcards)))
    return if_there("zeropoints")(wildcards) if SEALED else path


def if_there(product):
    """Input function: a file that is used when it is there, and not made for the sake of this."""

    def found(wildcards):
        path = path_of(product, names.key_from(PRODUCTS[product].key_type, dict(wildcards.items())))
        return given(path) if Path(ARCHIVE, path).exists() else []

    return found


def what(choice, wildcards):
    noun = "the bias" if choice.kind == "bias" else f"the {choice.filter} flat"
    return f"{noun} of CCD {choice.ccdid} quadrant {choice.qid} of night {night_of(wildcards)}"


def chosen(kind, filter_code, wildcards):
    key = (kind, filter_code, int(wildcards.ccd), int(wildcards.qid))
    night = night_of(wildcards)
    if key not in masters_of(night):
        raise WorkflowError(f"camera {CAMERA.name} has no {kind} of filter {key[1]}, CCD {key[2]}, quadrant {key[3]}")
    return masters_of(night)[key]
