"""Calibrator and context catalogs as other surveys would have made them: with errors, gaps and epochs of their own.

They are drawn from the same stars as the exposures but are not copies of the truth. One table per field and quadrant,
of the quadrant's nominal footprint with a border.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ztfpipe.camera import Camera
from ztfpipe.config import Simulate
from ztfpipe.simulate.geometry import Floats, from_gnomonic, gnomonic, sky_position, unit_vectors
from ztfpipe.simulate.seeds import stream
from ztfpipe.simulate.sky.catalog import (
    CATALOG_EPOCH_YEAR,
    GalaxyCatalog,
    StarCatalog,
    galaxies_around,
    select,
    stars_around,
)
from ztfpipe.simulate.sky.tiles import moved, moved_position

BORDER_ARCMIN = 2.0
HALO_BORDER_ARCMIN = 8.0
"""Border of the bright-star table: halos of stars outside reach in."""
GAIA_EPOCH_YEAR, PS1_EPOCH_YEAR, TYCHO_EPOCH_YEAR = 2015.5, 2012.5, 2000.0
GAIA_LIMIT_MAG = 20.7
GAIA_RESOLUTION_ARCSEC = 0.7
PS1_DEPTH_MAG = {"g": 23.3, "r": 23.2, "i": 23.1, "z": 22.3}
"""S/N 5 of the stacked survey (Chambers et al. 2016)."""
PS1_FLOOR_MAG = 0.005
"""Systematic scatter of mean magnitudes (Magnier et al. 2020 give 7 to 12 mmag over the sky, less within a field)."""
PS1_BRIGHT_MAG = 13.5
"""Brighter stars are saturated there (Chambers et al. 2016): magnitudes off by a tenth, none above 12."""
BRIGHT_LIMIT_V_MAG = 11.5
PS1_OBJID_ZERO = 10**17
"""PS1 identifiers are this plus those of the truth: no two catalogs share numbers."""


def gaia_like(settings: Simulate, camera: Camera, field: int, ccdid: int, qid: int) -> pd.DataFrame:
    """Astrometric calibrators, columns as in Gaia: position at ref_epoch [deg] with errors [mas], proper motion
    [mas/yr].

    Complete to 98 % at G < 19 and 80 % at 20.7; stars within 0.7 arcsec of a brighter one are missing; one faint
    source in twenty has no proper motion (NaN); a few compact galaxies are among them.
    """
    rng = stream(settings.sky_seed, "gaia", field, ccdid, qid)
    table, _ = _within(settings, camera, field, ccdid, qid, BORDER_ARCMIN)
    g_mag = table.gaia_g_mag
    drawn = rng.uniform(size=len(g_mag)) < np.interp(g_mag, [19.0, GAIA_LIMIT_MAG], [0.98, 0.80])
    kept = drawn & (g_mag < GAIA_LIMIT_MAG) & ~_blended(table, g_mag)
    table, g_mag = select(table, kept), g_mag[kept]
    n = len(g_mag)
    # Gaia DR2: 0.04 mas to G = 15, 0.1 at 17, 0.7 at 20 (Lindegren et al. 2018, table B.1); motions twice that a year.
    position_mas = 0.04 + 0.7 * 10 ** (0.30 * (np.maximum(g_mag, 14) - 20))
    motion_mas = 2.0 * position_mas
    years = GAIA_EPOCH_YEAR - CATALOG_EPOCH_YEAR
    ra, dec = moved_position(table.ra_deg, table.dec_deg, table.pm_east_mas, table.pm_north_mas, years)
    ra, dec = _jittered(rng, ra, dec, position_mas / 1000)
    no_motion = (g_mag > 18) & (rng.uniform(size=n) < 0.05)
    g_i = table.g_mag - table.i_mag
    stars = pd.DataFrame(
        {
            "source_id": table.identifier, "ra": ra, "dec": dec, "ra_error": position_mas, "dec_error": position_mas,
            "pmra": np.where(no_motion, np.nan, table.pm_east_mas + motion_mas * rng.standard_normal(n)),
            "pmdec": np.where(no_motion, np.nan, table.pm_north_mas + motion_mas * rng.standard_normal(n)),
            "pmra_error": np.where(no_motion, np.nan, motion_mas),
            "pmdec_error": np.where(no_motion, np.nan, motion_mas),
            "phot_g_mean_mag": g_mag + _gaia_mag_error(g_mag) * rng.standard_normal(n)
            + 0.1 * table.amplitude_mag * rng.standard_normal(n),
            "phot_g_mean_mag_error": _gaia_mag_error(g_mag), "bp_rp": 0.25 + 0.95 * g_i + 0.03 * rng.standard_normal(n),
        }
    )  # fmt: skip
    both = pd.concat([stars, _gaia_galaxies(settings, camera, (field, ccdid, qid), rng)], ignore_index=True)
    both["ref_epoch"] = GAIA_EPOCH_YEAR
    return both.sort_values("source_id", ignore_index=True)


def ps1_like(settings: Simulate, camera: Camera, field: int, ccdid: int, qid: int) -> pd.DataFrame:
    """Photometric calibrators and context, in the manner of PS1 mean objects with a star/galaxy score.

    objid; ra, dec [deg] at epoch 2012.5; for b in griz: b_mag, b_mag_error (of the mean), b_mag_std (scatter of the
    single epochs, which shows variables); n_detections; star_score from 0 (galaxy) to 1 (star), uncertain for the
    faint.
    """
    rng = stream(settings.sky_seed, "ps1", field, ccdid, qid)
    stars, galaxies = _within(settings, camera, field, ccdid, qid, BORDER_ARCMIN)
    years = PS1_EPOCH_YEAR - CATALOG_EPOCH_YEAR
    star_ra, star_dec = moved_position(stars.ra_deg, stars.dec_deg, stars.pm_east_mas, stars.pm_north_mas, years)
    n_stars, n = len(star_ra), len(star_ra) + len(galaxies.ra_deg)
    r_mag = np.concatenate([stars.r_mag, galaxies.r_mag])
    amplitude = np.concatenate([stars.amplitude_mag, np.zeros(n - n_stars)])
    ra, dec = np.concatenate([star_ra, galaxies.ra_deg]), np.concatenate([star_dec, galaxies.dec_deg])
    ra, dec = _jittered(rng, ra, dec, 0.010 + 0.06 * 10 ** (0.3 * (np.clip(r_mag, 15, None) - 21)))
    n_detections = rng.integers(8, 15, n)
    is_star = np.arange(n) < n_stars
    columns: dict[str, NDArray] = {
        "objid": PS1_OBJID_ZERO + np.concatenate([stars.identifier, galaxies.identifier]), "ra": ra, "dec": dec,
    }  # fmt: skip
    for band, depth in PS1_DEPTH_MAG.items():
        true = np.concatenate([getattr(stars, f"{band}_mag"), getattr(galaxies, f"{band}_mag")])
        columns.update(_ps1_band(rng, band, true, depth, amplitude, n_detections, is_star))
    columns["n_detections"] = n_detections
    fuzz = np.clip(0.03 + 0.25 * 10 ** (0.4 * (r_mag - 21.5)), 0, 0.5)
    columns["star_score"] = np.clip(
        np.where(is_star, 1.0, 0.0) + np.where(is_star, -1, 1) * np.abs(rng.normal(0, fuzz)), 0, 1
    )
    frame = pd.DataFrame(columns)
    found = (rng.uniform(size=n) < 0.98) & np.isfinite(frame[["g_mag", "r_mag", "i_mag"]]).any(axis=1)
    return frame[found].sort_values("objid", ignore_index=True)


def bright_stars(
    settings: Simulate, camera: Camera, field: int, ccdid: int, qid: int, border_arcmin: float = HALO_BORDER_ARCMIN
) -> pd.DataFrame:
    """Stars of V < 11.5 in the manner of Tycho-2: position of epoch 2000 [deg], proper motion [mas/yr], V, B - V."""
    rng = stream(settings.sky_seed, "tycho", field, ccdid, qid)
    table, _ = _within(settings, camera, field, ccdid, qid, border_arcmin)
    table = select(table, table.v_mag < BRIGHT_LIMIT_V_MAG)
    n = len(table.ra_deg)
    motions = [motion + rng.normal(0, 2.5, n) for motion in (table.pm_east_mas, table.pm_north_mas)]
    ra, dec = moved_position(
        table.ra_deg, table.dec_deg, table.pm_east_mas, table.pm_north_mas, TYCHO_EPOCH_YEAR - CATALOG_EPOCH_YEAR
    )
    ra, dec = _jittered(rng, ra, dec, np.full(n, 0.025))
    return pd.DataFrame(
        {
            "identifier": table.identifier, "ra": ra, "dec": dec, "pmra": motions[0], "pmdec": motions[1],
            "v_mag": table.v_mag + rng.normal(0, 0.03, n),
            "b_v": 0.98 * (table.g_mag - table.r_mag) + 0.22 + rng.normal(0, 0.05, n), "epoch": TYCHO_EPOCH_YEAR,
        }
    )  # fmt: skip


def quadrant_footprint(camera: Camera, field: int, ccdid: int, qid: int) -> tuple[float, float, float, float]:
    """Nominal centre of a quadrant on the sky [deg] and its half sides east and north [deg]."""
    centre, amplifier = camera.field(field), camera.amplifier(ccdid, qid)
    offset = np.array([amplifier.east_deg]), np.array([amplifier.north_deg])
    ra, dec = sky_position(from_gnomonic(*offset, unit_vectors(centre.ra_deg, centre.dec_deg)))
    ny, nx = camera.quadrant_shape
    per_px = camera.pixel_scale_arcsec / 3600
    return float(ra[0]), float(dec[0]), 0.5 * nx * per_px, 0.5 * ny * per_px


def stars_within(
    settings: Simulate, camera: Camera, field: int, ccdid: int, qid: int, border_arcmin: float = BORDER_ARCMIN
) -> StarCatalog:
    """The true stars of a quadrant's nominal footprint with a border."""
    return _within(settings, camera, field, ccdid, qid, border_arcmin)[0]


