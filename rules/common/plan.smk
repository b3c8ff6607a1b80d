# The night's plan: made first where it is missing or old, then all that the graph knows of the archive.


@cache
def files_sent(night):
    """Names of the files received for a night that can be a unit of work, in order; the accounts tell of the others."""
    folder = incoming(night)
    if not folder.is_dir():
        raise WorkflowError(f"night {night}: nothing was received, there is no folder {folder}")
    return [name for name in received(folder) if is_plain(name)]


@cache
def verdicts_due(night):
    """Records to be made of files received: missing ones, and those older than their file or the settings.

    Decided once, before anything runs: what arrives while a run goes on waits for the next one.
    """
    settled = (WORKSPACE / "settings" / "ingest.json").stat().st_mtime
    made = Path(ARCHIVE, path_of("ingestrecord", IncomingKey(night, "x"))).parent
    there = {name: stat.st_mtime for name, stat in received(made).items()}
    due = []
    for name, stat in received(incoming(night)).items():
        if is_plain(name) and there.get(f"{name}.json", 0.0) < max(stat.st_mtime, settled):
            due.append(path_of("ingestrecord", IncomingKey(night, name)))
    return due


@cache
def plan_is_current(night):
    """Whether the plan on disk speaks of the files and settings of now; decided once, before anything runs.

    Jobs on a cluster parse this file again: their plan is the one the graph was drawn from, whatever arrived since.
    """
    path = WORKSPACE / "archive" / path_of("plan", NightKey(night))
    if not path.exists():
        return False
    if SEALED or not workflow.is_main_process:
        return True
    governing = [WORKSPACE / "settings" / f"{section}.json" for section in ("ingest", "calibration")]
    if any(path.stat().st_mtime < one.stat().st_mtime for one in governing):
        return False
    return plan_as_of(path, path.stat().st_mtime_ns).incoming_digest == incoming_digest(incoming(night))


def plan_for(night):
    """The plan of a night; while it is missing or old, Snakemake is told to make it first and to ask again."""
    if not plan_is_current(night):
        checkpoints.ingest_plan.get(year=night[:4], monthday=night[4:])
    return loaded_plan(night)


@cache
def loaded_plan(night):
    path = WORKSPACE / "archive" / path_of("plan", NightKey(night))
    return plan_as_of(path, path.stat().st_mtime_ns)


@cache
def plan_as_of(path, changed):
    """A plan as it was written at a time: the plan of a night of 700 exposures takes half a second to read."""
    return read_plan(path)


@cache
def masters_of(night):
    """A night's choice of master by (kind, filter, ccd, quadrant)."""
    return {(one.kind, one.filter, one.ccdid, one.qid): one for one in plan_for(night).masters}
