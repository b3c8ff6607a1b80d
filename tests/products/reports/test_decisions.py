"""Decisions and designations: read back, kept, refused when of another night or form; the page that saves them."""

import json

import numpy as np
import pytest
from PIL import Image

from ztfpipe.errors import BadFile
from ztfpipe.products.reports import decisions
from ztfpipe.products.reports.page import Shown, write_page
from ztfpipe.products.reports.strips import ZOOM, animation_gif, strip_png

NIGHT = "20180325"


def test_decisions_are_read_as_the_page_saves_them(tmp_path):
    path = tmp_path / "decisions.json"
    path.write_text(json.dumps({"night": NIGHT, "decisions": {"Zaaaaaa": "accept", "Sbbbbbb": "reject"}}))
    assert decisions.read_decisions(path, NIGHT) == {"Zaaaaaa": "accept", "Sbbbbbb": "reject"}


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("[]", "not decisions"),
        ("{", "not decisions"),
        ('{"night": "20180326", "decisions": {}}', "night 20180326"),
        ('{"night": "20180325", "decisions": {"Za": "perhaps"}}', "neither"),
    ],
)
def test_other_files_are_refused(tmp_path, content, word):
    path = tmp_path / "decisions.json"
    path.write_text(content)
    with pytest.raises(BadFile, match=word):
        decisions.read_decisions(path, NIGHT)


def test_designations_are_kept_and_added_to(tmp_path):
    ledger, answer = tmp_path / "ledger" / "designations.json", tmp_path / "answer.txt"
    assert decisions.read_designations(ledger) == {}
    answer.write_text("# of 2018 March\nZaaaaaa 2018 FA29\n\nZbbbbbb = 433\n")
    assert decisions.record_designations(answer, ledger) == {"Zaaaaaa": "2018 FA29", "Zbbbbbb": "433"}
    answer.write_text("Zaaaaaa 2018 FB29\n")
    decisions.record_designations(answer, ledger)
    assert decisions.read_designations(ledger) == {"Zaaaaaa": "2018 FB29", "Zbbbbbb": "433"}
    answer.write_text("Zccccccc 433\nlonely\n")
    with pytest.raises(BadFile, match="line 2"):
        decisions.record_designations(answer, ledger)
    assert "Zccccccc" not in decisions.read_designations(ledger)


def test_the_page_asks_for_every_new_object_and_holds_its_pictures(tmp_path):
    cutouts = list(np.random.default_rng(1).normal(100, 5, (4, 11, 11)).astype("f4"))
    cutouts[1][:3] = np.nan
    png, gif = strip_png([cutouts, cutouts]), animation_gif(cutouts)
    path = tmp_path / "page.html"
    shown = Shown("Zaaaaaa", (("motion", "<fast>"),), png, gif, asked=True)
    write_page(path, NIGHT, "decisions.json", [shown], [Shown("Sbbbbbb", (), b"", b"", asked=False)], "Two.")
    text = path.read_text()
    assert text.count('type="radio" name="Zaaaaaa"') == 2
    assert 'name="Sbbbbbb"' not in text
    assert "&lt;fast&gt;" in text
    assert "http" not in text  # nothing is fetched
    for content, suffix, frames in ((png, "png", 1), (gif, "gif", 4)):
        picture = tmp_path / f"one.{suffix}"
        picture.write_bytes(content)
        with Image.open(picture) as opened:
            assert getattr(opened, "n_frames", 1) == frames
            assert opened.height in (ZOOM * 11, ZOOM * 24)
