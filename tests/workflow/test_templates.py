"""Templates through Snakemake: each is made by its path from a frozen list, once, and only later nights use it.

Two nights of one CCD in i; one quadrant of it is followed. What the templates are worth is measured elsewhere: here
they are made of three images.
"""

import contextlib
import json
import os
import signal
import subprocess
import time

import pytest
from astropy.io import fits

from tests.reference_scene import frozen_inputs
from ztfpipe.config import Config, Reference
from ztfpipe.model.keys import CalibrationKey, NightKey, ReferenceKey, ReferenceVersionKey
from ztfpipe.products.accounts import references as accounts
from ztfpipe.products.accounts.plan import read_plan
from ztfpipe.products.names import parse, path_of
from ztfpipe.steps.simulate import simulate_night, write_catalogs

from .conftest import BIN, FRAMES, NEXT_NIGHT, NIGHT, ROOT, Site, _copy, warm

pytestmark = pytest.mark.workflow

IMAGES = 3
VERSION = CalibrationKey(NIGHT, "zi", 10, 1)
FRINGE, MAP = path_of("fringe", VERSION), path_of("lofreqflat", VERSION)
FOLLOWED = {"ccd": 10, "quadrant": 1}


@pytest.fixture(scope="module")
def two_nights(tmp_path_factory):
    """A site with a night of three images and one of a single image, all made, and the sections it is run with."""
    site = Site(tmp_path_factory.mktemp("templates"))
    camera = site.workspace / "one.yaml"
    camera.write_text(f"extends: {ROOT / 'camera' / 'mini'}\nname: one\nccds: [10]\n")
    frames = {"biases": FRAMES, "flats": FRAMES, "visits": IMAGES}
    for night, plan in ((NIGHT, frames), (NEXT_NIGHT, {"biases": 0, "flats": 0, "visits": 1})):
        plan |= {"date": night, "fields": [473], "filters": ["zi"], "exposures_s": [30.0]}
        simulate = {"night": plan, "weather": {"cloudy_fraction": 0.0}}
        config = Config.model_validate({"camera": str(camera), "workspace": str(site.workspace), "simulate": simulate})
        if night == NIGHT:
            write_catalogs(config, night)
        simulate_night(config, say=lambda line: None)
    few = {"fringe_frames_min": IMAGES, "lofreqflat_frames_min": IMAGES, "fringe_components": 1, "stars_min": 30}
    # The small quadrant never has as many calibrators as the archive asks for.
    few["bad_sky"] = ["photcal_failed"]
    sections = {"camera": str(camera), "templates": few}
    for night in (NIGHT, NEXT_NIGHT):
        run = site.run("sciimgs", night=night, sections=sections, **FOLLOWED)
        assert run.code == 0, run.text
    return site, sections


@pytest.fixture(scope="module")
def templates_made(two_nights, tmp_path_factory):
    """The run that made the templates, and a copy of the site as it then was."""
    site, sections = two_nights
    run = site.run(FRINGE, MAP, night=None, sections=sections)
    return run, _copy(site.workspace, tmp_path_factory.mktemp("copy") / "site")


def image_header(site, night):
    return fits.getheader(next((site.archive / "sci" / night[:4] / night[4:]).rglob("*_c10_o_q1_sciimg.fits")))


