"""Step `moving known`: the known solar-system bodies of a night. Paths are relative to the archive."""

from __future__ import annotations

from pathlib import Path

from ztfpipe.config import Moving
from ztfpipe.errors import BadFile
from ztfpipe.model.keys import NightKey
from ztfpipe.model.orbits import NO_ORBITS
from ztfpipe.pipelines.moving.known import known_of_night
from ztfpipe.products.accounts.records import write_record
from ztfpipe.products.accounts.settings import read_settings
from ztfpipe.products.catalogs.orbits import read_orbits, write_known
from ztfpipe.products.names import key_of, path_of
from ztfpipe.steps.recording import Stopwatch, qa_record


def known(output: str, settings: Path, orbits: Path | None = None) -> None:
    """Make the table of a night's known bodies, wherever in the sky, and its record.

    Without a catalog of orbits, or with one that cannot be read, the table has no rows and the record says why with
    STATUS 0: a night does not stop for want of it.
    """
    watch = Stopwatch()
    key: NightKey = key_of(output, "known")
    section, camera = read_settings(settings, Moving)
    reason, catalog = "", NO_ORBITS
    with watch.part("read"):
        try:
            if orbits is None:
                raise BadFile(section.known.orbits or "moving.known.orbits", "the site has no catalog of orbits")
            catalog = read_orbits(orbits)
        except BadFile as error:
            reason = str(error)
    with watch.part("recipe"):
        bodies, counts = known_of_night(catalog, key.night, camera.observatory, section.known)
    with watch.part("write"):
        write_known(output, bodies)
    status = int(not reason)
    inputs = {} if orbits is None else {str(orbits): f"{len(catalog)} orbits"}
    record = qa_record("moving known", output, status, reason, counts, section.known, watch, inputs)
    write_record(path_of("knownqa", key), record)
