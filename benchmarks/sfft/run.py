"""Run sfft on a pair of images: `python run.py FOLDER`, by its own environment's Python.

FOLDER holds pair.npz with the images of a reference and a science image (ny, nx) less their sky, and both again with
masked pixels and what no star covers made nought, from which sfft learns its kernel. The reference, of the better
seeing, is convolved. Left there: difference.npy.
"""

import sys
from pathlib import Path

import numpy as np
from astropy.io import fits
from sfft.CustomizedPacket import Customized_Packet

KERNEL_HALF_WIDTH_PX, DEGREE = 9, 2


def main(folder: str) -> None:
    there = Path(folder)
    pair = np.load(there / "pair.npz")
    paths = {name: str(there / f"{name}.fits") for name in pair.files}
    for name, path in paths.items():
        fits.writeto(path, pair[name].T.astype(np.float64), overwrite=True)
    Customized_Packet.CP(
        FITS_REF=paths["reference"], FITS_SCI=paths["science"], FITS_mREF=paths["masked_reference"],
        FITS_mSCI=paths["masked_science"], ForceConv="REF", GKerHW=KERNEL_HALF_WIDTH_PX,
        FITS_DIFF=str(there / "difference.fits"), KerPolyOrder=DEGREE, BGPolyOrder=DEGREE, ConstPhotRatio=True,
        BACKEND_4SUBTRACT="Numpy", NUM_CPU_THREADS_4SUBTRACT=1, VERBOSE_LEVEL=0,
    )  # fmt: skip
    np.save(there / "difference.npy", fits.getdata(there / "difference.fits").T)


if __name__ == "__main__":
    main(*sys.argv[1:])
