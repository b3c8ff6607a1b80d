"""Tables of the demonstration: what was made, some of it beside what the simulator put on the sky.

All are called in the archive. The demonstration may look at the truth; the pipeline never does.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ztfpipe.config import Difference
from ztfpipe.model.keys import NightKey
from ztfpipe.model.records import QaRecord
from ztfpipe.model.summary import Cell, NightSummary, Table
from ztfpipe.products.accounts.efficiency import read_efficiencies
from ztfpipe.products.accounts.records import read_record
from ztfpipe.products.accounts.report import text_tables
from ztfpipe.products.alerts.packets import read_archive, read_packet
from ztfpipe.products.catalogs.tracks import read_members, read_tracks
from ztfpipe.products.images.difference import read_difference_image
from ztfpipe.products.names import path_of
from ztfpipe.steps.moving.pictures import cutouts_of, strip

NIGHT, LATER = "20180325", "20180328"
"""The night that references are made of, and the one that is compared with them."""
HALF_PX = 20
"""Half-width of the cutouts of a strip."""


def references_table() -> str:
    """The references made, from their records."""
    rows = []
    for path in sorted(Path("ref").glob("*/field*/*/ccd*/q*/*_refqa.json")):
        record = read_record(QaRecord, path)
        names = ("nframes", "seeing_px", "maglimcat", "maglim_promised", "flatrms", "npsfcat")
        rows.append(
            (path.name.removesuffix("_refqa.json"), record.status, *(record.metrics.get(name) for name in names))
        )
    head = ("reference", "STATUS", "epochs", "seeing [px]", "limit [mag]", "promised", "RMS to PS1 [mag]", "stars")
    return _table("References made", head, rows)


def found_table(truth: Path) -> str:
    """What changed in the sky by more than the limits of the differences, found and missed."""
    rows = []
    for path in sorted(Path("sci", LATER[:4], LATER[4:]).glob("*/*_diffqa.json")):
        record = read_record(QaRecord, path)
        stem = path.name.removesuffix("_diffqa.json")
        if record.status != 1:
            rows.append((stem, record.status, None, "", "", "", "", record.reason))
            continue
        candidates = pd.read_parquet(path.with_name(f"{stem}_candidates.parquet"))
        limit = float(record.metrics["diffmaglim"])
        named, ccdid, qid = stem.rsplit("_c", 1)[0], int(stem.split("_c")[-1][:2]), int(stem[-1])
        counts = []
        looked_at = _looked_at(path.with_name(f"{stem}_scimrefdiffimg.fits.fz"))
        bodies = _within(looked_at, _moving(truth, f"{named}_c{ccdid:02d}_o", qid, limit))
        counts.append(_named(candidates, bodies[bodies.known]))
        known = np.zeros(len(candidates), bool)
        for expected in (
            bodies,
            _within(looked_at, _changed(truth, named, ccdid, qid, limit)),
        ):
            near = _near(candidates, expected)
            known |= near.any(axis=0)
            counts.append(f"{near.any(axis=1).sum()} of {len(expected)}")
        rows.append((stem, record.status, limit, *counts, int((~known).sum()), ""))
    head = (
        "quadrant",
        "STATUS",
        "limit [mag]",
        "catalogued ones named",
        "asteroids found",
        "transients found",
        "other candidates",
        "why not",
    )
    text = f"Differences of {LATER} beside the truth, where there are pixels of both"
    return _table(text, head, rows)


def efficiency_table() -> str:
    """Sources planted into the second night's images, found and missed."""
    rows = [
        (
            one.filter[1],
            "on" if one.hosted else "off",
            one.quadrants,
            sum(one.planted),
            sum(one.found),
            round(sum(one.expected), 1),
            f"{one.fit.half_mag:.2f} ± {one.fit.half_error_mag:.2f}" if one.fit.converged else "",
        )
        for one in read_efficiencies(path_of("efficiency", NightKey(LATER)))
    ]
    head = ("band", "hosts", "quadrants", "planted", "found", "expected by the noise", "half are found at [mag]")
    text = f"Planted sources of {LATER}, within two magnitudes of the limit"
    return _table(text, head, rows)


def packets_table() -> str:
    """The packets of the second night."""
    rows = []
    for path in sorted(Path("sci", LATER[:4], LATER[4:]).glob("*/*_alerts.tar.gz")):
        packets = [read_packet(content) for _, content in read_archive(path)]
        if packets:
            best = max(packets, key=lambda one: one["candidate"]["drb"] or 0.0)
            lengths = [len(one["prv_candidates"] or ()) for one in packets]
            forced = [len(one["fp_hists"] or ()) for one in packets]
            names = len({one["objectId"] for one in packets})
            row = (len(packets), names, max(lengths), max(forced), best["objectId"], best["candidate"]["drb"])
            rows.append((path.name.removesuffix("_alerts.tar.gz"), *row))
    head = ("quadrant", "packets", "objects", "longest history", "longest forced history", "likeliest", "its drb")
    return _table(f"Alert packets of {LATER}", head, rows)