def test_templates_by_their_paths(two_nights, templates_made):
    site, sections = two_nights
    run, _ = templates_made
    assert run.code == 0, run.text
    assert run.jobs == {
        "templates_fringe_frames": 1,
        "templates_fringe": 1,
        "templates_lofreqflat_frames": 1,
        "templates_lofreqflat": 1,
    }
    for path in (FRINGE, MAP):
        header = fits.getheader(site.archive / path)
        assert (header["STATUS"], header["NFRAMES"]) == (1, IMAGES)
    listed = json.loads((site.archive / path_of("fringeframes", VERSION)).read_text())
    assert len(listed["frames"]) == IMAGES
    assert list((site.workspace / "logs" / "templates" / "2018" / "0325").glob("*fringe.fits.log"))

    # Made once: another run does nothing, not even with other settings.
    others = {**sections, "templates": {**sections["templates"], "fringe_noise_factor": 4.0}}
    assert site.run(FRINGE, MAP, night=None, sections=others).nothing_done

    # Nights planned before it keep what they were made with, also when they are planned again.
    assert site.run("sciimgs", night=NEXT_NIGHT, sections=sections, **FOLLOWED).nothing_done
    path = site.archive / path_of("plan", NightKey(NEXT_NIGHT))
    replanned = {**sections, "calibration": {"frames_min": FRAMES, "previous_master_nights": 13}}
    assert site.run("plan", night=NEXT_NIGHT, sections=replanned).jobs == {"ingest_plan": 1}
    assert read_plan(path).templates == ()
    assert "FRNGNITE" not in image_header(site, NEXT_NIGHT)

    # A night planned from now on uses it; the night it is named by never does.
    path.unlink()
    run = site.run("sciimgs", night=NEXT_NIGHT, sections=replanned, **FOLLOWED)
    assert run.code == 0, run.text
    assert run.jobs["science_image"] == 1
    assert {(one.kind, one.night) for one in read_plan(path).templates} == {("fringe", NIGHT), ("lofreqflat", NIGHT)}
    header = image_header(site, NEXT_NIGHT)
    assert (header["FRNGNITE"], header["LOFLNITE"]) == (NIGHT, NIGHT)
    assert "FRNGNITE" not in image_header(site, NIGHT)


def campaign(site, kind, action, *more):
    """The words of a call; the site's configuration is that of its last run."""
    words = ("campaign", kind, action, "--filter", "zi", "--from", NIGHT, "--to", NEXT_NIGHT, "--quadrant", "1")
    place = ("--config", site.workspace / "config.yaml", "--workspace", site.workspace, "--cores", "2", *more)
    return [str(word) for word in (BIN / "ztfpipe", *words, *place)]


def done(site, action, *more, kind="fringe"):
    words = campaign(site, kind, action, *more)
    return subprocess.run(words, cwd=ROOT, env=warm(), capture_output=True, text=True, check=False)


