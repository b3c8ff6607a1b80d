"""ztfimg opens a science image with its mask and both catalogs, and measures on it what we did."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from ztfpipe.products.names import path_of

pytestmark = pytest.mark.clients

# From its source: what its users find in the catalogs.
PSFCAT = ["x", "y", "ra", "dec", "flux", "sigflux", "mag", "sigmag", "snr", "chi", "sharp", "flags"]
SEXCAT = {"X_IMAGE", "Y_IMAGE", "ALPHAWIN_J2000", "DELTAWIN_J2000", "MAG_AUTO", "MAG_BEST", "FWHM_IMAGE", "FLAGS"}


@pytest.fixture(scope="module")
def star(quadrant):
    """The bright unflagged star, far from the edges, with the least light of others within 20 px of it."""
    archive, exposure = quadrant
    table = fits.getdata(archive / path_of("psfcat", exposure.key))
    x, y = table["xpos"].astype(float), table["ypos"].astype(float)
    bright = [
        row for row in table[:300] if row["flags"] == 0 and 100 < row["xpos"] < 2900 and 100 < row["ypos"] < 2900
    ]  # fmt: skip
    others = [table["flux"][np.hypot(x - row["xpos"], y - row["ypos"]) < 20].sum() / row["flux"] for row in bright]
    assert min(others) < 1.005
    return bright[int(np.argmin(others))]


@pytest.fixture(scope="module")
def read(client, quadrant, star):
    archive, exposure = quadrant
    path = archive / path_of("sciimg", exposure.key)
    return client("read_with_ztfimg.py", archive, str(path), str(star["ra"]), str(star["dec"]))


def test_image_and_mask_are_those_of_the_files(read, quadrant):
    archive, exposure = quadrant
    header, mask = (
        fits.getheader(archive / path_of("sciimg", exposure.key)),
        fits.getdata(archive / path_of("mskimg", exposure.key)),
    )
    assert tuple(read["shape"]) == exposure.camera.quadrant_shape
    assert read["masked"] == read["nan"] == np.count_nonzero(mask & exposure.camera.defect_mask)
    assert read["saturated"] == np.count_nonzero(mask & exposure.camera.mask_value("saturated"))
    assert (read["zero_point"], read["rcid"]) == (header["MAGZP"], exposure.key.rcid)
    assert read["filter"] == exposure.key.exposure.filter


def test_the_catalogs_are_opened(read, quadrant):
    archive, exposure = quadrant
    assert read["psfcat"]["columns"] == PSFCAT
    psfcat = fits.getdata(archive / path_of("psfcat", exposure.key))
    assert read["psfcat"]["rows"] == len(psfcat)
    # Zero-based in its hands, one-based in the file.
    assert read["psfcat"]["first"]["x"] == pytest.approx(psfcat["xpos"][0] - 1, abs=1e-3)
    assert read["psfcat"]["first"]["flux"] == pytest.approx(psfcat["flux"][0], rel=1e-6)
    assert read["sexcat"]["rows"] == len(fits.getdata(archive / path_of("sexcat", exposure.key)))
    assert set(read["sexcat"]["columns"]) >= SEXCAT


def test_a_star_is_where_and_as_bright_as_the_catalog_says(read, quadrant, star):
    """Its image is turned by half a circle; its aperture of 14 px is the sixth of ours, and a star of this flux has no
    noise to speak of: 0.01 mag of aperture correction, 0.01 mag of what else is in a ring of 18 px."""
    archive, exposure = quadrant
    ny, nx = exposure.camera.quadrant_shape
    x, y = read["xy"]
    assert (nx - x, ny - y) == pytest.approx((star["xpos"], star["ypos"]), abs=0.1)
    correction = fits.getheader(archive / path_of("sciimg", exposure.key))["APCOR6"]
    assert -2.5 * np.log10(read["aperture"][0]) + correction == pytest.approx(star["mag"], abs=0.02)
