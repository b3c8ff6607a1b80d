# One run per night, and no jobs of a dead one beside it.
from ztfpipe.products.accounts import queued
from ztfpipe.products.accounts.locks import holder
from ztfpipe.steps.operations.queue import check_status_command, end_jobs, jobs_in_queue

HELD_LOCKS = []
LEDGER = WORKSPACE / "ledger"


def lock_nights(workflow):
    """Take the lock of every night, and field of references, this run works on.

    The system lets go of them when the run ends, however it ends. Jobs that a killed run left in a cluster's queue are
    ended first, and this run's jobs are announced.
    """
    if not workflow.is_main_process:
        return
    jobs = [job.wildcards for job in workflow.dag.needrun_jobs()]
    nights = {night_of(one) for one in jobs if "year" in one.keys()}
    fields = {f"field{one.field}" for one in jobs if {"field3", "block"} & set(one.keys())}  # of no night
    try:
        name = name_in_queue(workflow)
        os.environ.pop(queued.RUN_VARIABLE, None)
        for unit in sorted(nights | fields):
            HELD_LOCKS.append(take_lock(LEDGER / "locks", unit, name, lambda dead: end_jobs(LEDGER, dead, told)))
        if name:
            check_status_command(
                workflow.executor_settings.status_command,
                workflow.executor_settings.init_seconds_before_status_checks,
            )
            os.environ[queued.RUN_VARIABLE] = str(queued.announce(LEDGER, name, holder()))
    except ZtfpipeError as error:
        raise said(error) from None


def name_in_queue(workflow):
    """The name that the jobs of this run have in SLURM's queue, empty where it runs them by itself."""
    return getattr(workflow.scheduler._executor, "run_uuid", "")


def jobs_have_ended(workflow, well):
    """Take back what was announced. A run that failed may have jobs that are still on their way out."""
    name = name_in_queue(workflow) if workflow.is_main_process else ""
    try:
        if name and (well or not jobs_in_queue(name)):
            queued.forget(LEDGER, name)
    except ZtfpipeError as error:
        told(f"the next run will look for jobs of this one: {error}")


def told(line):
    print(line, file=sys.stderr, flush=True)


def refuse_orphans():
    """A job of a run that another has taken the place of does not begin."""
    run = os.environ.get(queued.RUN_VARIABLE)
    if run and not queued.may_begin(Path(run)):
        raise WorkflowError(f"the run of this job has ended, and another may have taken its place: {run} is gone")
