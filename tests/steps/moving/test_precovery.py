"""`ztfpipe most` on a small archive: two nights of one field, of which the second has no images."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from astropy.io import ascii as text_tables
from astropy.io import fits
from astropy.wcs import WCS
from PIL import Image

from ztfpipe.camera import Camera
from ztfpipe.cli.main import run
from ztfpipe.errors import BadFile, BadKey
from ztfpipe.methods.sky.projection import tangent_wcs
from ztfpipe.model.keys import ExposureKey, NightKey, QuadrantKey
from ztfpipe.model.plan import NightPlan
from ztfpipe.products.accounts.plan import write_plan
from ztfpipe.products.formats.fits import write_image
from ztfpipe.products.images.headers import measured
from ztfpipe.products.images.wcs import wcs_cards
from ztfpipe.products.names import path_of
from ztfpipe.simulate.geometry import unit_vectors
from ztfpipe.simulate.night import night_start_jd
from ztfpipe.simulate.sky import orbits as simulated
from ztfpipe.simulate.telescope.earth import terrestrial_time
from ztfpipe.steps.moving.precovery import Request, run_most

CAMERA = Camera.load("mini")
SITE = CAMERA.observatory
FIELD, NIGHTS, FRACDAYS = 473, ("20180325", "20180326"), ("187500", "250000")
START_S = 0.4
"""Exposures start so long after the time in their name."""
QUADRANT = (10, 2)


def exposure(night, fracday, field=FIELD):
    return ExposureKey(night + fracday, field, "zr", "o")


def jd_start(key):
    return night_start_jd(key.night) + int(key.fracday) * 1e-6 + START_S / 86400


@pytest.fixture(scope="module")
def body():
    """States at an epoch 40 days before of a body that is near the middle of a quadrant in the first exposure, and its
    path under the planets' pull."""
    centre, place = CAMERA.field(FIELD), CAMERA.amplifier(*QUADRANT)
    ny, nx = CAMERA.quadrant_shape
    wcs = tangent_wcs(
        centre.ra_deg, centre.dec_deg, place.east_deg, place.north_deg, reference_pixel=((nx - 1) / 2, (ny - 1) / 2),
        pixel_scale_arcsec=CAMERA.pixel_scale_arcsec,
    )  # fmt: skip
    ra, dec = WCS(as_header(wcs)).all_pix2world([[nx / 2, ny / 2]], 0)[0]
    jd = jd_start(exposure(NIGHTS[0], FRACDAYS[0]))
    here = simulated.observer(jd, SITE)
    position = here + 1.9 * unit_vectors(np.array([ra]), np.array([dec]))[0]
    distance = np.linalg.norm(position)
    # Nearly a circle, in the plane of the ecliptic as far as the place allows it.
    forward = np.cross(simulated.ecliptic_axes()[2], position / distance)
    states = position, 1.02 * np.sqrt(simulated.GM_SUN / distance) * forward
    jd_tt = terrestrial_time(jd)
    path = simulated.integrate(*(part[None] for part in states), jd_tt, jd_tt - 60, jd_tt + 3)
    return jd_tt - 40, path, wcs


def as_header(wcs):
    return fits.Header([(name, *card) for name, card in measured(wcs_cards(wcs, distorted=False)).items()])


@pytest.fixture
def site(tmp_path, body, monkeypatch):
    """Plans of both nights, images of the first, and a configuration; the working directory is another one."""
    _, _, wcs = body
    archive = tmp_path / "site" / "archive"
    archive.mkdir(parents=True)
    with contextlib.chdir(archive):
        for night in NIGHTS:
            exposures = [exposure(night, one) for one in FRACDAYS] + [exposure(night, "300000", 1)]
            science = tuple(QuadrantKey(one, *place) for one in exposures for place in CAMERA.quadrants())
            write_plan(path_of("plan", NightKey(night)), NightPlan(night, "mini", "", science, (), ()))
        for fracday in FRACDAYS:
            key = QuadrantKey(exposure(NIGHTS[0], fracday), *QUADRANT)
            image = np.random.default_rng(1).normal(0, 5, CAMERA.quadrant_shape).astype("f4")
            words = measured([("OBSJD", jd_start(key.exposure), ""), ("EXPTIME", 30.0, "")])
            write_image(path_of("sciimg", key), image, words | measured(wcs_cards(wcs, distorted=False)))
    (tmp_path / "site" / "config.yaml").write_text(f"camera: mini\nworkspace: {tmp_path / 'site'}\n")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "site" / "config.yaml"


def elements_of(body):
    epoch, path, _ = body
    found = {name: value[0] for name, value in simulated.elements(*path.states(epoch)).items()}
    pairs = {"epoch_mjd": epoch - 2400000.5, "h_mag": 15.0, "name": "planted", **found}
    return " ".join(f"{name}={value}" for name, value in pairs.items())