def _within(
    settings: Simulate, camera: Camera, field: int, ccdid: int, qid: int, border_arcmin: float
) -> tuple[StarCatalog, GalaxyCatalog]:
    """Stars and galaxies of the footprint with a border, in the field's own tangent plane."""
    ra, dec, half_east, half_north = quadrant_footprint(camera, field, ccdid, qid)
    half_east, half_north = half_east + border_arcmin / 60, half_north + border_arcmin / 60
    amplifier, field_centre = camera.amplifier(ccdid, qid), camera.field(field)
    plane = unit_vectors(field_centre.ra_deg, field_centre.dec_deg)

    def kept(vectors: Floats) -> NDArray[np.bool_]:
        east, north = gnomonic(vectors, plane)
        return (np.abs(east - amplifier.east_deg) < half_east) & (np.abs(north - amplifier.north_deg) < half_north)

    # The tangent planes of field and quadrant differ in scale and orientation: a tenth of a degree covers it.
    stars = stars_around(settings, ra, dec, half_east + 0.1, half_north + 0.1)
    galaxies = galaxies_around(settings, ra, dec, half_east + 0.1, half_north + 0.1)
    still = np.zeros(len(stars.ra_deg))
    return (
        select(stars, kept(moved(stars.ra_deg, stars.dec_deg, still, still, 0.0))),
        select(galaxies, kept(unit_vectors(galaxies.ra_deg, galaxies.dec_deg))),
    )


