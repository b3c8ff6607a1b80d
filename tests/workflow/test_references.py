"""References through Snakemake: made by their path from a frozen list, locked afterwards, made again by command only.

The archive holds science images of one quadrant and the frozen list of its reference, and nothing else: no night.
"""

import contextlib
import dataclasses
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from astropy.io import fits

from tests.reference_scene import KEY, frozen_inputs, key_of, stars, write_calibrators, write_science
from ztfpipe.config import Reference
from ztfpipe.model.keys import NightKey, ReferenceVersionKey
from ztfpipe.products.accounts import references as accounts
from ztfpipe.products.catalogs.epochs import write_epochs
from ztfpipe.products.names import path_of

from .conftest import BIN, ROOT, Site, warm

pytestmark = pytest.mark.workflow

N = 4
FIRST, SECOND = ReferenceVersionKey(KEY, 1), ReferenceVersionKey(KEY, 2)
REFIMG = path_of("refimg", KEY)
SECTIONS = {"reference": {"epochs_min": 3}}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A site with a reference, and the run that made it."""
    site = Site(tmp_path_factory.mktemp("references") / "site")
    site.archive.mkdir(parents=True)
    with contextlib.chdir(site.archive):
        field = stars()
        write_calibrators(field)
        keys = [write_science(field, k) for k in range(N)]
        accounts.write_frozen_inputs(Path(), frozen_inputs(FIRST, keys, Reference(epochs_min=3)))
    return site, site.run(REFIMG, night=None, sections=SECTIONS)


@pytest.fixture
def site(made, tmp_path):
    """A copy of it: nothing here changes a file in place but those it copies first."""
    assert made[1].code == 0, made[1].text
    shutil.copytree(made[0].workspace, tmp_path / "site", copy_function=shutil.copy2)
    return Site(tmp_path / "site")


def run(site, *targets):
    return site.run(*(targets or (REFIMG,)), night=None, sections=SECTIONS)


def operate(site, *call, what="reference"):
    """One of the operator's commands."""
    (site.workspace / "config.yaml").write_text(
        yaml.safe_dump({"camera": "mini", "workspace": str(site.workspace), **SECTIONS})
    )
    command = [BIN / "ztfpipe", what, *call, "--config", site.workspace / "config.yaml"]
    return subprocess.run(command, cwd=ROOT, env=warm(), capture_output=True, text=True, check=False)


def header(site, path=REFIMG):
    return fits.getheader(site.archive / path)


def test_a_reference_is_made_by_its_path_and_a_second_run_does_nothing(made):
    site, first = made
    assert first.jobs == {"reference_coadd": 1, "reference_publish": 1}, first.text
    assert {name: header(site)[name] for name in ("STATUS", "NFRAMES", "REFVERS")} == {
        "STATUS": 1, "NFRAMES": N, "REFVERS": 1,
    }  # fmt: skip
    assert run(site).nothing_done


def test_nothing_that_changes_later_makes_it_again(site):
    image = site.archive / path_of("sciimg", key_of(0))
    content = bytearray(image.read_bytes())
    content[-4000] ^= 1
    image.write_bytes(content)
    (site.archive / path_of("sciimg", key_of(1))).unlink()
    now = {"reference": {"epochs_min": 3, "clip_sigma": 5.5}}
    assert site.run(REFIMG, night=None, sections=now).nothing_done


def test_one_deleted_by_hand_comes_back_as_it_was(site):
    content = (site.archive / REFIMG).read_bytes()
    (site.archive / REFIMG).unlink()
    assert run(site).jobs == {"reference_publish": 1}
    # Under both its names: made again of the frozen inputs.
    shutil.rmtree((site.archive / REFIMG).parent / "v001", ignore_errors=False)
    with contextlib.chdir(site.archive):
        accounts.write_frozen_inputs(
            Path(), frozen_inputs(FIRST, [key_of(k) for k in range(N)], Reference(epochs_min=3))
        )
    (site.archive / REFIMG).unlink()
    assert run(site).jobs == {"reference_coadd": 1, "reference_publish": 1}
    assert (site.archive / REFIMG).read_bytes() == content


