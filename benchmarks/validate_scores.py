"""Scores of candidates against truth, on pairs of other nights, PSFs and artefacts than those trained on; and of the
candidates of public packets beside the scores that those carry."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.accuracy import row
from benchmarks.packets import read_packets
from benchmarks.report import BEGIN, END, ROOT
from benchmarks.score_figures import EFFICIENCY, SNR_BINS, SNR_MIN, Scored, draw
from training.pairs import FAMILIES
from training.samples import Samples, draw_samples
from ztfpipe.config import Difference
from ztfpipe.methods.difference.real_bogus import forest_scores, network_log_odds, network_scores, probability
from ztfpipe.model.real_bogus import Scorers
from ztfpipe.products.weights import read_scorers

PAGE = ROOT / "docs" / "scores.md"
NIGHTS, PAIRS = range(6), 3
NOTE = (
    "pairs of another family of PSFs and mostly other kinds of artefacts than those trained on; bogus of S_corr 6 and"
    " more; threshold where 98 % of planted sources of S/N 7 and more pass"
)


def rows() -> list[dict[str, Any]]:
    """All rows."""
    settings = Difference()
    scorers = read_scorers(settings.rb_version, settings.drb_version)
    family = FAMILIES["judged"]
    spoilt = draw_samples(family, NIGHTS, pairs=PAIRS)
    return score_rows(scorers, spoilt) + packet_rows(scorers)


def score_rows(scorers: Scorers, spoilt: Samples) -> list[dict[str, Any]]:
    """Efficiency, bogus that pass, calibration and drift of both classifiers; the picture."""
    both = scored(scorers, spoilt)
    draw(both)
    table = []
    for one in both:
        name = f"{one.name}: "
        table += [
            row(f"{name}bogus that pass at {EFFICIENCY:.0%} of S/N >= {SNR_MIN:g}", one.passed(), bar="", met=None,
                note=NOTE),
            row(f"{name}threshold there", one.threshold, bar="", met=None),
            row(f"{name}calibration error, equal classes", one.calibration_error(), bar="", met=None),
        ]  # fmt: skip
        table += [
            row(f"{name}real that pass there, S/N {low:g} to {high:g}", one.efficiency(low, high), bar="", met=None)
            for low, high in SNR_BINS
        ]
        real = one.nights()[1]
        table.append(row(
            f"{name}real of S/N >= {SNR_MIN:g} that pass, worst night", np.nanmin(real), bar="", met=None,
            note=f"{len(real)} nights, {np.nanmin(real):.3f} to {np.nanmax(real):.3f}",
        ))  # fmt: skip
        table += [
            row(f"{name}bogus that pass, {kind}", one.passed(kind), bar="", met=None,
                note=f"{(one.bogus & (spoilt.kind == kind)).sum()} candidates")
            for kind in np.unique(spoilt.kind[one.bogus])
        ]  # fmt: skip
    return table


def scored(scorers: Scorers, samples: Samples) -> list[Scored]:
    """Both classifiers' scores of samples."""
    rb = forest_scores(scorers.forest, samples.features)
    parts = [
        network_log_odds(scorers.network, samples.inner[k : k + 256], samples.outer[k : k + 256])
        for k in range(0, len(samples), 256)
    ]
    return [Scored("rb", samples, rb), Scored("drb", samples, probability(np.concatenate(parts)))]


def packet_rows(scorers: Scorers) -> list[dict[str, Any]]:
    """drb of real packets beside theirs, here and in the docs; rb asks for features that packets do not hold."""
    table, lines = [], ["| candid | S_corr | FWHM px | their rb | their drb | our drb |", "|---" * 6 + "|"]
    for packet in read_packets():
        ours = float(network_scores(scorers.network, packet.cutouts, np.array([packet.positive]))[0])
        table.append(row(f"packet {packet.candid}: drb (theirs {packet.drb:.3f})", ours, bar="", met=None))
        sign = "" if packet.positive else ", negative"
        lines.append(
            f"| {packet.candid} | {packet.scorr:.1f}{sign} | {packet.fwhm_px:.1f} | {packet.rb:.2f} | {packet.drb:.3f} "
            f"| {ours:.3f} |"
        )
    if table:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{chr(10).join(lines)}\n{END}{rest.partition(END)[2]}")
    return table
