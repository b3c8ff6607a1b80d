"""Dithered, rotated, distorted epochs of varying PSF with known stars, as arrays and as files that SWarp reads too.

Stars are Moffat functions of beta 3 integrated over pixels; positions by astropy.wcs, not by the code under test.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning

from benchmarks.sky_scenes import PV_INDICES, add_moffats
from ztfpipe.methods.sky.coaddition import Epoch
from ztfpipe.methods.sky.sky_mesh import SkyMesh, measure_sky
from ztfpipe.model.wcs import TpvWcs, undistorted_pv

SCALE_DEG = 1.0122 / 3600
CENTRE_DEG = (150.0, 35.0)
GAIN, SKY_ADU, NOISE_ADU = 6.2, 250.0, 6.6
DEFECT, SATURATED = 1, 256
BITS = {"defect_bits": DEFECT | SATURATED, "saturated_bits": SATURATED}


@dataclass(frozen=True)
class Exposure:
    """Pixels [ADU] and mask of one epoch, and what is true of it; scale brings its flux to the output's."""

    image: np.ndarray
    mask: np.ndarray
    wcs: TpvWcs
    scale: float
    fwhm_px: float
    noise_adu: float


def output_wcs(shape: tuple[int, int]) -> TpvWcs:
    """The grid of the co-add: north up, no distortion."""
    middle = np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2])
    return TpvWcs(np.array(CENTRE_DEG), middle, SCALE_DEG * np.diag([-1.0, 1.0]), undistorted_pv())


def epoch_wcs(random: np.random.Generator, shape: tuple[int, int], dither_px: float = 20.0) -> TpvWcs:
    """A grid moved by up to dither_px, turned by hundredths of a degree, with some arcseconds of distortion."""
    angle = np.radians(random.normal(0, 0.03))
    cd = output_wcs(shape).cd_deg @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    reach = SCALE_DEG * 1540
    pv = undistorted_pv()
    # At the edge of a full-size quadrant: 2 arcsec by the quadratic terms, 2 by the cubic, 0.4 by the quartic.
    for terms, arcsec in ((slice(3, 6), 2.0), (slice(6, 10), 2.0), (slice(10, 15), 0.4)):
        power = {3: 2, 6: 3, 10: 4}[terms.start]
        pv[:, terms] = random.normal(0, arcsec / 3600 / reach**power / 2, pv[:, terms].shape)
    middle = output_wcs(shape).crpix_px + random.uniform(-dither_px, dither_px, 2)
    return TpvWcs(np.array(CENTRE_DEG), middle, cd * random.uniform(0.999, 1.001), pv)


def header(wcs: TpvWcs) -> fits.Header:
    """FITS keywords of a solution; plain TAN where there is no distortion."""
    distorted = not np.array_equal(wcs.pv, undistorted_pv())
    out = fits.Header()
    out["CTYPE1"], out["CTYPE2"] = ("RA---TPV", "DEC--TPV") if distorted else ("RA---TAN", "DEC--TAN")
    out["CUNIT1"] = out["CUNIT2"] = "deg"
    out["RADESYS"], out["EQUINOX"] = "ICRS", 2000.0
    for axis in range(2):
        out[f"CRVAL{axis + 1}"], out[f"CRPIX{axis + 1}"] = wcs.crval_deg[axis], wcs.crpix_px[axis] + 1
        for other in range(2):
            out[f"CD{axis + 1}_{other + 1}"] = wcs.cd_deg[axis, other]
        for k, index in enumerate(PV_INDICES if distorted else ()):
            out[f"PV{axis + 1}_{index}"] = wcs.pv[axis, k]
    return out


