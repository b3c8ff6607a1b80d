"""Nights on record without a pixel: accounts, plans and records as the steps leave them, of two CCDs."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np

from ztfpipe.camera import Camera
from ztfpipe.methods.sky.footprint import footprint
from ztfpipe.methods.sky.projection import tangent_wcs
from ztfpipe.model.identifiers import exposure_id, night_jd
from ztfpipe.model.keys import CalibrationKey, ExposureKey, NightKey, QuadrantKey, RawKey, ReferenceVersionKey
from ztfpipe.model.manifest import ACCEPTED, SET_ASIDE, Manifest, ManifestEntry
from ztfpipe.model.operations import NightRecords
from ztfpipe.model.plan import MasterChoice, NightPlan
from ztfpipe.model.records import IngestRecord, QaRecord
from ztfpipe.pipelines.quality.stages import record_name
from ztfpipe.products.accounts.plan import write_plan
from ztfpipe.products.accounts.records import write_manifest, write_record
from ztfpipe.products.names import path_of

CAMERA = Camera.load("mini")
FIELD = 473
UNIX_OF_JD = 2440587.5
LATENCY_S = 480.0
"""When a science image is done after the end of its exposure."""


def night_records(night: str, exposures: int = 3, filters: str = "gr", **changes: object) -> NightRecords:
    """A night of `exposures` of the mini camera; of the last, one quadrant has no record and another STATUS 0.

    changes: shift of metrics, by `METRIC=value` for all images of channel 36.
    """
    rng = np.random.default_rng(int(night))
    start, step = night_jd(night), min(3000, 700_000 // exposures)
    keys, science, differences, alerts, entries, arrived = [], {}, {}, {}, [], {}
    for number in range(exposures):
        code = f"z{filters[number % len(filters)]}"
        fracday = 200000 + step * number
        exposure = ExposureKey(f"{night}{fracday:06d}", FIELD, code, "o")
        jd = start + fracday / 1e6
        for ccdid in CAMERA.ccds:
            raw = RawKey(exposure, ccdid)
            entries.append(_entry(night, raw, jd))
            arrived[raw] = (jd - UNIX_OF_JD) * 86400 + 60.0
            for qid in CAMERA.qids:
                key = QuadrantKey(exposure, ccdid, qid)
                keys.append(key)
                science[key] = _science(key, jd, rng, changes if key.rcid == 36 else {})
                differences[key] = _difference(key, jd, rng)
        product = path_of("alertsqa", exposure)
        alerts[exposure] = QaRecord("alerts exposure", product, 1, "", {"npackets": 12}, timings_s={"wall": 8.0})
    del science[keys[-1]], differences[keys[-1]]
    bad = keys[-8]
    science[bad] = QaRecord("science image", path_of("sciimg", bad), 0, "clouds", {"infobits": 2, "pabszp": 24.0})
    del differences[bad]
    entries.append(
        ManifestEntry(True, IngestRecord(night, "torn", SET_ASIDE, "", 1, {"": "torn: no FITS"}, "", None, (), {}, {}))
    )
    counts = {"sent": len(entries), "accepted": len(entries) - 1, "set aside": 1, "not received": 0}
    master = MasterChoice("bias", "00", 10, 1, CalibrationKey(night, "00", 10, 1), (), True, "")
    record = QaRecord("calibration bias", path_of("bias", master.key), 1, "", {"frames_used": 20, "level_adu": 0.1})
    versions = tuple(sorted({ReferenceVersionKey(key.reference, 2) for key in keys}))
    plan = NightPlan(night, "mini", "digest", tuple(sorted(keys)), (master,), tuple(sorted(arrived)), (), versions)
    manifest = Manifest(night, f"Night {night}", True, "digest", counts, tuple(entries))
    return NightRecords(manifest, plan, {record_name(master): record}, science, differences, alerts, {}, arrived)


def _entry(night: str, raw: RawKey, jd: float) -> ManifestEntry:
    facts = {
        "filefracday": raw.exposure.filefracday, "imgtype": "object", "field": FIELD, "exptime_s": 30.0, "obsjd": jd,
        "programid": 1, "ra_deg": 185.0, "dec_deg": 4.7, "airmass": 1.2, "expid": exposure_id(jd),
    }  # fmt: skip
    path = path_of("raw", raw)
    return ManifestEntry(
        True, IngestRecord(night, Path(path).name, ACCEPTED, "", 1, {}, path, raw.ccdid, (1, 2, 3, 4), facts, {})
    )


def wcs_of(key: QuadrantKey):
    """Where a quadrant looks: by the camera's layout about the field's centre."""
    amplifier, field = CAMERA.amplifier(key.ccdid, key.qid), CAMERA.field(key.exposure.field)
    return tangent_wcs(
        field.ra_deg, field.dec_deg, amplifier.east_deg, amplifier.north_deg,
        reference_pixel=CAMERA.reference_pixel, pixel_scale_arcsec=CAMERA.pixel_scale_arcsec,
    )  # fmt: skip


def _science(key: QuadrantKey, jd: float, rng: np.random.Generator, changes: dict) -> QaRecord:
    normal = rng.normal
    metrics = {
        "fwhm_arcsec": 2.0 + 0.05 * normal(), "pabszp": 26.2 + 0.01 * normal(), "pabszprms": 0.02 + 0.001 * normal(),
        "maglimcat": 20.5 + 0.03 * normal(), "gmedian": 300.0 + 5 * normal(), "npsfcat": int(400 + 10 * normal()),
        "adpctdif1": 0.05 + 0.001 * normal(), "adpctdif2": 0.05 + 0.001 * normal(), "infobits": 0,
        "zpchange": 0.01, "zero_point_outlier": 0.0, "peak_memory_mb": 300.0,
        **footprint(wcs_of(key), CAMERA.quadrant_shape),
    }  # fmt: skip
    metrics |= {name: metrics[name] + shift for name, shift in changes.items()}
    ended = (jd - UNIX_OF_JD) * 86400 + 30.0 + LATENCY_S
    times = {"wall": 2.0 + 0.05 * normal(), "cpu": 1.5}
    return QaRecord(
        "science image", path_of("sciimg", key), 1, "", metrics, timings_s=times, versions={"recipe": "3"},
        ended_unix=round(ended, 3),
    )  # fmt: skip


def _difference(key: QuadrantKey, jd: float, rng: np.random.Generator) -> QaRecord:
    metrics = {
        "refid": 1, "ncandscimref": int(rng.poisson(8)), "ncandrefmsci": int(rng.poisson(5)),
        "nraw": int(rng.poisson(300)), "drbmedian": float(rng.uniform(0.3, 0.4)), "scorr_width": 1.0,
        "diffmaglim": 20.4, "peak_memory_mb": 320.0,
    }  # fmt: skip
    ended = (jd - UNIX_OF_JD) * 86400 + 40.0 + LATENCY_S
    product = path_of("scimrefdiffimg", key)
    times = {"wall": 1.0, "cpu": 0.8}
    return QaRecord("difference image", product, 1, "", metrics, timings_s=times, ended_unix=round(ended, 3))


def write_night(archive: Path, records: NightRecords) -> None:
    """Put a night on record into an archive, in place of what it had."""
    night = NightKey(records.plan.night)
    archive.mkdir(parents=True, exist_ok=True)
    with contextlib.chdir(archive):
        write_manifest(path_of("manifest", night), records.manifest)
        write_plan(path_of("plan", night), records.plan)
        for product, made in (
            ("sciqa", records.science),
            ("diffqa", records.differences),
            ("alertsqa", records.alerts),
        ):
            for key, record in made.items():
                write_record(path_of(product, key), record)
        for choice in records.plan.masters:
            write_record(path_of(f"{choice.kind}qa", choice.key), records.masters[record_name(choice)])
