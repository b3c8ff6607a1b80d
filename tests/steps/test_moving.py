"""The steps of moving objects on files: from candidates of two nights to reports that a person has decided on."""

import contextlib
import json
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.moving_scenes import SITE
from ztfpipe.config import Config
from ztfpipe.errors import BadFile, BadName
from ztfpipe.methods.solar_system.ephemeris import dynamical_time, observer, states_of_elements
from ztfpipe.methods.solar_system.known import known_bodies
from ztfpipe.model.difference import CANDIDATE_TABLE, STREAK_COLUMNS
from ztfpipe.model.keys import CutoffKey, ExposureKey, NightKey, QuadrantKey, ReferenceVersionKey
from ztfpipe.model.orbits import Orbits
from ztfpipe.model.plan import NightPlan
from ztfpipe.model.records import QaRecord
from ztfpipe.model.wcs import TpvWcs, undistorted_pv
from ztfpipe.products.accounts.plan import write_plan
from ztfpipe.products.accounts.records import read_record, write_record
from ztfpipe.products.accounts.settings import write_settings
from ztfpipe.products.catalogs.orbits import write_known
from ztfpipe.products.catalogs.tracks import read_looks, read_members, read_sightings, read_streaklist, read_tracks
from ztfpipe.products.formats.fits import read_header, read_image, write_image, write_packed_image
from ztfpipe.products.formats.plain import write_table
from ztfpipe.products.images.wcs import wcs_cards, wcs_of
from ztfpipe.products.names import path_of
from ztfpipe.products.reports.mpc80 import read_mpc80
from ztfpipe.simulate.sky import orbits as simulated
from ztfpipe.steps.moving import sofar
from ztfpipe.steps.moving.designating import run_designations
from ztfpipe.steps.moving.gathering import detections
from ztfpipe.steps.moving.pictures import cutouts_of
from ztfpipe.steps.moving.reporting import report
from ztfpipe.steps.moving.tracking import tracks

FIRST, LAST = "20180325", "20180326"
JD = 2458202.5
"""0 h UT of the first night."""
TIMES_D = {FIRST: (0.30, 0.34), LAST: (0.29, 0.33, 0.37)}
SIDE, SCALE_DEG = 400, 1.0 / 3600
EXPTIME_S = 30.0
BODIES = 2
KNOWN = 1
"""The second body is in the site's catalog."""


def bodies():
    """Two bodies of the main belt near opposition."""
    a, e = np.array([2.5, 2.7]), np.array([0.1, 0.15])
    since = np.array([200.0, 204.0])
    return states_of_elements(a * (1 - e), e, np.array([3.0, 3.02]), np.full(2, 100.0), np.array([40.0, 32.0]), since)


def sky():
    truth = simulated.integrate(*bodies(), dynamical_time(JD), JD - 1, JD + 4)

    def seen(jd):
        direction = simulated.seen_from(truth, jd, SITE)[0]
        return np.degrees(np.arctan2(direction[:, 1], direction[:, 0])) % 360, np.degrees(np.arcsin(direction[:, 2]))

    return seen


def key_of_exposure(night, time_d, body):
    """Each body has a quadrant of its own."""
    return QuadrantKey(ExposureKey(f"{night}{round(time_d * 1e6):06d}", 473, "zr", "o"), 10, 1 + body)


