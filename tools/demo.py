"""`make demo`: a simulated mini night, from raw files to science images and references, in a terminal and an HTML file.

Everything is made below demo/. One of the biases is cut short on its way, and one quadrant of a flat is damaged before
it is sent, to show what becomes of them. A reference needs fifteen good epochs, weeks of a survey; here four of one
night will do, and the configuration says so.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import yaml

from ztfpipe.config import load_config
from ztfpipe.model.keys import NightKey
from ztfpipe.model.records import QaRecord
from ztfpipe.model.summary import NightSummary, Table
from ztfpipe.products.accounts.records import read_record
from ztfpipe.products.accounts.report import text_tables
from ztfpipe.products.names import path_of
from ztfpipe.steps.quality import night_summary
from ztfpipe.steps.simulate import simulate_night, write_catalogs

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
NIGHT = "20180325"
CONFIG = {
    "camera": "mini",
    "workspace": str(ROOT / "demo"),
    "reference": {"epochs_min": 4},
    "simulate": {
        "night": {
            "date": NIGHT,
            "biases": 22,
            "flats": 22,
            "fields": [473],
            "filters": ["zg"],
            "visits": 6,
            "exposures_s": [30.0],
        }
    },
}


def main() -> int:
    """Make the night unless it is there, run it twice, and show what came out."""
    workspace = ROOT / "demo"
    workspace.mkdir(exist_ok=True)
    config_path = workspace / "config.yaml"
    config_path.write_text(yaml.safe_dump(CONFIG))
    times = {}
    incoming = workspace / "incoming" / NIGHT
    if not (incoming / "sent.csv").exists():
        times["simulate"] = _timed(lambda: _simulate(config_path, incoming))
    times["night"] = _timed(lambda: _snakemake(config_path, "night"))
    times["references"] = _timed(lambda: _snakemake(config_path, "references"))
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


def _simulate(config_path: Path, incoming: Path) -> None:
    write_catalogs(load_config(config_path))
    simulate_night(load_config(config_path), NIGHT, jobs=min(4, os.cpu_count() or 1))
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


def _snakemake(config_path: Path, target: str) -> None:
    targets = ["--configfile", str(config_path), "--config", f"night={NIGHT}", "--", target]
    command = ["snakemake", "--profile", "profiles/local", "--quiet", "all", *targets]
    print(f"\n{' '.join(command)}", flush=True)
    subprocess.run([BIN / "ztfpipe", "worker", "--", BIN / command[0], *command[1:]], cwd=ROOT, check=True)


def _timed(work) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
