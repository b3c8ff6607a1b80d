"""What a person asks of known bodies: where one falls on the archive's exposures (`ztfpipe most`)."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ztfpipe.camera import Camera
from ztfpipe.config import Config
from ztfpipe.errors import BadFile, BadKey
from ztfpipe.model.dates import JD_OF_MJD_ZERO
from ztfpipe.model.keys import ExposureKey, NightKey, QuadrantKey
from ztfpipe.model.orbits import OrbitCatalog
from ztfpipe.model.precovery import Frame, Sighting
from ztfpipe.pipelines.moving import precovery as recipe
from ztfpipe.products.accounts.orbit_pictures import cutouts_png, orbit_png
from ztfpipe.products.accounts.plan import read_plan
from ztfpipe.products.catalogs.orbits import orbit_of_text, read_orbits
from ztfpipe.products.catalogs.precovery import image_name, matches_text, write_cutout, write_regions
from ztfpipe.products.formats.atomic import atomic_write, write_text
from ztfpipe.products.formats.fits import read_header, read_image, read_shape
from ztfpipe.products.images.headers import needed
from ztfpipe.products.images.wcs import wcs_of
from ztfpipe.products.names import parse, path_of
from ztfpipe.steps.workspace import archive_of, configured

REGION_ARCSEC = 10.0
_IMAGES = ("sciimg", "givensciimg")
"""Science images made here, and those downloaded of the public archive."""
Quadrants = dict[ExposureKey, set[tuple[int, int]]]


@dataclass(frozen=True)
class Request:
    """What was asked: an object by `name` or `elements`, nights from `first` to `last`, and what to leave where."""

    name: str | None
    elements: str | None
    first: str | None = None
    last: str | None = None
    out: Path | None = None
    brief: bool = False
    margin_arcsec: float = 60.0
    cutout_px: int = 63


def run_most(config_path: Path, workspace: Path | None, asked: Request) -> int:
    """`ztfpipe most --object NAME | --elements TEXT`: print the table of matches; unless brief, leave in a folder
    `matches.tbl`, `orbit.png`, region files, cutouts and a sheet of them.

    Exposures are those of the nights' plans and of downloaded science images. Returns 0, also when there is no match.
    Raises BadKey for an object, elements or nights that cannot be, BadFile for a catalog of orbits that cannot be read.
    """
    config = configured(config_path, workspace)
    camera = Camera.load(config.camera)
    for night in filter(None, (asked.first, asked.last)):
        NightKey(night)
    if asked.cutout_px < 0 or asked.margin_arcsec < 0:
        raise BadKey("size", min(asked.cutout_px, asked.margin_arcsec), "zero or more")
    folder = Path.cwd()
    with contextlib.chdir(archive_of(config)):
        one = _object(config, asked)
        found = matches(one, camera, asked)
        table = matches_text(found, dict(_keywords(one, asked)))
        print(table, end="")
        if not asked.brief:
            folder /= asked.out or f"most_{one.name[0]}"
            _leave(folder, one, found, table, asked.cutout_px)
    return 0


def matches(one: OrbitCatalog, camera: Camera, asked: Request) -> list[Sighting]:
    """The sightings of one body by time, on the nights asked for."""
    nights = _quadrants_by_night(asked.first or "00000000", asked.last or "99999999")
    orbits = recipe.orbits_of_nights(one, nights, camera.observatory)
    found = []
    for night, quadrants in sorted(nights.items()):
        for exposure, ccdid, qid in recipe.quadrants_crossed(orbits[night], quadrants, camera):
            if (ccdid, qid) in quadrants[exposure]:
                frame = _frame(QuadrantKey(exposure, ccdid, qid), camera)
                seen = recipe.sighting(orbits[night], frame, camera.observatory, margin_arcsec=asked.margin_arcsec)
                found += [seen] if seen else []
    return sorted(found, key=lambda seen: (seen.frame.jd_start, seen.frame.key))


def _object(config: Config, asked: Request) -> OrbitCatalog:
    """The one orbit that was asked for."""
    if asked.elements is not None:
        return orbit_of_text(asked.elements)
    path = config.moving.known.orbits
    if not path:
        raise BadFile("moving.known.orbits", "the site has no catalog of orbits: give --elements")
    found = recipe.named(read_orbits(path), asked.name or "")
    if len(found) != 1:
        many = f"one of {', '.join(found.designation[:5])}" if len(found) else f"in {path}"
        raise BadKey("object", asked.name, many)
    return found


def _quadrants_by_night(first: str, last: str) -> dict[str, Quadrants]:
    """The quadrants that were observed, or downloaded, by night and exposure. The archive is the working directory."""
    found: dict[str, Quadrants] = defaultdict(lambda: defaultdict(set))
    for path in sorted(Path().glob("ops/night/*/*/*_plan.json")):
        _, key = parse(path)
        if first <= key.night <= last:
            for one in read_plan(path).science:
                found[key.night][one.exposure].add((one.ccdid, one.qid))
    for path in sorted(Path().glob("given/sci/*/*/*/*_sciimg.fits")):
        _, one = parse(path)
        if first <= one.night <= last:
            found[one.night][one.exposure].add((one.ccdid, one.qid))
    return found


def _frame(key: QuadrantKey, camera: Camera) -> Frame:
    """A quadrant as its science image has it, or as the camera's table has it where none was made or solved."""
    for product in _IMAGES:
        path = path_of(product, key)
        if Path(path).exists():
            try:
                header = read_header(path)
                times = (needed(path, header, name) for name in ("OBSJD", "EXPTIME"))
                return Frame(key, path, *times, wcs_of(path, header), read_shape(path), solved=True)
            except BadFile:
                continue
    return recipe.nominal_frame(key, path_of("sciimg", key), camera)


