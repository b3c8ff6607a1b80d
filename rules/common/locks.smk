# One run per night.

HELD_LOCKS = []


def lock_nights(workflow):
    """Take the lock of every night this run works on; the system lets go of them when the run ends, however it ends."""
    if not workflow.is_main_process:
        return
    folder = WORKSPACE / "ledger" / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    nights = {night_of(job.wildcards) for job in workflow.dag.needrun_jobs() if "year" in job.wildcards.keys()}
    for night in sorted(nights):
        held = (folder / night).open("a+")
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held.seek(0)
            raise WorkflowError(f"night {night} is being worked on by {held.read().strip() or 'another run'}") from None
        held.truncate(0)
        held.write(f"process {os.getpid()} of {os.uname().nodename}\n")
        held.flush()
        HELD_LOCKS.append(held)
