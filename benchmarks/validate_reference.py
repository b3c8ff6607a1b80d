"""A full-size reference of forty epochs, as the step makes it from files, against the true stars."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from scipy.spatial import cKDTree

from benchmarks.accuracy import row
from benchmarks.reference_scenes import KEY, Field, write_inputs
from ztfpipe.camera import Camera
from ztfpipe.methods.sky.projection import sky_to_pixel
from ztfpipe.model.images import Cards
from ztfpipe.model.keys import ReferenceVersionKey
from ztfpipe.pipelines.reference.recipe import grid_of
from ztfpipe.products.catalogs.catalogs import read_psfcat
from ztfpipe.products.names import path_of
from ztfpipe.steps.reference.coadding import coadd

EPOCHS = 40
MATCH_PX, ALONE_PX = 0.7, 8.0
VERSION = ReferenceVersionKey(KEY, 1)


def figures(field: Field) -> dict[str, float]:
    """What came out of the step in the present archive, against truth."""
    camera = Camera.load("quadrant")
    wcs, _ = grid_of(KEY, camera)
    x, y = sky_to_pixel(wcs, field.ra_deg, field.dec_deg)
    catalog, header = read_psfcat(path_of("vrefpsfcat", VERSION))
    metrics = json.loads(Path(path_of("vrefqa", VERSION)).read_text())["metrics"]
    zero_point = float(header["MAGZP"][0])
    distance, true = cKDTree(np.c_[x, y]).query(np.c_[catalog.x_px, catalog.y_px])
    flux = 10 ** (-0.4 * (field.mag - zero_point))
    near, index = cKDTree(np.c_[x, y]).query(np.c_[x[true], y[true]], k=12, distance_upper_bound=ALONE_PX)
    others = np.isfinite(near) & (index != true[:, None])
    light = np.sum(np.where(others, np.append(flux, 0.0)[index], 0.0), axis=1)
    good = (distance < MATCH_PX) & (catalog.flags == 0) & (light < 0.01 * flux[true])
    snr = true_snr(flux[true], header)
    pull = (catalog.flux_adu - flux[true]) / catalog.flux_error_adu
    difference = catalog.mag + zero_point - field.mag[true]
    bright, middling, faint = good & (snr > 50), good & (snr > 10) & (snr < 50), good & (snr > 7) & (snr < 12)
    placed = good & (snr > 1000)
    if placed.sum() < 20:
        raise ValueError(f"{placed.sum()} stars of S/N above 1000 are too few to tell of places")
    error = np.r_[(catalog.x_px - x[true])[placed], (catalog.y_px - y[true])[placed]]
    scatter = _spread((catalog.flux_adu - flux[true])[faint])
    return {
        "shortfall": metrics["maglim_shortfall"],
        "limit": metrics["maglimcat"] - (zero_point - 2.5 * np.log10(1.0857 / 0.2 * scatter)),
        "bias": 1000 * float(np.median(difference[bright])),
        "n": int(bright.sum()),
        "bright pull": _spread(pull[bright]),
        "pull": _spread(pull[middling]),
        "position": 1000 * camera.pixel_scale_arcsec * float(np.sqrt(np.mean(error**2))),
        "nframes": metrics["nframes"],
    }


def true_snr(flux_adu: np.ndarray, header: Cards) -> np.ndarray:
    """S/N of true fluxes in the noise of sky and photons alone: what the PSF adds is the catalog's matter."""
    profile = fits.getdata(path_of("vrefimgdaopsfcent", VERSION)).astype(np.float64)
    area = np.sum(profile) ** 2 / np.sum(profile**2)
    noise, correlation, gain = (float(header[name][0]) for name in ("GSTDDEV", "NOISCORR", "GAIN"))
    return flux_adu / np.sqrt(area * (noise * correlation) ** 2 + flux_adu / gain)


def _spread(values: np.ndarray) -> float:
    """Standard deviation from the median of absolute deviations."""
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def rows() -> list[dict[str, Any]]:
    """Depth, photometry and places of a reference."""
    with tempfile.TemporaryDirectory(prefix="validate-reference-") as folder:
        field = write_inputs(Path(folder), EPOCHS)
        with contextlib.chdir(Path(folder) / "archive"):
            list_path = Path(path_of("refinputs", VERSION))
            coadd(path_of("vrefimg", VERSION), Path("../settings/reference.json"), list_path)
            found = figures(field)
    name = f"reference of {EPOCHS} epochs, sparse"
    note = f"Moffat stars, dithers, distortion, seeing of 1.8 to 2.4 px; {found['n']} stars without a neighbour"
    return [
        row(f"{name}: promise of its inputs less MAGLIM", found["shortfall"], unit="mag", bar="within 0.1",
            met=abs(found["shortfall"]) <= 0.1, note="median MAGLIM + 1.25 log10 N"),
        row(f"{name}: MAGLIM less that of the true scatter", found["limit"], unit="mag", bar="within 0.1",
            met=abs(found["limit"]) <= 0.1),
        row(f"{name}: bias of magnitudes at S/N > 50", found["bias"], unit="mmag", bar="< 2",
            met=abs(found["bias"]) < 2, note=note),
        row(f"{name}: spread of pulls, S/N > 50", found["bright pull"], bar="", met=None),
        row(f"{name}: spread of pulls, S/N 10-50", found["pull"], bar="within 10 % of 1",
            met=abs(found["pull"] - 1) <= 0.1),
        row(f"{name}: RMS per axis of places, S/N > 1000", found["position"], unit="mas", bar="<= 5",
            met=found["position"] <= 5),
    ]  # fmt: skip