def _keywords(one: OrbitCatalog, asked: Request) -> Iterator[tuple[str, object]]:
    yield "catalog", "ztf"
    yield "user_input_begin_time", asked.first or ""
    yield "user_input_end_time", asked.last or ""
    yield "object_name", str(one.designation[0])
    yield "element_epoch", f"{one.epoch_jd[0] - JD_OF_MJD_ZERO:.4f}"
    yield "eccentricity", float(one.eccentricity[0])
    yield "inclination", float(one.inclination_deg[0])
    yield "argument_perihelion", float(one.argument_deg[0])
    yield "ascending_node", float(one.node_deg[0])
    yield "perihelion_distance", float(one.perihelion_au[0])
    yield "perihelion_time", f"{one.epoch_jd[0] - one.since_perihelion_d[0] - JD_OF_MJD_ZERO:.6f}"
    yield "magnitude_parameters", f"{one.h_mag[0]:.2f} {one.slope_g[0]:.2f}"


def _leave(folder: Path, one: OrbitCatalog, found: Sequence[Sighting], table: str, cutout_px: int) -> None:
    """Write the files of a request."""
    write_text(folder / "matches.tbl", table)
    write_regions(folder / "regions", found, REGION_ARCSEC)
    _write_bytes(folder / "orbit.png", orbit_png(recipe.drawing(one, found)))
    if not cutout_px:
        return
    shown = []
    for seen in found:
        if seen.inside and seen.frame.solved:
            pixels, header = read_image(seen.frame.path)
            square = recipe.cutout(pixels, seen, cutout_px)
            name = image_name(seen.frame)
            path = folder / "cutouts" / f"{name}_cutout.fits"
            write_cutout(path, square, seen, recipe.cut_frame(seen, cutout_px), header)
            shown.append((f"{name[:14]} {seen.frame.key.exposure.filter} V {seen.v_mag:.1f}", square))
    if shown:
        _write_bytes(folder / "cutouts.png", cutouts_png(shown))


def _write_bytes(path: Path, content: bytes) -> None:
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)
