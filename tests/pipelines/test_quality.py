"""The night's tables and pictures from accounts, plan and records made by hand."""

import numpy as np

from ztfpipe.camera import Camera
from ztfpipe.model.keys import CalibrationKey, ExposureKey, QuadrantKey, ReferenceKey, ReferenceVersionKey
from ztfpipe.model.manifest import Manifest, ManifestEntry
from ztfpipe.model.plan import MasterChoice, NightPlan
from ztfpipe.model.records import IngestRecord, QaRecord
from ztfpipe.pipelines.quality.night import focal_plane, shrink, shrink_factor, summarise
from ztfpipe.pipelines.quality.stages import record_name

NIGHT = "20180325"


def entry(name: str, status: str, imgtype: str | None, quadrants=(), reasons=None) -> ManifestEntry:
    facts = {"imgtype": imgtype} if imgtype else {}
    return ManifestEntry(True, IngestRecord(NIGHT, name, status, "", 1, reasons or {}, "", 10, quadrants, facts, {}))


def choice(kind: str, code: str, qid: int, night: str | None, note: str = "") -> MasterChoice:
    key = CalibrationKey(night, code, 10, qid) if night else None
    return MasterChoice(kind, code, 10, qid, key, (), night == NIGHT, note)


def night():
    manifest = Manifest(
        NIGHT,
        "Night 20180325: 3 sent",
        True,
        "digest",
        {},
        (
            entry("a.fits", "accepted", "bias", (1, 2, 3), {"4": "a.fits quadrant 4: HDU 4: DATASUM does not match"}),
            entry("b.fits", "set aside", None, (), {"": "b.fits: not a FITS file"}),
            entry("c.fits", "not received", None, (), {"": "c.fits: listed as sent, but not received"}),
        ),
    )
    masters = (
        choice("bias", "00", 1, NIGHT),
        choice("bias", "00", 2, "20180324", "3 bias frames of 20; master of 20180324 used"),
        choice("hifreqflat", "zg", 1, None, "0 flat frames of 20"),
        choice("hifreqflat", "zg", 2, None, "0 flat frames of 20"),
    )
    metrics = {
        "frames_used": 20,
        "level_adu": 0.1,
        "uncertainty_median": 0.33,
        "read_noise_e": 9.8,
        "n_noisy": 3,
        "n_dead": 4,
    }
    record = QaRecord("calibration bias", "cal/x.fits", 1, "", metrics, timings_s={"cpu": 0.5})
    plan = NightPlan(NIGHT, "mini", "digest", (), masters, ())
    return summarise(manifest, plan, {record_name(masters[0]): record}, {})


def test_tables_of_a_night():
    summary = night()
    tables = {table.title: table for table in summary.tables}
    assert list(tables) == [
        "Stages",
        "Files",
        "Set aside or left out",
        "Bias masters made tonight",
        "Masters not made tonight",
    ]
    assert tables["Files"].rows == (
        ("bias", 1, 1, 0, 0, 3),
        ("unreadable or not received", 2, 0, 1, 1, 0),
        ("all", 3, 1, 1, 1, 3),
    )
    assert tables["Set aside or left out"].rows == (
        ("a.fits", "quadrant 4", "HDU 4: DATASUM does not match"),
        ("b.fits", "file", "not a FITS file"),
        ("c.fits", "file", "listed as sent, but not received"),
    )
    assert tables["Bias masters made tonight"].rows == (("00", 10, 1, 20, 0.1, 0.33, 9.8, 7, 0.5, "usable"),)
    assert tables["Masters not made tonight"].rows == (
        ("bias", "00", "10/2", "20180324", "3 bias frames of 20; master of 20180324 used"),
        ("flat", "zg", "all", None, "0 flat frames of 20"),
    )


def test_north_is_up_and_east_to_the_left():
    camera = Camera.load("mini")
    ny, nx = camera.quadrant_shape
    factor = shrink_factor(camera, 400)
    tiles = {
        (ccdid, qid): shrink(np.full((ny, nx), 10 * ccdid + qid, np.float32), factor)
        for ccdid, qid in camera.quadrants()
    }
    plane = focal_plane(camera, tiles, factor, title="", caption="", unit="")
    assert max(plane.image.shape) <= 400
    for quadrant in camera.quadrants():
        where = np.argwhere(plane.image == 10 * quadrant[0] + quadrant[1]).mean(axis=0)
        others = [camera.amplifier(*one) for one in camera.quadrants()]
        one = camera.amplifier(*quadrant)
        east = one.east_deg > np.mean([other.east_deg for other in others])
        north = one.north_deg > np.mean([other.north_deg for other in others])
        assert (where[1] < plane.image.shape[1] / 2) == east
        assert (where[0] < plane.image.shape[0] / 2) == north


def test_bad_pixels_are_left_out_of_the_averages():
    image, mask = np.ones((4, 4), np.float32), np.zeros((4, 4), np.uint16)
    image[0, 0], mask[0, 0] = 1e6, 16
    np.testing.assert_array_equal(shrink(image, 2, mask), np.ones((2, 2), np.float32))


