"""Headers of raw files: the keywords of the survey's camera with commanded and measured values, never the truth.

Order, spelling and comments follow real headers. What describes the exposure goes to the primary header, what
describes the amplifier to the quadrant's. Values the telescope would measure (temperatures, wind) are drawn from the
exposure's name.
"""

from __future__ import annotations

import math

import numpy as np

from ztfpipe.camera import Camera
from ztfpipe.model.dates import DAY_S, JD_OF_MJD_ZERO, JD_OF_UNIX_ZERO
from ztfpipe.model.images import Cards, HeaderValue
from ztfpipe.model.keys import IMAGE_TYPES, PROGRAMS, ExposureKey, RawKey
from ztfpipe.simulate.geometry import from_gnomonic, sky_position, unit_vectors
from ztfpipe.simulate.night import ExposurePlan
from ztfpipe.simulate.seeds import stream
from ztfpipe.simulate.telescope.earth import Circumstances

MISSING = -9999.0
"""What the survey writes for a value its sensors did not give."""
NO_FILTER = "NONE"
"""FILTER of a bias, which looks through none."""
CARDS_OF_EXPOSURE = {
    "ORIGIN": "Data origin",
    "OBSERVER": "Observer",
    "ROBOSOFT": "Robotic software version",
    "FITSSOFT": "FITS software version",
    "INSTRUME": "Instrument name",
    "DETECTOR": "Detector controller",
    "DETSOFT": "Detector software version",
    "DETFIRM": "Detector firmware version",
    "IMGTYPE": "Image type",
    "EXPOSURE": "Total Exposure Time (s)",
    "EXPTIME": "Requested Exposure Time (s)",
    "MODE_NUM": "Mode identifying key",
    "CCDSUM": "CCD binning",
    "PIXSCALE": "Pixel scale, in arcsec per pixel",
    "FILENAME": "File name",
    "ORIGNAME": "Original file name",
    "FRAMENUM": "Detector frame number",
    "HEADTEMP": "Cryo cooler cold head temp (K)",
    "DEWPRESS": "Dewar pressure (milli-torr)",
    "DETHEAT": "Detector focal plane heater power (%)",
    **{f"CCDTMP{ccdid:02d}": f"CCD temperature {ccdid:02d} (K)" for ccdid in range(1, 17)},
    "INST_X": "Hexapod X (RA) axis position (mm)",
    "INST_Y": "Hexapod Y (Dec) axis position (mm)",
    "FOCUSPOS": "Hexapod Z (Focus) axis position (mm)",
    "THETA_X": "Hexapod rotation about INST_X (deg)",
    "THETA_Y": "Hexapod rotation about INST_Y (deg)",
    "INST_ROT": "Hexapod rotation about Z axis (deg)",
    "FIELDID": "ZTF field ID number",
    "OBJRA": "Queue object right ascension",
    "OBJDEC": "Queue object declination",
    "OBJRAD": "Object right ascension (deg)",
    "OBJDECD": "Object declination (deg)",
    "EQUINOX": "Equinox",
    "RA_RATE": 'RA tracking rate ("/hr)',
    "DEC_RATE": 'Dec tracking rate ("/hr)',
    "PROGRMPI": "Queue program PI",
    "REQUSTID": "Queue request ID",
    "QCOMMENT": "Queue comment",
    "TEMPTURE": "Outside air temperature (C)",
    "WINDSPD": "Outside wind speed",
    "WINDDIR": "Outside wind direction (deg)",
    "DEWPOINT": "Dewpoint (C)",
    "WETNESS": "Wetness sensor reading",
    "HUMIDITY": "Humidity (%)",
    "PRESSURE": "Atmospheric pressure, millibars",
    "CLOUDS": "Cloud sensor reading",
    "SUNAZ": "Sun azimuth (deg)",
    "SUNALT": "Sun altitude (deg)",
    "MOONRA": "Moon J2000.0 R.A. (deg)",
    "MOONDEC": "Moon J2000.0 Dec. (deg)",
    "MOONALT": "Moon altitude (deg)",
    "MOONILLF": "Moon illuminated fraction (frac)",
    "MOONPHAS": "Moon phase angle (deg)",
    "MOONESB": "Moon excess in sky brightness V-band",
    "PROGRMID": "Queue program ID",
    "FILTERID": "Filter ID code",
    "FILTER": "Filter name",
    "FILTPOS": "Filter position",
    "OBSJD": "Julian day corresponds to UTC-OBS (day)",
    "OBSMJD": "MJD corresponds to UTC-OBS (day)",
    "HJD": "Heliocentric Julian Day (days)",
    "OBLST": "Local Sidereal Time",
    "HOURANG": "Hour angle",
    "HOURANGD": "Hour angle (deg)",
    "RA": "Requested right ascension",
    "DEC": "Requested declination",
    "RAD": "Requested right ascension (deg)",
    "DECD": "Requested declination (deg)",
    "TELRA": "Telescope right ascension",
    "TELDEC": "Telescope declination",
    "TELRAD": "Telescope right ascension (deg)",
    "TELDECD": "Telescope declination (deg)",
    "AZIMUTH": "Telescope azimuth (deg)",
    "ELVATION": "Telescope elevation (deg)",
    "TRACKRA": 'TCS RA non-sidereal tracking rate ("/hr)',
    "TRACKDEC": 'TCS Dec non-sidereal tracking rate ("/hr)',
    "AIRMASS": "Airmass (Hardie)",
    "DOME_AZ": "Dome azimuth (deg)",
    "WINDSCAL": "Windscreen elevation (deg)",
    "OBSERVAT": "Observatory",
    "TELESCOP": "Observatory telescope",
    "OBSLON": "Observatory longitude (deg)",
    "OBSLAT": "Observatory latitude (deg E)",
    "OBSALT": "Observatory altitude (m)",
    "DOMESTAT": "Dome status at beginning of exposure",
    "SHUTOPEN": "Shutter open time",
    "SHUTCLSD": "Shutter close time",
    "CDS0": "",
    "CDS1": "2 - 1",
    "CDS2": "2 - 1 + SWsettleT",
    "CDS3": "",
    "PIXSCALX": "Pixel scale in X",
    "PIXSCALY": "Pixel scale in Y",
    "NFRAMES": "number of frames in FITS file",
}
"""Keywords of the primary header, in order, with their comments."""


