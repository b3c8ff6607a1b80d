# What matchfiles need: their frozen lists of epochs, as they are.


def match_list(wildcards):
    """The frozen list of a matchfile; `ztfpipe lightcurve extend` begins it and lets it grow."""
    path = path_of("matchepochs", reference_of(wildcards))
    if not Path(ARCHIVE, path).exists():
        raise WorkflowError(f"there is no {path}: `ztfpipe lightcurve extend` lists the epochs of matchfiles")
    return given(path)


def matchfiles_of_night(wildcards):
    """Matchfiles of the fields that a night observed, of those that have a list."""
    keys = sorted({key.reference for key in plan_for(asked_night()).science if key.reference is not None})
    listed = [key for key in keys if Path(ARCHIVE, path_of("matchepochs", key)).exists()]
    return [path_of("matchfile", key) for key in listed if wanted(key)]
