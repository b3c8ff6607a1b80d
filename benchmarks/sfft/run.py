"""Run sfft on a pair of images: `python run.py FOLDER`, by its own environment's Python.

FOLDER holds pair.npz with the images of a reference and a science image (ny, nx) less their sky, and both again with
masked pixels and what no star covers made nought, from which sfft learns its kernel. The reference, of the better
seeing, is convolved. Left there: difference.npy, and in cpu_s.txt the processor seconds of a subtraction whose kernels
were compiled by one before: sfft compiles them anew in each process.
"""

import sys
import time
from pathlib import Path

import numpy as np
from sfft.sfftcore.SFFTConfigure import SingleSFFTConfigure
from sfft.sfftcore.SFFTSubtract import GeneralSFFTSubtract

KERNEL_HALF_WIDTH_PX, DEGREE = 9, 2
HOW = {"BACKEND_4SUBTRACT": "Numpy", "NUM_CPU_THREADS_4SUBTRACT": 1, "VERBOSE_LEVEL": 0}


def main(folder: str) -> None:
    there = Path(folder)
    pair = {name: np.ascontiguousarray(image, np.float64) for name, image in np.load(there / "pair.npz").items()}
    nx, ny = pair["science"].shape  # the first axis is x to sfft
    config = SingleSFFTConfigure.SSC(
        NX=nx, NY=ny, KerHW=KERNEL_HALF_WIDTH_PX, KerPolyOrder=DEGREE, BGPolyOrder=DEGREE, ConstPhotRatio=True, **HOW
    )
    for _ in range(2):
        begun = time.process_time()
        made = GeneralSFFTSubtract.GSS(
            PixA_I=pair["reference"], PixA_J=pair["science"], PixA_mI=pair["masked_reference"],
            PixA_mJ=pair["masked_science"], SFFTConfig=config, ContamMask_I=None, **HOW,
        )  # fmt: skip
        spent = time.process_time() - begun
    (there / "cpu_s.txt").write_text(str(spent))
    np.save(there / "difference.npy", made[1])


if __name__ == "__main__":
    main(*sys.argv[1:])
