"""Column contracts: what each table product holds. Writers, readers, tests and documentation are made from these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Column:
    """A column of a table product.

    name as in the file; dtype as numpy writes it (a vector column has its length in `width`); unit as in TUNIT; the
    sentence for the documentation.
    """

    name: str
    dtype: str
    unit: str
    text: str
    width: int = 1


def typed_arrays(values: Mapping[str, Any], contract: Sequence[Column]) -> dict[str, NDArray[Any]]:
    """The columns of a contract by name, in its order and types; texts as objects. KeyError for a missing one."""
    return {
        one.name: np.asarray(values[one.name], dtype=object if one.dtype == "str" else one.dtype) for one in contract
    }


PSF_CATALOG = (
    Column("sourceid", "i4", "", "Source number within the file, from 0 in order of brightness"),
    Column("xpos", "f4", "pix", "x position of the fitted PSF; the centre of the first pixel is 1"),
    Column("ypos", "f4", "pix", "y position of the fitted PSF; the centre of the first pixel is 1"),
    Column("ra", "f8", "deg", "Right ascension, ICRS, at the epoch of the exposure"),
    Column("dec", "f8", "deg", "Declination, ICRS, at the epoch of the exposure"),
    Column("flux", "f4", "DN", "PSF-fit flux"),
    Column("sigflux", "f4", "DN", "1-sigma uncertainty of flux"),
    Column("mag", "f4", "mag", "Instrumental magnitude -2.5 log10(flux); add MAGZP of the header to calibrate"),
    Column("sigmag", "f4", "mag", "1-sigma uncertainty of mag, 1.0857 sigflux / flux"),
    Column("snr", "f4", "", "flux / sigflux"),
    Column("chi", "f4", "", "Ratio of the observed to the expected scatter of the fit's residuals (DAOPHOT)"),
    Column("sharp", "f4", "", "Breadth of the source beyond the PSF (DAOPHOT); 0 for a star, positive when extended"),
    Column("flags", "i2", "", "-1 on or near the edge, else the defect bits of the mask in a 5 x 5 box joined by OR"),
)

N_APERTURES = 6

APERTURE_CATALOG = (
    Column("NUMBER", "i4", "", "Source number within the file, from 1"),
    Column("X_IMAGE", "f4", "pixel", "Isophotal barycentre, x; the centre of the first pixel is 1"),
    Column("Y_IMAGE", "f4", "pixel", "Isophotal barycentre, y"),
    Column("XWIN_IMAGE", "f8", "pixel", "Gaussian-windowed position, x"),
    Column("YWIN_IMAGE", "f8", "pixel", "Gaussian-windowed position, y"),
    Column("ALPHAWIN_J2000", "f8", "deg", "Right ascension of the windowed position, ICRS"),
    Column("DELTAWIN_J2000", "f8", "deg", "Declination of the windowed position, ICRS"),
    Column("FLUX_ISO", "f4", "DN", "Flux above the threshold"),
    Column("FLUX_APER", "f4", "DN", "Flux in the fixed apertures FIXAPERS of the header", N_APERTURES),
    Column("FLUXERR_APER", "f4", "DN", "1-sigma uncertainty of FLUX_APER", N_APERTURES),
    Column(
        "MAG_APER", "f4", "mag", "Instrumental magnitude of FLUX_APER; add APCORn and MAGZP of the header", N_APERTURES
    ),
    Column("MAGERR_APER", "f4", "mag", "1-sigma uncertainty of MAG_APER", N_APERTURES),
    Column("FLUX_AUTO", "f4", "DN", "Flux in an ellipse of 2.5 Kron radii"),
    Column("FLUXERR_AUTO", "f4", "DN", "1-sigma uncertainty of FLUX_AUTO"),
    Column("MAG_AUTO", "f4", "mag", "Instrumental magnitude of FLUX_AUTO"),
    Column("MAGERR_AUTO", "f4", "mag", "1-sigma uncertainty of MAG_AUTO"),
    Column("FLUX_BEST", "f4", "DN", "FLUX_AUTO, or FLUX_ISO where neighbours disturb it"),
    Column("FLUXERR_BEST", "f4", "DN", "1-sigma uncertainty of FLUX_BEST"),
    Column("MAG_BEST", "f4", "mag", "Instrumental magnitude of FLUX_BEST"),
    Column("MAGERR_BEST", "f4", "mag", "1-sigma uncertainty of MAG_BEST"),
    Column("KRON_RADIUS", "f4", "", "Kron radius in units of A or B"),
    Column("BACKGROUND", "f4", "DN", "Background at the centre"),
    Column("THRESHOLD", "f4", "DN", "Detection threshold above background"),
    Column("FLUX_MAX", "f4", "DN", "Peak above background"),
    Column("ISOAREA_IMAGE", "i4", "pixel2", "Number of pixels above the threshold"),
    Column("A_IMAGE", "f4", "pixel", "RMS along the major axis"),
    Column("B_IMAGE", "f4", "pixel", "RMS along the minor axis"),
    Column("THETA_IMAGE", "f4", "deg", "Angle of the major axis from +x to +y"),
    Column("X2_IMAGE", "f4", "pixel2", "Second moment along x"),
    Column("Y2_IMAGE", "f4", "pixel2", "Second moment along y"),
    Column("XY_IMAGE", "f4", "pixel2", "Mixed second moment"),
    Column("ELONGATION", "f4", "", "A_IMAGE / B_IMAGE"),
    Column("ELLIPTICITY", "f4", "", "1 - B_IMAGE / A_IMAGE"),
    Column("FWHM_IMAGE", "f4", "pixel", "Full width at half maximum, from the half-light radius of a Gaussian core"),
    Column("FLUX_RADIUS", "f4", "pixel", "Radius that holds half of FLUX_AUTO"),
    Column("CLASS_STAR", "f4", "", "Likeness to the PSF: 1 a star, 0 extended"),
    Column("FLAGS", "i2", "", "Extraction flags: 1 neighbours, 2 deblended, 4 saturated, 8 truncated"),
    Column("IMAFLAGS_ISO", "i4", "", "Bits of the mask over the source joined by OR"),
)

PS1_BANDS = ("g", "r", "i", "z")

GAIA_CALIBRATORS = (
    Column("source_id", "i8", "", "Gaia source identifier"),
    Column("ra", "f8", "deg", "Right ascension, ICRS, at the epoch CATEPOCH of the header"),
    Column("dec", "f8", "deg", "Declination, ICRS, at the epoch CATEPOCH"),
    Column("ra_error", "f4", "mas", "1-sigma uncertainty of ra, times cos dec"),
    Column("dec_error", "f4", "mas", "1-sigma uncertainty of dec"),
    Column("pmra", "f4", "mas/yr", "Proper motion in right ascension, times cos dec; NaN when unknown"),
    Column("pmdec", "f4", "mas/yr", "Proper motion in declination; NaN when unknown"),
    Column("phot_g_mean_mag", "f4", "mag", "Gaia G"),
)

GAIA_CONTEXT = GAIA_CALIBRATORS
"""All Gaia sources of the quadrant and its border; the columns are those of the calibrators chosen from them."""

PS1_CALIBRATORS = (
    Column("objid", "i8", "", "PS1 object identifier"),
    Column("ra", "f8", "deg", "Right ascension, ICRS, mean of the PS1 epochs"),
    Column("dec", "f8", "deg", "Declination, ICRS"),
    *(
        column
        for band in PS1_BANDS
        for column in (
            Column(f"{band}mag", "f4", "mag", f"Mean PSF magnitude in {band} (AB); NaN when not measured"),
            Column(f"{band}mag_error", "f4", "mag", f"1-sigma uncertainty of {band}mag"),
        )
    ),
)

PS1_CONTEXT = (
    Column("objid", "i8", "", "PS1 object identifier"),
    Column("ra", "f8", "deg", "Right ascension, ICRS, mean of the PS1 epochs"),
    Column("dec", "f8", "deg", "Declination, ICRS"),
    *(
        Column(f"{band}mag", "f4", "mag", f"Mean PSF magnitude in {band} (AB); NaN when not measured")
        for band in PS1_BANDS
    ),
    Column("sgscore", "f4", "", "Star/galaxy score of Tachibana & Miller 2018: 1 a star, 0 extended, NaN unknown"),
)

BRIGHT_STARS = (
    Column("ra", "f8", "deg", "Right ascension, ICRS, to a few arcsec (epochs 1991 to 2000)"),
    Column("dec", "f8", "deg", "Declination, ICRS"),
    Column("vmag", "f4", "mag", "Johnson V"),
)
