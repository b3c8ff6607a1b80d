"""Nights of a survey on record without a pixel: where a believable scheduler points, and what the records then say.

The scheduler sees dark hours, airmass, Moon and weather of Palomar, takes fields of the main grid that it has not seen
for longest, and visits each twice within the hour, in g and in r, or in r and i when the Moon is bright. The numbers of
the images follow their exposure: extinction, sky, seeing and clouds are common to all channels, which differ by
constants.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Camera
from ztfpipe.methods.sky.projection import gnomonic_inverse
from ztfpipe.model.identifiers import exposure_id, night_jd
from ztfpipe.model.keys import ExposureKey, QuadrantKey, RawKey, ReferenceVersionKey
from ztfpipe.model.manifest import ACCEPTED, Manifest, ManifestEntry
from ztfpipe.model.operations import SCIENCE_METRICS, NightRecords
from ztfpipe.model.plan import NightPlan
from ztfpipe.model.records import IngestRecord, QaRecord
from ztfpipe.products.names import path_of

CAMERA = Camera.load("ztf")
LATITUDE_DEG, LONGITUDE_DEG = 33.356, -116.865
STEP_S, BLOCK, DEC_MIN, AIRMASS_MAX, MOON_DEG = 40.0, 40, -29.0, 1.9, 35.0
MAIN_GRID = 1000
CLOUDED = 0.25
"""Fraction of nights lost; as much again loses half."""
UNIX_OF_JD = 2440587.5
ZERO_POINT_MAG = {"zg": 26.35, "zr": 26.45, "zi": 25.85}


@dataclass(frozen=True)
class Pointing:
    """An exposure: start [JD], field, filter, airmass, Moon's illuminated fraction and altitude [deg]."""

    jd: float
    field: int
    filter: str
    airmass: float
    moon: float
    moon_altitude_deg: float


def nights_of(first: date, count: int) -> list[str]:
    """Dates of so many nights, YYYYMMDD."""
    return [f"{first + timedelta(days=k):%Y%m%d}" for k in range(count)]


def survey(nights: list[str], seed: int = 1) -> Iterator[tuple[str, list[Pointing]]]:
    """The exposures of each night that was not lost, in order of time."""
    rng = np.random.default_rng(seed)
    fields = [one for one in CAMERA.fields.values() if one.field < MAIN_GRID and one.dec_deg > DEC_MIN]
    places = np.array([(one.ra_deg, one.dec_deg) for one in fields])
    names = np.array([one.field for one in fields])
    waited = rng.uniform(0, 3, names.size)
    for night in nights:
        waited += 1
        weather = rng.uniform()
        if weather > CLOUDED:
            kept = slice(None) if weather > 2 * CLOUDED else slice(int(rng.integers(0, 300)), None)
            made = _night(night, places, names, waited, rng)[kept]
            if made:
                yield night, made


def _night(night: str, places: NDArray, names: NDArray, waited: NDArray, rng: np.random.Generator) -> list[Pointing]:
    begin, end = _dark(night)
    made: list[Pointing] = []
    jd = begin
    while jd < end:
        moon_ra, moon_dec, moon = _moon(jd)
        height = _sine_altitude(jd, places[:, 0], places[:, 1])
        apart = np.degrees(np.arccos(np.clip(_cosine(places, moon_ra, moon_dec), -1, 1)))
        bright = moon > 0.5 and _sine_altitude(jd, moon_ra, moon_dec) > 0
        good = (height > 1 / AIRMASS_MAX) & (apart > MOON_DEG)
        score = np.where(good, waited + 0.4 * height + 0.3 * rng.uniform(size=waited.size), -np.inf)
        # Neighbours of the best: slews are short.
        best = int(np.argmax(score))
        near = _cosine(places, *places[best]) > np.cos(np.radians(28.0))
        chosen = np.argsort(-np.where(near, score, -np.inf))[: min(BLOCK, int((good & near).sum()))]
        chosen = chosen[np.lexsort((places[chosen, 1], np.round(places[chosen, 0] / 12)))]
        waited[chosen] = 0
        for code in ("zr", "zi") if bright and rng.uniform() < 0.5 else ("zg", "zr"):
            for index in chosen:
                if jd >= end:
                    break
                airmass = 1 / max(0.3, float(_sine_altitude(jd, *places[index])))
                altitude = float(np.degrees(np.arcsin(_sine_altitude(jd, moon_ra, moon_dec))))
                made.append(Pointing(jd, int(names[index]), code, airmass, moon, altitude))
                jd += STEP_S / 86400
        if not chosen.size:
            jd += 0.02
    return made


