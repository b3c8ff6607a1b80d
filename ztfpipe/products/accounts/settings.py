"""Settings files: one JSON per config section, what steps read and Snakemake compares."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from ztfpipe.camera import Camera
from ztfpipe.config import RECIPE_VERSIONS, Config, Section
from ztfpipe.errors import BadSettings
from ztfpipe.products.formats.atomic import write_text

S = TypeVar("S", bound=Section)


def write_settings(folder: Path, section: str, config: Config, camera: Camera | None = None) -> Path:
    """Write `folder`/`section`.json when its content changes, and only then; return its path.

    The content is the section's values, its recipe's version, and the camera with the digest of its files. Raises
    BadSettings for an unknown section.
    """
    values = getattr(config, section, None)
    if section not in RECIPE_VERSIONS or not isinstance(values, Section):
        raise BadSettings(section, f"no section of the configuration; there are {', '.join(RECIPE_VERSIONS)}")
    camera = camera or Camera.load(config.camera)
    name = config.camera
    if name.endswith(".yaml"):
        # Steps run in the archive's folder, where a relative path would mean another file.
        name = str(Path(name).resolve())
    content = {
        "section": section,
        "recipe_version": RECIPE_VERSIONS[section],
        "camera": name,
        "camera_digest": camera.digest,
        "values": values.model_dump(mode="json"),
    }
    text = json.dumps(content, indent=1) + "\n"
    path = folder / f"{section}.json"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)
    return path


def read_settings(path: Path, kind: type[S]) -> tuple[S, Camera]:
    """The section's model, which must be a `kind`, and the camera.

    BadSettings when the file does not validate, is of another section, or the camera has changed since.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        section, digest = content["section"], content["camera_digest"]
        values = Config.model_fields[section].annotation.model_validate(content["values"])
        camera = Camera.load(content["camera"])
    except FileNotFoundError as error:
        raise BadSettings(path, "no such settings file") from error
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
        raise BadSettings(path, f"not a settings file: {error}") from error
    if not isinstance(values, kind):
        raise BadSettings(path, f"not the settings of {kind.__name__.lower()}")
    if camera.digest != digest:
        raise BadSettings(path, f"camera {camera.name} has changed since the settings were written")
    return values, camera
