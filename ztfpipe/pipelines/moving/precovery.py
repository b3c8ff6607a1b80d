"""Precovery: on which quadrants of the archive's exposures a body of known orbit falls, and where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Camera, Observatory
from ztfpipe.methods.sky.matching import unit_vectors
from ztfpipe.methods.sky.projection import gnomonic, pixel_to_sky, sky_to_pixel, tangent_wcs
from ztfpipe.methods.solar_system.ephemeris import dynamical_time, observer, places, states_of_elements, to_ecliptic
from ztfpipe.methods.solar_system.kepler_nb import GM_SUN
from ztfpipe.methods.solar_system.perturbed import carried
from ztfpipe.methods.solar_system.planets import places_of_planets
from ztfpipe.model.dates import DAY_S
from ztfpipe.model.identifiers import night_jd
from ztfpipe.model.keys import ExposureKey, QuadrantKey
from ztfpipe.model.orbits import OrbitCatalog, Orbits, Places
from ztfpipe.model.precovery import Frame, OrbitDrawing, Sighting

Floats = NDArray[np.float64]
EXPTIME_S = 30.0
"""Of an exposure of which nothing but the name is known; the survey's own."""
POINTING_MARGIN_DEG = 0.05
"""How far a quadrant may lie from where the camera's table and the field's centre put it."""
_PERIODS_D = {"Mercury": 88.0, "Venus": 224.7, "Earth": 365.3, "Mars": 687.0, "Jupiter": 4332.6, "Saturn": 10759.0}
_COLUMNS = (0, 1, 7, 2, 3, 4)
"""Of `places_of_planets`, for the planets drawn."""


def orbits_of_nights(one: OrbitCatalog, nights: Iterable[str], site: Observatory) -> dict[str, Orbits]:
    """The orbit of one body at local midnight of each night, from its epoch outwards under the planets' pull."""
    epoch = float(one.epoch_jd[0])
    start = states_of_elements(
        one.perihelion_au, one.eccentricity, one.inclination_deg, one.node_deg, one.argument_deg,
        one.since_perihelion_d,
    )  # fmt: skip
    dates = {night: dynamical_time(night_jd(night) + (-site.longitude_deg / 360.0) % 1.0) for night in set(nights)}
    result: dict[str, Orbits] = {}
    for later in (True, False):
        jd, states = epoch, start
        chosen = [night for night, date in dates.items() if (date >= epoch) == later]
        for night in sorted(chosen, key=lambda night: abs(dates[night] - epoch)):
            states = carried(*states, np.array([jd]), dates[night])
            jd = dates[night]
            result[night] = Orbits(one.name, jd, *states, one.h_mag, one.slope_g)
    return result


def quadrants_crossed(
    orbits: Orbits, exposures: Iterable[ExposureKey], camera: Camera
) -> Iterator[tuple[ExposureKey, int, int]]:
    """Exposures of a night, with CCD and quadrant, on or near which a body falls by the camera's table alone.

    Exposures off the field grid are passed over: only their images tell where they looked.
    """
    exposures = [one for one in exposures if one.field in camera.fields]
    near = _fields_near(orbits, {one.field for one in exposures}, camera)
    ny, nx = camera.quadrant_shape
    scale = camera.pixel_scale_arcsec / 3600
    for exposure in exposures:
        if exposure.field not in near:
            continue
        centre = camera.field(exposure.field)
        seen = seen_at(orbits, named_mid_jd(exposure), camera.observatory)
        east, north = gnomonic(seen.ra_deg, seen.dec_deg, centre.ra_deg, centre.dec_deg)
        for ccdid, qid in camera.quadrants():
            place = camera.amplifier(ccdid, qid)
            beside = abs(east[0] - place.east_deg) > 0.5 * nx * scale + POINTING_MARGIN_DEG
            if not beside and abs(north[0] - place.north_deg) <= 0.5 * ny * scale + POINTING_MARGIN_DEG:
                yield exposure, ccdid, qid


