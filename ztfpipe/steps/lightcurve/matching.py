"""Step of `lightcurve`: a matchfile is brought to its frozen list of epochs. Paths are relative to the archive.

New epochs are appended in place to a file that was made of the same list; any other is made from scratch. Then zero
points are solved again and the file is written anew: what comes out depends on the list alone, not on how often it
grew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from ztfpipe.camera import Camera
from ztfpipe.config import RECIPE_VERSIONS, Lightcurve
from ztfpipe.errors import BadFile
from ztfpipe.model.dates import JD_OF_MJD_ZERO
from ztfpipe.model.identifiers import matchfile_reference_id
from ztfpipe.model.keys import QuadrantKey, ReferenceKey, ReferenceVersionKey
from ztfpipe.model.lightcurve import EpochCatalog, EpochRows, MatchEpochs
from ztfpipe.pipelines.lightcurve.matching import Sky, match_epoch, new_ids, seeds_of, source_rows
from ztfpipe.pipelines.lightcurve.refinement import DATA_COLUMNS, Refined, refine
from ztfpipe.products.accounts.matchepochs import read_match_epochs
from ztfpipe.products.accounts.records import write_record
from ztfpipe.products.accounts.settings import read_settings
from ztfpipe.products.catalogs import matchfile
from ztfpipe.products.catalogs.calibrators import read_gaia_context, read_photometric_calibrators
from ztfpipe.products.catalogs.catalogs import read_psfcat
from ztfpipe.products.catalogs.epoch_catalogs import read_epoch_catalog, write_match_ids
from ztfpipe.products.images.reference import must_be_of
from ztfpipe.products.names import key_of, path_of
from ztfpipe.steps.recording import Stopwatch, qa_record

NOT_CALIBRATED, APPENDED_SINCE, CALIBRATED = -1, 0, 1
"""calibratedSinceLastMatch."""


@dataclass(frozen=True)
class Work:
    """What a matchfile is made of and with."""

    frozen: MatchEpochs
    camera: Camera
    settings: Lightcurve

    @property
    def made_of(self) -> tuple[int, int, str]:
        return self.frozen.version, self.frozen.recipe_version, matchfile.settings_text(self.frozen.settings)

    @property
    def version(self) -> ReferenceVersionKey:
        return ReferenceVersionKey(self.frozen.reference, self.frozen.version)


def match(output: str, settings: Path, epochs: Path) -> None:
    """Make the matchfile `output`, or add to it, so that it is that of its frozen list `epochs`; and its record.

    An epoch that cannot be read, or is of another field, filter or quadrant, is left out and named in the record, and
    tried again when the list has grown. Raises BadFile when the reference's catalog cannot be used.
    """
    watch = Stopwatch()
    _, camera = read_settings(settings, Lightcurve)
    work = Work(frozen := read_match_epochs(epochs), camera, _frozen_settings(epochs, frozen))
    if frozen.reference != key_of(output, "matchfile"):
        raise BadFile(epochs, f"epochs of {path_of('matchfile', frozen.reference)}, not of {output}")
    left_out: dict[QuadrantKey, str] = {}
    with watch.part("match"):
        known = _known(output, work)
        old = _sources_of_other_version(output, work)
        working = Path(output)
        if known is None:
            working, known = working.with_name(f".{working.name}.building"), frozenset()
            create(working, work)
        appended = append(working, work, known, left_out)
    with watch.part("refine"):
        refined = calibrate(output, working, work)
    if working != Path(output):
        working.unlink()
    if old is not None:
        ids = new_ids(old[1], refined.sources, work.settings)
        write_match_ids(path_of("matchids", frozen.reference), (old[0], frozen.version), *ids)
    _record(output, work, refined, appended, left_out, watch)


def create(path: Path, work: Work) -> None:
    """Write a matchfile that has the reference's sources and no epoch."""
    catalog, header = read_psfcat(path_of("vrefpsfcat", work.version))
    where, place = path_of("vrefpsfcat", work.version), work.frozen.reference
    must_be_of(where, header, place, work.camera)
    numbers = [header.get(name, (None, ""))[0] for name in ("MAGZP", "JDSTART", "JDEND")]
    if not all(isinstance(one, (int, float)) for one in numbers):
        raise BadFile(where, "MAGZP, JDSTART or JDEND is missing: a reference with STATUS 0 has no light curves")
    zero_point, jd_start, jd_end = map(float, numbers)
    mjd = (jd_start + jd_end) / 2 - JD_OF_MJD_ZERO
    context = Path(path_of("gaiacontext", place.place))
    gaia = read_gaia_context(context) if context.exists() else None
    rows = source_rows(catalog, zero_point, mjd, gaia, work.settings)
    uncertainty = header.get("MAGZPUNC", (0.0, ""))[0]
    matchfile.create(path, _attributes(work, zero_point, float(uncertainty), mjd), rows)


