"""What `ztfpipe most` leaves: the table of matches, region files for DS9, cutouts."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from astropy.io import ascii as text_tables
from astropy.table import Table
from numpy.typing import NDArray

from ztfpipe.model.dates import JD_2000, JD_OF_MJD_ZERO
from ztfpipe.model.images import Cards
from ztfpipe.model.precovery import MOST_TABLE, Frame, Sighting
from ztfpipe.products.formats.atomic import write_text
from ztfpipe.products.formats.fits import write_image
from ztfpipe.products.images.headers import Card, measured
from ztfpipe.products.images.wcs import wcs_cards

_DIGITS = {
    "mjd_obs": ".8f", "ra_obj": ".6f", "dec_obj": ".6f", "sun_dist": ".4f", "geo_dist": ".4f", "dist_ctr": ".5f",
    "phase": ".3f", "vmag": ".2f", "x": ".2f", "y": ".2f", "trail": ".2f",
}  # fmt: skip


def image_name(frame: Frame) -> str:
    """Short name of a quadrant's image: exposure, field, filter, CCD, quadrant."""
    exposure = frame.key.exposure
    return f"{exposure.filefracday}_{exposure.field:06d}_{exposure.filter}_c{frame.key.ccdid:02d}_q{frame.key.qid}"


def matches_text(sightings: Sequence[Sighting], keywords: Mapping[str, object]) -> str:
    """The table of matches in IPAC's format, the columns of MOST_TABLE, `keywords` above it."""
    rows = [_row(one) for one in sightings]
    columns = {
        column.name: np.array([row[column.name] for row in rows], None if column.dtype == "str" else column.dtype)
        if rows
        else np.zeros(0, "U1" if column.dtype == "str" else column.dtype)
        for column in MOST_TABLE
    }
    table = Table(columns)
    for column in MOST_TABLE:
        table[column.name].unit = column.unit or None
    table.meta["keywords"] = {name: {"value": value} for name, value in keywords.items()}
    stream = io.StringIO()
    text_tables.write(table, stream, format="ipac", formats=_DIGITS)
    return stream.getvalue()


def _row(one: Sighting) -> dict[str, object]:
    frame = one.frame
    begin = datetime(2000, 1, 1, 12, tzinfo=UTC) + timedelta(days=frame.jd_start - JD_2000)
    return {
        "image_id": image_name(frame), "date_obs": f"{begin:%Y-%m-%d}",
        "time_obs": f"{begin:%H:%M:%S}.{begin.microsecond // 1000:03d}", "mjd_obs": frame.jd_start - JD_OF_MJD_ZERO,
        "ra_obj": one.ra_deg, "dec_obj": one.dec_deg, "sun_dist": one.sun_au, "geo_dist": one.observer_au,
        "dist_ctr": one.centre_distance_deg, "phase": one.phase_deg, "vmag": one.v_mag, "match": int(one.inside),
        "x": one.x_px + 1, "y": one.y_px + 1, "trail": np.hypot(one.dx_px, one.dy_px),
        "wcs": "solved" if frame.solved else "nominal", "image": frame.path,
    }  # fmt: skip


def write_regions(folder: Path, sightings: Sequence[Sighting], radius_arcsec: float) -> None:
    """Region files for DS9: one for each image, in its pixels, and `positions.reg` with all places on the sky."""
    head = ["# Region file format: DS9 version 4.1", "global color=green width=2"]
    sky = [*head, "icrs"]
    for one in sightings:
        name = image_name(one.frame)
        sky.append(f'circle({one.ra_deg:.7f},{one.dec_deg:.7f},{radius_arcsec:g}") # text={{{name} V={one.v_mag:.1f}}}')
        scale = 3600 * np.sqrt(abs(np.linalg.det(one.frame.wcs.cd_deg)))
        x, y = one.x_px + 1, one.y_px + 1
        ends = f"{x - one.dx_px / 2:.3f},{y - one.dy_px / 2:.3f},{x + one.dx_px / 2:.3f},{y + one.dy_px / 2:.3f}"
        lines = [*head, "image", f"circle({x:.3f},{y:.3f},{radius_arcsec / scale:.3f}) # text={{V={one.v_mag:.1f}}}"]
        write_text(folder / f"ds9_{name}.reg", "\n".join([*lines, f"line({ends}) # line=0 1"]) + "\n")
    write_text(folder / "positions.reg", "\n".join(sky) + "\n")


def write_cutout(path: Path, pixels: NDArray[np.float32], one: Sighting, cut: Frame, header: Cards) -> None:
    """Write a square about a sighting with its own WCS; `header` is the science image's."""
    kept = ("OBSJD", "EXPTIME", "MAGZP", "SEEING", "FILTER", "FIELDID", "CCDID", "QID", "STATUS", "INFOBITS")
    cards = {name: header[name] for name in kept if name in header}
    cards |= measured((*wcs_cards(cut.wcs, distorted=True), *_sighting_cards(one)))
    write_image(path, pixels, cards)


def _sighting_cards(one: Sighting) -> Iterator[Card]:
    yield "SSRA", one.ra_deg, "[deg] Predicted right ascension, mid-exposure"
    yield "SSDEC", one.dec_deg, "[deg] Predicted declination"
    yield "SSVMAG", one.v_mag, "[mag] Predicted V"
    yield "SSX", one.x_px + 1, "[pix] Predicted x on the whole image"
    yield "SSY", one.y_px + 1, "[pix] Predicted y on the whole image"