def exposure_header(camera: Camera, plan: ExposurePlan, ccdid: int) -> Cards:
    """Keywords of the primary header of a CCD file, in the survey's order."""
    values: dict[str, HeaderValue] = {
        **dict.fromkeys(CARDS_OF_EXPOSURE, 0.0),
        **camera.header,
        **_software_and_files(camera, plan, ccdid),
        **_telemetry(plan),
        **_queue(camera, plan),
        **_times(plan),
        **_pointing(camera, plan),
        **_almanac(plan.at_start),
    }
    return {keyword: (values[keyword], comment) for keyword, comment in CARDS_OF_EXPOSURE.items()}


def quadrant_header(camera: Camera, plan: ExposurePlan, ccdid: int, qid: int) -> Cards:
    """Keywords of a quadrant's extension: the amplifier, and for a look at the sky where it was meant to point."""
    amplifier = camera.amplifier(ccdid, qid)
    cards: dict[str, tuple[HeaderValue, str]] = {
        "EXTNAME": (str(qid), ""),
        "HDUVERS": (1, ""),
        "CCD_ID": (ccdid, "ID value of CCD detector"),
        "CCDNAME": (f"S{ccdid:02d}", "Detector name or serial number"),
        "AMP_ID": (amplifier.amp_id, "ID value of CCD amplifier"),
        "AMP_NAME": (amplifier.name, "Name of CCD amplifier"),
        "GAIN": (amplifier.gain_e_per_adu, "Gain e-/adu"),
        "READNOI": (amplifier.read_noise_e, "Read noise e-"),
        "DARKCUR": (amplifier.dark_current_e_per_s, "Dark current e-/s @ 150 K"),
    }
    if plan.key.imgtype == "o":
        cards |= _nominal_wcs(camera, plan, ccdid, qid)
    return cards


def raw_name(key: ExposureKey, ccdid: int) -> str:
    """Name of a CCD's raw file as the camera sends it."""
    RawKey(key, ccdid)
    return f"ztf_{key.filefracday}_{key.field:06d}_{key.filter}_c{ccdid:02d}_{key.imgtype}.fits.fz"