def test_a_body_is_found_where_it_is(site, body, capsys):
    assert run_most(site, None, Request(None, elements_of(body))) == 0
    text = capsys.readouterr().out
    folder = Path("most_planted")
    assert (folder / "matches.tbl").read_text() == text
    table = text_tables.read(text, format="ipac")
    assert table.meta["keywords"]["object_name"]["value"] == "planted"
    # Both nights, both exposures; the second night by the camera's table. A main-belt body moves a quarter of a degree
    # in a day: as much as the mini camera's quadrant is wide, so that it may have left it.
    solved = table[table["wcs"] == "solved"]
    assert list(solved["match"]) == [1, 1]
    assert set(table["wcs"]) <= {"solved", "nominal"}
    _, path, wcs = body
    for row, fracday in zip(solved, FRACDAYS, strict=True):
        key = exposure(NIGHTS[0], fracday)
        assert row["image_id"] == f"{key.filefracday}_000473_zr_c10_q2"
        # Names are good to a millionth of a day.
        assert row["mjd_obs"] + 2400000.5 == pytest.approx(jd_start(key), abs=2e-8)
        direction, distance, sun = simulated.seen_from(path, jd_start(key) + 15 / 86400, SITE)
        ra, dec = np.degrees(np.arctan2(direction[0, 1], direction[0, 0])) % 360, np.degrees(np.arcsin(direction[0, 2]))
        x, y = WCS(as_header(wcs)).all_world2pix(ra, dec, 1)
        # Elements are written to all digits, the planets' pull of 40 days is good to milliarcseconds, the table to
        # 0.01 px, which is 10 mas.
        assert row["x"] == pytest.approx(float(x), abs=0.03)
        assert row["y"] == pytest.approx(float(y), abs=0.03)
        assert row["geo_dist"] == pytest.approx(distance[0], abs=1e-4)
        assert row["sun_dist"] == pytest.approx(sun[0], abs=1e-4)
        # 25 to 65 arcsec an hour at opposition: 0.2 to 0.5 px of an arcsec in 30 s.
        assert 0.05 < row["trail"] < 0.8


def test_what_is_left_in_the_folder(site, body):
    run_most(site, None, Request(None, elements_of(body), out=Path("here"), cutout_px=31))
    table = text_tables.read("here/matches.tbl", format="ipac")
    cutouts = sorted(Path("here/cutouts").glob("*.fits"))
    assert [path.name[:31] for path in cutouts] == list(table[table["wcs"] == "solved"]["image_id"])
    row = table[0]
    with fits.open(cutouts[0]) as hdus:
        assert hdus[0].data.shape == (31, 31)
        x, y = WCS(hdus[0].header).all_world2pix(row["ra_obj"], row["dec_obj"], 0)
        # The middle pixel is the one nearest to the body.
        assert abs(x - 15) <= 0.51
        assert abs(y - 15) <= 0.51
    for name in ("orbit.png", "cutouts.png"):
        picture = np.asarray(Image.open(Path("here", name)).convert("L"))
        assert picture.std() > 10
    regions = sorted(Path("here/regions").glob("*.reg"))
    assert len(regions) == len(table) + 1
    own = Path("here/regions", f"ds9_{row['image_id']}.reg").read_text().splitlines()
    assert own[2] == "image"
    assert float(own[3].partition("(")[2].partition(",")[0]) == pytest.approx(row["x"], abs=0.006)


def test_nights_brief_and_no_match(site, body, capsys):
    text = elements_of(body)
    assert run(["most", "--elements", text, "--config", str(site), "--to", NIGHTS[0], "--brief"]) == 0
    table = text_tables.read(capsys.readouterr().out, format="ipac")
    assert set(table["date_obs"]) == {"2018-03-25"}
    assert not list(Path().iterdir())
    away = text.replace("peri_deg=", "peri_deg=1")  # elsewhere in the sky
    run_most(site, None, Request(None, away, out=Path("none")))
    assert len(text_tables.read("none/matches.tbl", format="ipac")) == 0
    assert Path("none/orbit.png").exists()
    assert not Path("none/cutouts").exists()


@pytest.mark.parametrize(
    ("asked", "error", "reason"),
    [
        (Request("Ceres", None), BadFile, "no catalog of orbits"),
        (Request(None, "epoch_mjd=58000 e=0.1"), BadKey, "q_au is missing"),
        (Request(None, "epoch_mjd=58000 e=0.1 a_au=2.5 mean_anomaly_deg=x"), BadKey, "could not convert"),
        (Request(None, "12 Victoria"), BadKey, "a line of MPCORB.DAT"),
        (Request(None, "K26", first="20181340"), BadKey, "a day of the calendar"),
        (Request(None, "K26", cutout_px=-1), BadKey, "zero or more"),
    ],
)
def test_what_cannot_be_asked(site, asked, error, reason):
    with pytest.raises(error, match=reason):
        run_most(site, None, asked)
    assert not list(Path().iterdir())
