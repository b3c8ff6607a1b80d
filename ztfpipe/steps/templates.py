"""Steps of `templates`: freeze a version's list of images, make the fringe template, make the low-frequency map.

Paths are relative to the archive. A list is frozen once and its version made once; a better one has a later night.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from ztfpipe.camera import Camera
from ztfpipe.config import Templates
from ztfpipe.errors import BadFile, BadName
from ztfpipe.model.images import Cards
from ztfpipe.model.keys import CalibrationKey, NightKey, QuadrantKey
from ztfpipe.model.records import QaRecord
from ztfpipe.model.science import FringeTemplate
from ztfpipe.model.templates import (
    FRINGE,
    LOFREQFLAT,
    MadeTemplate,
    SkyFrame,
    StarFrame,
    TemplateCandidate,
    TemplateFrame,
    TemplateFrames,
)
from ztfpipe.pipelines.templates import choose_frames, make_fringe_template, make_lofreqflat
from ztfpipe.products.accounts.plan import read_plan
from ztfpipe.products.accounts.records import read_record, write_record
from ztfpipe.products.accounts.settings import read_settings
from ztfpipe.products.accounts.templates import read_frames, write_frames
from ztfpipe.products.catalogs.calibrators import read_photometric_calibrators
from ztfpipe.products.catalogs.catalogs import read_psfcat
from ztfpipe.products.formats.atomic import write_text
from ztfpipe.products.formats.fits import read_header, read_image
from ztfpipe.products.images.templates import (
    NIGHT_KEYWORDS,
    fringes_taken,
    read_fringes,
    read_lofreqflat,
    write_fringes,
    write_lofreqflat,
)
from ztfpipe.products.names import key_of, path_of
from ztfpipe.steps.recording import Stopwatch, pixel_checksum, qa_record, spelt


def fringe_frames(output: str, settings: Path) -> None:
    """Freeze the list of images of a fringe template; Unusable, and no list, when there are too few."""
    key, section, _ = _call(output, "fringeframes", settings)
    if key.filter not in section.fringe_filters:
        raise BadName(output, f"no fringes in {key.filter}: fringe_filters are {', '.join(section.fringe_filters)}")
    limits = {"fewest": section.fringe_frames_min, "most": section.fringe_frames_max}
    write_frames(output, choose_frames(FRINGE, key, _candidates(key, section), **limits))


def lofreqflat_frames(output: str, settings: Path) -> None:
    """Freeze the list of images of a low-frequency map; Unusable, and no list, when there are too few."""
    key, section, _ = _call(output, "lofreqflatframes", settings)
    limits = {"fewest": section.lofreqflat_frames_min, "most": section.lofreqflat_frames_max}
    write_frames(output, choose_frames(LOFREQFLAT, key, _candidates(key, section), **limits))


def fringe(output: str, settings: Path, frames: Path) -> None:
    """Make a fringe template of the images of its list: template, log and record, also when it cannot be used."""
    watch = Stopwatch()
    key, section, camera = _call(output, FRINGE, settings)
    inputs: dict[str, str] = {}
    listed = _listed(frames, FRINGE, key)
    with watch.part("recipe"):
        made = make_fringe_template(_sky_frames(listed, inputs, watch), section)
    cards: Cards = {"PERIODMN": (section.fringe_period_min_px, "[px] finest structure of the patterns")}
    with watch.part("write"):
        write_fringes(key, made, camera, cards)
    _finish(FRINGE, key, listed, made, inputs, section, watch)


def lofreqflat(output: str, settings: Path, frames: Path) -> None:
    """Make a low-frequency map of the stars of its list's images: map, uncertainty, log and record, also when it cannot
    be used."""
    watch = Stopwatch()
    key, section, camera = _call(output, LOFREQFLAT, settings)
    inputs: dict[str, str] = {}
    listed = _listed(frames, LOFREQFLAT, key)
    with watch.part("recipe"):
        found = _star_frames(listed, inputs, watch)
        made = make_lofreqflat(found, camera.filter(key.filter), camera.quadrant_shape, section)
    cards: Cards = {
        "CELLPX": (section.cell_px, "[px] cells of the map"),
        "SMOOTHCL": (section.smooth_cells, "[cells] width of the local parabolas"),
    }
    with watch.part("write"):
        write_lofreqflat(key, made, camera, cards)
    _finish(LOFREQFLAT, key, listed, made, inputs, section, watch)


def _call(output: str, product: str, settings: Path) -> tuple[CalibrationKey, Templates, Camera]:
    return key_of(output, product), *read_settings(settings, Templates)


def _listed(path: Path, kind: str, key: CalibrationKey) -> TemplateFrames:
    listed = read_frames(path)
    if (listed.kind, listed.key) != (kind, key):
        raise BadFile(path, f"not the list of the {kind} of {key.night}")
    return listed


def _candidates(key: CalibrationKey, section: Templates) -> Iterator[TemplateCandidate]:
    """The images made of this quadrant and filter in the nights of a version, by the nights' plans."""
    last = date(int(key.night[:4]), int(key.night[4:6]), int(key.night[6:]))
    for back in range(section.nights + 1):
        plan = Path(path_of("plan", NightKey((last - timedelta(days=back)).strftime("%Y%m%d"))))
        if not plan.exists():
            continue
        for one in read_plan(plan).science:
            image = Path(path_of("sciimg", one))
            if (one.exposure.filter, one.ccdid, one.qid) == (key.filter, key.ccdid, key.qid) and image.exists():
                yield _candidate(one, image, section.bad_sky)


