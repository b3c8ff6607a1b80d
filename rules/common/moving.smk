# What moving objects need: the site's orbits of known ones, detections of nights before, what was decided.


def site_orbits(wildcards):
    """The site's catalog of orbits, where there is one."""
    path = CONFIG.moving.known.orbits
    return ancient(path) if path and Path(ARCHIVE, path).is_file() else []


def earlier(product):
    """A product of the nights before this one that are linked with it, of those that are there."""

    def paths_of(wildcards):
        night = date.fromisoformat(night_of(wildcards))
        nights = CONFIG.moving.tracks.linking.nights
        days = [night - timedelta(days=back) for back in range(nights - 1, 0, -1)]
        paths = [path_of(product, NightKey(day.strftime("%Y%m%d"))) for day in days]
        return [ancient(given(path)) for path in paths if Path(ARCHIVE, path).exists()]

    return paths_of


def designations_known(wildcards):
    """The ledger's designations; newer ones make no report of an earlier night again."""
    path = "../ledger/designations.json"
    return ancient(path) if Path(ARCHIVE, path).is_file() else []


def tracks_of_night(wildcards):
    return path_of("adespsv", NightKey(asked_night()))


def tracks_sofar_of_night(wildcards):
    if "cutoff" not in ASKED:
        raise WorkflowError("until when? Say --config cutoff=HHMM, or name a product by its path")
    return path_of("sofartracks", CutoffKey(asked_night(), ASKED["cutoff"]))
