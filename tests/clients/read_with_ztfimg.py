"""Run by the clients' own Python: what ztfimg reads of a science image, its mask and its catalogs, as JSON; no network.

Arguments: the path of the science image, and right ascension and declination of a place on it.
"""

import json
import socket
import sys

import astropy.io.fits


def refuse(*_, **__):
    raise ConnectionError("no network in this test")


socket.socket.connect = refuse
# ztfimg 0.19 misspells astropy where it opens a sexcat, so that it can open none, the archive's neither.
sys.modules |= {"atropy": astropy, "atropy.io": astropy.io, "atropy.io.fits": astropy.io.fits}

import ztfimg  # noqa: E402

path, ra_deg, dec_deg = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
quadrant = ztfimg.ScienceQuadrant.from_filename(path, as_path=True)
psfcat, sexcat = quadrant.get_psfcat(), quadrant.get_sexcat()
# Its rows and columns run against those of the file.
mask, data = quadrant.get_mask(), quadrant.get_data(apply_mask=True)
x, y = (float(value) for value in quadrant.radec_to_xy(ra_deg, dec_deg))
saturated = quadrant.get_mask(**dict.fromkeys(quadrant.BITMASK_KEY, False) | {"saturated": True})
flux, error, flag = quadrant.get_aperture(x, y, 7.0, bkgann=(12.0, 18.0)).ravel()
print(
    json.dumps(
        {
            "shape": list(quadrant.data.shape),
            "masked": int(mask.sum()),
            "nan": int((data != data).sum()),
            "saturated": int(
                quadrant.get_mask(**dict.fromkeys(quadrant.BITMASK_KEY, False) | {"saturated": True}).sum()
            ),
            "xy": [x, y],
            "aperture": [float(flux), float(error), float(flag)],
            "zero_point": float(quadrant.get_value("MAGZP")),
            "rcid": int(quadrant.rcid),
            "filter": quadrant.filtername,
            "psfcat": {"rows": len(psfcat), "columns": list(psfcat.columns), "first": psfcat.iloc[0].to_dict()},
            "sexcat": {"rows": len(sexcat), "columns": list(sexcat.columns)},
        },
        default=float,
    )
)
