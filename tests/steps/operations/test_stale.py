"""What an upgrade would touch, from the records alone."""

import pytest
import yaml

from ztfpipe.config import RECIPE_VERSIONS, Config
from ztfpipe.model.records import QaRecord
from ztfpipe.products.accounts.records import write_record
from ztfpipe.steps.operations import stale


@pytest.fixture
def config(tmp_path):
    return Config.model_validate({"camera": "mini", "workspace": str(tmp_path)})


def record(config, name, step="calibration bias", recipe=None, **changed):
    section = step.split()[0]
    values = getattr(config, section).model_dump(mode="json") if section in RECIPE_VERSIONS else {}
    recipe = str(RECIPE_VERSIONS.get(section, 1)) if recipe is None else recipe
    path = f"{config.workspace}/archive/cal/{name}qa.json"
    write_record(
        path, QaRecord(step, f"cal/{name}.fits", 1, "", {}, versions={"recipe": recipe}, settings={**values, **changed})
    )


def test_products_of_now_are_not_listed(config, capsys, tmp_path):
    record(config, "a")
    assert list(stale.stale(config)) == []
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"camera": "mini", "workspace": str(tmp_path)}))
    assert stale.run_stale(path) == 0
    assert capsys.readouterr().out == "every product on record was made by the recipes and settings of now\n"


def test_another_recipe_or_setting_is_named(config):
    record(config, "a", recipe="0")
    record(config, "b", clip_sigma=9.0)
    record(config, "c", step="science image", edge_px=99)
    found = {one.product: one.reason for one in stale.stale(config)}
    assert found == {
        "cal/a.fits": f"recipe 0, now {RECIPE_VERSIONS['calibration']}",
        "cal/b.fits": f"clip_sigma 9.0, now {config.calibration.clip_sigma}",
        "cal/c.fits": f"edge_px 99, now {config.science.edge_px}",
    }


def test_a_part_of_a_section_is_compared_with_that_part(config):
    values = config.science.calibrators.model_dump(mode="json")
    made = {"recipe": str(RECIPE_VERSIONS["science"])}
    path = f"{config.workspace}/archive/ops/static/xqa.json"
    for border, expected in ((values["border_arcmin"], []), (7.0, ["border_arcmin 7.0, now 2.0"])):
        settings = {**values, "border_arcmin": border}
        write_record(path, QaRecord("science calibrators", "x", 1, "", {}, versions=made, settings=settings))
        assert [one.reason for one in stale.stale(config)] == expected


def test_the_count_by_step_closes_the_list(config, capsys, tmp_path):
    record(config, "a", recipe="0")
    record(config, "b", recipe="0")
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"camera": "mini", "workspace": str(tmp_path)}))
    stale.run_stale(path)
    assert capsys.readouterr().out.splitlines()[-1] == "2 products of calibration bias would be made again"