def _blended(table: StarCatalog, g_mag: Floats) -> NDArray[np.bool_]:
    """Stars with a brighter one closer than Gaia resolves."""
    tree = cKDTree(unit_vectors(table.ra_deg, table.dec_deg))
    pairs = tree.query_pairs(np.radians(GAIA_RESOLUTION_ARCSEC / 3600), output_type="ndarray")
    lost = np.zeros(len(g_mag), dtype=bool)
    fainter = np.where(g_mag[pairs[:, 0]] > g_mag[pairs[:, 1]], pairs[:, 0], pairs[:, 1])
    lost[fainter] = True
    return lost


def _gaia_mag_error(g_mag: Floats) -> Floats:
    return 0.0005 + 0.01 * 10 ** (0.4 * (np.maximum(g_mag, 13) - 20.5))


def _gaia_galaxies(
    settings: Simulate, camera: Camera, where: tuple[int, int, int], rng: np.random.Generator
) -> pd.DataFrame:
    """Cores of compact galaxies: poor positions, no motion."""
    _, table = _within(settings, camera, *where, BORDER_ARCMIN)
    g_mag = table.r_mag + 0.3
    table = select(table, (g_mag < 20.0) & (table.radius_arcsec < 1.2) & (rng.uniform(size=len(g_mag)) < 0.3))
    n = len(table.ra_deg)
    ra, dec = _jittered(rng, table.ra_deg, table.dec_deg, np.full(n, 0.008))
    error, none = np.full(n, 5.0), np.full(n, np.nan)
    return pd.DataFrame(
        {
            "source_id": table.identifier, "ra": ra, "dec": dec, "ra_error": error, "dec_error": error, "pmra": none,
            "pmdec": none, "pmra_error": none, "pmdec_error": none, "phot_g_mean_mag": table.r_mag + 0.3,
            "phot_g_mean_mag_error": np.full(n, 0.02), "bp_rp": 0.25 + 0.95 * (table.g_mag - table.i_mag),
        }
    )  # fmt: skip


def _ps1_band(
    rng: np.random.Generator,
    band: str,
    true: Floats,
    depth: float,
    amplitude: Floats,
    n_detections: NDArray[np.int64],
    is_star: NDArray[np.bool_],
) -> dict[str, Floats]:
    """Mean magnitude of a band, its formal error and the scatter of single epochs; NaN where not measured."""
    n = len(true)
    formal = np.hypot(0.002, 0.2 * 10 ** (0.4 * np.minimum(true - depth, 2)))
    varying = 0.35 * amplitude
    noise = np.sqrt(formal**2 + PS1_FLOOR_MAG**2 + varying**2 / n_detections + np.where(is_star, 0.0, 0.06) ** 2)
    noise = np.where(true < PS1_BRIGHT_MAG, 0.1, noise)
    measured = (true > 12.0) & (true < depth) & (rng.uniform(size=n) < 0.995)
    std = np.sqrt(n_detections * formal**2 + 0.01**2 + varying**2) * rng.normal(1, 0.15, n).clip(0.3)
    return {
        f"{band}_mag": np.where(measured, true + noise * rng.standard_normal(n), np.nan),
        f"{band}_mag_error": np.where(measured, formal, np.nan),
        f"{band}_mag_std": np.where(measured, std, np.nan),
    }


def _jittered(rng: np.random.Generator, ra_deg: Floats, dec_deg: Floats, sigma_arcsec: Floats) -> tuple[Floats, Floats]:
    """Positions with an error of `sigma_arcsec` per axis."""
    east, north = rng.standard_normal((2, len(ra_deg))) * sigma_arcsec * 1000
    return moved_position(ra_deg, dec_deg, east, north, 1.0)
