"""A mini night through Snakemake: one command makes it, a second does nothing, a change re-makes what depends on it.

The night: 2 CCDs of 4 quadrants, 4 biases, 4 g flats and 1 exposure, so 18 files, 16 of them frames of masters, and
8 masters of each kind, and 8 science images.
"""

import fcntl
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from ztfpipe.model.keys import NightKey
from ztfpipe.products.accounts.plan import read_plan
from ztfpipe.products.accounts.records import read_manifest
from ztfpipe.products.accounts.zero_points import read_zero_points
from ztfpipe.products.catalogs.epochs import read_epochs, write_epochs
from ztfpipe.products.formats.plain import read_table
from ztfpipe.products.names import path_of

from .conftest import FRAMES, NEXT_NIGHT, NIGHT

pytestmark = pytest.mark.workflow

ACCOUNTS = {"ingest_arrived": 1, "ingest_manifest": 1, "ingest_plan": 1}
REPORT = {
    **{"reference_check": 1, "quality_coverage": 1, "quality_report": 1},
    **{"moving_detections": 1, "moving_tracks": 1, "moving_report": 1},
}


def test_one_command_makes_a_new_night(first_run):
    site, run = first_run
    assert run.code == 0, run.text
    assert run.jobs == {
        **ACCOUNTS,
        **REPORT,
        "moving_known": 1,
        "science_zero_points": 1,
        "ingest_verify": 18,
        "calibration_bias": 8,
        "calibration_flat": 8,
        "science_calibrators": 8,
        "science_covered": 1,
        "science_image": 8,
    }
    for ccdid, qid in ((ccdid, qid) for ccdid in (10, 11) for qid in (1, 2, 3, 4)):
        for kind, code in (("bias", "00"), ("hifreqflat", "zg")):
            header = fits.getheader(site.archive / site.master(kind, ccdid, qid, code))
            assert (header["STATUS"], header["NFRAMES"]) == (1, FRAMES)
    manifest = read_manifest(site.archive / path_of("manifest", NightKey(NIGHT)))
    assert manifest.complete
    assert manifest.counts["accepted"] == manifest.counts["sent"] == 18


def test_a_second_run_does_nothing(site):
    assert site.run("night").nothing_done


def test_science_images_are_calibrated(site):
    """The chain as a whole: every quadrant has a zero point and a WCS near truth."""
    for path in sorted((site.archive / "sci").rglob("*_sciimg.fits")):
        header = fits.getheader(path)
        assert header["STATUS"] == 1
        truth = read_table(
            next((site.workspace / "truth" / NIGHT).glob(f"*_c{header['CCDID']:02d}_o_exposure.parquet"))
        )
        true = truth[(truth.ccdid == header["CCDID"]) & (truth.qid == header["QID"])].iloc[0]
        # Masters of four frames only; the screen's light is not the sky's (3 %), and calibrators scatter by 30 mmag.
        assert header["MAGZP"] == pytest.approx(true.fitted_zero_point_mag, abs=0.05 + 5 * header["MAGZPUNC"])
        stars = read_table(next((site.workspace / "truth" / NIGHT).glob(f"*_c{header['CCDID']:02d}_o_stars.parquet")))
        stars = stars[(stars.ccdid == header["CCDID"]) & (stars.qid == header["QID"]) & (stars.mag < 18)]
        sky = WCS(header).all_pix2world(np.column_stack([stars.x_px, stars.y_px]), 0)
        inside = (stars.x_px > 0) & (stars.x_px < 511) & (stars.y_px > 0) & (stars.y_px < 519)
        error = (sky[:, 0] - stars.ra_deg) * np.cos(np.radians(stars.dec_deg)) * 3600
        # Turbulence leaves 25 to 32 mas about a quartic; with some fifty stars the fit adds as much again.
        assert np.median(np.abs(error[inside])) < 0.1


def test_a_product_alone_is_made_by_its_own_chain(site):
    bias = site.master("bias", 10, 2)
    (site.archive / bias).unlink()
    assert site.run(bias, night=None).jobs == {"calibration_bias": 1}


def test_a_raw_file_sent_again_remakes_what_depends_on_it(site):
    site.send_again(site.raw("_zg_c11_f")[0])
    run = site.run("night")
    assert run.jobs == ACCOUNTS | REPORT | {
        "ingest_verify": 1,
        "calibration_flat": 4,
        "science_image": 4,
    }
    assert site.run("night").nothing_done