def _fields_near(orbits: Orbits, fields: set[int], camera: Camera) -> set[int]:
    """The fields that a body may come into within twelve hours of the orbits' own time."""
    jd_utc = orbits.epoch_jd - (dynamical_time(orbits.epoch_jd) - orbits.epoch_jd)
    before, now, after = (
        unit_vectors(seen.ra_deg, seen.dec_deg)[0]
        for seen in (seen_at(orbits, jd_utc + days, camera.observatory) for days in (-0.5, 0.0, 0.5))
    )
    reach = 1.25 * max(_angle_deg(before, now), _angle_deg(after, now))
    corner = max(np.hypot(one.east_deg, one.north_deg) for one in map(camera.amplifiers.get, camera.quadrants()))
    half = 0.5 * np.hypot(*camera.quadrant_shape) * camera.pixel_scale_arcsec / 3600
    most = reach + corner + half + POINTING_MARGIN_DEG
    result = set()
    for number in fields:
        centre = camera.field(number)
        if _angle_deg(unit_vectors([centre.ra_deg], [centre.dec_deg])[0], now) <= most:
            result.add(number)
    return result


def _angle_deg(first: Floats, second: Floats) -> float:
    return float(np.degrees(2 * np.arcsin(min(np.linalg.norm(first - second) / 2, 1.0))))


def nominal_frame(key: QuadrantKey, path: str, camera: Camera) -> Frame:
    """A quadrant of which no image was made, where the camera's table and the field's centre put it."""
    centre, place = camera.field(key.exposure.field), camera.amplifier(key.ccdid, key.qid)
    ny, nx = camera.quadrant_shape
    wcs = tangent_wcs(
        centre.ra_deg, centre.dec_deg, place.east_deg, place.north_deg,
        reference_pixel=((nx - 1) / 2, (ny - 1) / 2), pixel_scale_arcsec=camera.pixel_scale_arcsec,
    )  # fmt: skip
    start = named_mid_jd(key.exposure) - 0.5 * EXPTIME_S / DAY_S
    return Frame(key, path, start, EXPTIME_S, wcs, camera.quadrant_shape, solved=False)


def named_mid_jd(exposure: ExposureKey) -> float:
    """The middle of an exposure by its name alone, Julian date UTC: good to the two minutes a name may be off."""
    return night_jd(exposure.night) + int(exposure.fracday) * 1e-6 + 0.5 * EXPTIME_S / DAY_S


def sighting(orbits: Orbits, frame: Frame, site: Observatory, *, margin_arcsec: float) -> Sighting | None:
    """The body on a quadrant or within a margin of it, in the middle of the exposure; None when it is elsewhere."""
    begin, middle, end = (
        seen_at(orbits, frame.jd_start + share * frame.exptime_s / DAY_S, site) for share in (0.0, 0.5, 1.0)
    )
    ra, dec = (np.concatenate([getattr(one, name) for one in (begin, middle, end)]) for name in ("ra_deg", "dec_deg"))
    x, y = sky_to_pixel(frame.wcs, ra, dec)
    if not np.isfinite([x, y]).all():
        return None
    ny, nx = frame.shape
    centre = np.array([(nx - 1) / 2, (ny - 1) / 2])
    outside_px = np.maximum(np.abs([x[1], y[1]] - centre) - np.array([nx, ny]) / 2, 0.0)
    scale_arcsec = 3600 * np.sqrt(abs(np.linalg.det(frame.wcs.cd_deg)))
    if np.hypot(*outside_px) * scale_arcsec > margin_arcsec:
        return None
    middle_of_image = unit_vectors(*pixel_to_sky(frame.wcs, centre[:1], centre[1:]))[0]
    return Sighting(
        frame=frame,
        ra_deg=float(ra[1]),
        dec_deg=float(dec[1]),
        sun_au=float(middle.sun_au[0]),
        observer_au=float(middle.observer_au[0]),
        phase_deg=float(middle.phase_deg[0]),
        v_mag=float(middle.v_mag[0]),
        x_px=float(x[1]),
        y_px=float(y[1]),
        dx_px=float(x[2] - x[0]),
        dy_px=float(y[2] - y[0]),
        centre_distance_deg=_angle_deg(unit_vectors(ra[1:2], dec[1:2])[0], middle_of_image),
        inside=bool((outside_px == 0).all()),
    )


