"""The contact sheet of packets."""

import io

import numpy as np
from matplotlib.image import imread

from tests.stream_scene import write_packets
from ztfpipe.products.alerts.packets import read_archive, read_candidate, read_packet
from ztfpipe.products.alerts.sheet import contact_sheet_png, stamp_pixels
from ztfpipe.products.alerts.stamps import stamp_bytes


def packets_of(folder):
    write_packets(folder, quadrants=1, each=5)
    (path,) = folder.rglob("*.tar.gz")
    return list(read_archive(path))


def test_each_cutout_is_on_it(tmp_path):
    """No cutouts on one sheet; on the other a star, a square half beyond the edge, one without pixels."""
    plain = [read_packet(content) for _, content in packets_of(tmp_path)]
    y, x = np.indices((63, 63))
    star = (100 * np.exp(-((x - 31) ** 2 + (y - 31) ** 2) / 4)).astype(np.float32)
    stamps = {"cutoutScience": star, "cutoutTemplate": star[:, :30], "cutoutDifference": np.full_like(star, np.nan)}
    full = {name: {"fileName": "a", "stampData": stamp_bytes(pixels)} for name, pixels in stamps.items()}
    np.testing.assert_array_equal(stamp_pixels(full["cutoutTemplate"]["stampData"]), star[:, :30])
    pictures = [imread(io.BytesIO(contact_sheet_png(one, "t"))) for one in (plain, [one | full for one in plain])]
    assert pictures[0].shape == pictures[1].shape
    dark = [(picture[..., :3].max(axis=2) < 0.05).mean() for picture in pictures]
    # Sky is black; 5 packets of 2 squares on a page of 6 x 6 squares with words.
    assert dark[1] > dark[0] + 0.05
    assert contact_sheet_png([], "nothing").startswith(b"\x89PNG")


def test_the_candidate_alone_is_what_the_whole_packet_says(tmp_path):
    for candid, content in packets_of(tmp_path):
        assert read_candidate(content) == read_packet(content)["candidate"]
        assert read_candidate(content)["candid"] == candid