def _software_and_files(camera: Camera, plan: ExposurePlan, ccdid: int) -> dict[str, HeaderValue]:
    name = raw_name(plan.key, ccdid).removesuffix(".fz")
    scale = float(f"{camera.pixel_scale_arcsec - 5e-4:.3f}")  # real headers give 1.012 for 1.0125
    return {
        "ROBOSOFT": "synthetic",
        "FITSSOFT": "synthetic",
        "DETECTOR": "",
        "DETSOFT": "",
        "DETFIRM": "",
        "IMGTYPE": IMAGE_TYPES[plan.key.imgtype],
        "EXPOSURE": plan.exptime_s,
        "EXPTIME": plan.exptime_s,
        "MODE_NUM": 0,
        "CCDSUM": "1 1",
        "PIXSCALE": scale,
        "PIXSCALX": scale,
        "PIXSCALY": scale,
        "FILENAME": name,
        "ORIGNAME": name,
        "FRAMENUM": plan.number + 1,
        "NFRAMES": len(camera.raw.image_hdu) + len(camera.raw.overscan_hdu),
    }


def _telemetry(plan: ExposurePlan) -> dict[str, HeaderValue]:
    rng = stream(0, "telemetry", int(plan.key.filefracday))
    return {
        "HEADTEMP": round(161.0 + 0.3 * rng.standard_normal(), 3),
        "DEWPRESS": 1.83e-5,
        "DETHEAT": 0.0,
        **{f"CCDTMP{ccdid:02d}": round(167.0 + 2 * rng.standard_normal(), 3) for ccdid in range(1, 17)},
        "FOCUSPOS": round(1.45 + 0.01 * rng.standard_normal(), 5),
        "THETA_X": 0.3055,
        "THETA_Y": 0.3261,
        "TEMPTURE": round(14.0 + rng.standard_normal(), 1),
        "WINDSPD": round(abs(3.0 + rng.standard_normal()), 1),
        "WINDDIR": round(rng.uniform(0, 360)),
        "DEWPOINT": 2.4,
        "WETNESS": 0.0,
        "HUMIDITY": round(30.0 + 2 * rng.standard_normal(), 1),
        "PRESSURE": MISSING,
        "CLOUDS": MISSING,
    }


def _queue(camera: Camera, plan: ExposurePlan) -> dict[str, HeaderValue]:
    looks_through = plan.key.filter in camera.filters
    filter_values = camera.filter(plan.key.filter) if looks_through else None
    return {
        "FIELDID": plan.key.field,
        "EQUINOX": 2000.0,
        "PROGRMPI": "Kulkarni",
        "PROGRMID": plan.programid,
        "REQUSTID": plan.number // 10,
        "QCOMMENT": f"{PROGRAMS[plan.programid]}_{IMAGE_TYPES[plan.key.imgtype]}",
        "FILTERID": filter_values.fid if filter_values else 0,
        "FILTER": filter_values.header if filter_values else NO_FILTER,
        "FILTPOS": filter_values.fid if filter_values else 0,
    }


def _times(plan: ExposurePlan) -> dict[str, HeaderValue]:
    return {
        "OBSJD": round(plan.obsjd, 7),
        "OBSMJD": round(plan.obsjd - JD_OF_MJD_ZERO, 7),
        "HJD": round(plan.obsjd, 7),
        "SHUTOPEN": iso_time(plan.obsjd),
        "SHUTCLSD": iso_time(plan.obsjd + plan.exptime_s / DAY_S),
        "DOMESTAT": "Open" if plan.key.imgtype == "o" else "Closed",
    }


def _pointing(camera: Camera, plan: ExposurePlan) -> dict[str, HeaderValue]:
    site, seen = camera.observatory, plan.at_start
    values: dict[str, HeaderValue] = {}
    for name, ra_deg, dec_deg in (
        ("OBJ{}", plan.object_ra_deg, plan.object_dec_deg),
        ("{}", plan.ra_deg, plan.dec_deg),
        ("TEL{}", plan.ra_deg, plan.dec_deg),
    ):
        values[name.format("RA")] = sexagesimal(ra_deg / 15, wrap=24)
        values[name.format("DEC")] = sexagesimal(dec_deg)
        values[name.format("RAD")], values[name.format("DECD")] = round(ra_deg, 6), round(dec_deg, 6)
    return values | {
        "OBLST": sexagesimal(seen.sidereal_time_deg / 15, wrap=24),
        "HOURANG": sexagesimal(seen.hour_angle_deg / 15),
        "HOURANGD": round(seen.hour_angle_deg / 15, 5),
        "AZIMUTH": round(seen.azimuth_deg, 2),
        "ELVATION": round(seen.elevation_deg, 2),
        "AIRMASS": round(seen.airmass, 3),
        "DOME_AZ": round(seen.azimuth_deg, 1),
        "OBSLON": site.longitude_deg,
        "OBSLAT": site.latitude_deg,
        "OBSALT": site.height_m,
    }


