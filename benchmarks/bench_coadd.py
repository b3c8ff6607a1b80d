"""A full-size quadrant resampled, and a reference of forty epochs, from files to pixels, beside SWarp."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Cost, measure, row

SHAPE = (3080, 3072)
EPOCHS, STARS = 40, 8000
NOT_HERE = "SWarp is not installed"


def make(folder: str) -> Callable[[], object]:
    """Write the epochs."""
    from benchmarks import coadd_scenes as scenes

    def work() -> None:
        random = np.random.default_rng(40)
        stars = scenes.field(random, SHAPE, STARS)
        for i in range(EPOCHS):
            scenes.write(Path(folder), i, scenes.expose(random, SHAPE, stars))

    return work


def resample_one(folder: str) -> Callable[[], object]:
    """Read, map, resample, and write image and noise."""
    from astropy.io import fits

    from benchmarks import coadd_scenes as scenes
    from ztfpipe.methods.sky import resampling, resampling_nb, sky_mesh, sky_mesh_nb

    resampling_nb.warm()
    sky_mesh_nb.warm()

    def work() -> None:
        epoch = scenes.read(Path(folder), 0)
        mapping = resampling.pixel_mapping(scenes.output_wcs(SHAPE), SHAPE, epoch.wcs, SHAPE)
        image, mask = epoch.rows(0, SHAPE[0])
        image = sky_mesh.without_sky(image, epoch.sky, 0, epoch.scale)
        found = resampling.resample(image, mask, mapping, defect_bits=scenes.BITS["defect_bits"])
        fits.PrimaryHDU(found.image).writeto(Path(folder) / "ours.fits", overwrite=True)
        fits.PrimaryHDU(found.noise).writeto(Path(folder) / "ours.noise.fits", overwrite=True)

    return work


def swarp_one(folder: str) -> Callable[[], object]:
    """The program, from files to files."""
    from benchmarks import coadd_scenes as scenes

    return lambda: scenes.swarp(Path(folder), [0], SHAPE, COMBINE_TYPE="AVERAGE")


def reproject_one(folder: str) -> Callable[[], object]:
    """reproject_interp, bicubic, with its fast approximation of the mapping."""
    import warnings

    from astropy.io import fits
    from astropy.wcs import WCS, FITSFixedWarning
    from reproject import reproject_interp

    from benchmarks import coadd_scenes as scenes

    warnings.simplefilter("ignore", FITSFixedWarning)
    hdu = fits.open(Path(folder) / "e000.fits")[0]
    hdu.data = hdu.data.astype(np.float32)
    target = WCS(scenes.header(scenes.output_wcs(SHAPE)))
    return lambda: reproject_interp(hdu, target, shape_out=SHAPE, order="bicubic") and None


def coadd(folder: str, copies: str = "1") -> Callable[[], object]:
    """Sky, mapping, resampling and trimmed average of all epochs, `copies` times each."""
    from benchmarks import coadd_scenes as scenes
    from ztfpipe.methods.sky import coaddition, coaddition_nb, resampling_nb, sky_mesh_nb

    for kernels in (coaddition_nb, resampling_nb, sky_mesh_nb):
        kernels.warm()

    def work() -> None:
        epochs = [scenes.read(Path(folder), i) for i in range(EPOCHS)] * int(copies)
        coaddition.coadd(epochs, scenes.output_wcs(SHAPE), SHAPE, **scenes.BITS)

    return work


def swarp_coadd(folder: str) -> Callable[[], object]:
    """The program, clipped average."""
    from benchmarks import coadd_scenes as scenes

    return lambda: scenes.swarp(Path(folder), range(EPOCHS), SHAPE)


def _peer(function: str, folder: str, here: bool, repeats: int = 3) -> tuple[str, Cost | None]:
    return (
        ("SWarp", measure(f"benchmarks.bench_coadd:{function}", folder, repeats=repeats)) if here else (NOT_HERE, None)
    )


def rows() -> list[dict[str, Any]]:
    """What one quadrant and a reference cost."""
    from benchmarks.coadd_scenes import swarp_installed

    here = swarp_installed()
    with tempfile.TemporaryDirectory(prefix="ztfpipe-coadd-") as folder:
        make(folder)()
        one = measure("benchmarks.bench_coadd:resample_one", folder)
        peer, theirs = _peer("swarp_one", folder, here)
        other = measure("benchmarks.bench_coadd:reproject_one", folder, repeats=1)
        all_epochs = measure("benchmarks.bench_coadd:coadd", folder)
        many = measure("benchmarks.bench_coadd:coadd", folder, "3", repeats=1)
        _, their_coadd = _peer("swarp_coadd", folder, here, repeats=1)
    name = "a full-size quadrant resampled"
    faster = theirs is None or theirs.cpu_s >= 2 * one.cpu_s
    return [
        row(name, one, peer=peer, theirs=theirs, bar="2" if here else "", met=faster,
            note="from a FITS file, with its mask, its sky taken off, to two FITS files"),
        row(name, one, peer="reproject_interp, bicubic", theirs=other, bar="", met=True,
            note="reproject starts in memory, and has neither mask nor noise"),
        row(f"a reference of {EPOCHS} epochs, pixels", all_epochs, peer=peer, theirs=their_coadd, bar="<= 40 s",
            met=all_epochs.cpu_s <= 40, note="from FITS files: sky, mapping, resampling, trimmed average in memory"),
        row(f"a reference of {3 * EPOCHS} epochs, peak memory", many, bar="<= 3000 MB", met=many.peak_mb <= 3000,
            note="the same files three times"),
    ]  # fmt: skip
