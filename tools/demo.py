"""`make demo`: a simulated mini night, from raw files to references; a second one, to alerts, light curves and tracks.

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

import yaml

from tools.demo_curves import curves_table, most_variable, variables_table
from tools.demo_stream import all_packets, draw_sheet, seen_most, stream_table
from tools.demo_tables import (
    LATER,
    NIGHT,
    efficiency_table,
    found_table,
    moving_line,
    packets_table,
    references_table,
    tracks_table,
)
from ztfpipe.camera import Camera
from ztfpipe.config import load_config
from ztfpipe.model.keys import NightKey
from ztfpipe.products.accounts.report import text_tables
from ztfpipe.products.formats.plain import write_table
from ztfpipe.products.names import path_of
from ztfpipe.simulate.sky.asteroids import known_asteroids
from ztfpipe.steps.quality import night_summary
from ztfpipe.steps.simulate import simulate_night, write_catalogs

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
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
    times["alerts"] = _timed(lambda: _snakemake(config_path, "alerts", LATER))
    times["light curves"] = _timed(lambda: _light_curves(config_path))
    times["planted sources"] = _timed(lambda: _snakemake(config_path, "planted", LATER))
    times["second run"] = _timed(lambda: _snakemake(config_path, "night"))
    os.chdir(workspace / "archive")
    _show(workspace, config_path)
    print(", ".join(f"{name} {seconds:.0f} s" for name, seconds in times.items()))
    return 0


def _show(workspace: Path, config_path: Path) -> None:
    """Tables, and where to find what is to be looked at."""
    first, second = NightKey(NIGHT), NightKey(LATER)
    parts = (Path(path_of(name, first)) for name in ("manifest", "plan", "references"))
    print("\n" + text_tables(night_summary(*parts), rows_max=8))
    print(references_table())
    print(found_table(workspace / "truth"))
    print(efficiency_table())
    print(packets_table())
    print(stream_table(config_path))
    print(tracks_table(workspace / "truth"))
    print(moving_line(workspace / "truth", workspace / "longest_track.png"))
    print(curves_table())
    print(variables_table(workspace / "truth"))
    picture = workspace / "light_curve.png"
    ra_deg, dec_deg = most_variable()
    place = ["--ra", str(ra_deg), "--dec", str(dec_deg), "--picture", picture]
    command = [BIN / "ztfpipe", "lightcurve", "show", "--config", config_path, *place]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    sheet, curve = _show_alerts(workspace, config_path)
    for what, path in (
        ("The first night's report, with pictures", path_of("nightreport", first)),
        ("The second night's", path_of("nightreport", second)),
        ("A page to vet new tracks and streaks", path_of("trackpage", second)),
        ("Efficiency against magnitude", path_of("efficiencyplot", second)),
        ("The light curve that varies most", picture),
        ("The likeliest alerts", sheet),
        ("Forced photometry of the object seen most often", curve),
    ):
        print(f"{what}: {Path(path).resolve()}")


def _show_alerts(workspace: Path, config_path: Path) -> tuple[Path, Path]:
    """A contact sheet of alerts, and the forced photometry of the object that was seen most often."""
    packets = all_packets()
    sheet = workspace / "alerts.png"
    draw_sheet(packets, sheet)
    one = seen_most(packets)["candidate"]
    place = ["--ra", str(one["ra"]), "--dec", str(one["dec"]), "--plot", "--out", workspace]
    command = [BIN / "ztfpipe", "forced", "--config", config_path, *place]
    subprocess.run(command, cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    return sheet, workspace / f"forced_{one['ra']:.6f}_{one['dec']:+.6f}.png"


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


def _light_curves(config_path: Path) -> None:
    """List the epochs of both nights, and make the matchfiles."""
    subprocess.run([BIN / "ztfpipe", "lightcurve", "extend", "--config", config_path], cwd=ROOT, check=True)
    _snakemake(config_path, "matchfiles", LATER)


def _timed(work) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
