"""Matchfiles through Snakemake: made of a frozen list, again only when the list grows, and the same as made at once."""

import contextlib
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.lightcurve_scene import KEY, listed, scene, with_epochs, write_epoch, write_reference
from ztfpipe.products.accounts.matchepochs import write_match_epochs
from ztfpipe.products.catalogs import matchfile
from ztfpipe.products.names import path_of

from .conftest import Site

pytestmark = pytest.mark.workflow

MATCHFILE = path_of("matchfile", KEY)
EPOCHS = 9


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A site with a matchfile of all epochs but the last, its keys, and the run that made it."""
    site = Site(tmp_path_factory.mktemp("matchfiles") / "site")
    site.archive.mkdir(parents=True)
    with contextlib.chdir(site.archive):
        truth = scene()
        write_reference(truth)
        keys = [write_epoch(truth, k, delta_zp=0.02 * (-1) ** k) for k in range(EPOCHS)]
        write_match_epochs(Path(), listed(keys[:-1]))
    return site, keys, site.run(MATCHFILE, night=None)


@pytest.fixture
def site(made, tmp_path):
    assert made[2].code == 0, made[2].text
    shutil.copytree(made[0].workspace, tmp_path / "site", copy_function=shutil.copy2)
    return Site(tmp_path / "site")


def test_a_matchfile_is_made_of_its_list_and_a_second_run_does_nothing(made):
    site, _, first = made
    assert first.jobs == {"lightcurve_match": 1}, first.text
    assert len(matchfile.read_head(site.archive / MATCHFILE).fracdays) == EPOCHS - 1
    assert site.run(MATCHFILE, night=None).nothing_done


def test_changed_settings_and_catalogs_make_nothing_again(site, made):
    with contextlib.chdir(site.archive):
        catalog = Path(path_of("psfcat", made[1][0]))
        catalog.write_bytes(catalog.read_bytes()[:-2880])
    assert site.run(MATCHFILE, night=None, sections={"lightcurve": {"reject_sigma": 5.0}}).nothing_done


def test_a_longer_list_makes_the_matchfile_grow(site, made):
    before = matchfile.read_rows(site.archive / MATCHFILE, "sourcedata")
    write_match_epochs(site.archive, with_epochs(listed(made[1]), made[1]))
    assert site.run(MATCHFILE, night=None).jobs == {"lightcurve_match": 1}
    after = matchfile.read_rows(site.archive / MATCHFILE, "sourcedata")
    assert len(matchfile.read_head(site.archive / MATCHFILE).fracdays) == EPOCHS
    assert np.array_equal(after["uncalibmag"][: len(before)], before["uncalibmag"])
    assert site.run(MATCHFILE, night=None).nothing_done


def test_without_a_list_it_is_said_what_makes_one(site):
    done = site.run(MATCHFILE.replace("q1", "q2").replace("rc36", "rc37"), night=None)
    assert done.code != 0
    assert "`ztfpipe lightcurve extend` lists the epochs of matchfiles" in done.text


def test_a_job_that_fails_leaves_the_file_as_it_was(site, made):
    content = (site.archive / MATCHFILE).read_bytes()
    with contextlib.chdir(site.archive):
        broken = listed(made[1])
        write_match_epochs(Path(), broken)
        path = Path(path_of("matchepochs", KEY))
        path.write_text(re.sub('"recipe_version": [0-9]+', '"recipe_version": 0', path.read_text()))
    done = site.run(MATCHFILE, night=None)
    assert done.code != 0
    assert "begins the list anew" in done.text
    assert (site.archive / MATCHFILE).read_bytes() == content