def write_quadrant(key, jd_start, ra, dec, rng):
    """A science image about a body, its difference, candidates with that of the body and noise, and two streaks."""
    wcs = TpvWcs(np.array([ra, dec]), np.array([200.0, 150.0]), np.diag([-SCALE_DEG, -SCALE_DEG]), undistorted_pv())
    header = {keyword: (value, text) for keyword, value, text in wcs_cards(wcs, distorted=True)}
    header |= {name: (value, "") for name, value in
               (("OBSJD", jd_start), ("EXPTIME", EXPTIME_S), ("SEEING", 2.0), ("MAGZP", 26.0))}  # fmt: skip
    pixels = rng.normal(100, 5, (SIDE, SIDE)).astype("f4")
    write_image(path_of("sciimg", key), pixels, header)
    write_packed_image(path_of("scimrefdiffimg", key), pixels - 100, header)
    n = 12
    table = {one.name: np.ones(n, one.dtype) for one in CANDIDATE_TABLE}
    sigma = 0.08 / 3600
    table["ra"] = np.concatenate(
        [[ra + rng.normal(0, sigma) / np.cos(np.radians(dec))], ra + rng.uniform(-0.05, 0.05, n - 1)]
    )
    table["dec"] = np.concatenate([[dec + rng.normal(0, sigma)], dec + rng.uniform(-0.05, 0.05, n - 1)])
    table["candid"] = np.arange(n) + 1000 * int(key.exposure.filefracday[6:]) + key.qid * 100
    table |= {"scorr": np.full(n, 12.0, "f4"), "magpsf": np.full(n, 19.5, "f4"), "nbad": np.zeros(n, "i4")}
    table |= {"xpos": np.full(n, 201.0), "ypos": np.full(n, 151.0), "isdiffpos": np.arange(n) != n - 1}
    table |= {"distnr": np.full(n, -999.0), "magnr": np.full(n, -999.0)}
    write_table(path_of("candidates", key), pd.DataFrame(table))
    streaks = {one.name: np.ones(2, one.dtype) for one in STREAK_COLUMNS}
    streaks |= {"x0": np.array([101.0, 1.0]), "x1": np.array([131.0, 380.0]), "y0": np.full(2, 51.0),
                "y1": np.array([91.0, 51.0]), "length": np.array([50.0, 379.0]), "snr": np.full(2, 30.0),
                "flux": np.full(2, 1e4), "sigflux": np.full(2, 300.0)}  # fmt: skip
    write_table(path_of("streaks", key), pd.DataFrame(streaks))
    write_record(path_of("diffqa", key), QaRecord("difference image", "", 1, "", {"diffmaglim": 20.5}))


def write_bodies(night_jd):
    """The night's table of known bodies: the second one."""
    jd = night_jd + np.array([0.0, 0.5, 0.5 + 1 / 24, 1.0])
    here = np.array([observer(one, SITE.longitude_deg, SITE.latitude_deg, SITE.height_m) for one in jd])
    tdb = np.array([dynamical_time(one) for one in jd])
    truth = simulated.integrate(*bodies(), dynamical_time(JD), JD - 1, JD + 4)
    position, velocity = (one[KNOWN : KNOWN + 1] for one in truth.states(tdb[1]))
    orbits = Orbits(np.array(["12345"]), tdb[1], position, velocity, np.full(1, 15.0), np.full(1, 0.15))
    write_known(path_of("known", NightKey(LAST)), known_bodies(orbits, np.array(["(12345) Body"]), tdb, here))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two nights of quadrants, and the settings of the moving section."""
    workspace = tmp_path_factory.mktemp("moving")
    (workspace / "archive").mkdir()
    with contextlib.chdir(workspace / "archive"):
        write_nights()
    write_settings(workspace / "settings", "moving", Config(camera="mini", workspace=str(workspace)))
    return workspace


@pytest.fixture
def archive(made, tmp_path, monkeypatch):
    """A copy of it, its archive as working directory."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path / "archive")
    return tmp_path / "archive"


def write_nights():
    seen, rng = sky(), np.random.default_rng(6)
    for number, night in enumerate((FIRST, LAST)):
        keys = []
        for time_d in TIMES_D[night]:
            jd = JD + number + time_d
            ra, dec = seen(jd + 0.5 * EXPTIME_S / 86400)
            for body in range(BODIES):
                keys.append(key_of_exposure(night, time_d, body))
                write_quadrant(keys[-1], jd, ra[body], dec[body], rng)
        pinned = tuple(ReferenceVersionKey(key.reference, 1) for key in keys[:BODIES])
        plan = NightPlan(night, "mini", "", tuple(sorted(keys)), (), (), (), pinned)
        write_plan(path_of("plan", NightKey(night)), plan)
    write_bodies(JD + 1)