def _dark(night: str) -> tuple[float, float]:
    """Start and end [JD] of the Sun 12 degrees below the horizon."""
    midnight = night_jd(night) - LONGITUDE_DEG / 360
    _, dec = _sun(midnight)
    lat, dec = np.radians([LATITUDE_DEG, dec])
    cosine = (np.sin(np.radians(-12)) - np.sin(lat) * np.sin(dec)) / (np.cos(lat) * np.cos(dec))
    half = 0.5 - float(np.degrees(np.arccos(cosine))) / 360
    return midnight - half, midnight + half


def _sun(jd: float) -> tuple[float, float]:
    longitude = np.radians(280.46 + 0.9856474 * (jd - 2451545.0))
    return _equatorial(float(longitude), 0.0)


def _moon(jd: float) -> tuple[float, float, float]:
    """Right ascension, declination [deg] and illuminated fraction, to a few degrees."""
    days = jd - 2451545.0
    anomaly, node = np.radians(134.96 + 13.064993 * days), np.radians(93.27 + 13.229350 * days)
    longitude = np.radians(218.32 + 13.176396 * days) + np.radians(6.29) * np.sin(anomaly)
    ra, dec = _equatorial(float(longitude), float(np.radians(5.13) * np.sin(node)))
    from_sun = longitude - np.radians(280.46 + 0.9856474 * days)
    return ra, dec, float(0.5 * (1 - np.cos(from_sun)))


def _equatorial(longitude: float, latitude: float) -> tuple[float, float]:
    tilt = np.radians(23.44)
    x, y = np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude)
    z = np.sin(latitude)
    y, z = y * np.cos(tilt) - z * np.sin(tilt), y * np.sin(tilt) + z * np.cos(tilt)
    return float(np.degrees(np.arctan2(y, x)) % 360), float(np.degrees(np.arcsin(z)))


def _sine_altitude(jd: float, ra_deg: NDArray | float, dec_deg: NDArray | float) -> NDArray:
    sidereal = 280.46062 + 360.98564737 * (jd - 2451545.0) + LONGITUDE_DEG
    hour, dec, lat = np.radians(sidereal - ra_deg), np.radians(dec_deg), np.radians(LATITUDE_DEG)
    return np.sin(lat) * np.sin(dec) + np.cos(lat) * np.cos(dec) * np.cos(hour)


def _cosine(places: NDArray, ra_deg: float, dec_deg: float) -> NDArray:
    ra, dec = np.radians(places.T)
    away, here = np.radians(ra_deg), np.radians(dec_deg)
    return np.sin(dec) * np.sin(here) + np.cos(dec) * np.cos(here) * np.cos(ra - away)


def key_of_exposure(night: str, pointing: Pointing) -> ExposureKey:
    """The exposure's key, by the fraction of the day."""
    return ExposureKey(
        f"{night}{round((pointing.jd - night_jd(night)) * 1e6):06d}", pointing.field, pointing.filter, "o"
    )


