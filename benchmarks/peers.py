"""SExtractor, PSFEx and SCAMP on a calibrated quadrant: their files and settings. `make bench-peers` installs them.

Settings are tuned to the task of our own step: same thresholds, apertures and orders, one thread, no pictures, no XML.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

NAMES = {"source-extractor": "SExtractor", "psfex": "PSFEx", "scamp": "SCAMP"}
CROWDSOURCE = Path(__file__).parent / "crowdsource"
CROWDSOURCE_PYTHON = Path(__file__).resolve().parents[1] / ".venv-crowdsource" / "bin" / "python"

Options = Mapping[str, object]
SHAPES = """NUMBER X_IMAGE Y_IMAGE XWIN_IMAGE YWIN_IMAGE ERRAWIN_IMAGE ERRBWIN_IMAGE ERRTHETAWIN_IMAGE FLUX_ISO
FLUX_AUTO FLUXERR_AUTO FLUX_APER(6) FLUXERR_APER(6) KRON_RADIUS BACKGROUND THRESHOLD FLUX_MAX ISOAREA_IMAGE A_IMAGE
B_IMAGE THETA_IMAGE X2_IMAGE Y2_IMAGE XY_IMAGE ELONGATION ELLIPTICITY FWHM_IMAGE FLUX_RADIUS CLASS_STAR FLAGS"""
STAMPS = "NUMBER X_IMAGE Y_IMAGE FLUX_RADIUS FLUX_APER(1) FLUXERR_APER(1) ELONGATION FLAGS SNR_WIN VIGNET(25,25)"
POSITIONS = """NUMBER XWIN_IMAGE YWIN_IMAGE ERRAWIN_IMAGE ERRBWIN_IMAGE ERRTHETAWIN_IMAGE FLUX_AUTO FLUXERR_AUTO
FLUX_RADIUS ELONGATION FLAGS"""
PSF_FLUXES = "NUMBER XPSF_IMAGE YPSF_IMAGE FLUX_PSF FLUXERR_PSF CHI2_PSF FLAGS"


def installed(program: str) -> bool:
    """Whether a peer is here: a Debian program, or `crowdsource` in its environment."""
    return CROWDSOURCE_PYTHON.exists() if program == "crowdsource" else shutil.which(program) is not None


def run(program: str, folder: Path, arguments: Sequence[str], options: Options) -> None:
    """Run a program of the family in `folder` with options on its command line and none in a file."""
    (folder / "empty.conf").touch()
    command = [program, *arguments, "-c", "empty.conf", "-VERBOSE_TYPE", "QUIET", "-WRITE_XML", "N", "-NTHREADS", "1"]
    command += [part for name, value in options.items() for part in (f"-{name}", str(value))]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}\n{ran.stderr[-2000:]}")


def write_image(path: Path, image: np.ndarray, header: fits.Header | None = None) -> None:
    """A plain float32 FITS image."""
    fits.PrimaryHDU(image.astype(np.float32), header).writeto(path, overwrite=True)


def extract(folder: Path, columns: str, catalog: str, options: Options) -> None:
    """SExtractor on `image.fits` with `weight.fits`, in the settings of our aperture catalog."""
    names = catalog.replace(".cat", "")
    (folder / f"{names}.param").write_text("\n".join(columns.split()) + "\n")
    (folder / "pyramid.conv").write_text("CONV NORM\n1 2 1\n2 4 2\n1 2 1\n")
    settings = {
        "CATALOG_NAME": catalog, "CATALOG_TYPE": "FITS_LDAC", "PARAMETERS_NAME": f"{names}.param",
        "DETECT_TYPE": "CCD", "DETECT_MINAREA": 5, "DETECT_THRESH": 1.5, "ANALYSIS_THRESH": 1.5,
        "FILTER": "Y", "FILTER_NAME": "pyramid.conv", "DEBLEND_NTHRESH": 32, "DEBLEND_MINCONT": 0.005, "CLEAN": "Y",
        "CLEAN_PARAM": 1.0, "WEIGHT_TYPE": "MAP_WEIGHT", "WEIGHT_IMAGE": "weight.fits", "MASK_TYPE": "CORRECT",
        "PHOT_APERTURES": "2,3,4,6,10,14", "PHOT_AUTOPARAMS": "2.5,3.5", "MAG_ZEROPOINT": 26.3, "PIXEL_SCALE": 1.01,
        "SEEING_FWHM": 2.1, "STARNNW_NAME": "/usr/share/source-extractor/default.nnw", "BACK_SIZE": 128,
        "BACK_FILTERSIZE": 3, "BACKPHOTO_TYPE": "GLOBAL", "CHECKIMAGE_TYPE": "NONE", "MEMORY_PIXSTACK": 2_000_000,
        "MEMORY_BUFSIZE": 4096, "MEMORY_OBJSTACK": 60_000, **options,
    }  # fmt: skip
    run("source-extractor", folder, ["image.fits"], settings)


def brightest_stars(folder: Path, catalog: str, chosen: str, count: int, peak_radius_px: float = 2.5) -> int:
    """Write the `count` stars of best S/N of an LDAC catalog, without flags and no wider than stars; how many."""
    with fits.open(folder / catalog) as hdus:
        table = hdus[2].data
        fit = (table["FLAGS"] == 0) & (table["FLUX_RADIUS"] < peak_radius_px) & (table["ELONGATION"] < 1.4)
        best = np.flatnonzero(fit)[np.argsort(-table["SNR_WIN"][fit])[:count]]
        hdus[2].data = table[np.sort(best)]
        hdus.writeto(folder / chosen, overwrite=True)
    return len(best)


def model_psf(folder: Path, catalog: str, degree: int) -> None:
    """PSFEx on the stars of `catalog` as they are: it chose none of its own."""
    settings = {
        "BASIS_TYPE": "PIXEL_AUTO", "PSF_SAMPLING": 0.5, "PSF_SIZE": "51,51", "PSF_ACCURACY": 0.01,
        "PSFVAR_KEYS": "X_IMAGE,Y_IMAGE", "PSFVAR_GROUPS": "1,1", "PSFVAR_DEGREES": degree, "SAMPLE_AUTOSELECT": "N",
        "SAMPLEVAR_TYPE": "NONE", "BADPIXEL_FILTER": "N", "CHECKPLOT_DEV": "NULL", "CHECKPLOT_TYPE": "NONE",
        "CHECKIMAGE_TYPE": "NONE", "PSF_SUFFIX": ".psf", "PHOTFLUX_KEY": "FLUX_APER(1)",
        "PHOTFLUXERR_KEY": "FLUXERR_APER(1)", "CENTER_KEYS": "X_IMAGE,Y_IMAGE",
    }  # fmt: skip
    run("psfex", folder, [catalog], settings)


def write_references(path: Path, ra_deg: np.ndarray, dec_deg: np.ndarray, error_mas: np.ndarray, mag: np.ndarray,
                     epoch_year: float) -> None:  # fmt: skip
    """Calibrators as SCAMP reads them: a FITS_LDAC table of world coordinates, errors [deg], magnitudes, epochs."""
    error = error_mas / 3.6e6
    columns = [
        fits.Column("X_WORLD", "1D", "deg", array=ra_deg), fits.Column("Y_WORLD", "1D", "deg", array=dec_deg),
        fits.Column("ERRA_WORLD", "1E", "deg", array=error), fits.Column("ERRB_WORLD", "1E", "deg", array=error),
        fits.Column("MAG", "1E", "mag", array=mag), fits.Column("MAGERR", "1E", "mag", array=np.full(len(mag), 0.02)),
        fits.Column("OBSDATE", "1D", "yr", array=np.full(len(mag), epoch_year)),
    ]  # fmt: skip
    cards = np.array([fits.Header([("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 0)]).tostring(padding=True)])
    head = fits.BinTableHDU.from_columns(
        [fits.Column("Field Header Card", f"{len(cards[0])}A", array=cards)], name="LDAC_IMHEAD"
    )
    table = fits.BinTableHDU.from_columns(columns, name="LDAC_OBJECTS")
    fits.HDUList([fits.PrimaryHDU(), head, table]).writeto(path, overwrite=True)


def solve(folder: Path, catalog: str, references: str, *, pattern: bool = True) -> None:
    """SCAMP: pattern match within 3' and 0.5 deg (unless the header is right already), then a fourth-order TPV fit."""
    settings = {
        "ASTREF_CATALOG": "FILE", "ASTREFCAT_NAME": references, "ASTREFCENT_KEYS": "X_WORLD,Y_WORLD",
        "ASTREFERR_KEYS": "ERRA_WORLD,ERRB_WORLD,ERRTHETA_WORLD", "ASTREFMAG_KEY": "MAG", "ASTREFMAGERR_KEY": "MAGERR",
        "ASTREFOBSDATE_KEY": "OBSDATE", "MATCH": "Y" if pattern else "N", "MATCH_NMAX": 0, "PIXSCALE_MAXERR": 1.02,
        "POSANGLE_MAXERR": 0.5, "POSITION_MAXERR": 3.0, "MOSAIC_TYPE": "UNCHANGED", "CROSSID_RADIUS": 2.0,
        "SOLVE_ASTROM": "Y", "SOLVE_PHOTOM": "N", "PROJECTION_TYPE": "TPV", "DISTORT_KEYS": "XWIN_IMAGE,YWIN_IMAGE",
        "DISTORT_GROUPS": "1,1", "DISTORT_DEGREES": 4, "CENTROID_KEYS": "XWIN_IMAGE,YWIN_IMAGE",
        "CENTROIDERR_KEYS": "ERRAWIN_IMAGE,ERRBWIN_IMAGE,ERRTHETAWIN_IMAGE", "SN_THRESHOLDS": "10.0,100.0",
        "CHECKPLOT_TYPE": "NONE", "CHECKPLOT_DEV": "NULL", "SAVE_REFCATALOG": "N", "HEADER_SUFFIX": ".head",
    }  # fmt: skip
    run("scamp", folder, [catalog], settings)


def solution(path: Path) -> WCS:
    """The WCS of a header that SCAMP wrote, whose comments are no ASCII."""
    lines = path.read_text(errors="replace").splitlines()
    cards = [line for line in lines if not line.startswith(("COMMENT", "HISTORY", "END"))]
    return WCS(fits.Header.fromstring("\n".join(cards), sep="\n"))
