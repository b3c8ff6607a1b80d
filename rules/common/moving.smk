# What moving objects need: the site's orbits of known ones.


def site_orbits(wildcards):
    """The site's catalog of orbits, where there is one."""
    path = CONFIG.moving.known.orbits
    return ancient(path) if path and Path(ARCHIVE, path).is_file() else []
