"""Settings of the synthetic night refuse what they cannot mean."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from ztfpipe.config import SKY_EFFECTS, Simulate


@pytest.mark.parametrize(
    "wrong",
    [
        {"off": ("no such effect",)},
        {"weather": {"colour_term": {"zg": 0.1}}},
        {"weather": {"cloudy_fraction": 1.5}},
        {"night": {"date": "2018-03-25"}},
        {"night": {"exposures_s": (10.0,)}},
        {"night": {"flat_exposure_s": {"zg": 20.0, "zr": 15.0, "zi": -1.0}}},
        {"stars": {"variables": {"unknown kind": 0.1}}},
        {"sky_seed": -1},
    ],
)
def test_wrong_settings(wrong):
    with pytest.raises(ValidationError):
        Simulate(**wrong)


def test_switches():
    settings = Simulate(off=("clouds",))
    assert not settings.on("clouds")
    assert all(settings.on(effect) for effect in SKY_EFFECTS if effect != "clouds")
    with pytest.raises(KeyError):
        settings.on("cloudz")


def test_settings_survive_json():
    settings = Simulate(off=("turbulence", "streaks"), sky_seed=5)
    assert Simulate.model_validate_json(settings.model_dump_json()) == settings
