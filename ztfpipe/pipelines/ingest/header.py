"""What headers of raw files must hold, and how they may not contradict the file's name."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import date

from ztfpipe.camera import Camera
from ztfpipe.config import Ingest
from ztfpipe.model.dates import DAY_S
from ztfpipe.model.identifiers import JD_OF_NIGHT_ZERO
from ztfpipe.model.incoming import CardTexts, QuadrantFacts, RawFacts
from ztfpipe.model.keys import IMAGE_TYPES, RawKey

_MISSING = -9999.0
"""What the telescope's computer writes for a sensor without reading."""
_TELEMETRY = {
    "head_temperature_k": "HEADTEMP",
    "dewar_pressure_mtorr": "DEWPRESS",
    "detector_heater_percent": "DETHEAT",
    "focus_mm": "FOCUSPOS",
    "air_temperature_c": "TEMPTURE",
    "humidity_percent": "HUMIDITY",
    "dewpoint_c": "DEWPOINT",
    "wind_speed": "WINDSPD",
    "pressure": "PRESSURE",
    "moon_illuminated_fraction": "MOONILLF",
    "moon_altitude_deg": "MOONALT",
    "sun_altitude_deg": "SUNALT",
    "airmass": "AIRMASS",
}
_EXPOSURE_RANGES: dict[str, tuple[float, float]] = {
    "OBSJD": (JD_OF_NIGHT_ZERO, JD_OF_NIGHT_ZERO + 36525.0),
    "PROGRMID": (0, 3),
}
_SKY_RANGES: dict[str, tuple[float, float]] = {
    "FIELDID": (1, 999999),
    "OBJRAD": (0.0, 360.0),
    "OBJDECD": (-90.0, 90.0),
    "AIRMASS": (1.0, 40.0),
}
_QUADRANT_RANGES: dict[str, tuple[float, float]] = {"GAIN": (0.1, 100.0), "READNOI": (0.1, 1000.0)}


def number(header: CardTexts, keyword: str) -> float | None:
    """Value of a numeric keyword, also when written as a string or with a D exponent; None when absent or no number."""
    text = header.get(keyword, "").strip()
    if not re.fullmatch(r"[+-]?[0-9.]+([EeDd][+-]?[0-9]+)?|[+-]?(nan|inf)", text, re.IGNORECASE):
        return None
    try:
        return float(text.upper().replace("D", "E"))
    except ValueError:
        return None


def header_facts(facts: RawFacts) -> dict[str, float | int | str | None]:
    """What the plan, the accounts and the night's report need of the header; numbers that are not there are None."""
    header = facts.header
    known: dict[str, float | int | str | None] = {
        "imgtype": header.get("IMGTYPE"),
        "filter": header.get("FILTER"),
        "exptime_s": _finite(header, "EXPTIME"),
        "obsjd": _finite(header, "OBSJD"),
        "field": _whole(header, "FIELDID"),
        "fid": _whole(header, "FILTERID"),
        "programid": _whole(header, "PROGRMID"),
        "ra_deg": _finite(header, "OBJRAD"),
        "dec_deg": _finite(header, "OBJDECD"),
        "checksums": "yes" if facts.checksums else "none",
    }
    known |= {name: _reading(header, keyword) for name, keyword in _TELEMETRY.items()}
    temperatures = sorted(word for word in header if re.fullmatch(r"CCDTMP[0-9]{2}", word))
    return known | {f"ccd{word[-2:]}_temperature_k": _reading(header, word) for word in temperatures}


def range_faults(facts: RawFacts, key: RawKey, camera: Camera, settings: Ingest) -> list[str]:
    """Keywords of the exposure that are absent, no numbers, not finite, or out of range."""
    header = facts.header
    faults = [_text_fault(header, word) for word in ("IMGTYPE",)]
    ranges = {"EXPTIME": settings.exposure_s, **_EXPOSURE_RANGES}
    if key.exposure.imgtype == "o":
        ranges |= _SKY_RANGES
    if key.exposure.imgtype in "of":
        fids = [entry.fid for entry in camera.filters.values()]
        ranges["FILTERID"] = (min(fids), max(fids))
        faults.append(_text_fault(header, "FILTER"))
    faults += [_range_fault(header, word, *limits) for word, limits in ranges.items()]
    return [fault for fault in faults if fault]


