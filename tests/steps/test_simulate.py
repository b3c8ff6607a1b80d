"""A whole tiny night: what is sent, that it is read back, and that it does not depend on how it was made."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest
import yaml
from astropy.io import fits
from astropy.wcs import WCS

from ztfpipe.camera import Camera
from ztfpipe.config import load_config
from ztfpipe.errors import BadKey, BadSettings
from ztfpipe.products.arrival.raw import read_raw_quadrant
from ztfpipe.products.formats.plain import read_arrays, read_table
from ztfpipe.products.names import parse_raw_name
from ztfpipe.simulate.frames import SATURATED
from ztfpipe.steps.simulate import run_simulate, simulate_night

NIGHT = "20180325"
SMALL = {
    "night": {"biases": 1, "flats": 1, "filters": ["zr"], "fields": [473], "visits": 1},
    "stars": {"stars_per_square_degree": 3000.0},
    "moving": {"asteroids_per_square_degree": 5.0, "near_earth_objects": 0},
}


def write_config(folder: Path, **simulate) -> Path:
    path = folder / "config.yaml"
    settings = {"camera": "mini", "workspace": str(folder / "work"), "simulate": {**SMALL, **simulate}}
    path.write_text(yaml.safe_dump(settings))
    return path


@pytest.fixture(scope="module")
def night(tmp_path_factory) -> Path:
    """Workspace of a night of one bias, one flat and one look at the sky, with two CCDs each."""
    folder = tmp_path_factory.mktemp("night")
    assert run_simulate(write_config(folder)) == 0
    return folder / "work"


def sent(workspace: Path) -> list[dict[str, str]]:
    with (workspace / "incoming" / NIGHT / "sent.csv").open() as stream:
        return list(csv.DictReader(stream))


def test_list_of_files_sent(night):
    rows = sent(night)
    files = {path.name for path in (night / "incoming" / NIGHT).glob("*.fits.fz")}
    assert {row["name"] for row in rows} == files
    assert len(rows) == 3 * 2
    for row in rows:
        content = (night / "incoming" / NIGHT / row["name"]).read_bytes()
        assert int(row["size"]) == len(content)
        assert row["md5"] == hashlib.md5(content).hexdigest()
    keys = [parse_raw_name(row["name"]) for row in rows]
    assert [key.exposure.imgtype for key in keys] == ["b", "b", "f", "f", "o", "o"]
    assert [key.ccdid for key in keys] == [10, 11] * 3


def test_raw_files_read_back_and_agree_with_the_truth(night):
    camera = Camera.load("mini")
    for row in sent(night):
        key = parse_raw_name(row["name"])
        truth = read_arrays(night / "truth" / NIGHT / row["name"].replace(".fits.fz", "_pixels.npz"))
        for qid in camera.qids:
            quadrant = read_raw_quadrant(night / "incoming" / NIGHT / row["name"], camera, key.ccdid, qid)
            used = quadrant.overscan[:, camera.raw.overscan_columns_used(qid)].astype(float)
            # Ten columns of 1.5 DN in 520 rows: 0.02 DN.
            assert (used.mean(axis=1) - truth[f"row_level_adu_q{qid}"]).mean() == pytest.approx(0, abs=0.1)
            signal = np.median(quadrant.image) - truth[f"row_level_adu_q{qid}"].mean()
            low, high = {"b": (-3, 3), "f": (15000, 25000), "o": (30, 3000)}[key.exposure.imgtype]
            assert low < signal < high
            saturated = truth[f"mask_q{qid}"] & SATURATED > 0
            assert np.all(quadrant.image[saturated] > 55000)


def test_truth_tables_of_a_look_at_the_sky(night):
    stem = next(row["name"] for row in sent(night) if row["name"].endswith("_c10_o.fits.fz")).removesuffix(".fits.fz")
    stars = read_table(night / "truth" / NIGHT / f"{stem}_stars.parquet")
    assert set(stars["qid"]) == {1, 2, 3, 4}
    assert set(stars["ccdid"]) == {10}
    quadrant = read_raw_quadrant(night / "incoming" / NIGHT / f"{stem}.fits.fz", Camera.load("mini"), 10, 1)
    image = quadrant.image.astype(float)
    ny, nx = image.shape
    bright = stars[(stars.qid == 1) & stars.x_px.between(5, nx - 6) & stars.y_px.between(5, ny - 6)]
    bright = bright.sort_values("flux_e", ascending=False)[3:13]
    sigma = 1.4826 * np.median(np.abs(image - np.median(image)))
    # Stars stand where the tables say: each of the brightest ones has 10 sigma within 2 px of its place.
    for row in bright.itertuples():
        x, y = round(row.x_px), round(row.y_px)
        assert image[y - 2 : y + 3, x - 2 : x + 3].max() > np.median(image) + 10 * sigma


def test_header_and_sky_have_the_same_orientation(night):
    """What the header commands and where stars fall differ by the telescope's errors, not by a flip or a turn."""
    stem = next(row["name"] for row in sent(night) if row["name"].endswith("_c11_o.fits.fz")).removesuffix(".fits.fz")
    stars = read_table(night / "truth" / NIGHT / f"{stem}_stars.parquet")
    for qid in (1, 2, 3, 4):
        raw = read_raw_quadrant(night / "incoming" / NIGHT / f"{stem}.fits.fz", Camera.load("mini"), 11, qid)
        words = {word: card[0] for word, card in raw.header.items()}
        wcs = WCS(fits.Header({word: value for word, value in words.items() if word.startswith(("C", "WCSAXES"))}))
        mine = stars[stars.qid == qid]
        x, y = wcs.all_world2pix(mine.ra_deg, mine.dec_deg, 0)
        for commanded, actual in ((x, mine.x_px), (y, mine.y_px)):
            # Pointing errors of 25 arcsec rms and a CCD 3 px off its place; scale and rotation within some 1e-3.
            assert abs(np.median(actual - commanded)) < 120
            assert np.polyfit(commanded, actual, 1)[0] == pytest.approx(1.0, abs=0.01)