def moved(wcs: TpvWcs, shape: tuple[int, int], x_px: np.ndarray, y_px: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where places of the output lie on an epoch, by astropy."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        ours, theirs = WCS(header(output_wcs(shape))), WCS(header(wcs))
    # TPV is inverted by iteration.
    sky = ours.all_pix2world(x_px, y_px, 0)
    x, y = theirs.all_world2pix(*sky, 0, tolerance=1e-6)
    return np.asarray(x), np.asarray(y)


def moffats(shape: tuple[int, int], x_px: np.ndarray, y_px: np.ndarray, flux: np.ndarray, fwhm_px: float) -> np.ndarray:
    """An image of stars, float64."""
    image = np.zeros(shape)
    add_moffats(image, x_px, y_px, flux, fwhm_px / 2 / np.sqrt(2 ** (1 / 3) - 1), 3.0)
    return image


def expose(
    random: np.random.Generator,
    shape: tuple[int, int],
    stars: Sequence[np.ndarray],
    fwhm_px: tuple[float, float] = (2.0, 2.6),
    extra: np.ndarray | None = None,
) -> Exposure:
    """An epoch of stars (x, y on the output, flux at its zero point); extra: light [ADU] that it alone has."""
    wcs, scale, width = epoch_wcs(random, shape), random.uniform(0.9, 1.1), random.uniform(*fwhm_px)
    light = moffats(shape, *moved(wcs, shape, *stars[:2]), stars[2] / scale, width)
    light = light if extra is None else light + extra
    noise = NOISE_ADU * random.uniform(0.95, 1.1)
    image = (SKY_ADU + light + np.sqrt(noise**2 + light / GAIN) * random.standard_normal(shape, np.float32)).astype(
        np.float32
    )
    mask = np.where(random.random(shape, np.float32) < 0.002, DEFECT, 0).astype(np.uint16)
    mask[image > 5e4] |= SATURATED
    image[mask == DEFECT] = 0.0
    return Exposure(image, mask, wcs, scale, width, noise)


def field(random: np.random.Generator, shape: tuple[int, int], n: int) -> list[np.ndarray]:
    """Places and fluxes of n stars with steep counts."""
    flux = 10 ** (-0.4 * (random.power(4.0, n) * 7.5 + 14 - 26.3))
    return [random.uniform(0, shape[1], n), random.uniform(0, shape[0], n), flux]


def write(folder: Path, i: int, one: Exposure) -> None:
    """The epoch's image, mask and weight map, and its facts, as files."""
    top = header(one.wcs)
    top["FLXSCALE"], top["GAIN"] = one.scale, GAIN
    fits.PrimaryHDU(one.image, top).writeto(folder / f"e{i:03d}.fits", overwrite=True)
    fits.PrimaryHDU(one.mask.astype(np.int16), top).writeto(folder / f"m{i:03d}.fits", overwrite=True)
    good = (one.mask == 0).astype(np.float32) / np.float32(one.noise_adu**2)
    fits.PrimaryHDU(good, top).writeto(folder / f"w{i:03d}.fits", overwrite=True)
    facts = {name: getattr(one.wcs, name).tolist() for name in ("crval_deg", "crpix_px", "cd_deg", "pv")}
    facts |= {"scale": one.scale, "fwhm_px": one.fwhm_px}
    (folder / f"e{i:03d}.json").write_text(json.dumps(facts))


def read(folder: Path, i: int, sky: SkyMesh | None = None) -> Epoch:
    """An epoch whose rows stay on disk until they are asked for; its sky is measured unless given."""
    facts = json.loads((folder / f"e{i:03d}.json").read_text())
    paths = [folder / f"{kind}{i:03d}.fits" for kind in "em"]
    with fits.open(paths[0]) as hdus:
        shape, start = hdus[0].shape, hdus[0].fileinfo()["datLoc"]
    with fits.open(paths[1]) as hdus:
        start_mask = hdus[0].fileinfo()["datLoc"]

    def rows(first: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        # Read, not mapped: pages of mapped files count as memory of the process.
        n, nx = stop - first, shape[1]
        image = np.fromfile(paths[0], ">f4", n * nx, offset=start + 4 * first * nx).reshape(n, nx)
        mask = np.fromfile(paths[1], ">i2", n * nx, offset=start_mask + 2 * first * nx).reshape(n, nx)
        return image.astype(np.float32), mask.astype(np.uint16)

    wcs = TpvWcs(*(np.array(facts[name]) for name in ("crval_deg", "crpix_px", "cd_deg", "pv")))
    sky = measure_sky(*rows(0, shape[0])) if sky is None else sky
    return Epoch(wcs, shape, rows, facts["scale"], sky, GAIN, facts["fwhm_px"])


def swarp_installed() -> bool:
    """Whether SWarp (Debian: swarp) is here."""
    return shutil.which("SWarp") is not None


def swarp(folder: Path, numbers: Sequence[int], shape: tuple[int, int], **options: str) -> None:
    """Run SWarp on one core on the epochs `numbers`, weights and all, onto the output's grid: coadd.fits."""
    (folder / "coadd.head").write_text(header(output_wcs(shape)).tostring(sep="\n", padding=False) + "\n")
    chosen: Mapping[str, str] = {
        "RESAMPLING_TYPE": "LANCZOS3", "SUBTRACT_BACK": "Y", "BACK_SIZE": "256", "WEIGHT_TYPE": "MAP_WEIGHT",
        "WEIGHT_IMAGE": ",".join(f"w{i:03d}.fits" for i in numbers), "COMBINE_TYPE": "CLIPPED", "CLIP_SIGMA": "4.0",
        "CENTER_TYPE": "MANUAL", "CENTER": f"{CENTRE_DEG[0]},{CENTRE_DEG[1]}", "PIXELSCALE_TYPE": "MANUAL",
        "PIXEL_SCALE": f"{SCALE_DEG * 3600}", "IMAGE_SIZE": f"{shape[1]},{shape[0]}", "NTHREADS": "1",
        "IMAGEOUT_NAME": "coadd.fits", "WEIGHTOUT_NAME": "coadd.weight.fits", "WRITE_XML": "N", "VERBOSE_TYPE": "QUIET",
        "MEM_MAX": "2000", "COMBINE_BUFSIZE": "1500", "VMEM_MAX": "8000", **options,
    }  # fmt: skip
    settings = [word for name, value in chosen.items() for word in (f"-{name}", value)]
    images = [f"e{i:03d}.fits" for i in numbers]
    subprocess.run(["SWarp", *images, *settings], cwd=folder, check=True, capture_output=True)
