"""The Minor Planet Center's 80-column records of observations: written, and read back."""

from __future__ import annotations

import math
import re
import string
from collections.abc import Iterable
from datetime import date, timedelta

from ztfpipe.errors import BadFile
from ztfpipe.model.tracks import Observation

_ORDINAL_JD = 1721424.5
"""Julian date of 0 h UT of the day before 0001-01-01, from which Python counts days."""
_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SECOND = "ABCDEFGHJKLMNOPQRSTUVWXYZ"
_PROVISIONAL = re.compile(r"([12][0-9]{3}) ([A-HJ-Y])([A-HJ-Z])([0-9]*)")
NOTE_CCD = "C"
_CATALOG_CODES = {"Gaia1": "U", "Gaia2": "V", "Gaia3": "W"}
"""Of the astrometric catalogs, column 72."""


def mpc80_lines(observations: Iterable[Observation], station: str, catalog: str) -> list[str]:
    """The records (80 characters each) in the order given; column 13 has an asterisk at a discovery.

    station: observatory code. catalog: as ADES spells it. An object goes by its own name of at most seven characters
    in columns 6 to 12; ValueError for a longer one.
    """
    code = _CATALOG_CODES.get(catalog, " ")
    return [_line(one, station, code) for one in observations]


def _line(one: Observation, station: str, catalog_code: str) -> str:
    mag = f"{one.mag:5.2f}" if math.isfinite(one.mag) else " " * 5
    band = one.band if math.isfinite(one.mag) else " "
    text = (
        f"{_object(one)}{'*' if one.discovery else ' '} {NOTE_CCD}{_date(one.jd_mid)}{_ra(one.ra_deg)}"
        f"{_dec(one.dec_deg)}{'':9}{mag:>5}{band:1}{catalog_code}{'':5}{station}"
    )
    assert len(text) == 80, text
    return text


def _object(one: Observation) -> str:
    """Columns 1 to 12."""
    if one.designation:
        return packed(one.designation)
    if not 1 <= len(one.name) <= 7:
        raise ValueError(f"{one.name!r}: the name of an object has one to seven characters in 80-column records")
    return f"{'':5}{one.name:<7}"


def spaced_designation(name: str) -> str:
    """A known body's name as ADES spells it: a number as it is, `2018FA29` as `2018 FA29`."""
    return name if name.isdigit() or " " in name or len(name) < 5 else f"{name[:4]} {name[4:]}"


def packed(designation: str) -> str:
    """Columns 1 to 12 for a number or a provisional designation (`2018 FA29`), by the Minor Planet Center's rules.

    ValueError for what is neither. Surveys' designations of the last century (`2040 P-L`) are not among them.
    """
    if designation.isdigit():
        return f"{_packed_number(int(designation)):<12}"
    match = _PROVISIONAL.fullmatch(designation)
    if match is None:
        raise ValueError(f"{designation!r} is neither a number nor a provisional designation")
    year, half, second, cycle = int(match[1]), match[2], match[3], int(match[4] or 0)
    if cycle < 620:
        century = _DIGITS[year // 100]
        return f"{'':5}{century}{year % 100:02d}{half}{_DIGITS[cycle // 10]}{cycle % 10}{second}"
    # Half-months with more than 15,500 objects: an underscore, the year's letter, and a number in base 62.
    number = (cycle - 620) * 25 + _SECOND.index(second)
    return f"{'':5}_{_DIGITS[year - 2000]}{half}{_base62(number, 4)}"


def _packed_number(number: int) -> str:
    if number < 620_000:
        return f"{_DIGITS[number // 10_000]}{number % 10_000:04d}"
    return "~" + _base62(number - 620_000, 4)


def _base62(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits = _DIGITS[digit] + digits
    return digits


def _date(jd: float) -> str:
    """`YYYY MM DD.dddddd`, 17 characters."""
    micro = round((jd - _ORDINAL_JD) * 1e6)
    day, fraction = divmod(micro, 10**6)
    calendar = date.min + timedelta(days=day - 1)
    return f"{calendar.year:04d} {calendar.month:02d} {calendar.day:02d}.{fraction:06d}"


def _ra(ra_deg: float) -> str:
    """`HH MM SS.ddd`, 12 characters."""
    milli = round(ra_deg * 240e3) % 86_400_000
    seconds, milli = divmod(milli, 1000)
    return f"{seconds // 3600:02d} {seconds // 60 % 60:02d} {seconds % 60:02d}.{milli:03d}"


def _dec(dec_deg: float) -> str:
    """`sDD MM SS.dd`, 12 characters."""
    centi = round(abs(dec_deg) * 360e3)
    seconds, centi = divmod(centi, 100)
    sign = "-" if dec_deg < 0 else "+"
    return f"{sign}{seconds // 3600:02d} {seconds // 60 % 60:02d} {seconds % 60:02d}.{centi:02d}"


def read_mpc80(text: str, path: str = "") -> list[Observation]:
    """Observations of 80-column records, with what these hold of them. BadFile for a line of another form."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            found.append(_observation(line))
        except ValueError as error:
            raise BadFile(path or "80-column records", f"line {number}: {error}") from error
    return found


def _observation(line: str) -> Observation:
    if len(line) != 80:
        raise ValueError(f"{len(line)} characters, not 80")
    day = float(line[23:32])
    whole = math.floor(day)
    jd = date(int(line[15:19]), int(line[20:22]), whole).toordinal() + _ORDINAL_JD + (day - whole)
    hours, minutes, seconds = line[32:44].split()
    degrees, arcminutes, arcseconds = line[45:56].split()
    dec = float(degrees) + float(arcminutes) / 60 + float(arcseconds) / 3600
    return Observation(
        name=line[5:12].strip(),
        designation=line[:5].strip(),
        jd_mid=jd,
        ra_deg=15 * (int(hours) + int(minutes) / 60 + float(seconds) / 3600),
        dec_deg=-dec if line[44] == "-" else dec,
        sigma_arcsec=math.nan,
        mag=float(line[65:70]) if line[65:70].strip() else math.nan,
        sigma_mag=math.nan,
        band=line[70].strip(),
        snr=math.nan,
        exposure_s=math.nan,
        discovery=line[12] == "*",
    )
