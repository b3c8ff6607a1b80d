"""The night's report as a file, and its pictures."""

import io
import re
from dataclasses import replace

import numpy as np
from matplotlib.image import imread

from ztfpipe.camera import Camera
from ztfpipe.config import Quality
from ztfpipe.model.summary import FocalPlane, NightSummary, Table
from ztfpipe.pipelines.quality.night import focal_plane, shrink_factor
from ztfpipe.products.accounts.pictures import focal_plane_png
from ztfpipe.products.accounts.report import ROWS_MAX, cell_text, text_tables, write_report

SUMMARY = NightSummary(
    "20180325",
    "Night 20180325: <3> sent",
    (Table("Masters", "a note", ("filter", "level [DN]", "frames"), (("zg", 1234.5678, 20), ("<script>", None, 3))),),
)
PLANE = FocalPlane("Bias", "caption", "DN", np.arange(200, dtype=np.float32).reshape(10, 20), 3, ((0.0, 0.0, "q1"),))


def test_a_report_is_one_file_that_asks_for_no_other(tmp_path):
    path = tmp_path / "report.html"
    write_report(path, SUMMARY, [("a caption", focal_plane_png(PLANE, (1.0, 99.0)))])
    text = path.read_text()
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "&lt;script&gt;" in text
    assert "<script>" not in text
    assert "1235" in text
    assert "Night of 2018-03-25" in text


def test_a_long_table_is_shown_in_part_and_whole_when_opened(tmp_path):
    rows = tuple((f"exposure {k}", float(k)) for k in range(ROWS_MAX + 1))
    long = Table("Science images", "", ("exposure", "seeing"), rows)
    path = tmp_path / "report.html"
    for kept, times in ((rows, 2), (rows[1:], 1)):
        write_report(path, replace(SUMMARY, tables=(replace(long, rows=kept),)), [])
        text = path.read_text()
        assert text.count("exposure 1<") == times
        assert text.count(f"exposure {ROWS_MAX}<") == 1
        assert text.count("<details>") == times - 1


def test_a_report_of_the_full_camera_can_be_mailed():
    # Five mosaics (biases, flats in three filters, an exposure) of pure noise, which nothing compresses, in base64
    # (4/3) shall leave a third of 5 MB to all else: 0.5 MB each.
    camera, rng = Camera.load("ztf"), np.random.default_rng(4)
    factor = shrink_factor(camera, Quality().picture_pixels)
    shape = tuple(size // factor for size in camera.quadrant_shape)
    tiles = {one: rng.normal(300, 2, shape).astype(np.float32) for one in camera.quadrants()}
    plane = focal_plane(camera, tiles, factor, title="Bias masters", caption="", unit="DN")
    assert len(focal_plane_png(plane, Quality().stretch_percent)) < 0.5e6


def test_tables_for_a_terminal():
    text = text_tables(SUMMARY, rows_max=1)
    assert text.splitlines() == [
        "Night 20180325: <3> sent",
        "",
        "Masters",
        "filter  level [DN]  frames",
        "------  ----------  ------",
        "zg      1235        20",
        "... and 1 more",
    ]


def test_cells_are_rounded_for_people():
    assert [cell_text(value) for value in (None, 3, 0.123456, 12345.6, "x")] == ["", "3", "0.1235", "12346", "x"]


def test_a_picture_of_nothing_is_still_a_picture():
    empty = FocalPlane("Bias", "", "DN", np.full((10, 20), np.nan, np.float32), 1, ())
    pixels = imread(io.BytesIO(focal_plane_png(empty, (1.0, 99.0))))
    assert pixels.ndim == 3


def test_the_stretch_follows_the_percentiles():
    bright = np.array(PLANE.image)
    bright[0, 0] = 1e9
    # One pixel of 200 lies beyond the 99th percentile and must not darken all others.
    changed = FocalPlane("Bias", "caption", "DN", bright, 3, PLANE.labels)
    usual, other = (imread(io.BytesIO(focal_plane_png(one, (1.0, 99.0)))) for one in (PLANE, changed))
    assert usual.shape == other.shape
    assert np.mean(np.abs(usual - other)) < 0.02
