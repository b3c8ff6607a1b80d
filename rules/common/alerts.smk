# What alerts need: the exposures of a night that have differences.


def exposures_differenced(night):
    """Exposures of a night with at least one quadrant that is differenced, in order of time."""
    return sorted({key.exposure for key in differenced(night)})


def names_of_night(wildcards):
    return path_of("objectnames", NightKey(night_of(wildcards)))


def alert_records(wildcards):
    """Records of the packets of a night's exposures."""
    return [path_of("alertsqa", key) for key in exposures_differenced(night_of(wildcards))]


def alerts_of_night(wildcards):
    """Records of the packets of exposures, and the archive of each observing program: a night's packets as a whole."""
    night = asked_night()
    narrowed_to = set(ASKED) & {"field", "filter"}
    archives = [] if narrowed_to else [path_of("nightalerts", ProgramKey(night, one)) for one in (1, 2, 3)]
    wanted_fields = [
        key for key in exposures_differenced(night) if all(getattr(key, name) == ASKED[name] for name in narrowed_to)
    ]
    return [path_of("alertsqa", key) for key in wanted_fields] + archives