def _almanac(seen: Circumstances) -> dict[str, HeaderValue]:
    return {
        "SUNAZ": round(seen.sun_azimuth_deg, 4),
        "SUNALT": round(seen.sun_elevation_deg, 4),
        "MOONRA": round(seen.moon_ra_deg, 3),
        "MOONDEC": round(seen.moon_dec_deg, 5),
        "MOONALT": round(seen.moon_elevation_deg, 4),
        "MOONILLF": round(seen.moon_phase, 6),
        "MOONPHAS": round(math.degrees(math.acos(2 * seen.moon_phase - 1)), 4),
        "MOONESB": round(seen.moon_brightening_v_mag, 4),
    }


def _nominal_wcs(camera: Camera, plan: ExposurePlan, ccdid: int, qid: int) -> Cards:
    """Tangent-plane WCS of a quadrant if the telescope pointed perfectly and the optics had no distortion."""
    amplifier = camera.amplifier(ccdid, qid)
    x0, y0 = camera.reference_pixel
    centre = _sky(plan, amplifier.east_deg, amplifier.north_deg)
    scale = camera.pixel_scale_arcsec / 3600
    # One pixel along x goes west, one along y goes south; seen from the quadrant's centre both are a little turned.
    west = _sky(plan, amplifier.east_deg - scale, amplifier.north_deg)
    south = _sky(plan, amplifier.east_deg, amplifier.north_deg - scale)
    cosine = np.cos(np.radians(centre[1]))
    columns = [(((sky[0] - centre[0] + 180) % 360 - 180) * cosine, sky[1] - centre[1]) for sky in (west, south)]
    cards: dict[str, tuple[HeaderValue, str]] = {
        "WCSVERS": ("2.1", "WCS version number"),
        "WCSAXES": (2, "Number of WCS axes"),
        "WCSNAME": ("ZTF", "Name of the WCS coordinate system"),
        "RADESYS": ("ICRS", "Coordinate reference system"),
        "CTYPE1": ("RA---TAN", "Name of coord X axis"),
        "CTYPE2": ("DEC--TAN", "Name of coord Y axis"),
        "CRPIX1": (x0 + 1, "Coord system X ref pixel"),
        "CRPIX2": (y0 + 1, "Coord system Y ref pixel"),
        "CRVAL1": (centre[0], "Coord system value at CRPIX1"),
        "CRVAL2": (centre[1], "Coord system value at CRPIX2"),
        "CUNIT1": ("deg", "Coordinate units for X axis"),
        "CUNIT2": ("deg", "Coordinate units for Y axis"),
    }
    for i in (0, 1):
        for j in (0, 1):
            cards[f"CD{i + 1}_{j + 1}"] = (columns[j][i], "WCS matrix")
    return cards | {"CCD_ROT": (0.0, "CCD rotation angle")}


def _sky(plan: ExposurePlan, east_deg: float, north_deg: float) -> tuple[float, float]:
    """RA and Dec [deg] of a point of the tangent plane at the commanded pointing."""
    vectors = from_gnomonic(np.array([east_deg]), np.array([north_deg]), unit_vectors(plan.ra_deg, plan.dec_deg))
    ra_deg, dec_deg = sky_position(vectors)
    return float(ra_deg[0]), float(dec_deg[0])


def iso_time(jd: float) -> str:
    """UTC of a Julian date to the millisecond, as headers write it."""
    # Whole days apart keep the milliseconds: a double holds a Julian date to 40 microseconds only.
    milliseconds = round((jd - JD_OF_UNIX_ZERO) * 86_400_000)
    return str(np.datetime64(milliseconds, "ms"))


def sexagesimal(value: float, wrap: int | None = None) -> str:
    """`+hh:mm:ss.ss` of hours or degrees; with `wrap`, what rounds up to that many is written as zero."""
    hundredths = round(abs(value) * 360000)
    if wrap is not None:
        hundredths %= wrap * 360000
    minutes, rest = divmod(hundredths, 6000)
    return f"{'-' if value < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}:{rest / 100:05.2f}"
