"""Observations in the IAU's ADES format, version 2022: PSV and XML, with checks that the schema does not make."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from ztfpipe.model.tracks import Observation

VERSION = "2022"
_ORDINAL_JD = 1721424.5
BANDS = {"zg": "g", "zr": "r", "zi": "i"}
"""Filters as the Minor Planet Center spells them."""
_FIELDS = (
    "provID", "permID", "trkSub", "mode", "stn", "obsTime", "ra", "dec", "rmsRA", "rmsDec", "astCat", "mag", "rmsMag",
    "band", "photCat", "logSNR", "exp", "disc", "notes", "remarks",
)  # fmt: skip
"""In the order of the schema's optical observation."""
_NAME = re.compile(r"[A-Za-z0-9]{1,8}")
_TELESCOPE = ("name", "design", "aperture", "detector", "fRatio", "pixelScale")


@dataclass(frozen=True)
class Context:
    """Who observed with what: station is the observatory code, telescope the parts ADES names."""

    station: str
    submitter: str
    observers: Sequence[str]
    measurers: Sequence[str]
    telescope: Mapping[str, str]
    astrometric_catalog: str


def faults(observations: Sequence[Observation], context: Context, now_jd: float) -> list[tuple[int, str]]:
    """What the Minor Planet Center would refuse: (number of the observation, sentence); none where all is well.

    The schema knows neither that a header's code is the observations', nor the rules of names, nor what cannot be.
    """
    found: list[tuple[int, str]] = []
    if not re.fullmatch(r"[0-9A-Z][0-9]{2}", context.station):
        found.append((-1, f"{context.station!r} is no observatory code"))
    seen: set[tuple[str, str]] = set()
    for number, one in enumerate(observations):
        where = (one.name, obs_time(one.jd_mid)) if math.isfinite(one.jd_mid) else (one.name, "")
        checks = (
            (not _NAME.fullmatch(one.name), f"name {one.name!r}: one to eight letters and digits"),
            (not math.isfinite(one.jd_mid), "no time"),
            (one.jd_mid > now_jd, "observed in the future"),
            (not 0 <= one.ra_deg < 360, f"right ascension {one.ra_deg}"),
            (not -90 <= one.dec_deg <= 90, f"declination {one.dec_deg}"),
            (not 0 < one.sigma_arcsec < 10, f"position error {one.sigma_arcsec} arcsec"),
            (math.isfinite(one.mag) and not 0 < one.mag < 30, f"magnitude {one.mag}"),
            (math.isfinite(one.mag) and one.band not in BANDS.values(), f"band {one.band!r}"),
            (where in seen, "the same object twice at one time"),
        )
        found += [(number, f"{one.name}: {text}") for bad, text in checks if bad]
        seen.add(where)
    return found


def obs_time(jd: float) -> str:
    """UTC to the millisecond, as ADES writes it."""
    milli = round((jd - _ORDINAL_JD) * 86_400_000)
    day, milli = divmod(milli, 86_400_000)
    calendar = date.min + timedelta(days=day - 1)
    seconds, milli = divmod(milli, 1000)
    clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{milli:03d}"
    return f"{calendar.isoformat()}T{clock}Z"


def _values(one: Observation, context: Context) -> dict[str, str]:
    """The fields of an observation that it has, in the schema's order."""
    sigma = f"{max(one.sigma_arcsec, 0.001):.3f}"
    permanent = one.designation.isdigit()
    values = {
        "permID": one.designation if permanent else "",
        "provID": "" if permanent else one.designation,
        "trkSub": one.name,
        "mode": "CCD",
        "stn": context.station,
        "obsTime": obs_time(one.jd_mid),
        "ra": f"{one.ra_deg:.6f}",
        "dec": f"{one.dec_deg:+.6f}",
        "rmsRA": sigma,
        "rmsDec": sigma,
        "astCat": context.astrometric_catalog,
    }
    if math.isfinite(one.mag):
        values |= {"mag": f"{one.mag:.2f}", "band": one.band, "photCat": "PS1_DR1"}
        if math.isfinite(one.sigma_mag):
            values["rmsMag"] = f"{min(max(one.sigma_mag, 0.001), 9.999):.3f}"
    if math.isfinite(one.snr) and one.snr > 0:
        values["logSNR"] = f"{math.log10(one.snr):.2f}"
    if math.isfinite(one.exposure_s):
        values["exp"] = f"{one.exposure_s:.1f}"
    values |= {"disc": "*" if one.discovery else "", "remarks": one.remarks}
    # `ra` and `dec` are rounded, and 360 is no right ascension.
    values["ra"] = "0.000000" if values["ra"] == "360.000000" else values["ra"]
    return {name: values[name] for name in _ORDER if values.get(name)}


_ORDER = ("permID", "provID", *(name for name in _FIELDS if name not in ("permID", "provID")))


def psv(observations: Sequence[Observation], context: Context) -> str:
    """The observations as PSV: header records, one line of names, one line an observation."""
    lines = [f"# version={VERSION}", "# observatory", f"! mpcCode {context.station}"]
    lines += ["# submitter", f"! name {context.submitter}"]
    for noun, names in (("observers", context.observers), ("measurers", context.measurers)):
        lines += [f"# {noun}", *(f"! name {name}" for name in names)]
    lines += ["# telescope", *(f"! {name} {context.telescope[name]}" for name in _telescope(context))]
    rows = [_values(one, context) for one in observations]
    used = [name for name in _ORDER if any(name in row for row in rows)]
    if rows:
        lines.append("|".join(used))
        lines += ["|".join(row.get(name, "") for name in used) for row in rows]
    return "\n".join(lines) + "\n"


def xml(observations: Iterable[Observation], context: Context) -> str:
    """The observations as XML, one block. Without any there is no valid block: the root is empty."""
    root = ElementTree.Element("ades", version=VERSION)
    rows = [_values(one, context) for one in observations]
    if rows:
        block = ElementTree.SubElement(root, "obsBlock")
        _context(ElementTree.SubElement(block, "obsContext"), context)
        data = ElementTree.SubElement(block, "obsData")
        for row in rows:
            optical = ElementTree.SubElement(data, "optical")
            for name, value in row.items():
                ElementTree.SubElement(optical, name).text = value
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _context(node: ElementTree.Element, context: Context) -> None:
    ElementTree.SubElement(ElementTree.SubElement(node, "observatory"), "mpcCode").text = context.station
    ElementTree.SubElement(ElementTree.SubElement(node, "submitter"), "name").text = context.submitter
    for noun, names in (("observers", context.observers), ("measurers", context.measurers)):
        group = ElementTree.SubElement(node, noun)
        for name in names:
            ElementTree.SubElement(group, "name").text = name
    telescope = ElementTree.SubElement(node, "telescope")
    for name in _telescope(context):
        ElementTree.SubElement(telescope, name).text = context.telescope[name]


def _telescope(context: Context) -> list[str]:
    return [name for name in _TELESCOPE if name in context.telescope]
