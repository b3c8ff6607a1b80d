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


def difference_records(wildcards):
    """Records of the night's differences."""
    return [path_of("diffqa", key) for key in differenced(night_of(wildcards))]


def diffimgs_of_night(wildcards):
    return [path_of("scimrefdiffimg", key) for key in differenced(asked_night()) if wanted(key)]
