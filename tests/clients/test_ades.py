"""Reports as the IAU's own readers see them: ADES against its schema, PSV as XML, 80-column lines number by number."""

from __future__ import annotations

import json
import math
import subprocess

import numpy as np
import pytest

from tests.products.reports.test_mpc80 import observation
from ztfpipe.camera import Camera
from ztfpipe.config.moving_tracks import TrackReport
from ztfpipe.products.reports import ades
from ztfpipe.products.reports.mpc80 import mpc80_lines

from .conftest import HERE, ROOT, interpreter_of

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """The IAU's readers on three files of a report, in an environment of their own."""
    interpreter = interpreter_of(ROOT / ".venv-ades", HERE / "requirements-ades.txt")

    def read(observations, context, change=lambda text: text):
        folder = tmp_path_factory.mktemp("report")
        (folder / "ades.xml").write_text(change(ades.xml(observations, context)))
        (folder / "ades.psv").write_text(ades.psv(observations, context))
        lines = mpc80_lines(observations, context.station, context.astrometric_catalog)
        (folder / "mpc.txt").write_text("".join(f"{line}\n" for line in lines))
        done = subprocess.run(
            [interpreter, HERE / "read_with_ades.py", folder], capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return read


@pytest.fixture(scope="module")
def context():
    """As the pipeline reports, with its own defaults."""
    choice = TrackReport()
    return ades.Context(
        Camera.load("ztf").observatory.code, choice.submitter, choice.observers, choice.measurers, choice.telescope,
        choice.astrometric_catalog,
    )  # fmt: skip


def many():
    """New tracks with a discovery, known bodies of both kinds, a streak, one without magnitude, and the sky's edges."""
    rng = np.random.default_rng(4)
    found = [
        observation(
            name=f"Z{k:06d}", jd_mid=2458000 + 2000 * t, ra_deg=360 * a, dec_deg=180 * d - 90, mag=15 + 8 * m,
            sigma_arcsec=0.05 + s, band="gri"[k % 3], discovery=k % 4 == 0,
        )
        for k, (t, a, d, m, s) in enumerate(rng.random((60, 5)))
    ]  # fmt: skip
    return [
        *found,
        observation(name="Zk1", designation="433"),
        observation(name="Zk2", designation="2018 FA29"),
        observation(name="Zk3", designation="620061"),
        observation(name="Sabc123", mag=math.nan, sigma_mag=math.nan, remarks="streak 12.3 arcsec PA 40"),
        observation(name="Zedge1", ra_deg=359.9999999, dec_deg=-0.003),
        observation(name="Zedge2", dec_deg=89.99999, sigma_mag=0.0002, snr=1234.0),
    ]


def test_the_report_is_what_the_schema_and_our_own_checks_want(reader, context):
    observations = many()
    assert ades.faults(observations, context, now_jd=2461000.5) == []
    said = reader(observations, context)
    assert said["xml"] == []
    assert said["psv"] == []
    assert len(said["optical"]) == len(observations)
    assert said["from_psv"] == said["optical"]


def test_what_the_schema_refuses_is_seen_to_be_refused(reader, context):
    """So that an empty list of complaints says something."""
    said = reader(many(), context, lambda text: text.replace("<stn>I41</stn>", "", 1))
    assert "stn" in " ".join(said["xml"])
    assert said["psv"] == []


def test_lines_of_80_columns_are_read_to_the_same_numbers(reader, context):
    """Half of the last digit of each column (1e-6 d, 0.001 s of time, 0.01 arcsec), and of the reader's: 1e-6 deg."""
    observations = many()
    said = reader(observations, context)
    assert len(said["from_mpc"]) == len(observations), said["words"]
    for row, one in zip(said["from_mpc"], observations, strict=True):
        assert float(row["dec"]) == pytest.approx(one.dec_deg, abs=0.51e-2 / 3600 + 0.51e-6)
        off = (float(row["ra"]) - one.ra_deg + 180) % 360 - 180
        assert abs(off) <= 0.51 * 15e-3 / 3600 + 0.51e-6
        assert _jd(row["obsTime"]) == pytest.approx(one.jd_mid, abs=0.6e-6)
        assert row["stn"] == "I41"
        if math.isfinite(one.mag):
            assert float(row["mag"]) == pytest.approx(one.mag, abs=0.006)
            assert row["band"] == one.band
        known = {"433": "permID", "620061": "permID", "2018 FA29": "provID"}.get(one.designation)
        assert row[known or "trkSub"] == (one.designation if known else one.name)
        assert (row.get("disc") == "*") == one.discovery


def _jd(text: str) -> float:
    return float(
        (np.datetime64(text.rstrip("Z"), "us") - np.datetime64("1970-01-01")) / np.timedelta64(1, "D") + 2440587.5
    )
