"""Differences through Snakemake: a night planned after a reference exists is differenced there, and only there."""

import contextlib
import json
import os
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from tests.reference_scene import frozen_inputs
from ztfpipe.config import Config, Reference
from ztfpipe.model.keys import ExposureKey, NightKey, QuadrantKey, ReferenceKey, ReferenceVersionKey
from ztfpipe.products.accounts import references as accounts
from ztfpipe.products.accounts.efficiency import read_efficiencies
from ztfpipe.products.accounts.plan import read_plan
from ztfpipe.products.accounts.settings import write_settings
from ztfpipe.products.alerts.packets import read_archive
from ztfpipe.products.catalogs.events import read_candidates, read_planted
from ztfpipe.products.catalogs.orbits import read_known
from ztfpipe.products.names import parse, path_of
from ztfpipe.steps.reference import coadd, publish

from .conftest import BIN, FRAMES, NEXT_NIGHT, NIGHT

pytestmark = pytest.mark.workflow

VERSION = ReferenceVersionKey(ReferenceKey(473, "zg", 10, 1), 1)


def make_reference(site):
    """A reference of one quadrant from the night's image of it and the same with other noise."""
    with contextlib.chdir(site.archive):
        path = next(site.archive.glob("sci/*/*/*/*_c10_o_q1_sciimg.fits")).relative_to(site.archive)
        _, key = parse(path)
        exposure = key.exposure
        other = QuadrantKey(ExposureKey(f"{int(exposure.filefracday) + 700}", 473, "zg", "o"), 10, 1)
        for product in ("sciimg", "mskimg", "psfcat"):
            copy = site.archive / path_of(product, other)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path_of(product, key), copy)
        with fits.open(path_of("sciimg", other)) as hdus:
            # About the noise of the sky there.
            hdus[0].data = hdus[0].data + np.random.default_rng(1).normal(0, 7, hdus[0].data.shape).astype("f4")
            new = site.archive / "new.fits"
            hdus.writeto(new, checksum=True)
        new.rename(path_of("sciimg", other))
        settings = Reference(epochs_min=2)
        accounts.write_frozen_inputs(site.archive, frozen_inputs(VERSION, [key, other], settings))
        config = Config(camera="mini", workspace=str(site.workspace), reference=settings)
        section = write_settings(site.workspace / "settings", "reference", config)
        image = site.archive / path_of("vrefimg", VERSION)
        coadd(path_of("vrefimg", VERSION), section, site.archive / path_of("refinputs", VERSION))
        publish(path_of("refimg", VERSION.reference), section, image.relative_to(site.archive))


def check_packets(site, key):
    """Packets of what passed the light filters, by one job for names and one for the exposure; and by path."""
    # As an operator asks while the night arrives; the whole night then has only archives left to make.
    exposure = site.run("alerts", night=NEXT_NIGHT, exposure=key.exposure.filefracday, made="true")
    assert exposure.jobs == {"alerts_names": 1, "alerts_exposure": 1}, exposure.text
    # The night grows: names are given again, and packets made of what is new.
    record = site.archive / path_of("diffqa", key)
    content, times = record.read_text(), record.stat()
    record.write_text(json.dumps(json.loads(content) | {"ended_unix": 0.0}))
    again = site.run("alerts", night=NEXT_NIGHT, exposure=key.exposure.filefracday, made="true")
    assert again.jobs == {"alerts_names": 1, "alerts_exposure": 1}, again.text
    record.write_text(content)
    os.utime(record, ns=(times.st_atime_ns, times.st_mtime_ns))
    packets = site.run("alerts", night=NEXT_NIGHT)
    assert packets.jobs == {"alerts_night": 3}, packets.text
    table = read_candidates(site.archive / path_of("candidates", key))
    archive = site.archive / path_of("alerts", key)
    assert len(list(read_archive(archive))) == np.count_nonzero(table["filterbits"] == 0)
    assert site.run("alerts", night=NEXT_NIGHT).nothing_done
    assert site.run(path_of("alerts", key), night=None).nothing_done
    before = archive.read_bytes()
    archive.unlink()
    assert site.run(path_of("alerts", key), night=None).jobs == {"alerts_quadrant": 1}
    assert archive.read_bytes() == before


def check_tracks(site, run, report):
    """The night's candidates are linked, whatever comes of it, and reports are written."""
    assert run.jobs["moving_detections"] == run.jobs["moving_tracks"] == run.jobs["moving_report"] == 1
    for product in ("tracks", "trackmembers", "trackpage", "adespsv", "adesxml", "mpcreport"):
        assert (site.archive / path_of(product, NightKey(NEXT_NIGHT))).exists()
    assert "Moving objects" in report
    assert site.run("tracks", night=NEXT_NIGHT).nothing_done
    assert site.run("tracks_sofar", night=NEXT_NIGHT, cutoff="0900").jobs["moving_sofar"] == 1
    assert site.run("tracks_sofar", night=NEXT_NIGHT, cutoff="0900").nothing_done
    assert site.run("tracks", night=NEXT_NIGHT).nothing_done


