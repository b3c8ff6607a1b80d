"""Orbits against the sky itself: published elements carried to the dates of real ZTF alerts of numbered asteroids."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from tests.real_data import REAL_DATA
from ztfpipe.camera import Camera
from ztfpipe.simulate.geometry import gnomonic, unit_vectors
from ztfpipe.simulate.sky.orbits import integrate, seen_from

DATA = REAL_DATA / "moving"
DAYS = 120.0
ELEMENTS = {"a_au": "a", "e": "e", "i_deg": "i", "node_deg": "om", "peri_deg": "w", "mean_anomaly_deg": "ma"}


@pytest.mark.shared_data
def test_real_asteroids_are_where_the_orbits_put_them(kepler_states):
    alerts = pd.read_parquet(DATA / "finkfat_mpc_example.parquet", columns=["i:jd", "i:ra", "i:dec", "i:ssnamenr"])
    alerts.columns = ["jd", "ra", "dec", "number"]
    table = json.loads((DATA / "kstars_asteroids_sbdb.json").read_text())
    catalogue = {row[0].split()[0]: dict(zip(table["fields"], row, strict=True)) for row in table["data"]}
    site = Camera.load("ztf").observatory
    with_planets, alone = [], []
    for number, seen in alerts.groupby(alerts.number.astype(str)):
        if number not in catalogue:
            continue
        entry = catalogue[number]
        epoch = float(entry["epoch_mjd"]) + 2400000.5
        seen = seen[(seen.jd - epoch).abs() < DAYS]
        if seen.empty:
            continue
        states = kepler_states({name: np.array([float(entry[key])]) for name, key in ELEMENTS.items()}, 0.0)
        span = min(seen.jd.min(), epoch) - 0.1, max(seen.jd.max(), epoch) + 0.1
        for bodies, offsets in ((None, with_planets), ((), alone)):
            orbits = integrate(*states, epoch, *span, **({} if bodies is None else {"bodies": bodies}))
            for row in seen.itertuples():
                # Alerts carry the start of exposures of 30 s.
                direction, _, _ = seen_from(orbits, row.jd + 15 / 86400, site)
                offsets.append(np.ravel(gnomonic(unit_vectors([row.ra], [row.dec]), direction[0])) * 3600)
    with_planets, alone = np.array(with_planets), np.array(alone)
    assert len(with_planets) > 100
    # Positions of single alerts are good to some 0.05 to 0.1 arcsec per axis, the mean of a hundred to a tenth of it.
    assert np.all(np.abs(np.median(with_planets, axis=0)) < 0.05)
    assert np.median(np.hypot(*with_planets.T)) < 0.15
    # Sixty to a hundred and twenty days from the epoch, two bodies are not enough by arcseconds.
    assert np.median(np.hypot(*alone.T)) > 1.0
