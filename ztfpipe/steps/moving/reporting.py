"""Step `moving report`: what goes to the Minor Planet Center, from the night's tracks and what a person decided."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from ztfpipe.config import Moving
from ztfpipe.errors import BadFile
from ztfpipe.model.dates import DAY_S, JD_OF_UNIX_ZERO
from ztfpipe.model.keys import NightKey
from ztfpipe.model.tracks import Observation
from ztfpipe.products.accounts.records import write_record
from ztfpipe.products.accounts.settings import read_settings
from ztfpipe.products.catalogs.tracks import read_members, read_streaklist, read_tracks
from ztfpipe.products.formats.atomic import write_text
from ztfpipe.products.names import key_of, path_of
from ztfpipe.products.reports import ades, neo_scores
from ztfpipe.products.reports.decisions import ACCEPT, REJECT, read_decisions, read_designations
from ztfpipe.products.reports.mpc80 import mpc80_lines, spaced_designation
from ztfpipe.steps.recording import Stopwatch, qa_record


def report(
    output: str, settings: Path, tracks: Path, members: Path, streaks: Path, decisions: Path | None = None
) -> None:
    """Write the night's report as ADES (PSV and XML), 80-column records and scores of near-Earth objects.

    Known bodies on plausible orbits are reported at once, new tracks and streaks once a person has accepted them.
    What the checks refuse is left out, and the record says what and why. BadFile for decisions of another night.
    """
    watch = Stopwatch()
    key: NightKey = key_of(output, "adespsv")
    section, camera = read_settings(settings, Moving)
    said = read_decisions(decisions, key.night) if decisions else {}
    table, rows, streaklist = read_tracks(tracks), read_members(members), read_streaklist(streaks)
    unknown = sorted(set(said) - set(table.track) - set(streaklist.streak))
    chosen = table[_reported(table, said)]
    designations = read_designations()
    observations = [
        *_of_tracks(chosen, rows, designations),
        *_of_streaks(streaklist[streaklist.streak.map(said) == ACCEPT], designations),
    ]
    choice = section.tracks.report
    context = ades.Context(
        camera.observatory.code, choice.submitter, choice.observers, choice.measurers, choice.telescope,
        choice.astrometric_catalog,
    )  # fmt: skip
    faults = ades.faults(observations, context, JD_OF_UNIX_ZERO + time.time() / DAY_S)
    refused = {observations[number].name for number, _ in faults if number >= 0}
    good = [] if any(number < 0 for number, _ in faults) else [one for one in observations if one.name not in refused]
    lines = mpc80_lines(good, context.station, context.astrometric_catalog)
    scores = neo_scores.scores(good, camera.observatory)
    with watch.part("write"):
        write_text(path_of("mpcreport", key), "".join(f"{line}\n" for line in lines))
        write_text(path_of("digest2", key), neo_scores.text(scores))
        write_text(path_of("adesxml", key), ades.xml(good, context))
        write_text(output, ades.psv(good, context))
    waiting = table[table.plausible & (table.known == "") & ~table.track.isin(list(said))]
    metrics = {
        "n_reported": len({one.name for one in good}),
        "n_observations": len(good),
        "n_accepted": sum(value == ACCEPT for value in said.values()),
        "n_rejected": sum(value == REJECT for value in said.values()),
        "n_waiting": len(waiting) + int((~streaklist.streak.isin(list(said))).sum()),
        "n_designated": int(table.track.isin(list(designations)).sum()),
        "n_scored": len(scores),
    }
    reasons = [text for _, text in faults] + [f"{name}: decided, but no track or streak tonight" for name in unknown]
    record = qa_record("moving report", output, int(not faults), "; ".join(reasons), metrics, choice, watch)
    write_record(path_of("reportqa", key), record)


def _reported(table: pd.DataFrame, said: dict[str, str]) -> pd.Series:
    """Known bodies on plausible orbits unless rejected, and whatever was accepted."""
    decision = table.track.map(said)
    return (decision == ACCEPT) | (table.plausible & (table.known != "") & (decision != REJECT))


def _of_tracks(chosen: pd.DataFrame, rows: pd.DataFrame, designations: dict[str, str]) -> Iterator[Observation]:
    for one in chosen.itertuples():
        designation = designations.get(one.track) or spaced_designation(one.known)
        for number, row in enumerate(rows[rows.track == one.track].sort_values("jd_mid").itertuples()):
            yield _observation(row, one.track, designation, discovery=not designation and number == 0)


def _of_streaks(chosen: pd.DataFrame, designations: dict[str, str]) -> Iterator[Observation]:
    for row in chosen.itertuples():
        remarks = f"streak {row.length_arcsec:.1f} arcsec PA {row.angle:.0f}"
        yield _observation(row, row.streak, designations.get(row.streak, ""), discovery=False, remarks=remarks)


def _observation(row, name: str, designation: str, *, discovery: bool, remarks: str = "") -> Observation:
    if row.filter not in ades.BANDS:
        raise BadFile(name, f"filter {row.filter} has no name at the Minor Planet Center")
    return Observation(
        name=str(name),
        designation=designation,
        jd_mid=float(row.jd_mid),
        ra_deg=float(row.ra),
        dec_deg=float(row.dec),
        sigma_arcsec=float(row.sigma),
        mag=float(row.mag),
        sigma_mag=float(row.sigma_mag),
        band=ades.BANDS[row.filter],
        snr=float(row.snr),
        exposure_s=float(row.exptime),
        discovery=discovery,
        remarks=remarks,
    )