def tracks_table(truth: Path) -> str:
    """Tracks of the second night, and which asteroid each is."""
    night = NightKey(LATER)
    tracks, members = read_tracks(path_of("tracks", night)), read_members(path_of("trackmembers", night))
    bodies = pd.concat(map(pd.read_parquet, sorted((truth / LATER).glob("*_asteroids.parquet"))))
    rows = []
    for track in tracks.itertuples():
        places = members[members.track == track.track]
        near = _near(places, bodies)
        seen = bodies.identifier.to_numpy()[:, None] * np.ones(len(places), int)
        of_one = {int(one) for one in np.unique(seen[near])}
        whose = max(of_one, key=lambda one: int((near & (seen == one)).any(axis=0).sum()), default=None)
        right = int((near & (seen == whose)).any(axis=0).sum()) if whose is not None else 0
        verdict = "plausible" if track.plausible else track.doubt
        axis_au = 1 / track.inverse_axis_per_au if track.inverse_axis_per_au > 0 else None
        whole = f"{right} of {track.n}"
        rows.append((track.track, track.n, track.mag, track.rms, axis_au, track.known, verdict, whole))
    head = ("track", "detections", "mag", "RMS [arcsec]", "a [au]", "known as", "orbit", "of one asteroid")
    linkable = bodies[bodies.mag < 20.0].groupby("identifier").size()
    text = f"Tracks of {LATER}; {int((linkable >= 4).sum())} asteroids brighter than 20 were on four exposures"
    return _table(text, head, rows)


def moving_line(truth: Path, picture: Path) -> str:
    """Asteroids planted, linked, fitted and reported on the second night; writes the strip of its longest track."""
    night = NightKey(LATER)
    bodies = pd.concat(map(pd.read_parquet, sorted((truth / LATER).glob("*_asteroids.parquet"))))
    seen = bodies[bodies.mag < 20.0].groupby("identifier").size()
    linked = read_record(QaRecord, path_of("tracksqa", night)).metrics
    told = read_record(QaRecord, path_of("reportqa", night)).metrics
    members = read_members(path_of("trackmembers", night))
    shown = int((seen >= 4).sum())
    counts = f"{bodies.identifier.nunique()} planted, {shown} of them on four exposures and brighter than 20"
    text = (
        f"Moving objects of {LATER}: {counts}; {linked['n_linked']} sets linked, {linked['n_tracks']} fitted,"
        f" {linked['n_plausible']} plausible, {linked['n_known']} known; {told['n_reported']} reported,"
        f" {told['n_waiting']} wait for a person"
    )
    if members.empty:
        return text + "\n"
    longest = members[members.track == members.track.value_counts().idxmax()].sort_values("jd_mid")
    picture.write_bytes(strip(cutouts_of({"longest": longest}, HALF_PX)["longest"])[0])
    return f"{text}\nThe longest track, science image, reference and difference: {picture.resolve()}\n"


def _table(text: str, head: tuple[str, ...], rows: list[tuple[Cell, ...]]) -> str:
    return text_tables(NightSummary(LATER, "", (Table(text, "", head, tuple(rows)),)))


def _moving(truth: Path, stem: str, qid: int, limit: float) -> pd.DataFrame:
    """Asteroids of a quadrant half a magnitude above the limit and within the image."""
    table = pd.read_parquet(truth / LATER / f"{stem}_asteroids.parquet")
    return table[(table.qid == qid) & (table.mag < limit - 0.5)]


def _looked_at(path: Path) -> np.ndarray:
    """Where candidates are sought: pixels that have a difference, away from the edges (ny, nx)."""
    pixels, _ = read_difference_image(path)
    margin = Difference().edge_px
    inside = np.zeros(pixels.shape, bool)
    inside[margin:-margin, margin:-margin] = True
    return inside & np.isfinite(pixels)


def _within(looked_at: np.ndarray, expected: pd.DataFrame) -> pd.DataFrame:
    """Those of the things expected that lie where candidates are sought."""
    x, y = (np.rint(expected[name].to_numpy()).astype(int) for name in ("x_px", "y_px"))
    ny, nx = looked_at.shape
    on_image = (x >= 0) & (y >= 0) & (x < nx) & (y < ny)
    return expected[on_image & looked_at[np.clip(y, 0, ny - 1), np.clip(x, 0, nx - 1)]]


def _named(candidates: pd.DataFrame, bodies: pd.DataFrame) -> str:
    """How many of the bodies of the site's catalog that were found are named by their candidates."""
    near = _near(candidates, bodies)
    right = near & (candidates.ssnamenr.to_numpy()[None] == bodies.identifier.astype(str).to_numpy()[:, None])
    return f"{right.any(axis=1).sum()} of {near.any(axis=1).sum()}"


def _changed(truth: Path, named: str, ccdid: int, qid: int, limit: float) -> pd.DataFrame:
    """Transients of a quadrant whose light has changed since the reference by half a magnitude more than the limit."""
    now = pd.read_parquet(truth / LATER / f"{named}_c{ccdid:02d}_o_transients.parquet")
    before = [pd.read_parquet(one) for one in (truth / NIGHT).glob(f"*_c{ccdid:02d}_o_transients.parquet")]
    then = pd.concat(before).assign(flux=lambda one: 10 ** (-0.4 * one.mag)).groupby("identifier").flux.mean()
    change = np.abs(10 ** (-0.4 * now.mag) - now.identifier.map(then).fillna(0.0))
    return now[(now.qid == qid) & (change > 10 ** (-0.4 * (limit - 0.5)))]


def _near(candidates: pd.DataFrame, expected: pd.DataFrame) -> np.ndarray:
    """Whether each candidate lies within 2 arcsec of each thing expected: (expected, candidates)."""
    north = candidates.dec.to_numpy()[None] - expected.dec_deg.to_numpy()[:, None]
    east = candidates.ra.to_numpy()[None] - expected.ra_deg.to_numpy()[:, None]
    return np.hypot(east * np.cos(np.radians(expected.dec_deg.to_numpy()[:, None])), north) < 2 / 3600