def append(path: Path, work: Work, known: frozenset[int], left_out: dict[QuadrantKey, str]) -> int:
    """Append the epochs of the list that the file does not have, in the list's order, all or none; their number.

    known: exposures that it has, by filefracday; left_out: gets those that cannot be used, and why.
    """
    sources, transients = (matchfile.read_rows(path, name) for name in ("sources", "transients"))
    mjd = float(matchfile.read_head(path).attributes["referenceMJD"])
    sky = Sky(seeds_of(sources, mjd), seeds_of(transients, mjd))
    return matchfile.append_epochs(path, _rows(work, sky, set(known), left_out))


def calibrate(output: str | Path, source: Path, work: Work) -> Refined:
    """Solve the zero points of matchfile `source` and write `output` (perhaps the same) with all that follows from
    them."""
    exposures, sources, transients = (
        matchfile.read_rows(source, name) for name in ("exposures", "sources", "transients")
    )
    data = [matchfile.read_columns(source, name, DATA_COLUMNS) for name in ("sourcedata", "transientdata")]
    camera, place = work.camera, work.frozen.reference
    calibrators = Path(path_of("ps1calibrators", place.place))
    refined = refine(
        exposures, sources, transients, *data, camera.quadrant_shape,
        read_photometric_calibrators(calibrators) if calibrators.exists() else None, camera.filter(place.filter),
        work.settings,
    )  # fmt: skip
    data.clear()
    now = str(datetime.now(UTC).replace(tzinfo=None))
    solved = np.isfinite(refined.zero_points.error_mag)
    attributes = {
        "calibratedSinceLastMatch": CALIBRATED if solved.any() else NOT_CALIBRATED,
        "datetimeMatched": now,
        "datetimeCalibrated": now if solved.any() else "",
        "globalMaglimit": np.float32(np.nanmedian(exposures["limitmag"]) if len(exposures) else np.nan),
        "nCalibrationSources": int(np.count_nonzero(refined.zero_points.calibrator)),
    }
    bias = refined.bias
    attributes |= {
        "biasSurface": bias.surface_mag if bias else np.zeros(0),
        "biasMagnitudes": bias.knots_mag if bias else np.zeros(0),
        "biasValues": bias.values_mag if bias else np.zeros(0),
    }
    model = refined.errors.coefficients if refined.errors else (np.nan,) * 4
    matchfile.rewrite(
        output, source, attributes, model,
        {"exposures": refined.exposures, "sources": refined.sources, "transients": refined.transients},
        {"sourcedata": _put(*refined.sourcedata), "transientdata": _put(*refined.transientdata)},
    )  # fmt: skip
    return refined


def _put(mag: NDArray[np.float32], error: NDArray[np.float32]) -> Callable[[NDArray[np.void], int], None]:
    def change(block: NDArray[np.void], first: int) -> None:
        block["mag"], block["magerr"] = mag[first : first + len(block)], error[first : first + len(block)]

    return change


def _sources_of_other_version(output: str, work: Work) -> tuple[int, NDArray[np.void]] | None:
    """Version and sources of a matchfile that stands on another version of the reference; None when there is none."""
    if not Path(output).exists():
        return None
    version = matchfile.read_head(output).made_of[0]
    return None if version == work.frozen.version else (version, matchfile.read_rows(output, "sources"))


def _frozen_settings(path: Path, frozen: MatchEpochs) -> Lightcurve:
    """The settings that were frozen with the list: a matchfile grows with no others, whatever is in force now."""
    if frozen.recipe_version != RECIPE_VERSIONS["lightcurve"]:
        raise BadFile(
            path,
            f"of recipe {frozen.recipe_version}, this is {RECIPE_VERSIONS['lightcurve']}:"
            " `ztfpipe lightcurve extend --again` begins the list anew",
        )
    try:
        return Lightcurve.model_validate(frozen.settings)
    except ValidationError as error:
        raise BadFile(path, f"its settings are not those of this version of ztfpipe: {error}") from error