def test_catalogs_of_other_surveys(night):
    folder = night / "calibrators"
    for survey, identifier in (("gaia", "source_id"), ("ps1", "objID"), ("tycho2", "identifier")):
        table = read_table(folder / survey / "field000473.parquet")
        assert table[identifier].is_unique
        assert len(table) > (10 if survey != "tycho2" else -1)
    assert "epoch_jd" in read_table(folder / "known_asteroids.parquet")
    fields = night / "truth" / "fields"
    assert len(list(fields.glob("variables_000473_c1?_q?.parquet"))) == 8
    assert len(list(fields.glob("transients_000473_c1?_q?.parquet"))) == 8
    assert "identifier" in read_table(fields / "asteroids_000473.parquet")


def test_the_same_bytes_whatever_the_number_of_processes(night, tmp_path):
    lines: list[str] = []
    files = simulate_night(load_config(write_config(tmp_path)), NIGHT, jobs=2, say=lines.append)
    assert lines[-1].startswith(f"{NIGHT}: 6 of 6 files")
    assert [(file.name, str(file.size), file.md5) for file in files] == [tuple(row.values()) for row in sent(night)]


def test_another_noise_seed_gives_other_noise_on_the_same_sky(night, tmp_path):
    run_simulate(write_config(tmp_path, noise_seed=77, night={**SMALL["night"], "flats": 0, "visits": 0}))
    ours, theirs = (sent(workspace)[0] for workspace in (night, tmp_path / "work"))
    assert ours["md5"] != theirs["md5"]
    same = (night / "calibrators", tmp_path / "work" / "calibrators")
    one, other = (read_table(folder / "gaia" / "field000473.parquet") for folder in same)
    assert one.equals(other)


def test_a_bad_call_says_so(tmp_path):
    config = write_config(tmp_path)
    with pytest.raises(BadKey, match="night"):
        run_simulate(config, night="20180231")
    with pytest.raises(BadSettings):
        run_simulate(tmp_path / "absent.yaml")
