"""How often the sky was seen: a map a night, and pictures of the night and of all nights so far."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ztfpipe.config import Quality
from ztfpipe.errors import BadFile
from ztfpipe.methods.sky.aitoff import (
    ECLIPTIC_POLE,
    GALACTIC_FROM_ICRS,
    HALF_HEIGHT,
    HALF_WIDTH,
    aitoff,
    great_circle,
    sky_grid,
)
from ztfpipe.methods.sky.healpix import pixel_centres, pixels_of
from ztfpipe.model.coverage import SkyMap
from ztfpipe.model.keys import SKY_FILTERS, NightKey
from ztfpipe.pipelines.quality.coverage import added, shown, sky_map
from ztfpipe.products.accounts.settings import read_settings
from ztfpipe.products.accounts.sky_pictures import ECLIPTIC, EQUATOR, GALAXY, SkyPanel, sky_gif, sky_png
from ztfpipe.products.catalogs.epochs import read_epochs
from ztfpipe.products.catalogs.sky_maps import read_sky_map, write_sky_map
from ztfpipe.products.formats.atomic import write_bytes
from ztfpipe.products.names import key_of, path_of
from ztfpipe.steps.reference.backfilling import nights_within
from ztfpipe.steps.workspace import archive_of, configured

WIDTH_PX, PICTURE_ORDER = 720, 7
"""Width of an all-sky image, half a degree at the middle, and the pixels of the sky that are as large."""
FRAMES_MAX = 120
"""Frames of a movie; more nights are taken in steps."""
SMALL_DEG2 = 60.0
"""What covers less is too small to be found in a picture of the whole sky, and gets a ring."""
_SYSTEMS = {False: ("right ascension and declination", 180.0), True: ("galactic longitude and latitude", 0.0)}


def coverage(output: str, settings: Path, epochs: Path) -> None:
    """Write the night's map of usable quadrants, and pictures of it beside that of all nights so far.

    epochs: the night's table of science images. Maps of nights before are taken as they are.
    """
    night = key_of(output, "skymap").night
    section, camera = read_settings(settings, Quality)
    usable = [one.key for one in read_epochs(epochs) if one.status]
    tonight = sky_map(usable, camera, section.coverage_order)
    write_sky_map(output, tonight, night, night)
    so_far = added([*maps_of(Path(), None, night, leave_out=night), tonight], section.coverage_order)
    for galactic, product in ((False, "skyplot"), (True, "skyplotgalactic")):
        write_bytes(path_of(product, NightKey(night)), night_png(night, tonight, so_far, galactic=galactic))


def maps_of(archive: Path, first: str | None, last: str | None, leave_out: str = "") -> Iterator[SkyMap]:
    """Maps of the nights first..last that have one, read one at a time."""
    for night in nights_within(archive, first, last):
        path = archive / path_of("skymap", NightKey(night))
        if night != leave_out and path.exists():
            yield read_sky_map(path)


def night_png(night: str, tonight: SkyMap, so_far: SkyMap, *, galactic: bool) -> bytes:
    """Tonight on the left, all nights so far on the right, a row a filter."""
    title = f"Sky seen, {_SYSTEMS[galactic][0]}"
    rows = [
        (_panel(tonight, code, _date(night), galactic), _panel(so_far, code, f"until {_date(night)}", galactic))
        for code in SKY_FILTERS
        if code in tonight.exposures
    ]
    return sky_png(title, rows)


def run_coverage(config_path: Path, workspace: Path | None, first: str | None, last: str | None, out: Path) -> int:
    """`ztfpipe coverage`: map, pictures and a movie a filter of the nights first..last into the folder `out`.

    Raises BadFile when no night has a map.
    """
    config = configured(config_path, workspace)
    archive = archive_of(config)
    nights = [
        one for one in nights_within(archive, first, last) if (archive / path_of("skymap", NightKey(one))).exists()
    ]
    if not nights:
        raise BadFile(archive, "no night has a map of the sky; the target `night` makes it")
    order = config.quality.coverage_order
    total = added(maps_of(archive, nights[0], nights[-1]), order)
    out.mkdir(parents=True, exist_ok=True)
    write_sky_map(out / "coverage.fits", total, nights[0], nights[-1])
    codes = [code for code in SKY_FILTERS if code in total.exposures]
    for galactic, name in ((False, "coverage.png"), (True, "coverage_galactic.png")):
        when = f"{_date(nights[0])} to {_date(nights[-1])}"
        rows = [[_panel(total, code, when, galactic)] for code in codes]
        write_bytes(out / name, sky_png(f"Sky seen, {_SYSTEMS[galactic][0]}", rows))
    _movies(out, archive, nights, codes, order)
    for code in codes:
        print(f"{code}: {total.area_deg2(code):.4g} square degrees in {len(nights)} nights")
    print(", ".join(str(path) for path in sorted(out.glob("coverage*"))))
    return 0


def _movies(out: Path, archive: Path, nights: Sequence[str], codes: Sequence[str], order: int) -> None:
    """A movie a filter: all nights until then, night by night."""
    step = -(-len(nights) // FRAMES_MAX)
    panels: dict[str, list[SkyPanel]] = {code: [] for code in codes}
    so_far = added([], order)
    for begin in range(0, len(nights), step):
        some = nights[begin : begin + step]
        so_far = added([so_far, *maps_of(archive, some[0], some[-1])], order)
        for code in codes:
            panels[code].append(_panel(so_far, code, f"until {_date(some[-1])}", galactic=False))
    for code in codes:
        write_bytes(out / f"coverage_{code}.gif", sky_gif(panels[code], 0.25))


def _date(night: str) -> str:
    return f"{night[:4]}-{night[4:6]}-{night[6:]}"


def _panel(found: SkyMap, code: str, when: str, galactic: bool) -> SkyPanel:
    centre = _SYSTEMS[galactic][1]
    image = shown(found, code, _grid(galactic), PICTURE_ORDER)
    area = found.area_deg2(code)
    title = f"{code[1]}, {when}: {area:,.0f} square degrees" if area >= 10 else f"{code[1]}, {when}: {area:.2g} sq. deg"
    return SkyPanel(title, image, *_graticule(centre), _circles(galactic), _rings(found, code, centre, galactic))


@cache
def _grid(galactic: bool) -> NDArray[np.int64]:
    """The HEALPix pixel of each pixel of a picture, -1 beyond the sky."""
    ra, dec = sky_grid(WIDTH_PX, centre_deg=_SYSTEMS[galactic][1], galactic=galactic)
    pixels = np.full(ra.shape, -1, np.int64)
    sky = np.isfinite(ra)
    pixels[sky] = pixels_of(PICTURE_ORDER, ra[sky], dec[sky])
    return pixels


def _circles(galactic: bool) -> dict[str, NDArray[np.float64]]:
    """The great circles that people look for, in the plane of a picture."""
    centre = _SYSTEMS[galactic][1]
    poles = {GALAXY: GALACTIC_FROM_ICRS[2], ECLIPTIC: ECLIPTIC_POLE}
    if galactic:
        poles = {EQUATOR: GALACTIC_FROM_ICRS[:, 2], ECLIPTIC: GALACTIC_FROM_ICRS @ ECLIPTIC_POLE}
    return {name: _plane(*great_circle(pole, centre), centre) for name, pole in poles.items()}


def _rings(found: SkyMap, code: str, centre_deg: float, galactic: bool) -> list[tuple[float, float]]:
    """Where the little that was seen is."""
    seen = found.pixels[found.exposures.get(code, np.zeros(found.pixels.size, np.int32)) > 0]
    if not 0 < found.area_deg2(code) < SMALL_DEG2:
        return []
    vectors = pixel_centres(found.order, seen)
    mean = np.mean(vectors @ GALACTIC_FROM_ICRS.T if galactic else vectors, axis=0)
    longitude, latitude = np.degrees(np.arctan2(mean[1], mean[0])), np.degrees(np.arctan2(mean[2], np.hypot(*mean[:2])))
    x, y = aitoff(longitude, latitude, centre_deg)
    return [(float(-x / HALF_WIDTH), float(y / HALF_HEIGHT))]


def _graticule(centre_deg: float) -> tuple[list[NDArray[np.float64]], list[tuple[float, float, str]]]:
    """Lines every 60 degrees of longitude and 30 of latitude, and their numbers."""
    lines, labels = [], []
    up, around = np.linspace(-90, 90, 91), np.linspace(-179.999, 179.999, 181)
    for away in range(-120, 121, 60):
        lines.append(_plane(np.full(up.size, centre_deg + away), up, centre_deg))
        x, y = _plane(np.array([centre_deg + away]), np.array([0.0]), centre_deg)
        labels.append((float(x[0]), float(y[0]) - 0.05, f"{(centre_deg + away) % 360:.0f}°"))
    for latitude in (-60, -30, 0, 30, 60):
        line = _plane(centre_deg + around, np.full(around.size, float(latitude)), centre_deg)
        lines.append(line)
        labels.append(
            (
                float(line[0, 0]) + 0.045,
                float(line[1, 0]) + np.sign(latitude) * 0.03,
                f"{latitude:+d}°" if latitude else "0°",
            )
        )
    return lines, labels


def _plane(longitude_deg: Iterable[float], latitude_deg: Iterable[float], centre_deg: float) -> NDArray[np.float64]:
    """Places in a picture, x and y from -1 to 1, longitude increasing to the left."""
    x, y = aitoff(longitude_deg, latitude_deg, centre_deg)
    return np.stack([-x / HALF_WIDTH, y / HALF_HEIGHT])