SETTINGS = Path("../settings/moving.json")


def of(product, night=LAST):
    return path_of(product, NightKey(night))


def linked():
    for night in (FIRST, LAST):
        detections(of("detections", night), SETTINGS, Path(of("plan", night)))
    both = [Path(of("detections", night)) for night in (FIRST, LAST)]
    looked = [Path(of("looks", night)) for night in (FIRST, LAST)]
    tracks(of("tracks"), SETTINGS, both, looked, Path(of("streaklist")), Path(of("known")))
    return read_tracks(of("tracks"))


def reported(decisions=None):
    if decisions is not None:
        Path(of("trackdecisions")).write_text(json.dumps({"night": LAST, "decisions": decisions}))
    paths = (Path(of(name)) for name in ("tracks", "trackmembers", "streaklist"))
    report(of("adespsv"), SETTINGS, *paths, Path(of("trackdecisions")) if decisions is not None else None)
    return read_record(QaRecord, of("reportqa"))


def test_detections_are_positive_candidates_at_mid_exposure(archive):
    detections(of("detections", FIRST), SETTINGS, Path(of("plan", FIRST)))
    seen = read_sightings([of("detections", FIRST)])
    assert len(seen) == BODIES * 2 * 11  # of twelve, one is negative
    np.testing.assert_allclose(sorted(set(seen.jd_mid)), [JD + t + 15 / 86400 for t in TIMES_D[FIRST]], atol=1e-8)
    streaks = read_streaklist(of("streaklist", FIRST))
    assert len(streaks) == BODIES * 2  # the long one is a satellite's
    assert streaks.length_arcsec.to_numpy() == pytest.approx(50, rel=1e-3)
    # From (101, 51) to (131, 91), x to the west, y to the south: 30 west for 40 south.
    assert streaks.angle.to_numpy() == pytest.approx(np.degrees(np.arctan2(30, 40)), abs=0.05)


def test_what_stands_on_a_bright_source_is_left_out(archive):
    path = Path(path_of("candidates", key_of_exposure(FIRST, 0.30, 0)))
    table = pd.read_parquet(path)
    near, bright = np.array([1.0, 1.0, 3.0]), np.array([14.0, 18.0, 14.0])
    table.loc[:2, "distnr"], table.loc[:2, "magnr"] = near, bright
    write_table(path, table)
    detections(of("detections", FIRST), SETTINGS, Path(of("plan", FIRST)))
    seen = read_sightings([of("detections", FIRST)])
    assert len(seen) == BODIES * 2 * 11 - 1
    assert table.candid[0] not in seen.candid


def test_a_difference_of_no_use_is_left_out(archive):
    key = key_of_exposure(FIRST, 0.30, 0)
    write_record(path_of("diffqa", key), QaRecord("difference image", "", 0, "clouds", {}))
    detections(of("detections", FIRST), SETTINGS, Path(of("plan", FIRST)))
    assert len(read_sightings([of("detections", FIRST)])) == (BODIES * 2 - 1) * 11


def test_bodies_become_tracks_and_the_known_one_has_its_name(archive):
    table = linked()
    assert sorted(table.n) == [5, 5]
    assert table.plausible.all()
    assert sorted(table.known) == ["", "12345"]
    assert table.set_index("known").loc["12345", "designation"] == "(12345) Body"
    members = read_members(of("trackmembers"))
    assert len(members) == 10
    # Errors of 0.08 arcsec; the largest of twenty numbers is below four of them.
    assert np.abs(members[["residual_ra", "residual_dec"]].to_numpy()).max() < 0.32
    page = Path(of("trackpage")).read_text()
    new, old = table[table.known == ""].track.item(), table[table.known != ""].track.item()
    assert page.count(f'name="{new}"') == 2
    assert f'name="{old}"' not in page
    assert page.count("data:image/gif") == 1 + len(read_streaklist(of("streaklist")))


CUTOFF = CutoffKey(LAST, "0830")
"""After the second of the last night's three exposures, at 0.29, 0.33 and 0.37 of the day."""


