"""Which catalog entries belong to a quadrant and which may calibrate it."""

import numpy as np
import pytest

from ztfpipe.camera import Camera
from ztfpipe.methods.sky import calibrators
from ztfpipe.methods.sky.projection import gnomonic_inverse
from ztfpipe.model.skycatalogs import GaiaStars, PlaneBox, Ps1Objects

GAIA = {"g_mag_range": (12.0, 18.0), "error_max_mas": 3.0, "ruwe_max": 1.4}
PS1 = {
    "bands": ("r", "g", "i"), "mag_range": (14.0, 20.0), "error_max_mag": 0.03, "detections_min": 6,
    "stable_floor_mag": 0.03, "stable_factor": 2.0, "star_score_min": 0.83, "isolation_arcsec": 6.0,
    "isolation_contrast_mag": 3.0,
}  # fmt: skip


def gaia_star(**changes):
    values = {
        "ra_error": 0.1, "dec_error": 0.1, "pmra": 3.0, "pmdec": -2.0, "phot_g_mean_mag": 15.0, "ruwe": 1.0,
        "ra": 10.0, "dec": 5.0, **changes,
    }  # fmt: skip
    return GaiaStars.of({"source_id": [1], **{name: [value] for name, value in values.items()}}, 2016.0)


def ps1_objects(*rows):
    """One object for each row of changes; a degree apart unless told otherwise."""
    base = {"n_detections": 12, "star_score": 0.99, "dec": 5.0}
    for band in "griz":
        base |= {f"{band}_mag": 17.0, f"{band}_mag_error": 0.004, f"{band}_mag_std": 0.02}
    full = [{**base, "objid": k, "ra": 10.0 + k, **row} for k, row in enumerate(rows)]
    return Ps1Objects.of({name: np.array([row[name] for row in full]) for name in full[0]})


def box_of(field, border=2.0, camera="ztf", ccdid=10, qid=1):
    camera = Camera.load(camera)
    centre, amplifier = camera.field(field), camera.amplifier(ccdid, qid)
    return calibrators.quadrant_box(
        centre.ra_deg, centre.dec_deg, amplifier.east_deg, amplifier.north_deg,
        shape=camera.quadrant_shape, pixel_scale_arcsec=camera.pixel_scale_arcsec, border_arcmin=border,
    )  # fmt: skip


def test_box_has_the_quadrants_size_and_border():
    box = box_of(473)
    # 3072 x 3080 pixels of 1.0125 arcsec and two arcminutes on either side.
    assert box.east_deg[1] - box.east_deg[0] == pytest.approx(3072 * 1.0125 / 3600 + 4 / 60, abs=1e-9)
    assert box.north_deg[1] - box.north_deg[0] == pytest.approx(3080 * 1.0125 / 3600 + 4 / 60, abs=1e-9)


@pytest.mark.parametrize("field", [473, 1, 879])
def test_cut_is_the_plane_box_also_at_the_pole_and_across_the_meridian(field):
    """Points made in the plane are found exactly where they were put, at the south pole and at any longitude."""
    box = box_of(field)
    rng = np.random.default_rng(4)
    east, north = rng.uniform(-1.5, 3.5, 3000), rng.uniform(-1.5, 3.5, 3000)
    ra, dec = gnomonic_inverse(east, north, box.ra_deg, box.dec_deg)
    expected = (east > box.east_deg[0]) & (east < box.east_deg[1]) & (north > box.north_deg[0])
    expected &= north < box.north_deg[1]
    np.testing.assert_array_equal(calibrators.in_box(box, ra, dec), expected)


def test_the_other_side_of_the_sky_and_nonsense_are_outside():
    box = PlaneBox(10.0, 20.0, (-1.0, 1.0), (-1.0, 1.0))
    inside = calibrators.in_box(box, np.array([190.0, np.nan, 10.0]), np.array([-20.0, 20.0, 20.0]))
    assert inside.tolist() == [False, False, True]


@pytest.mark.parametrize("field", [473, 1])
def test_the_cone_holds_the_box_and_little_more(field):
    box = box_of(field)
    cone = calibrators.enclosing_cone(box)
    east, north = np.meshgrid(np.linspace(*box.east_deg, 41), np.linspace(*box.north_deg, 41))
    ra, dec = np.radians(gnomonic_inverse(east, north, box.ra_deg, box.dec_deg))
    ra0, dec0 = np.radians([cone.ra_deg, cone.dec_deg])
    cosine = np.sin(dec) * np.sin(dec0) + np.cos(dec) * np.cos(dec0) * np.cos(ra - ra0)
    farthest = np.degrees(np.arccos(cosine.min()))
    assert farthest <= cone.radius_deg < farthest + 0.001


