"""What a campaign takes, how far it is, and what it changes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from ztfpipe.methods.statistics import robust
from ztfpipe.model.campaign import Campaign, Change, Estimate, Metric, Pairs, Progress
from ztfpipe.model.campaign_kinds import BACKFILL, FRINGE, REFERENCE
from ztfpipe.model.summary import BETTER, WORSE, Cell, NightSummary, Table

_IMAGE_METRICS = (
    Metric("fringe_pattern_percent", "fringes left, as the template has them [% of sky]", -1, 0.05),
    Metric("fringe_structure_percent", "structure of the sky at their scale [% of sky]", -1, 0.05),
    Metric("pabszp", "zero point [mag]", 0, 0.02),
    Metric("pabszprms", "RMS against PS1 [mag]", -1, 0.005),
    Metric("flatrms", "flatness: RMS over the quadrant [mag]", -1, 0.005),
    Metric("maglimcat", "limiting magnitude [mag]", 1, 0.05),
    Metric("diffmaglim", "limiting magnitude of the difference [mag]", 1, 0.05),
    Metric("ncandscimref", "positive candidates", -1, 5.0, summed=True),
    Metric("ncandrefmsci", "negative candidates", -1, 5.0, summed=True),
    Metric("scorr_width", "width of S_corr [sigma]", -1, 0.05),
    Metric("fwhm_arcsec", "seeing [arcsec]", -1, 0.1),
    Metric("gstddev", "noise of the pixels [DN]", -1, 1.0),
    Metric("npsfcat", "stars in the PSF catalog", 0, 10.0),
    Metric("status", "usable (STATUS 1)", 1, 0.5, summed=True),
)
_REFERENCE_METRICS = (
    Metric("status", "usable (STATUS 1)", 1, 0.5, summed=True),
    Metric("nframes", "epochs", 1, 0.5),
    Metric("maglimcat", "limiting magnitude [mag]", 1, 0.05),
    Metric("seeing_px", "seeing [px]", -1, 0.1),
    Metric("flatrms", "flatness: RMS against PS1 [mag]", -1, 0.005),
    Metric("flatrange", "range over 3 x 3 cells [mag]", -1, 0.005),
    Metric("trimmed_fraction", "fraction of samples trimmed", -1, 0.001),
)
_WANTED = {1: "more", -1: "less", 0: ""}
METRICS = {FRINGE: _IMAGE_METRICS, BACKFILL: (), REFERENCE: _REFERENCE_METRICS}


def estimate(units: int, files: int, cpu_s: Sequence[float], sizes: Sequence[int]) -> Estimate:
    """What `units` take, from processor time [s] and bytes of a sample of units that were made before.

    The mean, not the median: the sum over many is wanted, and crowded fields are part of it.
    """
    cpu_hours = units * float(np.mean(cpu_s)) / 3600 if len(cpu_s) else float("nan")
    terabytes = units * float(np.mean(sizes)) / 1e12 if len(sizes) else float("nan")
    return Estimate(units, files, cpu_hours, terabytes, min(len(cpu_s), len(sizes)))


def estimate_lines(campaign: Campaign, found: Estimate, nights: int, cores: int, left_out: int) -> list[str]:
    """The estimate for people."""
    what = "references" if campaign.kind == REFERENCE else f"quadrants of {nights} nights"
    lines = [f"campaign {campaign.name}: {found.units} {what}, {found.files} files"]
    if found.sampled:
        hours = found.cpu_hours / cores
        lines.append(
            f"{_time(found.cpu_hours)} of processor time, {_time(hours)} on {cores} cores, and"
            f" {_size(found.terabytes)}, by the records of {found.sampled} units"
        )
    else:
        lines.append("nothing like it is on record: how long it takes is not known")
    if left_out:
        lines.append(f"{left_out} more units are left out: no template, or a file that they are made of is gone")
    return lines


def _time(hours: float) -> str:
    return f"{hours:.3g} hours" if hours >= 1 else f"{60 * hours:.2g} minutes"


def _size(terabytes: float) -> str:
    return f"{terabytes:.3g} TB" if terabytes >= 1 else f"{1000 * terabytes:.2g} GB"


def progress_line(progress: Progress, now: datetime) -> str:
    """How far a campaign is: done, left, when it ends."""
    text = f"{progress.done} of {progress.total} done, {progress.left} left"
    if progress.failed:
        text += f", {progress.failed} failed"
    seconds = progress.seconds_left
    if progress.left and seconds is not None:
        ends = now + timedelta(seconds=seconds)
        text += f"; at this pace until {ends:%Y-%m-%d %H:%M} UT ({_time(seconds / 3600)})"
    return text


def changes(pairs: Pairs, metrics: Sequence[Metric]) -> tuple[Change, ...]:
    """What changes from the old products to the new ones: medians or sums, robust scatter, units that gain and lose.

    Metrics that no unit has both old and new are left out.
    """
    found = []
    for metric in metrics:
        old, new = pairs.of(metric).T
        if not old.size:
            continue
        difference = robust(new - old)
        middle = np.sum if metric.summed else np.median
        before, after = float(middle(old)), float(middle(new))
        gain = metric.better * (new - old)
        gains, losses = (float(np.mean(sign * gain > metric.notable)) for sign in (1, -1))
        found.append(
            Change(metric, old.size, before, after, after - before if metric.summed else difference.median,
                   difference.sigma, gains, losses)
        )  # fmt: skip
    return tuple(found)


def comparison_summary(campaign: Campaign, total: int, made: int, found: Sequence[Change]) -> NightSummary:
    """The table of a comparison, for terminal and page."""
    rows: list[tuple[Cell, ...]] = [
        (
            f"{one.metric.text}{', in all' if one.metric.summed else ''}", _WANTED[one.metric.better], one.units,
            one.old, one.new, one.change, one.sigma,
            *((100 * one.gains, 100 * one.losses) if one.metric.better else (None, None)), _verdict(one),
        )
        for one in found
    ]  # fmt: skip
    text = (
        "Medians over the units that have the number both old and new, or sums where it says in all. The change is the"
        " median of the changes of units, or the difference of the sums; sigma is half the central 68 % of the changes."
        " A unit is better (green) or worse (red) when it changes by more than a notable amount"
        " (docs/campaigns.md); the last column is of medians and sums alone, and says nothing where nothing is better."
    )
    head = ("what", "wanted", "units", "old", "new", "change", "sigma", "better [%]", "worse [%]", "is")
    headline = f"Campaign {campaign.name}: {made} of {total} units are made"
    return NightSummary(campaign.first, headline, (Table("Old and new", text, head, tuple(rows)),))


def _verdict(one: Change) -> Cell:
    """Better, worse or the same: by less than is notable of one unit, or than chance makes of so many counted."""
    gain = one.metric.better * one.change
    least = math.sqrt(one.old + one.new) if one.metric.summed else one.metric.notable
    if not one.metric.better:
        return "same" if abs(one.change) <= least else "changed"
    return BETTER if gain > least else WORSE if gain < -least else "same"