def _candidate(key: QuadrantKey, image: Path, bad_sky: tuple[str, ...]) -> TemplateCandidate:
    record = read_record(QaRecord, path_of("sciqa", key))
    header = read_header(image)
    made_with = {kind: str(header.get(word, ("", ""))[0]) for kind, word in NIGHT_KEYWORDS.items()}
    clear = not any(record.metrics.get(name, 1.0) for name in bad_sky)
    return TemplateCandidate(TemplateFrame(key, **made_with), record.status, clear)


def _sky_frames(
    listed: TemplateFrames, inputs: dict[str, str], watch: Stopwatch
) -> Iterator[tuple[str, SkyFrame | BadFile]]:
    """Images with their masks, one at a time, and the template that each was corrected with."""
    templates: dict[str, FringeTemplate | None] = {"": None}
    for earlier in listed.earlier(FRINGE):
        path = path_of(FRINGE, earlier)
        templates[earlier.night] = read_fringes(path)[0]
        inputs[path] = _checksum(getattr(templates[earlier.night], "components", None))
    for frame in listed.frames:
        path = path_of("sciimg", frame.science)
        with watch.part("read"):
            try:
                image, header = read_image(path)
                mask, _ = read_image(path_of("mskimg", frame.science))
                _check_unchanged(path, header, frame)
                found: SkyFrame | BadFile = SkyFrame(
                    Path(path).name, image, mask.astype("u2"), fringes_taken(header), templates[frame.fringe]
                )
                inputs[path] = _checksum(image, mask)
            except BadFile as error:
                found = error
        yield Path(path).name, found


def _star_frames(
    listed: TemplateFrames, inputs: dict[str, str], watch: Stopwatch
) -> Iterator[tuple[str, StarFrame | BadFile]]:
    """PSF catalogs with their calibrators, and the map that each image was divided by."""
    maps = {"": None}
    for earlier in listed.earlier(LOFREQFLAT):
        path = path_of(LOFREQFLAT, earlier)
        maps[earlier.night] = read_lofreqflat(path)[0]
        inputs[path] = _checksum(maps[earlier.night])
    for frame in listed.frames:
        path, key = path_of("psfcat", frame.science), frame.science
        with watch.part("read"):
            try:
                stars, header = read_psfcat(path)
                _check_unchanged(path, header, frame)
                calibrators = read_photometric_calibrators(path_of("ps1calibrators", key.place))
                found: StarFrame | BadFile = StarFrame(Path(path).name, stars, calibrators, maps[frame.lofreqflat])
                inputs[path] = _checksum(stars.x_px, stars.y_px, stars.flux_adu)
            except BadFile as error:
                found = error
        yield Path(path).name, found


def _check_unchanged(path: str, header: Cards, frame: TemplateFrame) -> None:
    """BadFile when the image was made again with other templates than when the list was frozen."""
    for kind, word in NIGHT_KEYWORDS.items():
        now, then = str(header.get(word, ("", ""))[0]), getattr(frame, kind)
        if now != then:
            raise BadFile(path, f"made again with the {kind} of {now or 'no night'}, not of {then or 'no night'}")


def _checksum(*arrays) -> str:
    return pixel_checksum(*(one for one in arrays if one is not None))


def _finish(
    kind: str,
    key: CalibrationKey,
    listed: TemplateFrames,
    made: MadeTemplate,
    inputs: dict[str, str],
    section: Templates,
    watch: Stopwatch,
) -> None:
    """Write the log for people and the record."""
    lines = [
        f"{kind} of CCD {key.ccdid} quadrant {key.qid}, filter {key.filter}, version {key.night}",
        f"STATUS = {made.status}" + (f" ({made.reason})" if made.reason else ""),
        f"{len(listed.frames)} images of {listed.candidates} candidates listed, {len(made.used)} used:",
        *(f"  {name}" for name in made.used),
        f"{len(made.left_out)} left out:",
        *(f"  {name}: {reason}" for name, reason in made.left_out.items()),
        *spelt(made.metrics),
    ]
    write_text(path_of(f"{kind}log", key), "\n".join(lines) + "\n")
    record = qa_record(
        f"templates {kind}", path_of(kind, key), made.status, made.reason, made.metrics, section, watch, inputs
    )
    write_record(path_of(f"{kind}qa", key), record)
