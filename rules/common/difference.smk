# What differences need: the version of the reference that the night's plan pins, as it is.


@cache
def references_pinned(night):
    """The version by reference of every field, filter and quadrant of the night that had a usable one."""
    return {one.reference: one for one in plan_for(night).references}


def pinned(product):
    """Input function: a file of the pinned version; never made for the sake of a difference."""

    def path(wildcards):
        reference = reference_of(wildcards)
        version = references_pinned(night_of(wildcards)).get(reference)
        if version is None:
            raise WorkflowError(
                f"field {reference.field} {reference.filter} CCD {reference.ccdid} quadrant {reference.qid} had no"
                f" usable reference when night {night_of(wildcards)} was planned: there is nothing to subtract"
            )
        return ancient(given(path_of(product, version)))

    return path


def differenced(night):
    """The science quadrants of a night that have a pinned reference."""
    places = references_pinned(night)
    return [key for key in plan_for(night).science if key.reference in places]


@cache
def differenced_by_exposure(night):
    """The same by exposure, these in order of time."""
    found = {}
    for key in differenced(night):
        found.setdefault(key.exposure, []).append(key)
    return dict(sorted(found.items()))


def difference_records(wildcards):
    """Records of the night's differences."""
    return [path_of("diffqa", key) for key in differenced(night_of(wildcards))]


def diffimgs_of_night(wildcards):
    return [path_of("scimrefdiffimg", key) for key in differenced(asked_night()) if wanted(key)]


def planted_in(night):
    """The part of the night's differenced quadrants that sources are planted in, always the same ones."""
    keys = sorted(differenced(night), key=lambda key: hashlib.md5(path_of("planted", key).encode()).digest())
    return sorted(keys[: math.ceil(CONFIG.planted.fraction * len(keys))], key=lambda key: path_of("planted", key))


def planted_tables(wildcards):
    """Tables of planted sources of a night."""
    found = [path_of("planted", key) for key in planted_in(night_of(wildcards))]
    if not found:
        raise WorkflowError(f"night {night_of(wildcards)} has no differences to plant sources in")
    return found


def planted_of_night(wildcards):
    """Efficiency of the night; of narrowed targets, the tables of all quadrants that they leave."""
    if set(ASKED) - {"night"}:
        return [path_of("planted", key) for key in differenced(asked_night()) if wanted(key)]
    return path_of("efficiency", NightKey(asked_night()))