def linked_so_far():
    detections(of("detections", FIRST), SETTINGS, Path(of("plan", FIRST)))
    before = [[Path(of(name, FIRST))] for name in ("detections", "looks")]
    sofar(path_of("sofartracks", CUTOFF), SETTINGS, Path(of("plan")), Path(of("known")), *before)
    return read_tracks(path_of("sofartracks", CUTOFF))


def test_cutouts_show_the_reference_that_was_subtracted(archive):
    """A reference on a grid of its own, with one bright pixel where the body is: it is the middle of the cutout."""
    key = key_of_exposure(LAST, 0.29, 0)
    header = read_header(path_of("sciimg", key))
    wcs = wcs_of("", header)
    shifted = TpvWcs(wcs.crval_deg, wcs.crpix_px + np.array([20.0, -10.0]), wcs.cd_deg, wcs.pv)
    version = ReferenceVersionKey(key.reference, 1)
    cards = {keyword: (value, text) for keyword, value, text in wcs_cards(shifted, distorted=True)}
    pixels = np.zeros((SIDE, SIDE), "f4")
    pixels[150 - 10, 200 + 20] = 1000.0
    write_image(path_of("vrefimg", version), pixels, cards)
    ra, dec = wcs.crval_deg
    rows = pd.DataFrame({
        "filefracday": [key.exposure.filefracday], "field": [473], "filter": ["zr"], "ccdid": [10], "qid": [1],
        "xpos": [201.0], "ypos": [151.0], "ra": [ra], "dec": [dec],
    })  # fmt: skip
    ((science, reference, difference),) = cutouts_of({"one": rows}, 15)["one"]
    assert science.shape == reference.shape == difference.shape == (31, 31)
    assert np.isnan(reference).all()  # the difference does not say which version it used
    image, cards = read_image(path_of("scimrefdiffimg", key), 1)
    write_packed_image(path_of("scimrefdiffimg", key), image, {**cards, "REFVERS": (1, "")})
    ((_, reference, _),) = cutouts_of({"one": rows}, 15)["one"]
    assert reference[15, 15] == 1000.0
    assert np.count_nonzero(reference) == 1


def test_what_came_before_a_time_is_linked_and_asks_nothing(archive):
    table = linked_so_far()
    assert sorted(table.n) == [4, 4]
    assert sorted(table.known) == ["", "12345"]
    page = Path(path_of("sofarpage", CUTOFF)).read_text()
    assert page.count("data:image/gif") > 0
    assert "radio" not in page
    assert "Save decisions" not in page
    assert "before 0830 UT" in page
    record = read_record(QaRecord, path_of("sofarqa", CUTOFF))
    assert (record.status, record.metrics["n_tracks"]) == (1, 2)
    assert not Path(of("tracks")).exists()
    assert not Path(of("detections")).exists()


def test_a_night_is_the_same_whether_it_was_linked_within_or_not(archive):
    names = ("detections", "looks", "streaklist", "tracks", "trackmembers")
    linked()
    alone = {name: pd.read_parquet(of(name)) for name in names}
    page = Path(of("trackpage")).read_text()
    for name in names:
        Path(of(name)).unlink()
    linked_so_far()
    provisional = Path(path_of("sofartracks", CUTOFF)).read_bytes()
    linked()
    for name in names:
        pd.testing.assert_frame_equal(pd.read_parquet(of(name)), alone[name])
    assert Path(of("trackpage")).read_text() == page
    assert Path(path_of("sofartracks", CUTOFF)).read_bytes() == provisional


def test_before_the_first_exposure_and_without_nights_before_there_is_nothing(archive):
    early = CutoffKey(LAST, "0200")
    sofar(path_of("sofartracks", early), SETTINGS, Path(of("plan")), Path(of("known")))
    assert len(read_tracks(path_of("sofartracks", early))) == 0


