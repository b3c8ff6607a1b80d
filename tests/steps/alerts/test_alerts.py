"""The steps of `alerts` on files: names, histories against a brute-force search, packets read by another library."""

import contextlib
import functools
import io
import json
import os
import shutil
import tarfile
from pathlib import Path

import fastavro
import numpy as np
import pandas as pd
import pytest

from tests.alerts_nights import START, looks, nights, run_night
from tests.alerts_scene import CAMERA, FIELD, FILTERS, Look, alert_settings, plan_of, write_look
from ztfpipe.errors import BadFile
from ztfpipe.methods.sky.projection import sky_to_pixel
from ztfpipe.model.keys import NightKey, ProgramKey
from ztfpipe.products.alerts.ledger import separation_arcsec
from ztfpipe.products.alerts.packets import read_archive, read_packet
from ztfpipe.products.catalogs.events import read_candidates
from ztfpipe.products.formats.plain import read_table
from ztfpipe.products.names import path_of
from ztfpipe.steps.alerts import exposure, names, naming, night, quadrant


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An archive with three nights of packets, one night after the other; and what was looked at."""
    archive = tmp_path_factory.mktemp("alerts") / "archive"
    archive.mkdir()
    everything = looks()
    with contextlib.chdir(archive):
        for one in everything:
            write_look(one)
        for date in nights(everything):
            run_night(everything, date)
    return archive, everything


def packets_of(look):
    """Packets by candid, read by the library clients use, by the schema in each of them."""
    found = {}
    with tarfile.open(path_of("alerts", look.key)) as archive:
        for member in archive:
            (alert,) = fastavro.reader(io.BytesIO(archive.extractfile(member).read()))
            assert member.name == f"{alert['candid']}.avro"
            found[alert["candid"]] = alert
    return found


@functools.cache
def found_on(look):
    """Candidates and raw detections of a look, as rows."""
    tables = (read_table(path_of(product, look.key)) for product in ("candidates", "rawdetections"))
    return tuple(list(table[["candid", "ra", "dec"]].itertuples()) for table in tables)


def readable(other, look):
    """A packet shows what is public, of program 1, and what is of its own program."""
    return other.programid in (1, look.programid)


def brute_force(everything, look, ra, dec):
    """History of a place before a look, by going through everything: entries, counts."""
    entries, ndethist, ncovhist = [], 0, 0
    for other in everything:
        x, y = sky_to_pixel(other.wcs, ra, dec)
        ny, nx = CAMERA.quadrant_shape
        covers = other.status == 1 and -0.5 <= x <= nx - 0.5 and -0.5 <= y <= ny - 0.5 and other.jd <= look.jd
        ncovhist += covers
        table, raw = found_on(other)
        hits = [r.candid for r in table if separation_arcsec(ra, dec, r.ra, r.dec) <= 1.5]
        if other.jd <= look.jd and (other.qid, FIELD) == (look.qid, FIELD):
            ndethist += len(hits)
        hits += [r.candid for r in raw if separation_arcsec(ra, dec, r.ra, r.dec) <= 1.5]
        if look.jd - 30 <= other.jd < look.jd and readable(other, look):
            entries += [(other.jd, candid) for candid in sorted(hits)]
            if covers and not hits:
                entries.append((other.jd, None))
    return entries, ndethist, ncovhist


def test_every_packet_is_read_and_its_history_is_that_of_a_search_of_everything(made, monkeypatch):
    monkeypatch.chdir(made[0])
    everything, checked, limits, far = made[1], 0, 0, 0
    for look in everything:
        for candid, alert in packets_of(look).items():
            one = alert["candidate"]
            entries, ndethist, ncovhist = brute_force(everything, look, one["ra"], one["dec"])
            found = [(entry["jd"], entry["candid"]) for entry in alert["prv_candidates"] or []]
            assert found == entries
            assert (one["ndethist"], one["ncovhist"]) == (ndethist, ncovhist)
            assert one["jdstarthist"] <= one["jdendhist"] == look.jd
            assert (alert["candid"], one["candid"], one["jd"]) == (candid, candid, look.jd)
            checked += 1
            limits += sum(which is None for _, which in found)
            far += any(np.floor(e["jd"]) < np.floor(look.jd) - 17 for e in alert["prv_candidates"] or [])
    # The scene does what it is for: there are packets, upper limits, and histories that go back two nights and more.
    assert min(checked, limits) > 50
    assert far > 10


def test_an_upper_limit_has_what_real_packets_have(made, monkeypatch):
    monkeypatch.chdir(made[0])
    entries = [e for look in made[1] for a in packets_of(look).values() for e in a["prv_candidates"] or []]
    limit = next(entry for entry in entries if entry["candid"] is None)
    # The fields that entries without candid of the 18 public packets have.
    assert {name for name, value in limit.items() if value is not None} == {
        "jd", "fid", "pid", "diffmaglim", "pdiffimfilename", "programpi", "programid", "nid", "rcid", "field",
        "magzpsci", "magzpsciunc", "magzpscirms", "clrcoeff", "clrcounc", "rbversion",
    }  # fmt: skip
    assert limit["diffmaglim"] == pytest.approx(20.5)
    detection = next(entry for entry in entries if entry["candid"] and entry["candid"] % 10**6 < 20000)
    assert detection["isdiffpos"] in ("t", "f")
    assert {"magpsf", "fwhm", "ra", "diffmaglim", "magzpsci"} <= {k for k, v in detection.items() if v is not None}


def test_forced_photometry_is_of_the_same_field_and_channel(made, monkeypatch):
    monkeypatch.chdir(made[0])
    everything = made[1]
    pulls = []
    for look in everything:
        for alert in packets_of(look).values():
            one = alert["candidate"]
            expected = []
            for other in everything:
                x, y = sky_to_pixel(other.wcs, one["ra"], one["dec"])
                ny, nx = CAMERA.quadrant_shape
                on_image = -0.5 <= x <= nx - 0.5 and -0.5 <= y <= ny - 0.5
                same = other.qid == look.qid and other.status == 1 and look.jd - 30 <= other.jd < look.jd
                if same and on_image and readable(other, look):
                    expected.append((other.jd, FILTERS[other.filter]))
            entries = alert["fp_hists"] or []
            assert [(e["jd"], e["fid"]) for e in entries] == expected
            pulls += [e["forcediffimflux"] / e["forcediffimfluxunc"] for e in entries if e["procstatus"] == "0"]
    # Nothing was planted. Stars are looked at again and again, so that only some 20 x 10 fluxes are independent: the
    # mean of as many pulls scatters by 0.07, their width by 0.05.
    assert abs(np.mean(pulls)) < 4 * 0.07
    assert np.std(pulls) == pytest.approx(1.0, abs=4 * 0.05)


def test_one_place_one_name_across_quadrants_filters_and_nights(made, monkeypatch):
    monkeypatch.chdir(made[0])
    rows = [(a["objectId"], a["candidate"]) for look in made[1] for a in packets_of(look).values()]
    by_name = {}
    for name, one in rows:
        by_name.setdefault(name, []).append(one)
    for found in by_name.values():
        assert all(separation_arcsec(found[0]["ra"], found[0]["dec"], o["ra"], o["dec"]) <= 1.5 for o in found)
    first = {name: found[0] for name, found in by_name.items()}
    apart = [
        separation_arcsec(a["ra"], a["dec"], b["ra"], b["dec"])
        for n, a in first.items()
        for m, b in first.items()
        if n < m
    ]
    assert min(apart) > 1.5
    assert any(
        {o["rcid"] for o in found} == {36, 37} and {o["fid"] for o in found} == {1, 2} for found in by_name.values()
    )
    assert all(name.startswith("ZTF18") and len(name) == 12 for name in by_name)


def test_a_second_run_gives_the_same_bytes_also_in_another_order(made, tmp_path, monkeypatch):
    shutil.copytree(made[0].parent, tmp_path / "copy", symlinks=True)
    monkeypatch.chdir(tmp_path / "copy" / "archive")
    everything = made[1]
    before = {str(p): p.read_bytes() for p in Path().rglob("*_alerts.tar.gz")}
    for path in Path().rglob("*_exposurenames.parquet"):
        path.unlink()
    # The names of the last night first: the ledger knows them by candid, histories by date.
    for date in nights(everything)[::-1]:
        run_night(everything, date)
    assert {str(p): p.read_bytes() for p in Path().rglob("*_alerts.tar.gz")} == before
    assert len(before) == len(everything)
    one = everything[-1]
    target = Path(path_of("alerts", one.key))
    target.unlink()
    quadrant(str(target), alert_settings(), Path(path_of("objectnames", NightKey(one.key.night))))
    assert target.read_bytes() == before[str(target)]


def test_names_given_exposure_by_exposure_read_only_what_is_new(tmp_path, monkeypatch):
    """As an operator calls it: after each exposure, with the plan as it grew."""
    (tmp_path / "archive").mkdir()
    monkeypatch.chdir(tmp_path / "archive")
    three = looks()[:3]
    date = three[0].key.night
    given = path_of("objectnames", NightKey(date))
    read = []
    monkeypatch.setattr(naming, "read_candidates", lambda path: read.append(path) or read_candidates(path))
    for count in (1, 2, 3):
        write_look(three[count - 1])
        names(given, alert_settings(), plan_of(three[:count], date))
        # Younger than the step allows clocks to differ by, they would be read again.
        age(*(Path(path_of("candidates", one.key)) for one in three[:count]))
    assert read == [path_of("candidates", one.key) for one in three]
    grown = read_table(given)
    assert len(grown) == sum(len(one.ra) for one in three)
    # A difference that is made again has its candidates read again, and they keep their names.
    again = Path(path_of("candidates", three[1].key))
    os.utime(again)
    names(given, alert_settings(), plan_of(three, date))
    assert read[3:] == [str(again)]
    pd.testing.assert_frame_equal(read_table(given), grown)


def age(*paths):
    """Make files an hour older."""
    for path in paths:
        os.utime(path, ns=(path.stat().st_mtime_ns - 3600 * 10**9,) * 2)


def test_programs_have_archives_of_their_own(made, tmp_path, monkeypatch):
    shutil.copytree(made[0].parent, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy" / "archive")
    date = nights(made[1])[0]
    plan = plan_of(made[1], date)
    counts = {}
    for program in (1, 2, 3):
        path = path_of("nightalerts", ProgramKey(date, program))
        night(path, alert_settings(), plan)
        found = list(read_archive(path))
        assert all(read_packet(content)["candidate"]["programid"] == program for _, content in found)
        counts[program] = len(found)
    assert Path(path_of("nightalerts", ProgramKey(date, 1))).name == f"ztf_public_{date}.tar.gz"
    expected = {p: sum(len(o.ra) for o in made[1] if o.key.night == date and o.programid == p) for p in (1, 2, 3)}
    assert counts == expected
    assert min(counts[1], counts[2]) > 0


def test_a_broken_quadrant_keeps_its_packets_from_nobody_else(made, tmp_path, monkeypatch):
    shutil.copytree(made[0].parent, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy" / "archive")
    look = made[1][-1]
    date = look.key.night
    table = read_table(path_of("objectnames", NightKey(date)))
    mine = table["candid"] // 10**6 == look.pid
    assert mine.any()
    partial = Path("names.parquet")
    table[~mine].to_parquet(partial)
    record = path_of("alertsqa", look.key.exposure)
    exposure(record, alert_settings(), plan_of(made[1], date), partial)
    content = json.loads(Path(record).read_text())
    assert content["status"] == 0
    assert "has no name" in content["reason"]
    with pytest.raises(BadFile, match="has no name"):
        quadrant(path_of("alerts", look.key), alert_settings(), partial)


def test_a_quadrant_without_candidates_has_an_empty_archive(tmp_path, monkeypatch):
    (tmp_path / "archive").mkdir()
    monkeypatch.chdir(tmp_path / "archive")
    look = Look(START)
    write_look(look)
    run_night([look], look.key.night)
    assert packets_of(look) == {}
    assert isinstance(read_table(path_of("objectnames", NightKey(look.key.night))), pd.DataFrame)