def contradictions(facts: RawFacts, key: RawKey, camera: Camera, settings: Ingest) -> list[str]:
    """Where the header says something else than the file's name. Values that are absent contradict nothing."""
    header, exposure = facts.header, key.exposure
    faults = []
    imgtype = header.get("IMGTYPE", "").lower()
    if imgtype and IMAGE_TYPES[exposure.imgtype] not in imgtype:
        faults.append(f"its name says {IMAGE_TYPES[exposure.imgtype]}, IMGTYPE says {imgtype}")
    if exposure.imgtype == "o":
        faults += _differs("field", exposure.field, _whole(header, "FIELDID"), "FIELDID")
    if exposure.imgtype in "of" and exposure.filter in camera.filters:
        entry = camera.filters[exposure.filter]
        faults += _differs("filter number", entry.fid, _whole(header, "FILTERID"), "FILTERID")
        # 'ZTF g' in 2017, 'ZTF_g' later.
        found = header.get("FILTER", "").replace(" ", "_")
        if found and found != entry.header:
            faults.append(f"its name says filter {entry.header}, FILTER says {header['FILTER']}")
    faults += _time_faults(header, key, settings.name_header_tolerance_s)
    for word in ("FILENAME", "ORIGNAME"):
        found = header.get(word, "")
        if found and _stem(found) != _stem(facts.name):
            faults.append(f"{word} says {found}")
    return faults + _ccd_faults(facts, key)


def quadrant_faults(primary: CardTexts, quadrant: QuadrantFacts, key: RawKey, qid: int) -> list[str]:
    """Keywords of a quadrant that are absent, out of range, or of another CCD or amplifier."""
    header = {**primary, **quadrant.header}
    faults = [_range_fault(header, word, *limits) for word, limits in _QUADRANT_RANGES.items()]
    faults += [_range_fault(header, "CCD_ID", key.ccdid, key.ccdid), _range_fault(header, "AMP_ID", qid - 1, qid - 1)]
    return [fault for fault in faults if fault]


def _ccd_faults(facts: RawFacts, key: RawKey) -> list[str]:
    """One sentence when all quadrants agree on another CCD than the name's; a lone one is a fault of its quadrant."""
    found = {_whole({**facts.header, **one.header}, "CCD_ID") for one in facts.quadrants.values()}
    if len(found) == 1 and None not in found and found != {key.ccdid}:
        return [f"its name says CCD {key.ccdid}, CCD_ID says {found.pop()}"]
    return []


def _time_faults(header: CardTexts, key: RawKey, tolerance_s: float) -> list[str]:
    obsjd = _finite(header, "OBSJD")
    if obsjd is None:
        return []
    night = key.night
    days = (date(int(night[:4]), int(night[4:6]), int(night[6:])) - date(2017, 1, 1)).days
    named = JD_OF_NIGHT_ZERO + days + int(key.exposure.fracday) / 1e6
    difference_s = (obsjd - named) * DAY_S
    if abs(difference_s) > tolerance_s:
        return [f"OBSJD is {difference_s:+.0f} s from the time in its name, more than {tolerance_s:g} s"]
    return []


def _differs(what: str, named: int, found: int | None, keyword: str) -> list[str]:
    return [f"its name says {what} {named}, {keyword} says {found}"] if found is not None and found != named else []


def _text_fault(header: CardTexts, keyword: str) -> str:
    return "" if header.get(keyword) else f"{keyword} is missing"


def _range_fault(header: CardTexts, keyword: str, low: float, high: float) -> str:
    if keyword not in header:
        return f"{keyword} is missing"
    value = number(header, keyword)
    if value is None or not math.isfinite(value):
        return f"{keyword} is {header[keyword] or 'empty'}, not a finite number"
    if not low <= value <= high:
        expected = f"{low:g}" if low == high else f"within {low:.10g} to {high:.10g}"
        return f"{keyword} is {header[keyword]}, not {expected}"
    return ""


def _finite(header: CardTexts, keyword: str) -> float | None:
    value = number(header, keyword)
    return value if value is not None and math.isfinite(value) else None


def _whole(header: CardTexts, keyword: str) -> int | None:
    value = _finite(header, keyword)
    return int(value) if value is not None and value == int(value) else None


def _reading(header: Mapping[str, str], keyword: str) -> float | None:
    value = _finite(header, keyword)
    return None if value == _MISSING else value


def _stem(name: str) -> str:
    return name.removesuffix(".fz").removesuffix(".fits")