def _known(output: str, work: Work) -> frozenset[int] | None:
    """Exposures of the matchfile that is there; None when it is to be made from scratch.

    That is so when there is none, when it was made of something else, and when an epoch that comes before others of
    the file was left out and can be read now: the file is to be that of its list, whatever its history.
    """
    if not Path(output).exists():
        return None
    head = matchfile.read_head(output)
    had = list(head.fracdays)
    if head.made_of != work.made_of:
        return None
    listed = list(dict.fromkeys(_fracday(key) for key in work.frozen.epochs))
    among = set(had)
    if [one for one in listed if one in among] != had:
        return None
    if had:
        earlier = set(listed[: listed.index(had[-1])]) - among
        skipped = [key for key in work.frozen.epochs if _fracday(key) in earlier]
        if any(_readable(key, work) for key in skipped):
            return None
    return frozenset(had)


def _fracday(key: QuadrantKey) -> int:
    return int(key.exposure.filefracday)


def _readable(key: QuadrantKey, work: Work) -> bool:
    try:
        _read(key, work)
    except BadFile:
        return False
    return True


def _read(key: QuadrantKey, work: Work) -> EpochCatalog:
    if key.reference != work.frozen.reference:
        raise BadFile(path_of("psfcat", key), "it is of another field, filter or quadrant")
    return read_epoch_catalog(key, work.camera)


def _rows(work: Work, sky: Sky, known: set[int], left_out: dict[QuadrantKey, str]) -> Iterator[EpochRows]:
    for key in work.frozen.epochs:
        if _fracday(key) in known:
            continue
        try:
            epoch = _read(key, work)
        except BadFile as error:
            left_out[key] = error.reason
            continue
        known.add(_fracday(key))
        rows = match_epoch(epoch, sky, work.camera, work.settings)
        sky = sky.grown(rows.transients)
        yield rows


def _attributes(work: Work, zero_point: float, uncertainty: float, mjd: float) -> dict[str, object]:
    place: ReferenceKey = work.frozen.reference
    fid = work.camera.filter(place.filter).fid
    return {
        "calibratedSinceLastMatch": NOT_CALIBRATED,
        "ccdID": place.ccdid,
        "datetimeCalibrated": "",
        "datetimeMatched": "",
        "fieldID": place.field,
        "filterID": fid,
        "globalMaglimit": np.float32(np.nan),
        "goodSystematicErrorLimit": np.inf,
        "nCalibrationSources": 0,
        "quadrantID": place.qid,
        "rcID": place.rcid,
        "referenceImageID": matchfile_reference_id(place.field, fid, place.rcid),
        "referenceZeroPoint": zero_point,
        "referenceZeroPointErr": uncertainty,
        "saturatedMagnitude": np.inf,
        "referenceMJD": mjd,
        **dict(zip(("referenceVersion", "recipeVersion", "settings"), work.made_of, strict=True)),
    }


def _record(
    output: str, work: Work, refined: Refined, appended: int, left_out: dict[QuadrantKey, str], watch: Stopwatch
) -> None:
    found, exposures = refined.zero_points, refined.exposures
    metrics = {
        "epochs": len(exposures),
        "appended": appended,
        "left_out": len(left_out),
        "sources": len(refined.sources),
        "transients": len(refined.transients),
        "calibrators": int(np.count_nonzero(found.calibrator)),
        "epochs_solved": int(np.count_nonzero(np.isfinite(found.error_mag))),
        "relphot_rms_mag": float(np.nanmedian(found.rms_mag)) if np.isfinite(found.rms_mag).any() else None,
        "delta_zp_rms_mag": float(np.std(exposures["relphotzp"])) if len(exposures) else None,
        "bias": int(refined.bias is not None),
        "error_model": int(refined.errors is not None),
        "reference_version": work.frozen.version,
    }
    inputs = {path_of("psfcat", key): f"left out: {reason}" for key, reason in left_out.items()}
    status = int(len(exposures) > 0)
    reason = "" if status else "no epoch could be used"
    record = qa_record("lightcurve match", output, status, reason, metrics, work.settings, watch, inputs)
    write_record(path_of("matchqa", work.frozen.reference), record)
