"""Settings: validated once, by section, with a reason for each refusal."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from ztfpipe.config import RECIPE_VERSIONS, Config, Section, load_config
from ztfpipe.errors import BadSettings

ROOT = Path(__file__).parents[1]


def test_the_configuration_of_the_project_is_valid():
    config = load_config(ROOT / "config.yaml")
    assert config.calibration.frames_min <= config.calibration.frames_max


def test_overrides_replace_top_level_keys(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("camera: ztf\nworkspace: work\ncalibration: {frames_min: 30}\n")
    config = load_config(path, {"camera": "mini"})
    assert (config.camera, config.calibration.frames_min) == ("mini", 30)


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("workspace: work", "camera"),
        ("camera: ztf\nworkspace: work\nscientist: me", "scientist"),
        ("camera: ztf\nworkspace: work\ncalibration: {frames_mim: 5}", "frames_mim"),
        ("camera: ztf\nworkspace: work\ncalibration: {frames_min: 1}", "frames_min"),
        ("camera: ztf\nworkspace: work\ncalibration: {clip_sigma: .nan}", "clip_sigma"),
        ("camera: ztf\nworkspace: work\ncalibration: {clip_sigma: 0}", "clip_sigma"),
        ("camera: ztf\nworkspace: work\ningest: {saturated_fraction_max: 1.5}", "saturated_fraction_max"),
        ("camera: ztf\nworkspace: work\ntemplates: {fringe_period_min_px: 15}", "two fringe_block_px"),
        ("camera: [", "while parsing"),
        ("- a\n- b", ""),
        ("", ""),
        ("!!python/object/apply:os.system ['echo PWNED']", "python/object"),
    ],
)
def test_refusals_name_the_file_and_the_key(tmp_path, text, fragment):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(BadSettings) as caught:
        load_config(path)
    assert str(caught.value).startswith(str(path))
    assert fragment in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(BadSettings, match="nowhere"):
        load_config(tmp_path / "nowhere.yaml")


def test_an_empty_file_is_told_what_it_lacks(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("# nothing yet\n")
    with pytest.raises(BadSettings, match=r"camera\n\s+Field required"):
        load_config(path)


def sections():
    return {
        name: field.annotation
        for name, field in Config.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
    }


def test_every_recipe_has_a_section():
    """The workflow writes one settings file per recipe."""
    assert set(RECIPE_VERSIONS) <= set(sections())


def test_sections_cannot_be_changed():
    config = load_config(ROOT / "config.yaml")
    with pytest.raises(ValidationError):
        config.calibration.frames_min = 3
