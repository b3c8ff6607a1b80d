# What references need: a version's frozen inputs, and the version in force.


def reference_of(wildcards):
    return names.key_from(ReferenceKey, dict(wildcards.items()))


def versioned(wildcards):
    return names.key_from(ReferenceVersionKey, dict(wildcards.items()))


def frozen_inputs(wildcards):
    """The frozen inputs of a version; `reference check` and `reference renew` write them, once."""
    path = path_of("refinputs", versioned(wildcards))
    if not Path(ARCHIVE, path).exists():
        raise WorkflowError(f"there is no {path}: the inputs of this reference were never frozen")
    return ancient(given(path))


def version_used(wildcards):
    """The image of the version in force, or why there is none."""
    reference = reference_of(wildcards)
    version = version_in_force(Path(ARCHIVE), reference)
    if version is None:
        raise WorkflowError(
            f"field {reference.field} {reference.filter} CCD {reference.ccdid} quadrant {reference.qid} has no"
            " reference: too few good epochs so far (ops/night/YYYY/MMDD/*_refverdicts.parquet says which and why)"
        )
    return path_of("vrefimg", ReferenceVersionKey(reference, version))


def references_of_night(wildcards):
    """References that became ready on a night, by its list; all of the list's, made and not made yet."""
    path = Path(ARCHIVE, path_of("references", NightKey(asked_night())))
    if not path.exists():
        raise WorkflowError(f"night {asked_night()} has no list of references yet; the target `night` makes it")
    ready = [one.reference for one in read_candidates(path) if one.state == READY]
    return [path_of("refimg", key) for key in ready if wanted(key)]
