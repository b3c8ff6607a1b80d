"""Where a command works: the configuration it is given, and the workspace and archive that go with it."""

from __future__ import annotations

from pathlib import Path

from ztfpipe.config import Config, load_config
from ztfpipe.errors import BadFile


def configured(config_path: Path, workspace: Path | None) -> Config:
    """The configuration with its workspace as an absolute path, or with another `workspace` in its place.

    A relative workspace of the configuration stands beside it, wherever the command is given; that of the command
    stands where the command is given. Raises BadSettings for a bad configuration.
    """
    config = load_config(config_path)
    place = config_path.parent / config.workspace if workspace is None else workspace
    return config.model_copy(update={"workspace": str(place.resolve())})


def archive_of(config: Config) -> Path:
    """The archive of a configuration's workspace. Raises BadFile when there is none."""
    archive = Path(config.workspace, "archive")
    if not archive.is_dir():
        raise BadFile(archive, "there is no archive")
    return archive