def test_a_bias_sent_again_remakes_the_flats_that_use_it(site):
    site.send_again(site.raw("_bi_c10_b")[0])
    run = site.run("night")
    expected = {
        "ingest_verify": 1,
        "calibration_bias": 4,
        "calibration_flat": 4,
        "science_image": 4,
    }
    assert run.jobs == ACCOUNTS | REPORT | expected, run.text


def test_files_that_come_later_join_the_night(site, late_bias):
    late_bias(site)
    run = site.run("night")
    expected = {
        "ingest_verify": 2,
        "calibration_bias": 8,
        "calibration_flat": 8,
        "science_image": 8,
    }
    assert run.jobs == ACCOUNTS | REPORT | expected, run.text
    assert fits.getval(site.archive / site.master("bias", 11, 4), "NFRAMES") == FRAMES + 1


def test_a_section_of_the_configuration_remakes_what_it_governs(site):
    run = site.run("night", sections={"calibration": {"frames_min": FRAMES, "clip_sigma": 3.5}})
    # The plan comes out as it was: what may move is not gathered again, though its readers were announced already.
    readers = {name: count for name, count in REPORT.items() if name != "moving_detections"}
    assert run.jobs == readers | {
        "ingest_plan": 1,
        "calibration_bias": 8,
        "calibration_flat": 8,
        "science_image": 8,
    }, run.text


def test_settings_that_are_spelt_otherwise_remake_nothing(site):
    assert site.run("night", sections={"calibration": {"clip_sigma": 4, "frames_min": FRAMES}}).nothing_done


def test_a_bad_extension_takes_its_quadrant_out_and_no_other(new_site):
    new_site.damage(new_site.raw("_bi_c10_b")[0], hdu=2)
    new_site.keep_one_ccd()
    run = new_site.run("night")
    assert run.code == 0, run.text
    made = [qid for qid in (1, 2, 3, 4) if (new_site.archive / new_site.master("bias", 10, qid)).exists()]
    assert made == [1, 3, 4]
    assert run.jobs["calibration_flat"] == 3
    plan = read_plan(new_site.archive / path_of("plan", NightKey(NIGHT)))
    (without,) = [one for one in plan.masters if one.kind == "bias" and one.ccdid == 10 and one.key is None]
    assert without.qid == 2
    assert without.note.startswith(f"{FRAMES - 1} bias frames of {FRAMES}")
    # Asked for by name, it is refused with the reason.
    run = new_site.run(new_site.master("bias", 10, 2), night=None)
    assert run.code != 0
    assert without.note in run.text


