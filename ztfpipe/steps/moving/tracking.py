"""Step `moving tracks`: the tracks of a night, their orbits, and the page on which they are vetted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ztfpipe.camera import Camera
from ztfpipe.config import Moving
from ztfpipe.model.keys import CutoffKey, ExposureKey, NightKey, QuadrantKey
from ztfpipe.model.skycatalogs import Cone
from ztfpipe.model.tracks import FoundTracks
from ztfpipe.pipelines.moving.tracks import find_tracks
from ztfpipe.products.accounts.records import write_record
from ztfpipe.products.accounts.settings import read_settings
from ztfpipe.products.catalogs.orbits import read_known
from ztfpipe.products.catalogs.tracks import read_looks, read_sightings, read_streaklist, write_members, write_tracks
from ztfpipe.products.images.cutouts import ImageCutouts
from ztfpipe.products.names import key_of, path_of
from ztfpipe.products.reports.page import Shown, write_page
from ztfpipe.products.reports.strips import Cutout, animation_gif, strip_png
from ztfpipe.steps.recording import Stopwatch, qa_record

SCIENCE, DIFFERENCE = "sciimg", "scimrefdiffimg"
NIGHT = {"step": "moving tracks", "members": "trackmembers", "page": "trackpage", "record": "tracksqa"}
SO_FAR = {"step": "moving sofar", "members": "sofarmembers", "page": "sofarpage", "record": "sofarqa"}


@dataclass(frozen=True)
class Linked:
    """Where tracks go: their path, its key, and the names of the products beside it: of a night, or of it so far."""

    output: str
    key: NightKey | CutoffKey
    names: Mapping[str, str]

    def path(self, part: str) -> str:
        """Path of a product beside the tracks."""
        return path_of(self.names[part], self.key)


def tracks(
    output: str, settings: Path, detections: Sequence[Path], looks: Sequence[Path], streaks: Path, known: Path
) -> None:
    """Link the detections of up to four nights, the last of which is the output's, and fit orbits.

    detections, looks: tables of nights; streaks: of this night; known: its table of known bodies.
    """
    watch = Stopwatch()
    key: NightKey = key_of(output, "tracks")
    section, camera = read_settings(settings, Moving)
    link_nights(Linked(output, key, NIGHT), detections, looks, streaks, known, section, camera, watch)


def link_nights(
    made: Linked,
    detections: Sequence[Path],
    looks: Sequence[Path],
    streaks: Path,
    known: Path,
    section: Moving,
    camera: Camera,
    watch: Stopwatch,
) -> None:
    """Link what the tables hold and write tracks, their members, the page and the record."""
    with watch.part("read"):
        seen, watched = read_sightings(detections), read_looks(looks)
        bodies = read_known(known, _around(seen.ra, seen.dec))
        streaklist = read_streaklist(streaks)
    with watch.part("recipe"):
        found = find_tracks(seen, watched, made.key.night, bodies, camera.observatory, section.tracks)
    with watch.part("pictures"):
        _page(made, found, streaklist, section)
    with watch.part("write"):
        write_members(made.path("members"), found.members)
        write_tracks(made.output, found.tracks)
    counts = {"n_nights": len(detections), "n_looks": len(watched["jd_mid"]), "n_streaks": len(streaklist)}
    inputs = {str(path): "" for path in detections}
    record = qa_record(
        made.names["step"], made.output, 1, "", {**found.counts, **counts}, section.tracks, watch, inputs
    )
    write_record(made.path("record"), record)


def _around(ra_deg: np.ndarray, dec_deg: np.ndarray) -> Cone | None:
    """A cone about all detections of a small field; None, for everything, where they are spread over the sky."""
    finite = np.isfinite(ra_deg) & np.isfinite(dec_deg)
    if not finite.any():
        return Cone(0.0, 0.0, 0.0)
    east = (ra_deg[finite] - ra_deg[finite][0] + 180.0) % 360.0 - 180.0
    if np.ptp(east) > 10 or np.ptp(dec_deg[finite]) > 10 or np.abs(dec_deg[finite]).max() > 80:
        return None
    ra = (ra_deg[finite][0] + 0.5 * (east.min() + east.max())) % 360.0
    return Cone(ra, 0.5 * (dec_deg[finite].min() + dec_deg[finite].max()), 10.0)


def _page(made: Linked, found: FoundTracks, streaklist: pd.DataFrame, section: Moving) -> None:
    """New and plausible tracks with strips, longest first; then streaks."""
    choice, asked = section.tracks.report, isinstance(made.key, NightKey)
    table = pd.DataFrame(found.tracks)
    new = table[table.plausible & (table.known == "")].sort_values(["n", "rms"], ascending=[False, True])
    members = pd.DataFrame(found.members)
    shown_tracks = new.track.tolist()[: choice.strips_max]
    rows = {name: members[members.track == name] for name in shown_tracks}
    streak_rows = {one.streak: streaklist[streaklist.streak == one.streak] for one in streaklist.itertuples()}
    pictures = _pictures({**rows, **streak_rows}, choice.strip_half_px)
    tracks_shown = [
        Shown(str(one["track"]), _track_facts(one), *_strip(pictures.get(str(one["track"]), [])), asked=asked)
        for _, one in new.iterrows()
    ]
    streaks_shown = [
        Shown(str(one["streak"]), _streak_facts(one), *_strip(pictures[str(one["streak"])]), asked=asked)
        for _, one in streaklist.iterrows()
    ]
    notes = (
        f"{len(table)} tracks, of which {int((table.known != '').sum())} are known bodies and {len(new)} are new and"
        f" plausible; {len(streaklist)} streaks."
    )
    decisions = Path(path_of("trackdecisions", made.key)).name if isinstance(made.key, NightKey) else ""
    if isinstance(made.key, CutoffKey):
        notes += f" Of exposures before {made.key.cutoff} UT, provisionally: what is reported is found after the night."
    write_page(made.path("page"), made.key.night, decisions, tracks_shown, streaks_shown, notes)


def _pictures(objects: dict[str, pd.DataFrame], half_px: int) -> dict[str, list[tuple[Cutout, Cutout]]]:
    """Cutouts (science, difference) of each row of each object, every image opened once."""
    wanted: dict[QuadrantKey, list[tuple[str, int, float, float]]] = {}
    result: dict[str, list] = {name: [None] * len(rows) for name, rows in objects.items()}
    for name, rows in objects.items():
        for number, row in enumerate(rows.itertuples()):
            exposure = ExposureKey(row.filefracday, int(row.field), str(row.filter), "o")
            quadrant = QuadrantKey(exposure, int(row.ccdid), int(row.qid))
            wanted.setdefault(quadrant, []).append((name, number, float(row.xpos) - 1, float(row.ypos) - 1))
    for quadrant, places in wanted.items():
        images = [ImageCutouts(path_of(product, quadrant)) for product in (SCIENCE, DIFFERENCE)]
        for name, number, x, y in places:
            result[name][number] = tuple(one.at(x, y, half_px) for one in images)
    return result


def _strip(pairs: list[tuple[Cutout, Cutout]]) -> tuple[bytes, bytes]:
    if not pairs:
        return b"", b""
    science, difference = ([one[k] for one in pairs] for k in (0, 1))
    return strip_png([science, difference]), animation_gif(science)


def _track_facts(one: pd.Series) -> tuple[tuple[str, str], ...]:
    return (
        ("detections", f"{one['n']} on {one['nights']} nights"),
        ("place", f"{one['ra']:.5f} {one['dec']:+.5f}"),
        ("motion", f"{one['rate_ra']:+.2f}, {one['rate_dec']:+.2f} arcsec/h"),
        ("magnitude", f"{one['mag']:.2f} V, H {one['h_mag']:.1f}"),
        ("residuals", f"{one['rms']:.3f} arcsec, chi2 {one['chi2']:.1f} for {one['freedom']}"),
        (
            "orbit",
            f"q {one['perihelion_au']:.2f} au, e {one['eccentricity']:.2f}, i {one['inclination_deg']:.1f} deg,"
            f" 1/a {one['inverse_axis_per_au']:.2f} +- {one['sigma_inverse_axis_per_au']:.2f} /au",
        ),
        ("distance", f"{one['observer_au']:.2f} au, from the Sun {one['sun_au']:.2f} au"),
    )


def _streak_facts(one: pd.Series) -> tuple[tuple[str, str], ...]:
    return (
        ("exposure", f"{one['filefracday']} {one['filter']} CCD {one['ccdid']} quadrant {one['qid']}"),
        ("place", f"{one['ra']:.5f} {one['dec']:+.5f}"),
        ("length", f"{one['length_arcsec']:.1f} arcsec at {one['angle']:.0f} deg, {one['rate']:.1f} deg/d"),
        ("magnitude", f"{one['mag']:.2f}, S/N {one['snr']:.1f}"),
    )