def test_a_night_after_its_references_exist_gives_differences(site, next_night):
    make_reference(site)
    shutil.copytree(next_night / "incoming" / NEXT_NIGHT, site.incoming(NEXT_NIGHT))
    # The bodies of that night are its own, and so is what the site knows of them.
    shutil.copy(next_night / "calibrators" / "known_asteroids.parquet", site.workspace / "calibrators")
    run = site.run("night", night=NEXT_NIGHT)
    assert run.code == 0, run.text
    assert run.jobs["science_image"] == 2 * FRAMES
    assert run.jobs["difference_image"] == 1
    assert run.jobs["reference_coadd"] == run.jobs["reference_publish"] == 0
    assert run.jobs["moving_known"] == 1
    plan = read_plan(site.archive / path_of("plan", NightKey(NEXT_NIGHT)))
    assert plan.references == (VERSION,)
    made = sorted((site.archive / "sci/2018/0326").rglob("*_scimrefdiffimg.fits.fz"))
    assert [path.name.split("_", 3)[3] for path in made] == ["zg_c10_o_q1_scimrefdiffimg.fits.fz"]
    header = fits.getheader(made[0], 1)
    assert (header["STATUS"], header["REFVERS"]) == (1, 1)
    _, key = parse(made[0].relative_to(site.archive))
    assert len(read_candidates(site.archive / path_of("candidates", key))) == header["NCANDPOS"] + header["NCANDNEG"]
    assert not site.archive.joinpath(path_of("scorrimg", key)).exists()
    record = json.loads((site.archive / path_of("diffqa", key)).read_text())
    known = read_known(site.archive / path_of("known", NightKey(NEXT_NIGHT)))
    assert len(known) > 0
    # As many as the truth has known ones in the quadrant, but for near-Earth objects and others at the edge.
    truth = pd.concat(map(pd.read_parquet, (next_night / "truth" / NEXT_NIGHT).glob("*_c10_o_asteroids.parquet")))
    inside = truth[truth.known & (truth.qid == 1)]
    assert record["metrics"]["nsolarsystobj"] == pytest.approx(len(inside), abs=3)
    report = (site.archive / path_of("nightreport", NightKey(NEXT_NIGHT))).read_text()
    assert "without reference" in report
    check_tracks(site, run, report)
    check_packets(site, key)
    # A second run does nothing, by any of its names, also when the files of the reference are newer than all else.
    for product in ("vrefimg", "vrefunc", "vrefmsk", "vrefpsfcat"):
        (site.archive / path_of(product, VERSION)).touch()
    assert site.run("night", night=NEXT_NIGHT).nothing_done
    assert site.run("diffimgs", night=NEXT_NIGHT).nothing_done
    # Planted sources on request: one quadrant's table and the night's efficiency, and nothing else is touched.
    before = (site.archive / path_of("candidates", key)).read_bytes()
    planted = site.run("planted", night=NEXT_NIGHT)
    assert planted.jobs == {"difference_planted": 1, "difference_efficiency": 1}, planted.text
    assert (site.archive / path_of("candidates", key)).read_bytes() == before
    assert len(read_planted(site.archive / path_of("planted", key))) > 10
    curves = read_efficiencies(site.archive / path_of("efficiency", NightKey(NEXT_NIGHT)))
    assert [(one.filter, one.quadrants) for one in curves if not one.hosted] == [("zg", 1)]
    assert site.run("planted", night=NEXT_NIGHT).nothing_done
    assert site.run("planted", night=NEXT_NIGHT, ccd=10, quadrant=1).nothing_done
    # One that is asked for without a reference is not made, and it is said why.
    other = str(made[0].relative_to(site.archive)).replace("_q1_", "_q2_")
    refused = site.run(other, night=None)
    assert refused.code != 0
    assert "had no usable reference when night 20180326 was planned" in " ".join(refused.text.split())
    # Changed settings make the difference again and nothing of the reference.
    # Peaks of noise have neighbours as well as any, and the workflow hands the catalogs over.
    changed = {"streaks": False, "scorr_image": True, "candidate_scorr_min": 3.5}
    again = site.run("diffimgs", night=NEXT_NIGHT, sections={"difference": changed})
    assert again.jobs == {"difference_image": 1}, again.text
    assert site.archive.joinpath(path_of("vrefimg", VERSION)).exists()
    assert site.archive.joinpath(path_of("scorrimg", key)).exists()
    assert (read_candidates(site.archive / path_of("candidates", key)).nmtchps > 0).any()


def test_a_night_planned_before_its_references_is_back_filled_by_command(site):
    make_reference(site)
    command = [BIN / "ztfpipe", "reference", "backfill", "--config", site.workspace / "config.yaml"]
    assert not site.run("diffimgs").jobs  # as planned: without
    listed = subprocess.run([*command, "--from", NIGHT], capture_output=True, text=True, check=True).stdout.splitlines()
    images = [line for line in listed if line.endswith("_c10_o_q1_sciimg.fits")]
    assert listed == [*images, f"# {len(images)} science images of 1 nights"]
    planned = subprocess.run([*command, "--plan"], capture_output=True, text=True, check=True).stdout
    assert planned.endswith(f"snakemake --profile profiles/local diffimgs --config night={NIGHT}\n")
    run = site.run("diffimgs")
    assert run.jobs == {"difference_image": len(images)}, run.text
    for image in images:
        assert site.archive.joinpath(image.replace("sciimg.fits", "scimrefdiffimg.fits.fz")).exists()
    assert site.run("diffimgs").nothing_done
    # The night as a whole then looks for what moves in them, and tells of them.
    told = {"moving_detections": 1, "moving_tracks": 1, "moving_report": 1, "quality_report": 1}
    assert site.run("night").jobs == told


def test_a_night_without_references_asks_for_none_and_the_report_counts_them(first_run):
    site, run = first_run
    assert "difference_image" not in run.jobs
    assert site.run("diffimgs").code == 0
    assert "without reference" in next(site.archive.rglob("*_report.html")).read_text()
