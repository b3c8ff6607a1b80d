"""What all candidates of an image have in common, from its header and its reference's: EXPOSURE_COLUMNS but tblid."""

from __future__ import annotations

import re

from ztfpipe.camera import Camera
from ztfpipe.model import identifiers
from ztfpipe.model.images import Cards
from ztfpipe.model.keys import QuadrantKey
from ztfpipe.products.images.headers import known, whole
from ztfpipe.products.names import path_of

_TOO = re.compile(r"(?<![a-z])too(?![a-z])", re.IGNORECASE)
"""A target of opportunity, as a word of the queue's comment: no header has a keyword for it."""
_NUMBERS = {
    "magzpsci": "MAGZP", "magzpsciunc": "MAGZPUNC", "magzpscirms": "MAGZPRMS", "clrcoeff": "CLRCOEFF",
    "clrcounc": "CLRCOUNC", "zpclrcov": "ZPCLRCOV", "zpmed": "ZPMED", "clrmed": "CLRMED", "clrrms": "CLRRMS",
    "exptime": "EXPTIME",
}  # fmt: skip


def exposure_words(
    key: QuadrantKey, camera: Camera, science: Cards, reference: Cards, *, limiting_mag: float
) -> dict[str, float | int | str]:
    """The columns' values by name. science, reference: keywords of both images; a number they lack is NaN, or 0.

    limiting_mag: of a 5-sigma point source in the difference.
    """
    jd, exposure = known(science, "OBSJD"), key.exposure
    fid = camera.filter(exposure.filter).fid
    return {
        "jd": jd,
        "fid": fid,
        "pid": identifiers.processing_id(identifiers.exposure_id(jd), key.rcid),
        "diffmaglim": limiting_mag,
        # Packets name the image before it was packed, without its folder.
        "pdiffimfilename": path_of("scimrefdiffimg", key).rpartition("/")[2].removesuffix(".fz"),
        "programpi": str(science.get("PROGRMPI", ("", ""))[0] or ""),
        "programid": whole(science, "PROGRMID"),
        "nid": identifiers.night_id(jd),
        "rcid": key.rcid,
        "field": exposure.field,
        "tooflag": int(bool(_TOO.search(str(science.get("QCOMMENT", ("", ""))[0] or "")))),
        "rfid": whole(reference, "RFID") or identifiers.reference_id(exposure.field, fid, key.rcid),
        "jdstartref": known(reference, "JDSTART"),
        "jdendref": known(reference, "JDEND"),
        "nframesref": whole(reference, "NFRAMES"),
        "nmatches": whole(science, "NMATCHES"),
        **{name: known(science, keyword) for name, keyword in _NUMBERS.items()},
    }