def test_the_images_of_a_night_are_its_usable_differences(archive):
    detections(of("detections", FIRST), SETTINGS, Path(of("plan", FIRST)))
    looks = read_looks([of("looks", FIRST)])
    assert len(looks["jd_mid"]) == BODIES * len(TIMES_D[FIRST])
    assert (looks["limit_mag"] == 20.5).all()
    # 400 pixels of an arcsecond, edge to edge; the cosine of the declination widens right ascensions.
    dec = np.stack([looks[f"dec{k}"] for k in range(4)])
    np.testing.assert_allclose(np.ptp(dec, axis=0) * 3600, SIDE, rtol=1e-3)


def test_what_is_known_is_reported_and_what_is_new_waits_for_a_person(archive):
    table = linked()
    record = reported()
    assert (record.status, record.metrics["n_reported"], record.metrics["n_waiting"]) == (1, 1, 1 + 6)
    new = table[table.known == ""].track.item()
    streaks = read_streaklist(of("streaklist")).streak.tolist()
    record = reported({new: "accept", streaks[0]: "accept", streaks[1]: "reject"})
    assert (record.metrics["n_reported"], record.metrics["n_waiting"]) == (3, 4)
    nodes = ElementTree.parse(of("adesxml")).findall("obsBlock/obsData/optical")
    assert len(nodes) == 11
    assert {one.findtext("permID") for one in nodes} == {"12345", None}
    assert [one.findtext("trkSub") for one in nodes].count(new) == 5
    assert [one.findtext("remarks") is not None for one in nodes].count(True) == 1
    lines = read_mpc80(Path(of("mpcreport")).read_text())
    for line, node in zip(lines, nodes, strict=True):
        assert line.ra_deg == pytest.approx(float(node.findtext("ra")), abs=1e-5)
        assert line.dec_deg == pytest.approx(float(node.findtext("dec")), abs=1e-5)
    assert sum(line.discovery for line in lines) == 1


def test_designations_that_came_back_are_used(archive, capsys):
    new = linked().query("known == ''").track.item()
    answer = archive.parent / "answer.txt"
    answer.write_text(f"{new} = 2018 FA29\n")
    assert run_designations(archive.parent / "config.yaml", archive.parent, answer) == 0
    assert "2018 FA29" in capsys.readouterr().out
    reported({new: "accept"})
    nodes = ElementTree.parse(of("adesxml")).findall("obsBlock/obsData/optical")
    assert {one.findtext("provID") for one in nodes} == {"2018 FA29", None}
    assert "     K18F29A" in Path(of("mpcreport")).read_text()


def test_decisions_on_what_is_not_there_are_told(archive):
    linked()
    assert "Zgone00: decided, but no track" in reported({"Zgone00": "accept"}).reason


def test_decisions_of_another_night_are_refused_and_nothing_is_written(archive):
    linked()
    Path(of("trackdecisions")).write_text(json.dumps({"night": FIRST, "decisions": {}}))
    paths = (Path(of(name)) for name in ("tracks", "trackmembers", "streaklist"))
    with pytest.raises(BadFile, match=f"night {FIRST}"):
        report(of("adespsv"), SETTINGS, *paths, Path(of("trackdecisions")))
    assert not Path(of("adespsv")).exists()


def test_one_night_alone_and_a_night_without_differences(archive):
    plan = NightPlan(LAST, "mini", "", (), (), (), (), ())
    write_plan(of("plan"), plan)
    detections(of("detections"), SETTINGS, Path(of("plan")))
    tracks(
        of("tracks"), SETTINGS, [Path(of("detections"))], [Path(of("looks"))], Path(of("streaklist")), Path(of("known"))
    )
    assert len(read_tracks(of("tracks"))) == 0
    assert reported().metrics["n_observations"] == 0
    assert len(ElementTree.parse(of("adesxml")).getroot()) == 0


def test_other_names_and_files_are_refused(archive):
    with pytest.raises(BadName, match="detections"):
        detections(of("tracks"), SETTINGS, Path(of("plan")))
    with pytest.raises(BadFile, match="column"):
        tracks(of("tracks"), SETTINGS, [Path(of("known"))], [], Path(of("known")), Path(of("known")))
