"""The step that makes the uncertainty image of a science image."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from benchmarks.science_scenes import expose_sky, sky_settings, write_inputs
from ztfpipe.camera import Camera
from ztfpipe.errors import BadName
from ztfpipe.products.names import path_of
from ztfpipe.steps.science import image, uncertainty


@pytest.fixture(scope="module")
def exposure():
    return expose_sky(Camera.load("mini"), sky_settings())


@pytest.fixture(scope="module", params=["good", "without bias"])
def stored(request, exposure, tmp_path_factory):
    """Image, mask and uncertainty of a quadrant, and the record: of a good one, and of one that has raw counts."""
    folder = tmp_path_factory.mktemp("unc")
    arguments = write_inputs(exposure, folder)
    settings = arguments["settings"]
    if request.param != "good":
        del arguments["bias"]
    with contextlib.chdir(folder / "archive"):
        paths = {name: path_of(name, exposure.key) for name in ("sciimg", "mskimg", "sciunc", "sciuncqa")}
        image(paths["sciimg"], **arguments)
        uncertainty(paths["sciunc"], settings, paths["sciimg"], paths["mskimg"])
        with pytest.raises(BadName):
            uncertainty(paths["sciimg"], settings, paths["sciimg"], paths["mskimg"])
        record = json.loads(Path(paths["sciuncqa"]).read_text())
        pixels = {name: fits.getdata(paths[name]) for name in ("sciimg", "mskimg", "sciunc")}
        return pixels, fits.getheader(paths["sciunc"]), record


def test_uncertainty_is_that_of_the_pixels(exposure, stored):
    pixels, header, record = stored
    sigma = pixels["sciunc"]
    assert sigma.shape == exposure.camera.quadrant_shape
    assert header["STATUS"] == record["status"]
    if not record["status"]:
        # Nothing is known of pixels that are all masked; the record says so.
        assert np.isnan(sigma).all()
        assert record["reason"]
        return
    # What the electrons of the scene give: shot noise of all light and dark current, and read noise.
    amplifier = exposure.camera.amplifier(exposure.key.ccdid, exposure.key.qid)
    clean = pixels["mskimg"] & exposure.camera.defect_mask == 0
    electrons = np.maximum(pixels["sciimg"], 0) * exposure.gain
    expected = np.sqrt(electrons + 30 * amplifier.dark_current_e_per_s + amplifier.read_noise_e**2) / exposure.gain
    # The flat of these pixels scatters by 1 to 2 %, the mesh's noise by 1 %: half of that in a median.
    ratio = (sigma / expected)[clean]
    assert np.median(ratio) == pytest.approx(1.0, abs=0.02)
    stars = clean & (pixels["sciimg"] > np.median(pixels["sciimg"]) + 20 * np.median(sigma))
    # A single pixel's own noise is in both, but in the sky of `expected` it is too: 2 % at 20 sigma above the sky.
    assert np.median((sigma / expected)[stars]) == pytest.approx(1.0, abs=0.03)
