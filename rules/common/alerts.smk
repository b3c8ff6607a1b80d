# What alerts need: the exposures of a night that have differences.


def records_waited_for(keys):
    """Records of differences; with --config made=true of those only that have been made, whatever became of others."""
    paths = [path_of("diffqa", key) for key in keys]
    return [path for path in paths if Path(ARCHIVE, path).exists()] if "made" in ASKED else paths


def differences_to_name(wildcards):
    """Records of the differences of a night, or of those exposures of it that are asked for."""
    exposures = differenced_by_exposure(night_of(wildcards))
    asked = ASKED.get("exposure")
    return records_waited_for(
        key for exposure, keys in exposures.items() if asked is None or exposure.filefracday in asked for key in keys
    )


def differences_of_exposure(wildcards):
    """Records of the differences of one exposure."""
    exposure = names.key_from(ExposureKey, dict(wildcards.items()))
    return records_waited_for(differenced_by_exposure(night_of(wildcards)).get(exposure, ()))


def names_for_packets(wildcards):
    """The night's names, up to date and then taken as they are: names of other exposures make no packets again.

    A checkpoint, because an `ancient` input that a rule makes again keeps Snakemake 9.27 from seeing any other reason
    of the jobs after it. Jobs on a cluster parse this file again: what they need has been made.
    """
    if workflow.is_main_process:
        checkpoints.alerts_names.get(year=wildcards.year, monthday=wildcards.monthday)
    return ancient(given(names_of_night(wildcards)))


def names_of_night(wildcards):
    return path_of("objectnames", NightKey(night_of(wildcards)))


def alert_records(wildcards):
    """Records of the packets of a night's exposures; of those only that have a difference with --config made=true."""
    exposures = differenced_by_exposure(night_of(wildcards))
    return [path_of("alertsqa", key) for key, keys in exposures.items() if records_waited_for(keys)]


def alerts_of_night(wildcards):
    """Records of the packets of exposures, and the archive of each observing program: a night's packets as a whole."""
    night = asked_night()
    narrowed_to = set(ASKED) & {"exposure", "field", "filter"}
    archives = [] if narrowed_to else [path_of("nightalerts", ProgramKey(night, one)) for one in (1, 2, 3)]
    exposures = {key: keys for key, keys in differenced_by_exposure(night).items() if wanted_exposure(key)}
    return [path_of("alertsqa", key) for key, keys in exposures.items() if records_waited_for(keys)] + archives


def wanted_exposure(exposure):
    """Whether an exposure is within what the command line narrows to; its quadrants share one record."""
    if "exposure" in ASKED and exposure.filefracday not in ASKED["exposure"]:
        return False
    return all(getattr(exposure, name) == ASKED[name] for name in ("field", "filter") if name in ASKED)
