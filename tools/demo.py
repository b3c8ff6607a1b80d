"""`make demo`: a simulated mini night, from raw files to references, and the differences of a second night.

Everything is made below demo/, and shown in the terminal and in HTML files. One of the biases is cut short on its way,
and one quadrant of a flat is damaged before it is sent, to show what becomes of them. A reference needs fifteen good
epochs, weeks of a survey; here four of one night will do, and the configuration says so. The second night is short and
uses the first one's masters; what its differences show is compared with what the simulator put on the sky.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from ztfpipe.camera import Camera
from ztfpipe.config import load_config
from ztfpipe.model.keys import NightKey
from ztfpipe.model.records import QaRecord
from ztfpipe.model.summary import NightSummary, Table
from ztfpipe.products.accounts.efficiency import read_efficiencies
from ztfpipe.products.accounts.records import read_record
from ztfpipe.products.accounts.report import text_tables
from ztfpipe.products.formats.plain import write_table
from ztfpipe.products.names import path_of
from ztfpipe.simulate.sky.asteroids import known_asteroids
from ztfpipe.steps.quality import night_summary
from ztfpipe.steps.simulate import simulate_night, write_catalogs

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
NIGHT, LATER = "20180325", "20180328"
CONFIG = {
    "camera": "mini",
    "workspace": str(ROOT / "demo"),
    "reference": {"epochs_min": 4},
    # A quarter of the quadrants, each with as many sources as fit into so small an image.
    "planted": {"fraction": 0.25, "points_per_megapixel": 300.0},
    "simulate": {
        # So many that a few fall on a tenth of a square degree.
        "moving": {"asteroids_per_square_degree": 1000.0},
        "night": {
            "date": NIGHT,
            "biases": 22,
            "flats": 22,
            "fields": [473],
            "filters": ["zg"],
            "visits": 6,
            "exposures_s": [30.0],
        },
    },
}


def main() -> int:
    """Make the nights unless they are there, run the first one twice, and show what came out."""
    workspace = ROOT / "demo"
    workspace.mkdir(exist_ok=True)
    config_path = workspace / "config.yaml"
    config_path.write_text(yaml.safe_dump(CONFIG))
    times = {}
    incoming = workspace / "incoming"
    if not (incoming / LATER / "sent.csv").exists():
        times["simulate"] = _timed(lambda: _simulate(config_path, incoming / NIGHT))
    times["night"] = _timed(lambda: _snakemake(config_path, "night"))
    times["references"] = _timed(lambda: _snakemake(config_path, "references"))
    times["differences"] = _timed(lambda: _snakemake(config_path, "night", LATER))
    times["planted sources"] = _timed(lambda: _snakemake(config_path, "planted", LATER))
    times["second run"] = _timed(lambda: _snakemake(config_path, "night"))
    os.chdir(workspace / "archive")
    night = NightKey(NIGHT)
    print(
        "\n"
        + text_tables(
            night_summary(*(Path(path_of(name, night)) for name in ("manifest", "plan", "references"))), rows_max=8
        )
    )
    print(references_table())
    print(found_table(workspace / "truth"))
    print(efficiency_table())
    print(", ".join(f"{name} {seconds:.0f} s" for name, seconds in times.items()))
    print(f"The night's report, with pictures: {Path(path_of('nightreport', night)).resolve()}")
    return 0


def references_table() -> str:
    """The references made, from their records; called in the archive."""
    rows = []
    for path in sorted(Path("ref").glob("*/field*/*/ccd*/q*/*_refqa.json")):
        record = read_record(QaRecord, path)
        names = ("nframes", "seeing_px", "maglimcat", "maglim_promised", "flatrms", "npsfcat")
        rows.append(
            (path.name.removesuffix("_refqa.json"), record.status, *(record.metrics.get(name) for name in names))
        )
    head = ("reference", "STATUS", "epochs", "seeing [px]", "limit [mag]", "promised", "RMS to PS1 [mag]", "stars")
    return text_tables(NightSummary(NIGHT, "", (Table("References made", "", head, tuple(rows)),)))


def found_table(truth: Path) -> str:
    """What changed in the sky by more than the limits of the differences, found and missed; called in the archive."""
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
        bodies = _moving(truth, f"{named}_c{ccdid:02d}_o", qid, limit)
        counts.append(_named(candidates, bodies[bodies.known]))
        known = np.zeros(len(candidates), bool)
        for expected in (
            bodies,
            _changed(truth, named, ccdid, qid, limit),
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
    text = f"Differences of {LATER} beside the truth"
    return text_tables(NightSummary(LATER, "", (Table(text, "", head, tuple(rows)),)))


def efficiency_table() -> str:
    """Sources planted into the second night's images, found and missed; called in the archive."""
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
    return text_tables(NightSummary(LATER, "", (Table(text, "", head, tuple(rows)),)))


def _moving(truth: Path, stem: str, qid: int, limit: float) -> pd.DataFrame:
    """Asteroids of a quadrant half a magnitude above the limit and within the image."""
    table = pd.read_parquet(truth / LATER / f"{stem}_asteroids.parquet")
    return table[(table.qid == qid) & (table.mag < limit - 0.5)]


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


def _simulate(config_path: Path, incoming: Path) -> None:
    write_catalogs(load_config(config_path))
    simulate_night(load_config(config_path), NIGHT, jobs=min(4, os.cpu_count() or 1))
    short = yaml.safe_load(config_path.read_text())
    # Asteroids are drawn for the night's date: those of the first night have left so small a field.
    # Four visits within an hour and a half make tracks: later they would have left.
    short["simulate"]["night"] |= {"date": LATER, "biases": 0, "flats": 0, "visits": 4, "hours_ut": [7.0, 8.5]}
    short_path = config_path.with_name("second_night.yaml")
    short_path.write_text(yaml.safe_dump(short))
    later = load_config(short_path)
    simulate_night(later, LATER, jobs=min(4, os.cpu_count() or 1))
    catalog = known_asteroids(later.simulate, Camera.load(later.camera))
    write_table(config_path.parent / "calibrators" / "known_asteroids.parquet", catalog)
    flat = min(incoming.glob("*_zg_c10_f*"))
    content = bytearray(flat.read_bytes())
    # Four quadrants of about the same size, then their overscans: this is within the third.
    content[len(content) * 6 // 10] ^= 1
    flat.write_bytes(content)
    listed = (incoming / "sent.csv").read_text().splitlines(keepends=True)
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    listed = [f"{flat.name},{len(content)},{md5}\n" if line.startswith(flat.name) else line for line in listed]
    (incoming / "sent.csv").write_text("".join(listed))
    bias = min(incoming.glob("*_bi_*"))
    bias.write_bytes(bias.read_bytes()[: bias.stat().st_size // 2])


def _snakemake(config_path: Path, target: str, night: str = NIGHT) -> None:
    targets = ["--configfile", str(config_path), "--config", f"night={night}", "--", target]
    command = ["snakemake", "--profile", "profiles/local", "--quiet", "all", *targets]
    print(f"\n{' '.join(command)}", flush=True)
    subprocess.run([BIN / "ztfpipe", "worker", "--", BIN / command[0], *command[1:]], cwd=ROOT, check=True)


def _timed(work) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
