"""Step of `reference`: the version in force under the archive's names. Paths are relative to the archive."""

from __future__ import annotations

from pathlib import Path

from ztfpipe.errors import BadFile, BadName
from ztfpipe.model.keys import ReferenceKey, ReferenceVersionKey
from ztfpipe.products.accounts.references import version_in_force
from ztfpipe.products.formats.atomic import link_over
from ztfpipe.products.names import PRODUCTS, key_of, path_of

ARCHIVE = Path()


def publish(output: str, settings: Path, version: Path) -> None:
    """Give the files of the version in force the archive's names, as second names of the same files, the image last.

    Raises BadFile when `version`, the image of a version, is not the one in force. The settings are not used.
    """
    key: ReferenceKey = key_of(output, "refimg")
    versioned: ReferenceVersionKey = key_of(version, "vrefimg")
    if versioned.reference != key:
        raise BadName(version, f"not a version of {output}")
    in_force = version_in_force(ARCHIVE, key)
    if versioned.version != in_force:
        raise BadFile(version, f"version {in_force} is in force")
    link_version(versioned)


def link_version(key: ReferenceVersionKey) -> None:
    """Give all files of a version the archive's names, the image last."""
    names = [name for name, entry in PRODUCTS.items() if entry.key_type is ReferenceKey and f"v{name}" in PRODUCTS]
    for name in sorted(names, key=lambda name: name == "refimg"):
        link_over(path_of(f"v{name}", key), path_of(name, key.reference))
