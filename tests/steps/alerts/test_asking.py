"""Questions about candidates, and forced photometry as a service, through the command line."""

import contextlib
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.alerts_scene import Look, alert_settings, plan_of, sky_of, write_look
from ztfpipe.cli.main import run
from ztfpipe.model.keys import NightKey
from ztfpipe.products.alerts.forced_file import FORCED_COLUMNS
from ztfpipe.products.names import path_of
from ztfpipe.steps.alerts import names

START = 2458200.7
PLACE, NEIGHBOUR, EMPTY = sky_of(200.3, 250.8), sky_of(240.2, 251.1), sky_of(100.0, 400.0)
FLUXES = (0.0, -300.0, 400.0, 1500.0, 20000.0) * 8
"""Of PLACE on its images [DN]: a few sigma to as bright as a star; below nought too."""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """Forty looks at one place within a night, the brightest of them with a candidate there; and another object."""
    folder = tmp_path_factory.mktemp("asking")
    (folder / "archive").mkdir()
    (folder / "config.yaml").write_text("camera: mini\nworkspace: .\n")
    looks = []
    for k, flux in enumerate(FLUXES):
        found = ([PLACE] if flux > 1000 else []) + ([NEIGHBOUR] if k == 3 else [])
        ra, dec = (tuple(one[axis] for one in found) for axis in (0, 1))
        looks.append(
            Look(
                START + 0.001 * k, filter="zg" if k % 2 else "zr", ra=ra, dec=dec, positive=(True,) * len(found),
                planted=((*PLACE, flux),) if flux else (), status=0 if k == 39 else 1,
            )
        )  # fmt: skip
    with contextlib.chdir(folder / "archive"):
        for one in looks:
            write_look(one)
        night = looks[0].key.night
        names(path_of("objectnames", NightKey(night)), alert_settings(), plan_of(looks, night))
    return folder


def ask(workspace, capsys, *arguments):
    """The table that `ztfpipe candidates` prints, and its words."""
    assert run(["candidates", "--config", str(workspace / "config.yaml"), *arguments]) == 0
    said = capsys.readouterr()
    return pd.read_csv(io.StringIO(said.out)), said.err


def test_candidates_by_place_object_field_time_and_score(workspace, capsys):
    at = ["--ra", str(PLACE[0]), "--dec", str(PLACE[1])]
    table, words = ask(workspace, capsys, *at)
    assert len(table) == 16
    assert words == "16 candidates; 39 difference images covered the place\n"
    assert table["objectid"].nunique() == 1
    name = table["objectid"][0]
    assert ask(workspace, capsys, "--object", name)[0].equals(table)
    everything, _ = ask(workspace, capsys)
    assert len(everything) == 17
    assert len(ask(workspace, capsys, "--field", "473")[0]) == 17
    assert len(ask(workspace, capsys, "--field", "474")[0]) == 0
    assert len(ask(workspace, capsys, *at, "--since", "2458200.72")[0]) < 16
    least = float(table["scorr"].sort_values().iloc[8])
    assert len(ask(workspace, capsys, *at, "--score", f"scorr>={least}")[0]) == 8
    assert len(ask(workspace, capsys, *at, "--radius", "60")[0]) == 17
    never, words = ask(workspace, capsys, "--ra", str(EMPTY[0]), "--dec", str(EMPTY[1]))
    assert len(never) == 0
    assert words == "0 candidates; 39 difference images covered the place\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["candidates", "--object", "ZTF18zzzzzzz"], "not one that has been given a name"),
        (["candidates", "--ra", "10"], "place (10.0, None) is not"),
        (["candidates", "--score", "beauty>=1"], "not a column of candidates"),
        (["candidates", "--score", "scorr>=much"], "not a number"),
        (["forced", "--ra", "10", "--dec", "91"], "a declination of -90 to 90"),
        (["forced", "--list", "none.txt"], "none.txt"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_a_sentence(workspace, capsys, arguments, words):
    assert run([arguments[0], "--config", str(workspace / "config.yaml"), *arguments[1:]]) == 2
    assert words in capsys.readouterr().err


def read_answer(path):
    """An answer as clients read it: comments, the requested place on the fourth and fifth line, white space between."""
    lines = path.read_text().splitlines()
    place = tuple(float(lines[k].split()[5]) for k in (3, 4))
    columns = next(line for line in lines if line.startswith(" index,")).replace(",", " ").split()
    rows = [line.split() for line in lines if not line.startswith("#") and "index" not in line]
    return place, pd.DataFrame(rows, columns=columns)


def test_forced_photometry_of_a_list_of_places(workspace, tmp_path):
    listed = tmp_path / "places.txt"
    listed.write_text(f"# ra dec\n{PLACE[0]}, {PLACE[1]}\n{EMPTY[0]} {EMPTY[1]}\n")
    command = ["forced", "--config", str(workspace / "config.yaml"), "--list", str(listed), "--out", str(tmp_path)]
    assert run([*command, "--plot"]) == 0
    pulls = []
    for place, fluxes in ((PLACE, np.array(FLUXES[:39])), (EMPTY, np.zeros(39))):
        path = tmp_path / f"forced_{place[0]:.6f}_{place[1]:+.6f}.txt"
        asked, table = read_answer(path)
        assert asked == pytest.approx(place)
        assert list(table) == list(FORCED_COLUMNS)
        assert len(table) == 39
        measured = table["forcediffimflux"].astype(float)
        error = table["forcediffimfluxunc"].astype(float)
        # A pixel's steps, a quarter of a row's noise each, are part of its noise.
        pulls += ((measured - fluxes) / error).tolist()
        assert set(table["procstatus"]) == {"0"}
        assert set(table["filter"]) == {"ZTF_g", "ZTF_r"}
        assert (table["nearestrefmag"].astype(float) == -99999).all()
        assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    # Of 78 the mean scatters by 0.11 and the width by 0.08.
    assert abs(np.mean(pulls)) < 4 * 0.11
    assert np.std(pulls) == pytest.approx(1, abs=4 * 0.08)


def test_a_place_that_was_never_looked_at_has_an_answer_without_rows(workspace, tmp_path):
    command = ["forced", "--config", str(workspace / "config.yaml"), "--ra", "10", "--dec", "10", "--out"]
    assert run([*command, str(tmp_path)]) == 0
    _, table = read_answer(next(Path(tmp_path).glob("*.txt")))
    assert len(table) == 0
