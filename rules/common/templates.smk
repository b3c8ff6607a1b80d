# Templates of many nights: a version is made once, of a list frozen before, and used as it is.


def frozen_list(kind):
    """Input function: the list of a version's images, made where there is none, and never again."""

    def path(wildcards):
        found = path_of(f"{kind}frames", version_of(wildcards))
        if not Path(ARCHIVE, found).exists():
            getattr(checkpoints, f"templates_{kind}_frames").get(**wildcards)
        return ancient(given(found))

    return path


def listed(kind, *products):
    """Input function: products of the images of a version's list, and the earlier versions they were made with."""

    def paths(wildcards):
        frozen = read_frames(Path(ARCHIVE, frozen_list(kind)(wildcards)))
        images = [path_of(product, frame.science) for frame in frozen.frames for product in products]
        earlier = [path_of(kind, key) for key in frozen.earlier(kind)]
        return [ancient(given(path)) for path in images + earlier]

    return paths


def version_of(wildcards):
    """The key of a version of a template."""
    return names.key_from(CalibrationKey, dict(wildcards.items()))


@cache
def templates_of(night):
    """The versions that a night uses, by (kind, filter, ccd, quadrant)."""
    return {(one.kind, one.filter, one.ccdid, one.qid): one for one in plan_for(night).templates}


def template_used(kind):
    """Input function: the version of a template that a quadrant uses, or nothing where there is none."""

    def used(wildcards):
        place = (kind, wildcards.filter, int(wildcards.ccd), int(wildcards.qid))
        choice = templates_of(night_of(wildcards)).get(place)
        return given(path_of(kind, choice.key)) if choice else []

    return used
