"""Maps of the sky seen: numbering of pixels, projection, counts of exposures, and files that other programs read."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import BarycentricMeanEcliptic, SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from PIL import Image

from ztfpipe.camera import Camera
from ztfpipe.errors import BadFile
from ztfpipe.methods.sky.aitoff import GALACTIC_FROM_ICRS, HALF_HEIGHT, HALF_WIDTH, aitoff, aitoff_inverse, sky_grid
from ztfpipe.methods.sky.healpix import pixel_centres
from ztfpipe.methods.sky.matching import unit_vectors
from ztfpipe.model.keys import ExposureKey, QuadrantKey
from ztfpipe.pipelines.quality.coverage import added, shown, sky_map
from ztfpipe.products.accounts.sky_pictures import sky_gif
from ztfpipe.products.catalogs.sky_maps import read_sky_map, write_sky_map
from ztfpipe.steps.sky_coverage import PICTURE_ORDER, _circles, _grid, _panel, night_png

FIELD = 473


@pytest.fixture(scope="module")
def camera() -> Camera:
    return Camera.load("ztf")


def exposure(camera: Camera, minute: int, code: str = "zg", field: int = FIELD) -> list[QuadrantKey]:
    key = ExposureKey(f"20180325{200000 + 700 * minute:06d}", field, code, "o")
    return [QuadrantKey(key, *place) for place in camera.quadrants()]


def test_the_projection_is_that_of_the_standard():
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = ("RA---AIT", "DEC--AIT"), (180, 0), (1, 1), (1, 1)
    rng = np.random.default_rng(8)
    longitude, latitude = rng.uniform(0.5, 359.5, 500), rng.uniform(-89, 89, 500)
    expected = np.array(wcs.wcs_world2pix(longitude, latitude, 0))
    np.testing.assert_allclose(aitoff(longitude, latitude, 180.0), expected, atol=1e-9)
    back = aitoff_inverse(*aitoff(longitude, latitude, 180.0), 180.0)
    np.testing.assert_allclose(back, (longitude, latitude), atol=1e-9)
    assert np.isnan(aitoff_inverse(161.0, 80.0)[0])


def test_galactic_coordinates():
    place = SkyCoord([10.0, 200.0, 266.4], [-40.0, 30.0, -29.0], unit="deg")
    ours = unit_vectors(place.ra.deg, place.dec.deg) @ GALACTIC_FROM_ICRS.T
    theirs = unit_vectors(place.galactic.l.to_value(u.deg), place.galactic.b.to_value(u.deg))
    # The frames of astropy's galactic system are FK5-based: some 0.02 arcsec = 1e-7 rad from that of Hipparcos.
    np.testing.assert_allclose(ours, theirs, atol=3e-7)
    ra, dec = (one[179:181, 359:361].mean() for one in sky_grid(720, centre_deg=0.0, galactic=True))
    assert SkyCoord(ra, dec, unit="deg").separation(SkyCoord(266.405, -28.936, unit="deg")).deg < 0.1


def test_exposures_are_counted_once_each_where_they_looked(camera):
    keys = [*exposure(camera, 0), *exposure(camera, 1), *exposure(camera, 2)[:4], *exposure(camera, 3, "zr")]
    found = sky_map(keys, camera, 8)
    assert set(found.exposures) == {"zg", "zr"}
    assert found.exposures["zg"].max() == 3
    # 64 quadrants of 0.87 degrees square: 47 square degrees. Pixels across a border count whole: half a pixel of 0.23
    # degrees about each of 16 CCDs of 1.7 degrees is a quarter more, less what falls into the gaps between them.
    assert 47 < found.area_deg2("zr") < 47 * 1.25
    assert np.count_nonzero(found.exposures["zg"] == 3) == pytest.approx(3.0 / 0.0525, rel=0.35)  # one CCD, likewise
    centre = camera.field(FIELD)
    away = np.degrees(np.arccos(pixel_centres(8, found.pixels) @ unit_vectors([centre.ra_deg], [centre.dec_deg])[0]))
    assert away.max() < 5.6  # the camera's corner is 5.3 degrees out
    # Off the grid nothing is known of the place.
    assert sky_map(exposure(camera, 0, field=999999), camera, 8).pixels.size == 0


def test_maps_add_up_and_come_back_from_their_files(camera, tmp_path):
    first, second = sky_map(exposure(camera, 0), camera, 7), sky_map(exposure(camera, 1, "zi", FIELD + 1), camera, 7)
    total = added([first, second, first], 7)
    assert total.exposures["zg"].sum() == 2 * first.exposures["zg"].sum()
    assert total.exposures["zi"].sum() == second.exposures["zi"].sum()
    path = tmp_path / "map.fits"
    write_sky_map(path, total, "20180325", "20180326")
    back = read_sky_map(path)
    np.testing.assert_array_equal(back.pixels, total.pixels)
    np.testing.assert_array_equal(back.exposures["zi"], total.exposures["zi"])
    header = fits.getheader(path, 1)
    assert (header["ORDERING"], header["NSIDE"], header["INDXSCHM"]) == ("NESTED", 128, "EXPLICIT")
    with pytest.raises(BadFile):
        read_sky_map(tmp_path / "none.fits")
    write_sky_map(path, added([], 7), "20180325", "20180325")
    assert read_sky_map(path).pixels.size == 0


def test_pictures_show_what_was_seen_and_the_movie_has_a_frame_a_night(camera):
    seen = sky_map(exposure(camera, 0), camera, 9)
    image = shown(seen, "zg", _grid(False), PICTURE_ORDER)
    # The area of an equal-area projection, by its pixels; half a degree each, so that the border counts for 10 %, as
    # do gaps within the camera, which are closed.
    pixel_deg2 = 41252.96 / np.count_nonzero(np.isfinite(image))
    assert np.count_nonzero(image > 0) * pixel_deg2 == pytest.approx(seen.area_deg2("zg"), rel=0.2)
    assert not np.nansum(shown(seen, "zr", _grid(False), PICTURE_ORDER))
    with Image.open(io.BytesIO(night_png("20180325", seen, seen, galactic=True))) as picture:
        assert picture.size[0] > 900
    more = added([seen, sky_map(exposure(camera, 1, field=FIELD + 1), camera, 9)], 9)
    panels = [_panel(one, "zg", "", galactic=False) for one in (seen, more)]
    with Image.open(io.BytesIO(sky_gif(panels, 0.25))) as movie:
        assert movie.n_frames == 2
    nothing = sky_map([], camera, 9)
    assert night_png("20180325", nothing, nothing, galactic=False)[:4] == b"\x89PNG"


def test_gaps_between_detectors_are_no_specks(camera):
    """Within the camera's outline every pixel of the picture has the one exposure, whatever falls between the CCDs."""
    seen = sky_map(exposure(camera, 0), camera, 9)
    image = shown(seen, "zg", _grid(False), PICTURE_ORDER)
    lit = np.argwhere(image > 0)
    (top, left), (bottom, right) = lit.min(axis=0), lit.max(axis=0)
    # The outline is slanted by a few pixels; the middle half of its box lies within.
    rows, columns = (bottom - top) // 4, (right - left) // 4
    assert np.all(image[top + rows : bottom - rows, left + columns : right - columns] == 1)


