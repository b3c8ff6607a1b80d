# One run per night.

HELD_LOCKS = []


def lock_nights(workflow):
    """Take the lock of every night, and field of references, this run works on.

    The system lets go of them when the run ends, however it ends.
    """
    if not workflow.is_main_process:
        return
    folder = WORKSPACE / "ledger" / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [job.wildcards for job in workflow.dag.needrun_jobs()]
    nights = {night_of(one) for one in jobs if "year" in one.keys()}
    fields = {f"field{one.field}" for one in jobs if {"field3", "block"} & set(one.keys())}  # of no night
    for unit in sorted(nights | fields):
        held = (folder / unit).open("a+")
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held.seek(0)
            what = f"field {unit[5:]}" if unit in fields else f"night {unit}"
            raise WorkflowError(f"{what} is being worked on by {held.read().strip() or 'another run'}") from None
        held.truncate(0)
        held.write(f"process {os.getpid()} of {os.uname().nodename}\n")
        held.flush()
        HELD_LOCKS.append(held)