def test_science_images_by_exposure_and_those_that_cannot_be_used():
    exposure = ExposureKey("20180325187500", 473, "zg", "o")
    science = {}
    for qid, (seeing, status) in enumerate([(2.0, 1), (2.2, 1), (9.0, 0), (2.6, 1)], start=1):
        metrics = {"fwhm_arcsec": seeing, "npsfcat": 100 * qid, "pabszp": None, "infobits": 0 if status else 64}
        reason = "" if status else "seeing: fewer than five clean stars"
        record = QaRecord("science image", "sci/x.fits", status, reason, metrics, timings_s={"cpu": 1.5})
        science[QuadrantKey(exposure, 10, qid)] = record
    manifest = Manifest(NIGHT, "", True, "digest", {}, ())
    summary = summarise(manifest, NightPlan(NIGHT, "mini", "digest", (), (), ()), {}, science)
    images, unusable = summary.tables[-2:]
    (row,) = images.rows
    shown = dict(zip(images.columns, row, strict=True))
    assert (shown["exposure"], shown["quadrants"], shown["usable"], shown["CPU [s]"]) == ("20180325187500", 4, 3, 6.0)
    assert (shown["seeing [arcsec]"], shown["stars"], shown["zero point [mag]"]) == (2.2, 200.0, None)
    assert unusable.rows == (("20180325187500", 10, 3, 64, "seeing: fewer than five clean stars"),)


def test_differences_are_counted_and_those_without_reference_are_no_failures():
    manifest = Manifest(NIGHT, "Night 20180325", True, "digest", {}, (entry("a.fits", "accepted", "object", (1,), {}),))
    exposure = ExposureKey("20180325318588", 473, "zg", "o")
    keys = tuple(QuadrantKey(exposure, 10, qid) for qid in (1, 2, 3, 4))
    pinned = tuple(ReferenceVersionKey(ReferenceKey(473, "zg", 10, qid), 1) for qid in (1, 2, 3))
    metrics = {"diffmaglim": 20.5, "ncandscimref": 3, "ncandrefmsci": 1}
    records = {
        keys[0]: QaRecord("difference image", "sci/x.fits.fz", 1, "", metrics, timings_s={"cpu": 6.0}),
        keys[1]: QaRecord("difference image", "sci/y.fits.fz", 0, "they do not overlap", {}, timings_s={"cpu": 1.0}),
    }
    plan = NightPlan(NIGHT, "mini", "digest", keys, (), (), (), pinned)
    tables = {one.title: one for one in summarise(manifest, plan, {}, {}, (), records).tables}
    row = dict(zip(tables["Differences"].columns, tables["Differences"].rows[0], strict=True))
    assert [row[name] for name in ("differenced", "STATUS 0", "failed", "without reference")] == [1, 1, 1, 1]
    assert (row["limit [mag]"], row["candidates +"], row["CPU [s]"]) == (20.5, 3, 7.0)
    assert tables["Differences that cannot be used"].rows[0][-1] == "they do not overlap"


def test_what_has_no_record_is_the_first_thing_said():
    exposure = ExposureKey("20180325187500", 473, "zg", "o")
    keys = tuple(QuadrantKey(exposure, 10, qid) for qid in (1, 2, 3))
    facts = {"imgtype": "object", "filefracday": exposure.filefracday}
    sent = IngestRecord(NIGHT, "a.fits", "accepted", "", 1, {}, "", 10, (1, 2, 3, 4), facts, {})
    manifest = Manifest(NIGHT, "Night 20180325: 1 sent", True, "digest", {}, (ManifestEntry(True, sent),))
    masters = (choice("bias", "00", 1, NIGHT), choice("bias", "00", 2, "20180324"))
    pinned = (ReferenceVersionKey(ReferenceKey(473, "zg", 10, 1), 1),)
    plan = NightPlan(NIGHT, "mini", "digest", keys, masters, (), (), pinned)
    images = {keys[0]: QaRecord("s", "x", 1, "", {}), keys[1]: QaRecord("s", "y", 0, "clouds", {})}
    summary = summarise(manifest, plan, {}, images)
    assert summary.headline == (
        "Without a record: 1 of 4 quadrants of the sky, 1 of 1 masters, 1 of 3 science images, 1 of 1 differences. "
        "Night 20180325: 1 sent"
    )
    tables = {table.title: table.rows for table in summary.tables}
    assert tables["Stages"] == (
        ("Quadrants of the sky", 4, 3, 0, 1),
        ("Masters", 1, 0, 0, 1),
        ("Science images", 3, 1, 1, 1),
        ("Differences", 1, 0, 0, 1),
    )
    place = "exposure 20180325187500 field 473 zg CCD 10 quadrant"
    assert tables["Without a record"] == (
        ("Quadrants of the sky", "exposure 20180325187500 CCD 10 quadrant 4"),
        ("Masters", "bias 00 10 1"),
        ("Science images", f"{place} 3"),
        ("Differences", f"{place} 1"),
    )
    images[keys[2]] = QaRecord("s", "z", 1, "", {})
    whole = NightPlan(NIGHT, "mini", "digest", (*keys, QuadrantKey(exposure, 10, 4)), (), ())
    images[whole.science[-1]] = images[keys[2]]
    assert summarise(manifest, whole, {}, images).headline == "Night 20180325: 1 sent"