def struck(site, action, *more, when):
    """A call that is killed, with no chance to tidy up, as soon as `when` is so."""
    running = subprocess.Popen(campaign(site, "fringe", action, *more), cwd=ROOT, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while not when() and running.poll() is None and time.monotonic() < until:
        time.sleep(0.002)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()


def strengths(archive):
    """What each image of the followed quadrant says of the fringes taken out of it."""
    images = sorted(archive.glob("sci/*/*/*/*_c10_o_q1_sciimg.fits"))
    return {one.name: fits.getheader(one).get("FRNGNITE") for one in images}


@pytest.fixture(scope="module")
def with_late_reference(two_nights, templates_made):
    """The copy, with a reference of the first night's images that came after both nights were planned."""
    original, sections = two_nights
    _, site = templates_made
    configuration = site.workspace / "config.yaml"
    text = configuration.read_text().replace(str(original.workspace), str(site.workspace))
    configuration.unlink()  # a second name of the original's
    configuration.write_text(text.replace(str(site.workspace / "one.yaml"), str(original.workspace / "one.yaml")))
    images = sorted(site.archive.glob(f"sci/2018/{NIGHT[4:]}/*/*_c10_o_q1_sciimg.fits"))
    version = ReferenceVersionKey(ReferenceKey(473, "zi", 10, 1), 1)
    limits = Reference().inputs
    # Fringes and few calibrators: the small quadrant never is as flat as the archive asks for.
    bumpy = limits["zi"].model_copy(update={"flatness_rms_max_mag": 0.1, "flatness_range_max_mag": 0.2})
    settings = Reference(epochs_min=IMAGES, inputs=limits | {"zi": bumpy})
    with contextlib.chdir(site.archive):
        keys = [parse(path.relative_to(site.archive))[1] for path in images]
        accounts.write_frozen_inputs(site.archive, frozen_inputs(version, keys, settings))
    run = site.run(path_of("refimg", version.reference), night=None, sections=sections)
    assert run.jobs == {"reference_coadd": 1, "reference_publish": 1}, run.text
    assert accounts.usable(site.archive, version), (site.archive / path_of("vreflog", version)).read_text()
    return site


@pytest.fixture(scope="module")
def back_filled(with_late_reference):
    """The same after a campaign for the differences that it lacks; what its plan and its run said."""
    site = with_late_reference
    planned = done(site, "plan", kind="backfill")
    return site, planned, done(site, "run", kind="backfill")


def test_a_backfill_campaign_makes_the_differences_of_nights_planned_before_their_references(back_filled):
    site, planned, made = back_filled
    assert f"{IMAGES + 1} quadrants of 2 nights, {8 * (IMAGES + 1)} files" in planned.stdout, planned.stderr
    assert made.returncode == 0, made.stdout + made.stderr
    assert f"{IMAGES + 1} of {IMAGES + 1} units are made" in made.stdout
    assert len(list(site.archive.glob("sci/*/*/*/*_c10_o_q1_scimrefdiffimg.fits.fz"))) == IMAGES + 1
    assert "batch" not in done(site, "run", kind="backfill").stdout


def test_a_fringe_campaign_is_killed_goes_on_is_compared_and_adopted(two_nights, back_filled):
    """Images and their differences."""
    _, sections = two_nights
    site = back_filled[0]
    before = {path: path.read_bytes() for path in site.archive.rglob("sci/**/*") if path.is_file()}

    planned = done(site, "plan")
    assert planned.returncode == 0, planned.stderr
    assert f"{IMAGES + 1} quadrants of 2 nights, {18 * (IMAGES + 1)} files" in planned.stdout
    assert f"by the records of {IMAGES + 1} units" in planned.stdout

    # Killed, with no chance to tidy up, while the second of three batches runs.
    area = site.workspace / "campaigns" / f"fringe_zi_{NIGHT}_{NEXT_NIGHT}_q1"
    struck(site, "run", "--batch", "2", when=(area / "batches.csv").exists)
    made = strengths(area / "archive")
    assert 2 <= len(made) <= IMAGES
    assert "are missing; say --incomplete" in done(site, "adopt").stderr

    went_on = done(site, "run")
    assert went_on.returncode == 0, went_on.stdout + went_on.stderr
    assert f"{IMAGES + 1} of {IMAGES + 1} units are made" in went_on.stdout
    new = strengths(area / "archive")
    assert set(new.values()) == {NIGHT}
    assert len(new) == IMAGES + 1
    # So far the archive is as it was.
    assert {path: path.read_bytes() for path in before} == before
    assert set(strengths(site.archive).values()) == {None}

    compared = done(site, "compare")
    assert compared.returncode == 0, compared.stderr
    assert "fringes left, as the template has them" in compared.stdout
    assert (area / "comparison.csv").read_text().count("\n") == IMAGES + 2
    assert "data:image/png;base64" in (area / "comparison.html").read_text()

    # Killed while it swaps files: what it was at is finished first.
    struck(site, "adopt", when=(area / "swapping.json").exists)
    adopted = done(site, "adopt")
    assert adopted.returncode == 0, adopted.stderr
    assert strengths(site.archive) == new
    assert set(strengths(area / "replaced").values()) == {None}
    assert {one.night for one in read_plan(site.archive / path_of("plan", NightKey(NIGHT))).templates} == {NIGHT}
    old = {str(path.relative_to(site.archive)): content for path, content in before.items()}
    kept = {str(path.relative_to(area / "replaced")): path for path in (area / "replaced").rglob("*") if path.is_file()}
    assert {path: one.read_bytes() for path, one in kept.items()} == {path: old[path] for path in kept}
    assert len(kept) == 18 * (IMAGES + 1)
    # The archive's own runs take them as made.
    assert site.run("sciimgs", "diffimgs", sections=sections, **FOLLOWED).nothing_done