def night_records(night: str, pointings: list[Pointing], seed: int = 0) -> NightRecords:
    """All on record of a night: accounts, plan, and a record of each science image, difference and exposure's packets.

    Two images in a thousand have STATUS 0, one in ten thousand no record.
    """
    rng = np.random.default_rng([seed, int(night)])
    science: dict[QuadrantKey, QaRecord] = {}
    differences: dict[QuadrantKey, QaRecord] = {}
    alerts, entries, arrived, keys = {}, [], {}, []
    seeing, sky = rng.lognormal(np.log(1.9), 0.12), rng.normal(0, 0.03)
    for number, one in enumerate(pointings):
        exposure = key_of_exposure(night, one)
        common = _Common(one, seeing, sky, rng)
        ended = (one.jd - UNIX_OF_JD) * 86400 + 30
        for ccdid in CAMERA.ccds:
            raw = RawKey(exposure, ccdid)
            entries.append(_entry(night, raw, one))
            arrived[raw] = ended + 20
        numbers = common.images()
        corners = corners_of(one.field)
        for rcid, (ccdid, qid) in enumerate(CAMERA.quadrants()):
            key = QuadrantKey(exposure, ccdid, qid)
            keys.append(key)
            if rng.uniform() < 1e-4:
                continue
            metrics = {name: float(values[rcid]) for name, values in numbers.items()} | corners[rcid]
            wait = 180 + 40 * rng.uniform() + 60 * ((number % 90) > 80)
            science[key] = _science(key, metrics, ended + wait, rng)
            differences[key] = _difference(key, common, ended + wait + 25, rng)
            if not science[key].status:
                reason = "the science image is not usable"
                differences[key] = replace(differences[key], status=0, reason=reason, metrics={})
        alerts[exposure] = QaRecord(
            "alerts exposure", path_of("alertsqa", exposure), 1, "", {"npackets": int(rng.poisson(400))},
            timings_s={"wall": 60.0 + 10 * rng.normal()}, ended_unix=round(ended + 340 + 30 * rng.normal(), 3),
        )  # fmt: skip
    counts = {"sent": len(entries), "accepted": len(entries), "set aside": 0, "not received": 0}
    manifest = Manifest(night, f"Night {night}", True, "digest", counts, tuple(entries))
    pinned = tuple(sorted({ReferenceVersionKey(key.reference, 1) for key in keys}))
    plan = NightPlan(night, "ztf", "digest", tuple(sorted(keys)), (), tuple(sorted(arrived)), (), pinned)
    return NightRecords(manifest, plan, {}, science, differences, alerts, {}, arrived)


@dataclass
class _Common:
    """What an exposure's images share."""

    pointing: Pointing
    seeing_arcsec: float
    sky_mag: float
    rng: np.random.Generator

    def images(self) -> dict[str, NDArray[np.float64]]:
        """Metrics (64,) of its images."""
        one, normal = self.pointing, self.rng.normal
        n = 64
        extinction = CAMERA.filter(one.filter).extinction_mag_per_airmass
        cloud = 0.4 * max(0.0, normal() - 2.2)
        standard = ZERO_POINT_MAG[one.filter] + self.sky_mag - cloud + _constants()[0] + 0.01 * normal(size=n)
        fwhm = self.seeing_arcsec * one.airmass**0.6 * (1 + 0.05 * normal()) + 0.05 * normal(size=n) + _constants()[1]
        moonlight = 4.0 * one.moon * max(0.0, np.sin(np.radians(one.moon_altitude_deg)))
        level = {"zg": 150.0, "zr": 280.0, "zi": 420.0}[one.filter] * (1 + moonlight) * one.airmass
        change = standard - ZERO_POINT_MAG[one.filter] - _constants()[0]
        limit = 20.9 - 2.5 * np.log10(fwhm / 1.9) - 0.55 * np.log10(level / 200) - cloud
        rest = {column.name: normal(size=n) for column in SCIENCE_METRICS if column.dtype == "f8"}
        return rest | {
            "fwhm_arcsec": fwhm, "pabszp": standard - extinction * one.airmass, "zpstandard": standard,
            "zpchange": change, "zero_point_outlier": (np.abs(change) > 0.2).astype(float),
            "infobits": (np.abs(change) > 0.2) * float(1 << 26), "pabszprms": 0.025 + 0.002 * normal(size=n),
            "maglimcat": limit, "gmedian": level + 3 * normal(size=n), "npsfcat": 900 + 30 * normal(size=n),
            "adpctdif1": 0.045 + 0.002 * normal(size=n), "adpctdif2": 0.045 + 0.002 * normal(size=n),
        }  # fmt: skip