@pytest.mark.parametrize(
    ("changes", "taken"),
    [
        ({}, True),
        ({"phot_g_mean_mag": 12.0}, True),
        ({"phot_g_mean_mag": 18.0}, True),
        ({"phot_g_mean_mag": 11.99}, False),
        ({"phot_g_mean_mag": 18.01}, False),
        ({"phot_g_mean_mag": np.nan}, False),
        ({"pmra": np.nan}, False),
        ({"dec_error": 3.1}, False),
        ({"ruwe": 1.5}, False),
        ({"ruwe": np.nan}, True),
    ],
)
def test_astrometric_calibrators(changes, taken):
    assert calibrators.astrometric_calibrators(gaia_star(**changes), **GAIA).tolist() == [taken]


@pytest.mark.parametrize(
    ("changes", "taken"),
    [
        ({}, True),
        ({"g_mag": -999.0}, False),
        ({"z_mag": np.nan}, True),
        ({"r_mag": 13.9}, False),
        ({"i_mag": 20.1}, False),
        ({"g_mag_error": 0.031}, False),
        ({"g_mag_error": 0.0}, False),
        ({"n_detections": 5}, False),
        ({"star_score": 0.82}, False),
        ({"star_score": np.nan}, False),
        # Twelve detections with an error of the mean of 0.004 scatter by 0.014; twice that, with the floor: 0.041.
        ({"i_mag_std": 0.040}, True),
        ({"i_mag_std": 0.042}, False),
        ({"i_mag_std": np.nan}, True),
    ],
)
def test_photometric_calibrators(changes, taken):
    objects = ps1_objects(changes, {})
    assert calibrators.photometric_calibrators(objects, **PS1).tolist() == [taken, True]


def test_without_any_scores_all_count_as_stars():
    objects = ps1_objects({"star_score": np.nan}, {"star_score": np.nan})
    assert calibrators.photometric_calibrators(objects, **PS1).all()


def test_isolation():
    """A neighbour disturbs when it is near and less than the contrast fainter; a brighter one always does."""
    arcsec = 1 / 3600
    objects = ps1_objects(
        {},
        {"ra": 10.0, "dec": 5.0 + 5 * arcsec, **{f"{b}_mag": 19.9 for b in "griz"}},  # 2.9 mag fainter, 5 arcsec
        {"ra": 12.0},
        {"ra": 12.0, "dec": 5.0 + 5 * arcsec, **{f"{b}_mag": 20.1 for b in "griz"}},  # 3.1 mag fainter
        {"ra": 14.0},
        {"ra": 14.0, "dec": 5.0 + 7 * arcsec},  # too far to matter
        {"ra": 16.0},
        {"ra": 16.0, "dec": 5.0 - 2 * arcsec, "r_mag": np.nan, "g_mag": 18.0},  # no r: its brightest, i = 17, counts
    )
    taken = calibrators.photometric_calibrators(objects, **PS1)
    assert taken.tolist() == [False, False, True, False, True, True, False, False]


def test_isolation_agrees_with_comparing_all_pairs():
    rng = np.random.default_rng(5)
    ra, dec, mag = 0.02 * rng.random(300) + 359.99, 60 + 0.01 * rng.random(300), rng.uniform(14, 21, 300)
    mag[::17] = np.inf
    got = calibrators.isolated(ra % 360, dec, mag, 6.0, 3.0)
    for k in range(300):
        distance = 3600 * np.hypot((ra - ra[k]) * np.cos(np.radians(60.005)), dec - dec[k])
        # Flat-sky distances of some arcsec at dec 60 are good to 1e-4 of themselves.
        near = (distance < 6.0) & (np.arange(300) != k) & np.isfinite(mag)
        assert got[k] == (not np.isfinite(mag[k]) or not np.any(mag[near] < mag[k] + 3.0))


def test_johnson_v():
    bt, vt = np.array([10.0, np.nan, 9.0, np.nan]), np.array([9.0, 8.0, np.nan, np.nan])
    np.testing.assert_allclose(calibrators.johnson_v(bt, vt), [8.91, 8.0, 9.0, np.nan])
