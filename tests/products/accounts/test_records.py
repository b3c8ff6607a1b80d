"""Records, accounts, plans and settings as JSON: what is written comes back, and nothing else passes for one."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ztfpipe.config import Calibration, Config, Ingest
from ztfpipe.errors import BadFile, BadSettings
from ztfpipe.model.keys import CalibrationKey, ExposureKey, QuadrantKey
from ztfpipe.model.manifest import Manifest, ManifestEntry
from ztfpipe.model.plan import MasterChoice, NightPlan
from ztfpipe.model.records import IngestRecord, QaRecord
from ztfpipe.products.accounts import plan as plans
from ztfpipe.products.accounts import records
from ztfpipe.products.accounts.settings import read_settings, write_settings

values = st.one_of(st.none(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text())
facts = st.dictionaries(st.text(max_size=8), values, max_size=4)
ingest_records = st.builds(
    IngestRecord,
    st.just("20180325"),
    st.text(max_size=20),
    st.sampled_from(["accepted", "set aside"]),
    st.text(max_size=32),
    st.integers(0),
    st.dictionaries(st.text(max_size=2), st.text(max_size=20), max_size=3),
    st.text(max_size=20),
    st.none() | st.integers(1, 16),
    st.lists(st.integers(1, 4), max_size=4).map(tuple),
    facts,
    facts,
)


@given(ingest_records)
def test_ingest_records_round_trip(record):
    assert records.from_json(IngestRecord, records.to_json(record)) == record


@given(st.builds(QaRecord, st.text(), st.text(), st.integers(0, 1), st.text(), facts))
def test_qa_records_round_trip(record):
    assert records.from_json(QaRecord, records.to_json(record)) == record


def test_nan_is_not_json():
    record = QaRecord("bias", "a", 1, "", {"level_adu": float("nan")})
    with pytest.raises(ValueError):
        records.to_json(record)


@given(st.lists(st.builds(ManifestEntry, st.booleans(), ingest_records), max_size=3))
def test_accounts_round_trip(entries):
    manifest = Manifest("20180325", "a sentence", True, "ab12", {"sent": 3}, tuple(entries))
    text = records.manifest_to_json(manifest)
    assert text.splitlines()[0] == '{"summary": "a sentence",'
    content = json.loads(text)
    assert len(content["files"]) == len(entries)


QUADRANT = QuadrantKey(ExposureKey("20180325260762", 314, "zg", "o"), 8, 2)
BIAS = QuadrantKey(ExposureKey("20180325060762", 0, "bi", "b"), 16, 4)
PLAN = NightPlan(
    "20180325",
    "mini",
    "ab12",
    (QUADRANT, BIAS),
    (
        MasterChoice("bias", "00", 8, 2, CalibrationKey("20180325", "00", 8, 2), (BIAS, BIAS), True, ""),
        MasterChoice("hifreqflat", "zg", 8, 2, None, (), False, "no frames; “quoted”"),
    ),
    (BIAS.raw, QUADRANT.raw),
)


@pytest.mark.parametrize("plan", [PLAN, replace(PLAN, science=(), masters=(), raws=())])
def test_plans_round_trip(tmp_path, plan):
    plans.write_plan(tmp_path / "plan.json", plan)
    assert plans.read_plan(tmp_path / "plan.json") == plan


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"night": 3}', '{"unknown": 1}'])
def test_what_is_no_record(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text)
    for read in (
        lambda: records.read_record(IngestRecord, path),
        lambda: records.read_record(QaRecord, path),
        lambda: records.read_manifest(path),
        lambda: plans.read_plan(path),
    ):
        with pytest.raises(BadFile, match=r"a.json: not a"):
            read()


def test_absent_files(tmp_path):
    path = tmp_path / "a.json"
    for read in (lambda: records.read_record(QaRecord, path), lambda: records.read_manifest(path)):
        with pytest.raises(BadFile, match="no such file"):
            read()
    with pytest.raises(BadFile, match="no such file"):
        plans.read_plan(path)


def test_plan_with_a_key_out_of_range(tmp_path):
    path = tmp_path / "plan.json"
    path.write_text(plans.plan_to_json(PLAN).replace("_c08_", "_c18_"))
    with pytest.raises(BadFile, match="not a night's plan: ccd 18"):
        plans.read_plan(path)


# --- Settings ---------------------------------------------------------------------------------------------------------


def test_settings_round_trip(tmp_path, tiny_config, tiny_camera):
    for section, kind in (("ingest", Ingest), ("calibration", Calibration)):
        path = write_settings(tmp_path, section, tiny_config, tiny_camera)
        values, camera = read_settings(path, kind)
        assert (type(values), camera.name) == (kind, "tiny")


def test_settings_are_rewritten_only_when_they_change(tmp_path, tiny_config):
    import os

    calibration = write_settings(tmp_path, "calibration", tiny_config)
    ingest = write_settings(tmp_path, "ingest", tiny_config)
    for path in (calibration, ingest):
        os.utime(path, (1, 1))
    changed = tiny_config.model_copy(update={"calibration": Calibration(frames_min=30)})
    for section in ("calibration", "ingest"):
        write_settings(tmp_path, section, changed)
    assert ingest.stat().st_mtime == 1
    assert calibration.stat().st_mtime > 1
    assert read_settings(calibration, Calibration)[0].frames_min == 30


def test_recipe_version_is_part_of_the_settings(tmp_path, tiny_config, monkeypatch):
    before = write_settings(tmp_path, "ingest", tiny_config).read_bytes()
    monkeypatch.setitem(__import__("ztfpipe.config").config.RECIPE_VERSIONS, "ingest", 99)
    assert write_settings(tmp_path, "ingest", tiny_config).read_bytes() != before


def test_settings_of_a_camera_that_changed(tmp_path, tiny_config):
    path = write_settings(tmp_path, "ingest", tiny_config)
    path.write_text(path.read_text().replace('"camera_digest": "', '"camera_digest": "0'))
    with pytest.raises(BadSettings, match="camera tiny has changed"):
        read_settings(path, Ingest)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"section": "x", "camera_digest": "", "values": {}, "camera": "ztf"}',
        '{"section": "ingest", "camera_digest": "", "values": {"settle_s": -1}, "camera": "ztf"}',
    ],
)
def test_what_is_no_settings_file(tmp_path, text):
    path = tmp_path / "ingest.json"
    path.write_text(text)
    with pytest.raises(BadSettings, match=r"ingest.json: not a settings file"):
        read_settings(path, Ingest)


def test_settings_of_another_section(tmp_path, tiny_config):
    path = write_settings(tmp_path, "ingest", tiny_config)
    with pytest.raises(BadSettings, match=r"ingest\.json: not the settings of calibration"):
        read_settings(path, Calibration)


def test_unknown_section_and_absent_file(tmp_path, tiny_config):
    with pytest.raises(BadSettings, match="no section"):
        write_settings(tmp_path, "camera", tiny_config)
    with pytest.raises(BadSettings, match="no such settings file"):
        read_settings(tmp_path / "none.json", Ingest)


def test_settings_for_the_default_configuration(tmp_path):
    """A camera by name needs no path; a relative path is made absolute, for steps run elsewhere."""
    path = write_settings(tmp_path, "ingest", Config(camera="mini", workspace="w"))
    assert json.loads(path.read_text())["camera"] == "mini"