def test_an_interrupted_coadd_is_made_again(site):
    """The image is written last: without it a version is not there, whatever else is."""
    for product in ("vrefimg", "vrefqa", "refimg"):
        key = FIRST if product.startswith("v") else KEY
        (site.archive / path_of(product, key)).unlink()
    done = run(site)
    assert done.jobs == {"reference_coadd": 1, "reference_publish": 1}, done.text
    assert header(site)["STATUS"] == 1


def test_without_a_frozen_list_there_is_none_and_it_is_said_why(site):
    other = REFIMG.replace("q1", "q2")
    done = run(site, other)
    assert done.code != 0
    assert "field 473 zr CCD 10 quadrant 2 has no reference: too few good epochs so far" in done.text
    assert not (site.archive / other).exists()


def test_a_new_version_is_made_and_comes_in_force_by_command_only(site):
    with contextlib.chdir(site.archive):
        accounts.write_frozen_inputs(
            Path(), frozen_inputs(SECOND, [key_of(k) for k in range(3)], Reference(epochs_min=3))
        )
    assert run(site).nothing_done
    assert "no such file" in operate(site, "compare", REFIMG).stderr
    assert "was not made" in operate(site, "adopt", REFIMG).stderr
    assert run(site, path_of("vrefimg", SECOND)).jobs == {"reference_coadd": 1}
    compared = operate(site, "compare", REFIMG)
    assert "seeds moved" in compared.stdout, compared.stderr
    assert "near the threshold" in compared.stdout
    assert header(site)["REFVERS"] == 1
    adopted = operate(site, "adopt", REFIMG)
    assert "version 2 is in force, version 1 was" in adopted.stdout, adopted.stderr
    assert header(site)["REFVERS"] == 2
    assert run(site).code == 0
    assert header(site)["REFVERS"] == 2
    assert run(site).nothing_done
    # The old one is where it was, and can be put back.
    assert header(site, path_of("vrefimg", FIRST))["REFVERS"] == 1
    assert operate(site, "adopt", REFIMG, "--version", "1").returncode == 0
    assert (site.archive / REFIMG).samefile(site.archive / path_of("vrefimg", FIRST))


def test_a_campaign_makes_new_versions_beside_the_old_ones_and_adopts_them_when_told_to(site):
    """Three deeper images have come since the first version was made."""
    with contextlib.chdir(site.archive):
        seen = frozen_inputs(FIRST, [key_of(k) for k in range(3)], Reference()).selection.chosen
        deeper = [dataclasses.replace(one, limiting_mag=21.0) for one in seen]
        write_epochs(path_of("epochs", NightKey("20180401")), deeper)

    def campaign(action):
        span = ("--filter", "zr", "--from", "20180301", "--to", "20180401")
        done = operate(site, "reference", action, *span, what="campaign")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    planned = campaign("plan")
    assert "1 references, 11 files" in planned
    assert "by the records of 1 units" in planned
    assert not (site.archive / path_of("refinputs", SECOND)).exists()
    before = (site.archive / REFIMG).read_bytes()
    assert "1 of 1 units are made" in campaign("run")
    assert (header(site, path_of("vrefimg", SECOND))["NFRAMES"], header(site)["REFVERS"]) == (3, 1)
    assert (site.archive / REFIMG).read_bytes() == before
    # What was chosen stays: now that it is made, there is nothing to do.
    assert "batch" not in campaign("run")
    epochs = next(line for line in campaign("compare").splitlines() if line.startswith("epochs"))
    assert epochs.split() == ["epochs", "more", "1", "4", "3", "-1", "0", "0", "100", "worse"]
    assert "version 2 is in force, version 1 was" in campaign("adopt")
    assert header(site)["REFVERS"] == 2
    assert run(site).code == 0
    assert header(site)["REFVERS"] == 2
    assert run(site).nothing_done
