# One run per night.

HELD_LOCKS = []


def lock_nights(workflow):
    """Take the lock of every night, and field of references, this run works on.

    The system lets go of them when the run ends, however it ends.
    """
    if not workflow.is_main_process:
        return
    jobs = [job.wildcards for job in workflow.dag.needrun_jobs()]
    nights = {night_of(one) for one in jobs if "year" in one.keys()}
    fields = {f"field{one.field}" for one in jobs if {"field3", "block"} & set(one.keys())}  # of no night
    try:
        HELD_LOCKS.extend(take_lock(WORKSPACE / "ledger" / "locks", unit) for unit in sorted(nights | fields))
    except ZtfpipeError as error:
        raise said(error) from None
