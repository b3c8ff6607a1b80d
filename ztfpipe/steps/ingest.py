"""Steps of `ingest`: verify a file sent and archive it, make the night's accounts, freeze the night's plan.

Called with the archive as working directory; the workspace's other folders stand beside it. Modules that need a FITS
library are imported by the step that needs them: the workflow imports this module at each start.
"""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from ztfpipe.camera import Camera
from ztfpipe.config import Calibration, Ingest
from ztfpipe.errors import BadFile, BadName
from ztfpipe.model.keys import CalibrationKey, IncomingKey
from ztfpipe.model.manifest import ACCEPTED, SET_ASIDE, Manifest
from ztfpipe.model.plan import NightPlan, TemplateChoice
from ztfpipe.model.records import IngestRecord
from ztfpipe.model.templates import TEMPLATE_KINDS
from ztfpipe.products import names
from ztfpipe.products.accounts.arrivals import write_arrivals
from ztfpipe.products.accounts.plan import read_plan, write_plan
from ztfpipe.products.accounts.records import read_manifest, read_record, write_manifest, write_record
from ztfpipe.products.accounts.references import usable_in_force
from ztfpipe.products.accounts.settings import read_settings
from ztfpipe.products.arrival.incoming import (
    copy_verified,
    file_md5,
    incoming_digest,
    is_plain,
    link_or_copy,
    received,
    rivals,
    sent_list,
)

__all__ = ["archive", "arrived", "incoming_digest", "manifest", "plan", "verify"]

ARCHIVE = Path()
INCOMING = Path("../incoming")


def verify(output: str, settings: Path, incoming: Path) -> IngestRecord:
    """Verify one file sent, copy it to its archive path when it is accepted, and write its record.

    An archived file of the same content stays as it is, so that what was made of it stays current; one of other content
    is kept among those set aside. So is the file itself when it is not accepted. Raises BadName when the record's path
    is not that of this file, BadFile when it changes meanwhile, TryAgain when the machine fails.
    """
    key = names.key_of(output, "ingestrecord")
    if incoming.name != key.name:
        raise BadName(output, f"not the record of {incoming}")
    values, camera = read_settings(settings, Ingest)
    record = _verdict(incoming, key.night, camera, values)
    if record.status == ACCEPTED:
        record = _unless_duplicate(record, incoming, camera, values)
    if record.status == SET_ASIDE:
        link_or_copy(incoming, names.inside(ARCHIVE, names.path_of("setaside", key)))
    else:
        _archive_accepted(record, incoming)
    write_record(output, record)
    return record


def archive(output: str, settings: Path, incoming: Path, record: Path) -> None:
    """Copy an accepted file to its archive path again, where it is gone, verifying its MD5 against its record.

    Raises BadFile when the record does not accept this file for this path, or the file has changed since.
    """
    names.key_of(output, "raw")
    read = read_record(IngestRecord, record)
    if read.name != incoming.name or read.status != ACCEPTED or read.archive_path != output:
        raise BadFile(incoming, f"its record does not accept it as {output}: {' '.join(read.reasons.values())}".strip())
    copy_verified(incoming, names.inside(ARCHIVE, output), read.md5)


def arrived(output: str, settings: Path) -> None:
    """Say which state of the incoming folder has been verified: from when on the accounts are to be made again."""
    night = names.key_of(output, "arrived").night
    read_settings(settings, Ingest)
    folder = INCOMING / night
    write_arrivals(output, night, incoming_digest(folder), len(received(folder)))


def manifest(output: str, settings: Path) -> None:
    """Make the night's accounts from the list of files sent, the incoming folder and the verdicts."""
    from ztfpipe.pipelines.ingest import accounts

    night = names.key_of(output, "manifest").night
    read_settings(settings, Ingest)
    folder = INCOMING / night
    # First of all: what arrives from here on makes the digest of these accounts, and so any plan, out of date.
    digest = incoming_digest(folder)
    sizes = {name: stat.st_size for name, stat in received(folder).items()}
    records = [record for name in sizes if (record := _record_of(night, name, sizes[name])) is not None]
    made = accounts(night, sent_list(folder), sizes, records, digest)
    _keep_what_the_accounts_set_aside(night, made, records)
    write_manifest(output, made)


def plan(output: str, settings: Path, manifest: Path) -> None:
    """Freeze the night's plan from its accounts and the masters that the archive holds now.

    The versions of templates and references are those of the plan that is already there, so that what comes later never
    re-makes the night's images; a reference that the field did not have then is added.
    """
    from ztfpipe.pipelines.ingest import plan_night

    night = names.key_of(output, "plan").night
    values, camera = read_settings(settings, Calibration)
    read = read_manifest(manifest)
    if read.night != night:
        raise BadFile(manifest, f"accounts of night {read.night}, not of {night}")
    accepted = [entry.record for entry in read.entries if entry.record.status == ACCEPTED]
    keys = {record.name: names.parse_raw_name(record.name) for record in accepted}
    earlier = earlier_plan(output)
    pinned = {one.reference: one for one in earlier.references} if earlier else {}
    choice = plan_night(
        read,
        keys,
        camera,
        lambda kind, tonight: previous_master(kind, tonight, values.previous_master_nights),
        lambda reference: pinned.get(reference) or usable_in_force(ARCHIVE, reference),
        frames_min=values.frames_min,
        frames_max=values.frames_max,
        previous_master_nights=values.previous_master_nights,
        templates=earlier.templates if earlier else templates_in_force(night, camera),
    )
    write_plan(output, choice)