def test_a_coarse_map_fills_the_pixels_of_the_picture(camera):
    seen = sky_map(exposure(camera, 0), camera, 5)
    image = shown(seen, "zg", _grid(False), PICTURE_ORDER)
    pixel_deg2 = 41252.96 / np.count_nonzero(np.isfinite(image))
    assert np.count_nonzero(image == 1) * pixel_deg2 == pytest.approx(seen.area_deg2("zg"), rel=0.1)


@pytest.mark.parametrize("galactic", [False, True])
def test_great_circles_are_where_astropy_has_them(galactic):
    along = np.linspace(0, 360, 200)
    flat = np.zeros(along.size)
    theirs = {
        "ecliptic": SkyCoord(along, flat, unit="deg", frame=BarycentricMeanEcliptic(equinox="J2000")),
        "galactic plane": SkyCoord(along, flat, unit="deg", frame="galactic"),
        "celestial equator": SkyCoord(along, flat, unit="deg"),
    }
    for name, line in _circles(galactic).items():
        found = theirs[name].transform_to("galactic" if galactic else "icrs")
        place = (found.l, found.b) if galactic else (found.ra, found.dec)
        x, y = aitoff(place[0].deg, place[1].deg, 0.0 if galactic else 180.0)
        # Each of their points lies between two of ours, half a degree away at most, but those cut off at the border.
        away = np.min(np.hypot(-x[:, None] / HALF_WIDTH - line[0], (y[:, None] / HALF_HEIGHT - line[1]) / 2), axis=1)
        assert np.quantile(away, 0.97) < 1.0 / HALF_WIDTH * 2


def test_colours_of_a_movie_stay_what_they_are(camera):
    seen = sky_map(exposure(camera, 0), camera, 7)
    panels = [_panel(one, "zg", "", galactic=False) for one in (seen, added([seen] * 40, 7))]
    with Image.open(io.BytesIO(sky_gif(panels, 0.25))) as movie:
        palettes = []
        for frame in range(movie.n_frames):
            movie.seek(frame)
            colours = movie.convert("RGB").getcolors(1 << 16)
            palettes.append({colour for count, colour in colours if count > 100})
    red = (209, 73, 91)  # the galactic plane
    assert all(red in colours for colours in palettes)
