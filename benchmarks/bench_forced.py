"""Forced photometry of one place on a thousand difference images of full size, beside reading the images whole."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.measure import measure, row

EPOCHS, PEER_EPOCHS, STARS = 1000, 40, 30_000
SHARE = 0.1
"""The bar: of the time that it takes to read the images."""
FWHM_PX, NOISE_ADU = 2.0, 9.0


def survey(folder: str) -> Callable[[], object]:
    """An archive with one packed difference image under a thousand names, its reference and its history."""
    return lambda: _write(Path(folder) / "archive")


def service(folder: str) -> Callable[[], object]:
    """The service's table of a place."""
    from ztfpipe.camera import Camera
    from ztfpipe.config import Alerts
    from ztfpipe.methods.warm import warm
    from ztfpipe.steps.alerts.asking import ALWAYS, measure_place

    warm()
    os.chdir(Path(folder) / "archive")
    camera, place = Camera.load("quadrant"), _place()

    def work() -> int:
        return len(measure_place(place, ALWAYS, camera, Alerts()))

    return work


def whole_images(folder: str) -> Callable[[], object]:
    """Some of the images read by astropy, and a Gaussian fitted at the pixel."""
    from astropy.io import fits

    names = sorted(Path(folder).glob("archive/sci/*/*/*/*_scimrefdiffimg.fits.fz"))[:PEER_EPOCHS]
    y, x = np.indices((25, 25)) - 12
    psf = np.exp(-0.5 * (x**2 + y**2) / (FWHM_PX / 2.3548) ** 2)
    psf /= psf.sum()

    def work() -> float:
        fluxes = []
        for name in names:
            pixels = fits.getdata(name, 1)
            square = pixels[1488:1513, 1488:1513]
            fluxes.append(np.sum(psf * square) / np.sum(psf**2))
        return float(np.mean(fluxes))

    return work


def rows() -> list[dict[str, Any]]:
    """A place's light curve beside the reading of its images."""
    here = "benchmarks.bench_forced"
    with tempfile.TemporaryDirectory(prefix="bench-forced-") as folder:
        measure(f"{here}:survey", folder, repeats=1)
        ours, some = (measure(f"{here}:{name}", folder, repeats=1) for name in ("service", "whole_images"))
    assert ours.value == EPOCHS
    theirs = replace(some, cpu_s=some.cpu_s * EPOCHS / PEER_EPOCHS)
    return [
        row(f"forced photometry of a place on {EPOCHS} difference images of full size", ours,
            bar=f"<= {SHARE:g} of the peer", met=ours.cpu_s <= SHARE * theirs.cpu_s,
            peer=f"astropy, images read whole ({PEER_EPOCHS} measured)", theirs=theirs),
    ]  # fmt: skip


def _place() -> tuple[float, float]:
    from benchmarks.reference_scenes import KEY
    from ztfpipe.camera import Camera
    from ztfpipe.methods.sky.projection import pixel_to_sky
    from ztfpipe.pipelines.reference.recipe import grid_of

    wcs, _ = grid_of(KEY, Camera.load("quadrant"))
    ra, dec = pixel_to_sky(wcs, np.array([1500.3]), np.array([1499.8]))
    return float(ra[0]), float(dec[0])


def _write(archive: Path) -> None:
    from benchmarks.lightcurve_scenes import FIRST_JD, VERSION, header_of, stars
    from benchmarks.reference_scenes import KEY
    from ztfpipe.model.catalogs import PsfCatalog
    from ztfpipe.model.identifiers import exposure_id, night_id, processing_id
    from ztfpipe.model.keys import ExposureKey, QuadrantKey
    from ztfpipe.products.alerts import history
    from ztfpipe.products.catalogs.catalogs import write_psfcat
    from ztfpipe.products.formats.fits import write_image, write_packed_image
    from ztfpipe.products.names import path_of

    archive.mkdir(parents=True)
    truth = stars(STARS)
    (ny, nx), nought = truth.shape, np.zeros(STARS)
    cards = header_of(truth.wcs, FIRST_JD, DIFFWHM=FWHM_PX, GAIN=6.2, REFVERS=1, RFID=1, STATUS=1, DIFSIGPX=NOISE_ADU)
    y, x = np.indices((25, 25)) - 12
    psf = np.exp(-0.5 * (x**2 + y**2) / (FWHM_PX / 2.3548) ** 2)
    pixels = np.random.default_rng(1).normal(0, NOISE_ADU, (ny, nx)).astype(np.float32)
    with contextlib.chdir(archive):
        flux = 10 ** (-0.4 * (truth.mag - 26.2))
        catalog = PsfCatalog(
            truth.x_px, truth.y_px, truth.ra_deg, truth.dec_deg, flux, 0.01 * flux, nought + 1, nought,
            np.zeros(STARS, np.int16),
        )  # fmt: skip
        span = {"JDSTART": FIRST_JD, "JDEND": FIRST_JD + 30}
        write_psfcat(path_of("vrefpsfcat", VERSION), catalog, header_of(truth.wcs, FIRST_JD, **span))
        entries, first = [], None
        for epoch in range(EPOCHS):
            jd = FIRST_JD + epoch
            day = str(np.datetime64("2018-03-25") + epoch).replace("-", "")
            key = QuadrantKey(ExposureKey(f"{day}200000", KEY.field, KEY.filter, "o"), KEY.ccdid, KEY.qid)
            names = [Path(path_of(name, key)) for name in ("scimrefdiffimg", "diffimgpsf")]
            if first is None:
                write_packed_image(names[0], pixels, cards)
                write_image(names[1], (psf / psf.sum()).astype(np.float32), cards)
                first, entry = names, history.coverage_row(key, (ny, nx))
            else:
                for old, new in zip(first, names, strict=True):
                    new.parent.mkdir(parents=True, exist_ok=True)
                    new.hardlink_to(old)
            number = processing_id(exposure_id(jd), KEY.rcid)
            entries.append({**entry, "jd": jd, "pid": number, "nid": night_id(jd), "filefracday": f"{day}200000"})
        history.update_place(KEY.place, history.coverage_table(entries), history.no_detections())


if __name__ == "__main__":
    print(pd.DataFrame(rows()).T)