def earlier_plan(path: str | Path) -> NightPlan | None:
    """The plan that is there, if it can be read."""
    with contextlib.suppress(BadFile):
        return read_plan(path)
    return None


def templates_in_force(night: str, camera: Camera) -> tuple[TemplateChoice, ...]:
    """The newest versions of templates of nights before `night` with STATUS 1."""
    found = []
    for kind in TEMPLATE_KINDS:
        for code in camera.filters:
            nights = {"".join(folder.parts[-4:-2]) for folder in ARCHIVE.glob(f"cal/[0-9]*/[0-9]*/{kind}/{code}")}
            earlier = sorted((one for one in nights if one < night), reverse=True)
            for ccdid, qid in camera.quadrants():
                choices = (TemplateChoice(kind, code, ccdid, qid, one) for one in earlier)
                found += itertools.islice((one for one in choices if usable(kind, one.key)), 1)
    return tuple(found)


def previous_master(kind: str, tonight: CalibrationKey, nights: int) -> CalibrationKey | None:
    """The most recent master of the `nights` nights before, of the same quadrant and filter, whose STATUS is 1."""
    day = date(int(tonight.night[:4]), int(tonight.night[4:6]), int(tonight.night[6:]))
    for back in range(1, nights + 1):
        key = replace(tonight, night=(day - timedelta(days=back)).strftime("%Y%m%d"))
        if usable(kind, key):
            return key
    return None


def usable(kind: str, key: CalibrationKey) -> bool:
    """Whether the archive holds this calibration and its header says STATUS 1."""
    from ztfpipe.products.formats.fits import read_header

    path = ARCHIVE / names.path_of(kind, key)
    if path.exists():
        with contextlib.suppress(BadFile):
            return read_header(path).get("STATUS", (0, ""))[0] == 1
    return False


def _verdict(incoming: Path, night: str, camera: Camera, values: Ingest) -> IngestRecord:
    from ztfpipe.pipelines.ingest import verdict
    from ztfpipe.products.arrival.raw_facts import raw_facts

    facts = raw_facts(incoming, camera, values.settle_s)
    key, fault, archive_path = None, "", ""
    try:
        key = names.parse_raw_name(incoming.name)
        archive_path = names.path_of("raw", key)
    except BadName as error:
        fault = error.reason
    return verdict(facts, key, fault, night=night, archive_path=archive_path, camera=camera, settings=values)


def _unless_duplicate(record: IngestRecord, incoming: Path, camera: Camera, values: Ingest) -> IngestRecord:
    """The record as it is, unless its exposure and CCD are taken by another file with other content.

    The file whose content the archive holds has the first right; before there is one, the first by name that is fit.
    """
    from ztfpipe.pipelines.ingest import duplicate

    key = names.parse_raw_name(record.name)
    claimants = rivals(incoming.parent, key.exposure.filefracday, key.ccdid)
    different = {name: md5 for name in claimants if (md5 := file_md5(incoming.parent / name)) != record.md5}
    if not different:
        return record
    folder = (ARCHIVE / record.archive_path).parent
    held = {file_md5(folder / name) for name in rivals(folder, key.exposure.filefracday, key.ccdid)}
    if record.md5 in held:
        return record
    for name, md5 in different.items():
        if md5 in held:
            return duplicate(record, name)
    for name in claimants[: claimants.index(record.name)]:
        if name in different and _verdict(incoming.parent / name, record.night, camera, values).status == ACCEPTED:
            return duplicate(record, name)
    return record


def _archive_accepted(record: IngestRecord, incoming: Path) -> None:
    """Copy an accepted file to its archive path; one that was sent under its name before is kept as superseded."""
    archived = names.inside(ARCHIVE, record.archive_path)
    if archived.exists():
        held = file_md5(archived)
        if held == record.md5:
            return
        key = IncomingKey(record.night, f"{record.name}.superseded-{held[:8]}")
        link_or_copy(archived, names.inside(ARCHIVE, names.path_of("setaside", key)))
    copy_verified(incoming, archived, record.md5)


def _keep_what_the_accounts_set_aside(night: str, made: Manifest, records: list[IngestRecord]) -> None:
    """Files fit by themselves that only the accounts set aside get their set-aside copy here, and leave the archive."""
    fit = {record.name: record for record in records if record.status == ACCEPTED}
    kept = {entry.record.archive_path for entry in made.entries if entry.record.status == ACCEPTED}
    for entry in made.entries:
        name = entry.record.name
        if entry.record.status == SET_ASIDE and name in fit:
            path = names.path_of("setaside", IncomingKey(night, name))
            link_or_copy(INCOMING / night / name, names.inside(ARCHIVE, path))
            archived = ARCHIVE / fit[name].archive_path
            if fit[name].archive_path not in kept and archived.exists() and file_md5(archived) == fit[name].md5:
                archived.unlink()


def _record_of(night: str, name: str, size: int) -> IngestRecord | None:
    if not is_plain(name):
        from ztfpipe.pipelines.ingest import unnameable

        return unnameable(night, name, size)
    path = ARCHIVE / names.path_of("ingestrecord", IncomingKey(night, name))
    return read_record(IngestRecord, path) if path.exists() else None
