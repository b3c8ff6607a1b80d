"""Steps of ingest, the night as a whole: duplicates, faults of the machine and the caller, accounts, plan."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from tests.steps.ingest_calls import (
    CALIBRATION,
    NIGHT,
    SETTINGS,
    archive,
    assert_set_aside,
    flip_bit,
    verify,
)
from ztfpipe.errors import BadFile, BadName, BadSettings, TryAgain
from ztfpipe.model.keys import CalibrationKey, IncomingKey, NightKey, ReferenceKey, ReferenceVersionKey
from ztfpipe.model.records import QaRecord
from ztfpipe.products import names
from ztfpipe.products.accounts.arrivals import verified_digest
from ztfpipe.products.accounts.plan import read_plan
from ztfpipe.products.accounts.records import read_manifest, write_record
from ztfpipe.products.accounts.references import put_in_force
from ztfpipe.products.arrival.incoming import incoming_digest
from ztfpipe.products.formats.fits import write_image
from ztfpipe.steps import ingest

MANIFEST = Path(names.path_of("manifest", NightKey(NIGHT)))
PLAN = Path(names.path_of("plan", NightKey(NIGHT)))


# --- The same exposure twice, and a file sent again -------------------------------------------------------------------


def test_verifying_archives_what_is_accepted(send, raw_key):
    path = send(raw_key())
    record = verify(path)
    assert Path(record.archive_path).read_bytes() == path.read_bytes()
    assert record.archive_path == names.path_of("raw", raw_key())


def test_verifying_again_leaves_the_archived_file_alone(send, raw_key):
    """What was made of it stays newer than the file it was made of."""
    path = send(raw_key())
    archived = Path(verify(path).archive_path)
    before = archived.stat()
    record = verify(path)
    assert record.status == "accepted"
    assert (archived.stat().st_ino, archived.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert not Path(names.path_of("setaside", IncomingKey(NIGHT, path.name))).exists()


def test_duplicate_with_other_content_is_set_aside(send, raw_key):
    """Two fields cannot share one shutter opening and CCD; the first by name stays."""
    first, second = send(raw_key(field=314)), send(raw_key(field=315), seed=1)
    assert verify(first).status == "accepted"
    record = verify(second)
    assert_set_aside(second, record, f"came already, with other content, as {first.name}")


def test_duplicate_yields_to_what_is_archived(send, raw_key):
    first = send(raw_key(field=315))
    archive(first, verify(first))
    earlier_by_name = send(raw_key(field=314), seed=1)
    record = verify(earlier_by_name)
    assert record.status == "set aside"
    assert f"as {first.name}" in record.reasons[""]
    assert verify(first).status == "accepted"


def test_same_bytes_twice_are_no_duplicate(send, raw_key):
    """Sent under both its names, compressed and not: the same file, accepted as one."""
    path = send(raw_key())
    other = path.with_name(path.name.removesuffix(".fz"))
    other.write_bytes(path.read_bytes())
    first, second = verify(path), verify(other)
    assert first.status == second.status == "accepted"
    assert first.archive_path == second.archive_path


def test_duplicate_of_a_bad_file_is_accepted(send, raw_key):
    bad, good = send(raw_key(field=314)), send(raw_key(field=315), seed=1)
    bad.write_bytes(bad.read_bytes()[:-2880])
    assert verify(bad).status == "set aside"
    assert verify(good).status == "accepted"


def test_file_sent_again_replaces_the_archived_one_and_the_old_one_is_kept(send, raw_key):
    path = send(raw_key())
    archive(path, verify(path))
    old = path.read_bytes()
    send(raw_key(), seed=1)
    record = verify(path)
    archive(path, record)
    assert Path(record.archive_path).read_bytes() == path.read_bytes() != old
    kept = list(Path(f"ops/ingest/2018/0325/setaside/{path.name}").parent.glob(f"{path.name}.superseded-*"))
    assert [one.read_bytes() for one in kept] == [old]


# --- Faults of the machine and of the caller --------------------------------------------------------------------------


def test_full_disk_leaves_nothing_half_written(send, raw_key, monkeypatch):
    path = send(raw_key())
    record = verify(path)
    before = sorted(Path().rglob("*"))

    def half_a_copy(source, destination):
        destination.write_bytes(source.read_bytes()[:1000])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("ztfpipe.products.arrival.incoming.shutil.copyfile", half_a_copy)
    with pytest.raises(TryAgain, match=f"{path.name}: No space left on device"):
        archive(path, record)
    files = [one for one in Path().rglob("*") if one.is_file()]
    assert sorted(files) == [one for one in before if one.is_file()]


def test_full_disk_leaves_no_verdict_on_a_file_it_could_not_archive(send, raw_key, monkeypatch):
    path = send(raw_key())

    def no_copy(source, destination):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("ztfpipe.products.arrival.incoming.shutil.copyfile", no_copy)
    with pytest.raises(TryAgain, match=f"{path.name}: No space left on device"):
        verify(path)
    assert not Path(names.path_of("ingestrecord", IncomingKey(NIGHT, path.name))).exists()


def test_file_server_away_while_reading(send, raw_key, monkeypatch):
    path = send(raw_key())

    def stale(self):
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr(Path, "read_bytes", stale)
    with pytest.raises(TryAgain, match=path.name):
        verify(path)


def test_a_file_that_the_archive_has_lost_is_archived_again(send, raw_key):
    path = send(raw_key())
    record = verify(path)
    Path(record.archive_path).unlink()
    archive(path, record)
    assert Path(record.archive_path).read_bytes() == path.read_bytes()


def test_archive_refuses_a_file_that_changed_since_it_was_verified(send, raw_key):
    path = send(raw_key())
    record = verify(path)
    Path(record.archive_path).unlink()
    flip_bit(path, 1, "data")
    with pytest.raises(BadFile, match="has changed since it was verified"):
        archive(path, record)
    assert not Path(record.archive_path).exists()


def test_archive_refuses_a_file_set_aside(send, raw_key):
    path = send(raw_key(), header={"FIELDID": 7})
    record = verify(path)
    target = names.path_of("raw", raw_key())
    with pytest.raises(BadFile, match="its record does not accept it"):
        ingest.archive(target, SETTINGS, path, Path(names.path_of("ingestrecord", IncomingKey(NIGHT, record.name))))


@pytest.mark.parametrize("output", ["../x.json", "ops/ingest/2018/0325/a;touch b.json", "raw/x.fits"])
def test_output_that_is_no_product(send, raw_key, output):
    path = send(raw_key())
    with pytest.raises(BadName):
        ingest.verify(output, SETTINGS, path)


def test_settings_of_another_section(send, raw_key):
    path = send(raw_key())
    record = names.path_of("ingestrecord", IncomingKey(NIGHT, path.name))
    with pytest.raises(BadSettings, match="not the settings of ingest"):
        ingest.verify(record, CALIBRATION, path)


def test_record_of_a_file_that_is_gone(workspace):
    with pytest.raises(BadFile, match="no such file"):
        verify(Path("ztf_20180325300000_000314_zr_c10_o.fits.fz"))


# --- The night's accounts and its plan --------------------------------------------------------------------------------


def verify_all(workspace):
    return {one.name: verify(one) for one in sorted((workspace / "incoming" / NIGHT).glob("ztf_*"))}


def accounts():
    ingest.manifest(str(MANIFEST), SETTINGS)
    return read_manifest(MANIFEST)


def test_what_has_been_verified_is_told_by_its_digest(workspace, send, raw_key):
    output = names.path_of("arrived", NightKey(NIGHT))
    assert verified_digest(output) == ""
    send(raw_key())
    ingest.arrived(output, SETTINGS)
    assert verified_digest(output) == incoming_digest(workspace / "incoming" / NIGHT)
    send(raw_key(fracday="310000"))
    assert verified_digest(output) != incoming_digest(workspace / "incoming" / NIGHT)
    Path(output).write_text("{half a")
    assert verified_digest(output) == ""


def test_accounts_add_up(workspace, send, raw_key, announce):
    good, bad = send(raw_key()), send(raw_key(fracday="310000"), header={"EXPTIME": 999.0})
    announce("ztf_20180325320000_000314_zr_c10_o.fits.fz")
    late = send(raw_key(fracday="330000"))
    verify_all(workspace)
    made = accounts()
    assert made.complete
    assert made.incoming_digest == incoming_digest(workspace / "incoming" / NIGHT)
    assert made.counts == {
        **{"sent": 3, "received": 3, "accepted": 1, "set aside": 1, "not received": 1},
        **{"without record": 0, "unannounced": 1},
    }
    assert MANIFEST.read_text().splitlines()[0] == (
        '{"summary": "Night 20180325: 3 sent = 1 accepted + 1 set aside + 1 not received, '
        'and 1 that were not announced",'
    )
    states = {entry.record.name: (entry.announced, entry.record.status) for entry in made.entries}
    assert states == {
        good.name: (True, "accepted"),
        bad.name: (True, "set aside"),
        "ztf_20180325320000_000314_zr_c10_o.fits.fz": (True, "not received"),
        late.name: (False, "accepted"),
    }


def test_accounts_without_a_list_of_files_sent(workspace, send, raw_key):
    send(raw_key())
    verify_all(workspace)
    made = accounts()
    assert (made.counts["sent"], made.counts["accepted"], made.counts["unannounced"]) == (1, 1, 0)


def test_accounts_that_do_not_add_up_say_so_first(workspace, send, raw_key):
    send(raw_key())
    verify_all(workspace)
    send(raw_key(fracday="310000"))
    made = accounts()
    assert made.summary.startswith("The accounts do not add up, 1 received without a verdict")
    assert (made.complete, made.incoming_digest) == (False, "")


def test_file_that_changed_since_its_verdict_makes_the_accounts_incomplete(workspace, send, raw_key):
    path = send(raw_key())
    verify_all(workspace)
    path.write_bytes(path.read_bytes() + bytes(2880))
    assert not accounts().complete


def test_file_that_is_not_as_announced_is_set_aside_by_the_accounts(workspace, send, raw_key, announce):
    path = send(raw_key())
    announce()
    send(raw_key(), seed=1)
    assert verify(path).status == "accepted"
    entry = accounts().entries[0]
    assert (entry.record.status, entry.record.quadrants) == ("set aside", ())
    assert "sent" in entry.record.reasons[""]
    assert Path(names.path_of("setaside", IncomingKey(NIGHT, path.name))).exists()


def test_two_files_accepted_side_by_side_as_one_exposure(workspace, send, raw_key):
    first, second = send(raw_key(field=314)), send(raw_key(field=315), seed=1)
    hidden = second.rename(second.with_name(".hidden"))
    verify(first)
    first = first.rename(first.with_name(".first"))
    second = hidden.rename(second)
    verify(second)
    first.rename(first.with_name("ztf_20180325300000_000314_zr_c10_o.fits.fz"))
    made = accounts()
    assert [entry.record.status for entry in made.entries] == ["accepted", "set aside"]
    assert "came already" in made.entries[1].record.reasons[""]


def test_file_with_shell_characters_in_its_name_is_accounted_for(workspace, send, raw_key):
    send(raw_key())
    verify_all(workspace)
    odd = workspace / "incoming" / NIGHT / "x; touch PWNED"
    odd.write_bytes(b"x")
    made = accounts()
    assert made.complete
    assert {entry.record.name: entry.record.status for entry in made.entries}[odd.name] == "set aside"
    assert odd.read_bytes() == b"x"


def plan_of_the_night():
    ingest.plan(str(PLAN), CALIBRATION, MANIFEST)
    return read_plan(PLAN)


def test_plan_of_a_night_with_enough_biases(workspace, send, raw_key):
    times = [f"{100000 + 400 * index:06d}" for index in range(21)]
    for fracday in reversed(times):
        send(raw_key("b", fracday))
    science = send(raw_key())
    flip_bit(science, 2, "data")
    verify_all(workspace)
    accounts()
    plan = plan_of_the_night()
    assert plan.incoming_digest == incoming_digest(workspace / "incoming" / NIGHT)
    assert [key.qid for key in plan.science] == [1, 3, 4]
    choices = {(one.kind, one.filter, one.qid): one for one in plan.masters}
    assert len(plan.masters) == len(choices) == 4 * 4
    bias = choices["bias", "00", 1]
    assert (bias.made_tonight, bias.key, bias.note) == (True, CalibrationKey(NIGHT, "00", 10, 1), "")
    assert [key.exposure.fracday for key in bias.frames] == times
    flat = choices["hifreqflat", "zr", 1]
    assert (flat.key, flat.made_tonight) == (None, False)
    assert flat.note == "0 flat frames of 20; no earlier master within 14 nights"


def master(night, *, status=1, qid=1):
    """Put a bias master in the archive."""
    path = Path(names.path_of("bias", CalibrationKey(night, "00", 10, qid)))
    write_image(path, np.zeros((2, 2), np.float32), {"STATUS": (status, "0 = bad; 1 = usable")})


def test_night_without_biases_uses_the_most_recent_usable_master(workspace, send, raw_key):
    master("20180320")
    master("20180323")
    master("20180324", status=0)
    master("20180310", qid=2)  # 15 nights ago, one too many
    send(raw_key())
    verify_all(workspace)
    accounts()
    choices = {(one.kind, one.filter, one.qid): one for one in plan_of_the_night().masters}
    bias = choices["bias", "00", 1]
    assert (bias.key, bias.made_tonight) == (CalibrationKey("20180323", "00", 10, 1), False)
    assert bias.note == "0 bias frames of 20; master of 20180323 used"
    none = choices["bias", "00", 2]
    assert (none.key, none.note) == (None, "0 bias frames of 20; no earlier master within 14 nights")
    assert choices["hifreqflat", "zr", 2].note.startswith("no bias to subtract; ")


def reference(key, *, status=1):
    """Put a version of a reference into the accounts, in force."""
    write_record(names.path_of("vrefqa", key), QaRecord("reference coadd", "x", status, "", {}))
    put_in_force(Path(), key, "a test")


def test_a_plan_made_again_keeps_its_references_and_takes_new_ones(workspace, send, raw_key):
    places = [ReferenceKey(314, "zr", 10, qid) for qid in (1, 2, 3)]
    reference(ReferenceVersionKey(places[0], 1))
    reference(ReferenceVersionKey(places[2], 1), status=0)
    send(raw_key(field=314))
    verify_all(workspace)
    accounts()
    assert plan_of_the_night().references == (ReferenceVersionKey(places[0], 1),)
    reference(ReferenceVersionKey(places[0], 2))
    reference(ReferenceVersionKey(places[1], 1))
    assert plan_of_the_night().references == tuple(ReferenceVersionKey(place, 1) for place in places[:2])


def test_unreadable_earlier_master_is_passed_over(workspace, send, raw_key):
    master("20180320")
    broken = Path(names.path_of("bias", CalibrationKey("20180324", "00", 10, 1)))
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"not a master")
    send(raw_key())
    verify_all(workspace)
    accounts()
    assert plan_of_the_night().masters[0].key == CalibrationKey("20180320", "00", 10, 1)


def test_plan_of_an_empty_night(workspace):
    made = accounts()
    assert made.summary == "Night 20180325: 0 sent = 0 accepted + 0 set aside + 0 not received"
    assert plan_of_the_night().science == ()


def test_plan_refuses_the_accounts_of_another_night(workspace):
    accounts()
    with pytest.raises(BadFile, match="accounts of night 20180325, not of 20180326"):
        ingest.plan(names.path_of("plan", NightKey("20180326")), CALIBRATION, MANIFEST)


def test_digest_sees_names_sizes_times_and_the_list(workspace, send, raw_key, announce):
    folder = workspace / "incoming" / NIGHT
    seen = {incoming_digest(folder)}
    path = send(raw_key())
    seen.add(incoming_digest(folder))
    os.utime(path, (1, 1))
    seen.add(incoming_digest(folder))
    announce()
    seen.add(incoming_digest(folder))
    announce("another.fits")
    seen.add(incoming_digest(folder))
    path.rename(path.with_name("other"))
    seen.add(incoming_digest(folder))
    assert len(seen) == 6
    assert incoming_digest(folder) in seen