def seen_at(orbits: Orbits, jd_utc: float, site: Observatory) -> Places:
    """Where bodies are seen from a site, by orbits that hold for that night."""
    here = observer(jd_utc, site.longitude_deg, site.latitude_deg, site.height_m)
    return places(orbits, dynamical_time(jd_utc), here)


def named(catalog: OrbitCatalog, text: str) -> OrbitCatalog:
    """The orbits that a text names: number, name, or designation with or without spaces and brackets, any case."""
    wanted = _plain(text)
    spellings = (
        {_plain(name), _plain(designation), _plain(designation.partition(")")[2])}
        for name, designation in zip(catalog.name, catalog.designation, strict=True)
    )
    return catalog.select(np.array([k for k, ways in enumerate(spellings) if wanted and wanted in ways], np.intp))


def _plain(text: str) -> str:
    return "".join(letter for letter in str(text).casefold() if letter.isalnum() or letter == "-")


def cutout(pixels: NDArray[np.float32], one: Sighting, size_px: int) -> NDArray[np.float32]:
    """The square of an image about a sighting's nearest pixel; NaN beyond the image's edges."""
    half = size_px // 2
    column, row = round(one.x_px) - half, round(one.y_px) - half
    result = np.full((size_px, size_px), np.nan, np.float32)
    ny, nx = pixels.shape
    top, end, left, right = max(row, 0), min(row + size_px, ny), max(column, 0), min(column + size_px, nx)
    if top < end and left < right:
        result[top - row : end - row, left - column : right - column] = pixels[top:end, left:right]
    return result


def cut_frame(one: Sighting, size_px: int) -> Frame:
    """The frame of a cutout: the image's, its reference pixel moved."""
    half = size_px // 2
    shift = np.array([round(one.x_px) - half, round(one.y_px) - half], float)
    wcs = replace(one.frame.wcs, crpix_px=one.frame.wcs.crpix_px - shift)
    return replace(one.frame, wcs=wcs, shape=(size_px, size_px))


def drawing(one: OrbitCatalog, sightings: Sequence[Sighting]) -> OrbitDrawing:
    """The orbit of one body, those of the planets about it, and where body and Earth were at its sightings."""
    axis = float(one.perihelion_au[0] / max(1.0 - one.eccentricity[0], 1e-9))
    bound = one.eccentricity[0] < 0.99 and axis < 60
    half_d = np.pi * np.sqrt(axis**3 / GM_SUN) if bound else 3000.0
    days = np.linspace(-half_d, half_d, 721)
    path = to_ecliptic(_path(one, days))
    reach = np.linalg.norm(path, axis=1).max()
    jd_tdb = np.array([dynamical_time(seen.frame.mid_jd) for seen in sightings])
    planets = []
    for column, (name, period_d) in enumerate(_PERIODS_D.items()):
        around = places_of_planets(float(one.epoch_jd[0]) + np.linspace(0, period_d, 181))
        orbit = to_ecliptic(around[:, _COLUMNS[column]])
        if np.linalg.norm(orbit, axis=1).min() < 1.3 * reach:
            planets.append((name, orbit))
    return OrbitDrawing(
        title=str(one.designation[0]),
        path=path,
        planets=tuple(planets),
        body_at=to_ecliptic(_path(one, jd_tdb - one.epoch_jd[0])),
        earth_at=to_ecliptic(places_of_planets(jd_tdb)[:, _COLUMNS[2]]),
        ra_deg=np.array([seen.ra_deg for seen in sightings]),
        dec_deg=np.array([seen.dec_deg for seen in sightings]),
        inside=np.array([seen.inside for seen in sightings], bool),
    )


def _path(one: OrbitCatalog, days: Floats) -> Floats:
    """Heliocentric positions (n, 3) [au] by two-body motion so many days after the epoch: for a drawing."""
    many = one.select(np.zeros(len(days), np.intp))
    positions, _ = states_of_elements(
        many.perihelion_au, many.eccentricity, many.inclination_deg, many.node_deg, many.argument_deg,
        many.since_perihelion_d + days,
    )  # fmt: skip
    return positions