def test_a_bad_file_is_set_aside_and_the_night_goes_on(site):
    name = site.raw("_zg_c11_f")[1].name
    path = site.incoming() / name
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[: len(content) // 2])
    run = site.run("night")
    assert run.code == 0, run.text
    # Three flats of four are left: the quadrants of this CCD lose their flat, and their images say so.
    assert run.jobs == ACCOUNTS | REPORT | {"ingest_verify": 1, "science_image": 4}, run.text
    record = json.loads((site.archive / f"ops/ingest/2018/0325/{name}.json").read_text())
    assert record["status"] == "set aside"
    assert (site.archive / f"ops/ingest/2018/0325/setaside/{name}").read_bytes() == path.read_bytes()
    assert site.run("night").nothing_done


def test_a_night_without_biases_uses_the_masters_of_an_earlier_one(site, next_night):
    shutil.copytree(next_night / "incoming" / NEXT_NIGHT, site.incoming(NEXT_NIGHT))
    run = site.run("night", night=NEXT_NIGHT)
    assert run.code == 0, run.text
    assert run.jobs == ACCOUNTS | REPORT | {
        "moving_known": 1,
        "science_zero_points": 1,
        "ingest_verify": 10,
        "calibration_flat": 8,
        "science_image": 8,
    }
    header = fits.getheader(site.archive / site.master("hifreqflat", 10, 1, "zg", NEXT_NIGHT))
    assert header["STATUS"] == 1
    image = next((site.archive / "sci/2018/0326").rglob("*_c10_o_q1_sciimg.fits"))
    assert [fits.getval(image, keyword) for keyword in ("BIASNITE", "FLATNITE")] == [NIGHT, NEXT_NIGHT]
    plan = read_plan(site.archive / path_of("plan", NightKey(NEXT_NIGHT)))
    notes = {one.note for one in plan.masters if one.kind == "bias"}
    assert notes == {f"0 bias frames of {FRAMES}; master of {NIGHT} used"}
    usual = read_zero_points(site.archive / path_of("zeropoints", NightKey(NEXT_NIGHT)))
    assert usual.nights == (NIGHT,)
    assert len(usual.channels) == 8
    # What is usual was frozen: a night before that becomes another makes nothing of this one again.
    epochs = site.archive / path_of("epochs", NightKey(NIGHT))
    write_epochs(epochs, [replace(one, status=0) for one in read_epochs(epochs)])
    assert site.run("night", night=NEXT_NIGHT).nothing_done


def test_a_night_without_biases_or_earlier_masters_makes_none_and_says_why(new_site):
    for path in new_site.raw("_bi_c*_b"):
        path.unlink()
    new_site.keep_one_ccd()
    run = new_site.run("night")
    assert run.code == 0, run.text
    assert run.jobs == ACCOUNTS | REPORT | {
        "moving_known": 1,
        "science_zero_points": 1,
        "ingest_verify": 5,
        "science_calibrators": 4,
        "science_covered": 1,
        "science_image": 4,
    }
    plan = read_plan(new_site.archive / path_of("plan", NightKey(NIGHT)))
    flats = {one.note for one in plan.masters if one.kind == "hifreqflat" and one.ccdid == 10}
    assert flats == {"no bias to subtract; no earlier master within 14 nights"}


def test_named_targets_are_narrowed(new_site):
    run = new_site.run("flats", ccd=11, quadrant=3, filter="zg")
    assert run.code == 0, run.text
    assert run.jobs == {
        **ACCOUNTS,
        "ingest_verify": 18,
        "calibration_bias": 1,
        "calibration_flat": 1,
    }
    assert (new_site.archive / new_site.master("hifreqflat", 11, 3, "zg")).exists()


def test_uncertainty_on_request(site):
    """From the products that are there, not by making the image again; and no part of the night."""
    image = next((site.archive / "sci").rglob("*_c10_o_q1_sciimg.fits")).relative_to(site.archive)
    target = str(image).replace("sciimg", "sciunc")
    assert site.run(target, night=None).jobs == {"science_uncertainty": 1}
    assert site.run("night").nothing_done
    sigma = fits.getdata(site.archive / target)
    # 20 e- of sky and readout at 6 e-/DN, within what the sky of an exposure may be.
    assert 2 < np.median(sigma) < 20


def test_splits_on_request(site):
    run = site.run("splits", ccd=10)
    assert run.jobs == {"calibration_split": 4}, run.text


@pytest.mark.parametrize(
    "target",
    [
        "cal/2018/0325/bias/00/ccd10/q1/x;touch PWNED;_bias.fits",
        "sci/2018/0325/1/x;touch PWNED;_sciimg.fits",
        "cal/2018/0325/bias/00/ccd10/q1/$(touch PWNED)_bias.fits",
        "../archive/cal/2018/0325/bias/00/ccd10/q1/ztf_20180325_00_c10_q1_bias.fits",
        "../../etc/passwd",
        "/etc/passwd",
    ],
)
def test_a_target_that_is_no_product_is_refused(site, target):
    run = site.run(target, night=None)
    assert run.code != 0
    assert not run.jobs
    assert f"{target}: " in run.text
    assert not list(site.workspace.rglob("PWNED"))


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"night": "20180230"}, "night '20180230' is not a day of the calendar"),
        ({"night": "20190101"}, "night 20190101: nothing was received"),
        ({"ccd": 3}, "--config ccd=3: not one of 10, 11"),
        ({"filter": "zz"}, "--config filter=zz: not one of zg, zr, zi"),
        ({"night": None}, "night of which night?"),
        ({"sections": {"calibration": {"frames_min": 1}}}, "frames_min"),
        ({"sections": {"camera": "nosuch"}}, "nosuch.yaml: not a camera"),
    ],
    ids=str,
)
def test_a_bad_call_gets_one_clear_sentence(site, asked, sentence):
    run = site.run("night", **asked)
    assert run.code != 0
    assert not run.jobs
    assert sentence in run.text
    assert "Traceback" not in run.text


def test_one_run_per_night(new_site):
    locks = new_site.workspace / "ledger" / "locks"
    locks.mkdir(parents=True)
    with (locks / NIGHT).open("w") as held:
        held.write("process 17 of elsewhere\n")
        held.flush()
        fcntl.flock(held, fcntl.LOCK_EX)
        run = new_site.run("night")
    assert run.code != 0
    assert not run.jobs
    assert f"night {NIGHT} is being worked on by process 17 of elsewhere" in run.text
