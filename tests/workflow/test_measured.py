"""Science images that were downloaded are measured by name and by path, and never touched."""

import shutil

import pytest

from ztfpipe.products.names import parse, path_of

from .conftest import NIGHT

pytestmark = pytest.mark.workflow


def test_downloads_are_measured(site):
    paths = sorted((site.archive / "sci").rglob("*_sciimg.fits"))[:2]
    keys = [parse(path.relative_to(site.archive))[1] for path in paths]
    for path, key in zip(paths, keys, strict=True):
        copy = site.archive / path_of("givensciimg", key)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    given = site.archive / path_of("givensciimg", keys[0])
    before = given.read_bytes()
    run = site.run("measured", quadrant=keys[0].qid)
    assert run.code == 0, run.text
    assert run.jobs == {"science_measure": 1}
    assert (site.archive / path_of("measuredsexcat", keys[0])).exists()
    assert not (site.archive / path_of("measuredsexcat", keys[1])).exists()
    assert given.read_bytes() == before
    assert site.run("measured", quadrant=keys[0].qid).nothing_done
    # By the path of one product; its file was cut short on its way.
    cut = site.archive / path_of("givensciimg", keys[1])
    cut.write_bytes(cut.read_bytes()[:-5000])
    run = site.run(path_of("measuredpsfcat", keys[1]), night=None)
    assert run.code != 0
    logs = list((site.workspace / "logs/science" / NIGHT[:4] / NIGHT[4:]).glob("*_measured.log"))
    assert any("not readable as FITS" in log.read_text() for log in logs)
    assert not (site.archive / path_of("measuredsciimg", keys[1])).exists()


def test_nothing_downloaded_is_said(site):
    run = site.run("measured")
    assert run.code != 0
    assert "no science image was downloaded" in run.text