@cache
def _constants() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What readout channels differ by: zero point [mag], FWHM [arcsec] growing to the corners of the focal plane."""
    rng = np.random.default_rng(64)
    away = [np.hypot(one.east_deg, one.north_deg) for one in (CAMERA.amplifier(*q) for q in CAMERA.quadrants())]
    return 0.06 * rng.normal(size=64), 0.06 * np.array(away) ** 2 / 9


@cache
def corners_of(field: int) -> list[dict[str, float]]:
    """Centre and corners of the quadrants of a field [deg], as records have them."""
    centre, (ny, nx) = CAMERA.field(field), CAMERA.quadrant_shape
    half = np.array([nx, ny]) * CAMERA.pixel_scale_arcsec / 7200
    offsets = np.array([(0, 0), (1, 1), (-1, 1), (-1, -1), (1, -1)]) * half
    found = []
    for place in CAMERA.quadrants():
        amplifier = CAMERA.amplifier(*place)
        east, north = offsets[:, 0] + amplifier.east_deg, offsets[:, 1] + amplifier.north_deg
        ra, dec = gnomonic_inverse(east, north, centre.ra_deg, centre.dec_deg)
        names = ["", "1", "2", "3", "4"]
        found.append({f"ra{k}": float(v) for k, v in zip(names, ra, strict=True)}
                     | {f"dec{k}": float(v) for k, v in zip(names, dec, strict=True)})  # fmt: skip
    return found


def _entry(night: str, raw: RawKey, one: Pointing) -> ManifestEntry:
    centre = CAMERA.field(one.field)
    facts = {
        "filefracday": raw.exposure.filefracday, "imgtype": "object", "field": one.field, "exptime_s": 30.0,
        "obsjd": one.jd, "programid": 1, "ra_deg": centre.ra_deg, "dec_deg": centre.dec_deg, "airmass": one.airmass,
        "expid": exposure_id(one.jd), "moon_illuminated_fraction": one.moon,
        "moon_altitude_deg": one.moon_altitude_deg,
    }  # fmt: skip
    path = path_of("raw", raw)
    name = path.rsplit("/", 1)[1]
    return ManifestEntry(True, IngestRecord(night, name, ACCEPTED, "", 1, {}, path, raw.ccdid, (1, 2, 3, 4), facts, {}))


def _science(key: QuadrantKey, metrics: dict[str, float], ended_unix: float, rng: np.random.Generator) -> QaRecord:
    usable = rng.uniform() > 0.002
    metrics = {**metrics, "infobits": int(metrics["infobits"]), "npsfcat": int(metrics["npsfcat"])}
    return QaRecord(
        "science image", path_of("sciimg", key), int(usable), "" if usable else "photometry: too few calibrators",
        metrics if usable else {"infobits": 1 << 8}, timings_s={"wall": 24 + 3 * rng.gamma(2), "cpu": 21.0},
        versions={"recipe": "4"}, ended_unix=round(ended_unix, 3),
    )  # fmt: skip


def _difference(key: QuadrantKey, common: _Common, ended_unix: float, rng: np.random.Generator) -> QaRecord:
    metrics = {
        "refid": 1, "ncandscimref": int(rng.poisson(7)), "ncandrefmsci": int(rng.poisson(4)),
        "nraw": int(rng.poisson(300)), "drbmedian": float(rng.uniform(0.3, 0.4)),
        "diffmaglim": 20.5 + 0.05 * rng.normal() - 0.2 * (common.seeing_arcsec - 1.9),
        "scorr_width": 1 + 0.01 * rng.normal(),
    }  # fmt: skip
    times = {"wall": 11 + 2 * rng.gamma(2), "cpu": 10.0}
    product = path_of("scimrefdiffimg", key)
    return QaRecord("difference image", product, 1, "", metrics, timings_s=times, ended_unix=round(ended_unix, 3))
