"""Differences through Snakemake: a night planned after a reference exists is differenced there, and only there."""

import contextlib
import shutil

import numpy as np
import pytest
from astropy.io import fits

from tests.reference_scene import frozen_inputs
from ztfpipe.config import Config, Reference
from ztfpipe.model.keys import ExposureKey, NightKey, QuadrantKey, ReferenceKey, ReferenceVersionKey
from ztfpipe.products.accounts import references as accounts
from ztfpipe.products.accounts.plan import read_plan
from ztfpipe.products.accounts.settings import write_settings
from ztfpipe.products.alerts.packets import read_archive
from ztfpipe.products.catalogs.events import read_candidates
from ztfpipe.products.names import parse, path_of
from ztfpipe.steps.reference import coadd, publish

from .conftest import FRAMES, NEXT_NIGHT, simulated

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


def test_a_night_after_its_references_exist_gives_differences(site, tmp_path):
    make_reference(site)
    simulated(tmp_path / "next", NEXT_NIGHT, biases=0)
    shutil.copytree(tmp_path / "next" / "incoming" / NEXT_NIGHT, site.incoming(NEXT_NIGHT))
    run = site.run("night", night=NEXT_NIGHT)
    assert run.code == 0, run.text
    assert run.jobs["science_image"] == 2 * FRAMES
    assert run.jobs["difference_image"] == 1
    assert run.jobs["reference_coadd"] == run.jobs["reference_publish"] == 0
    plan = read_plan(site.archive / path_of("plan", NightKey(NEXT_NIGHT)))
    assert plan.references == (VERSION,)
    made = sorted((site.archive / "sci/2018/0326").rglob("*_scimrefdiffimg.fits.fz"))
    assert [path.name.split("_", 3)[3] for path in made] == ["zg_c10_o_q1_scimrefdiffimg.fits.fz"]
    header = fits.getheader(made[0], 1)
    assert (header["STATUS"], header["REFVERS"]) == (1, 1)
    _, key = parse(made[0].relative_to(site.archive))
    assert len(read_candidates(site.archive / path_of("candidates", key))) == header["NCANDPOS"] + header["NCANDNEG"]
    report = (site.archive / path_of("nightreport", NightKey(NEXT_NIGHT))).read_text()
    assert "without reference" in report
    # Packets of what passed the light filters, by one job for names and one for the exposure; and by path.
    packets = site.run("alerts", night=NEXT_NIGHT)
    assert packets.jobs == {"alerts_names": 1, "alerts_exposure": 1, "alerts_night": 3}, packets.text
    table = read_candidates(site.archive / path_of("candidates", key))
    archive = site.archive / path_of("alerts", key)
    assert len(list(read_archive(archive))) == np.count_nonzero(table["filterbits"] == 0)
    assert site.run("alerts", night=NEXT_NIGHT).nothing_done
    assert site.run(path_of("alerts", key), night=None).nothing_done
    before = archive.read_bytes()
    archive.unlink()
    assert site.run(path_of("alerts", key), night=None).jobs == {"alerts_quadrant": 1}
    assert archive.read_bytes() == before
    # A second run does nothing, by any of its names, also when the files of the reference are newer than all else.
    for product in ("vrefimg", "vrefunc", "vrefmsk", "vrefpsfcat"):
        (site.archive / path_of(product, VERSION)).touch()
    assert site.run("night", night=NEXT_NIGHT).nothing_done
    assert site.run("diffimgs", night=NEXT_NIGHT).nothing_done
    # One that is asked for without a reference is not made, and it is said why.
    other = str(made[0].relative_to(site.archive)).replace("_q1_", "_q2_")
    refused = site.run(other, night=None)
    assert refused.code != 0
    assert "had no usable reference when night 20180326 was planned" in " ".join(refused.text.split())
    # Changed settings make the difference again and nothing of the reference.
    again = site.run("diffimgs", night=NEXT_NIGHT, sections={"difference": {"streaks": False}})
    assert again.jobs == {"difference_image": 1}, again.text
    assert site.archive.joinpath(path_of("vrefimg", VERSION)).exists()


def test_a_night_without_references_asks_for_none_and_the_report_counts_them(first_run):
    site, run = first_run
    assert "difference_image" not in run.jobs
    assert site.run("diffimgs").code == 0
    assert "without reference" in next(site.archive.rglob("*_report.html")).read_text()
