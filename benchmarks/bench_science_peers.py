"""Steps of the science recipe beside the usual programs, on the same simulated full-size quadrants.

A program's figure is that of the whole program, files read and written; ours is that of the arithmetic on arrays in
memory. One thread each. A peer that is not installed is named as such and skipped.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import peers
from benchmarks.measure import Cost, measure, row

if TYPE_CHECKING:
    from benchmarks.science_scenes import Exposure
    from ztfpipe.model.science import ScienceImage

PSF_STARS_MAX, PSF_DEGREE = 1000, 3
"""Stars and order of variation of PSFEx: those of our own model at most."""
ASTROSCRAPPY_SIGMA = 4.5
HERE = "benchmarks.bench_science_peers"
Work = Callable[[], object]


def expose(case: str) -> Exposure:
    """The sparse or the dense quadrant."""
    from benchmarks.science_scenes import DENSE, SPARSE, expose_sky, sky_settings
    from ztfpipe.camera import Camera

    density = {"sparse": SPARSE, "dense": DENSE}[case]
    return expose_sky(Camera.load("quadrant"), sky_settings({"stars": {"stars_per_square_degree": density}}))


def make_inputs(folder: str, case: str) -> Work:
    """Expose a quadrant, calibrate it, and write its pixels and calibrators for all who measure it."""

    def work() -> None:
        exposure = expose(case)
        write_inputs(Path(folder), exposure, exposure.science())

    return work


def write_inputs(folder: Path, exposure: Exposure, made: ScienceImage) -> None:
    """Write what `Inputs` reads."""
    from ztfpipe.pipelines.science import sky

    camera, pointing = exposure.camera, exposure.pointing
    np.save(folder / "image.npy", made.image_adu)
    spike = np.uint16(camera.mask_value("spike"))
    np.savez(folder / "masks.npz", rays=(made.mask & spike) != 0,
             other=(made.mask & np.uint16(camera.defect_mask) & ~spike) != 0)  # fmt: skip
    np.savez(folder / "calibrators.npz", **dataclasses.asdict(exposure.calibrators.astrometric))
    prior = sky.commanded_wcs(camera, exposure.key, pointing.ra_deg, pointing.dec_deg)
    np.savez(folder / "prior.npz", **dataclasses.asdict(prior))
    amplifier = camera.amplifier(exposure.key.ccdid, exposure.key.qid)
    facts = {"gain": exposure.gain, "read_noise_e": amplifier.read_noise_e, "jd": pointing.jd_mid,
             "saturation_adu": made.saturation_adu, "scale_arcsec": camera.pixel_scale_arcsec}  # fmt: skip
    (folder / "facts.json").write_text(json.dumps(facts))


class Inputs:
    """What `make_inputs` wrote, and what our own earlier steps make of it."""

    def __init__(self, folder: str):
        self.folder = Path(folder)
        self.image = np.load(self.folder / "image.npy")
        masks = np.load(self.folder / "masks.npz")
        self.other, self.excluded = masks["other"], masks["other"] | masks["rays"]
        self.facts = json.loads((self.folder / "facts.json").read_text())
        self.gain = self.facts["gain"]

    def background(self) -> None:
        """Take the background off and make the weight."""
        from ztfpipe.methods.sky.background import estimate

        self.sky = estimate(self.image, self.excluded)
        self.signal = self.image - self.sky.level
        self.weight = np.where(self.excluded, np.float32(0), self.sky.noise**-2)


def _prepared(folder: str) -> tuple[Inputs, Any]:
    """The inputs with background and weight, and the settings; all kernels compiled."""
    from ztfpipe.config import Science
    from ztfpipe.methods.warm import warm

    warm()
    given = Inputs(folder)
    given.background()
    return given, Science()


def background_and_apertures(folder: str) -> Work:
    """Ours: background, detection, shapes, Kron and six fixed apertures."""
    given, settings = _prepared(folder)
    from ztfpipe.methods.stars.extraction import extract_sources

    def work() -> int:
        given.background()
        found = extract_sources(
            given.signal, given.sky.noise, given.excluded, gain_e_per_adu=given.gain, fwhm_px=2.1,
            aperture_diameters_px=settings.aperture_diameters_px, threshold_sigma=settings.aperture_threshold_sigma,
            pixels_min=settings.aperture_pixels_min,
        )  # fmt: skip
        return len(found["x"])

    return work


def psf_model(folder: str) -> Work:
    """Ours: first detections, seeing and the PSF."""
    given, settings = _prepared(folder)
    from ztfpipe.pipelines.science import stars

    def work() -> int:
        seen = stars.look(given.signal, given.weight, settings)
        return len(stars.make_psf(given.signal, given.weight, seen, given.gain, settings).used_x_px)

    return work


def psf_photometry(folder: str) -> Work:
    """Ours: two passes of detection and fits, given the PSF."""
    given, settings = _prepared(folder)
    from ztfpipe.pipelines.science import stars

    seen = stars.look(given.signal, given.weight, settings)
    psf = stars.make_psf(given.signal, given.weight, seen, given.gain, settings)
    write_for_crowdsource(given.folder / "crowdsource.npz", given.signal, given.weight, psf, given.gain)
    return lambda: len(stars.measure(given.signal, given.weight, psf, given.gain, settings).stars)


def astrometry(folder: str) -> Work:
    """Ours: pattern match from the commanded pointing and fourth-order fit, given the first detections."""
    given, settings = _prepared(folder)
    from ztfpipe.model.catalogs import AstrometricCalibrators
    from ztfpipe.model.dates import julian_year
    from ztfpipe.model.wcs import TpvWcs
    from ztfpipe.pipelines.science import sky, stars

    seen = stars.first_positions(stars.look(given.signal, given.weight, settings))
    loaded = dict(np.load(given.folder / "calibrators.npz"))
    loaded["epoch_year"] = float(loaded["epoch_year"])
    calibrators, prior = AstrometricCalibrators(**loaded), TpvWcs(**np.load(given.folder / "prior.npz"))

    return lambda: sky.solve_quadrant(
        seen, calibrators, prior, given.image.shape, epoch_year=julian_year(given.facts["jd"]),
        pixel_scale_arcsec=given.facts["scale_arcsec"], settings=settings,
    )  # fmt: skip


def rays(folder: str) -> Work:
    """Ours: filters from a Moffat profile and the search."""
    given, settings = _prepared(folder)
    from ztfpipe.methods.detector.cosmic_rays import find_rays, moffat_stamps, ray_filters

    def work() -> int:
        filters = ray_filters(moffat_stamps(1.8))
        return int(find_rays(given.signal, given.sky.noise, given.gain, given.other, filters,
                             threshold=settings.ray_threshold, psf_error=0.08).sum())  # fmt: skip

    return work


def astroscrappy_rays(folder: str) -> Work:
    """astroscrappy, tuned: separable medians, no cleaning of the image beyond a mean, one thread."""
    from astroscrappy import detect_cosmics

    given, _ = _prepared(folder)
    level = np.ascontiguousarray(given.sky.level)

    def work() -> int:
        found, _ = detect_cosmics(
            given.image, inmask=given.other, inbkg=level, sigclip=ASTROSCRAPPY_SIGMA, sigfrac=0.3, objlim=5.0,
            gain=given.gain, readnoise=given.facts["read_noise_e"], satlevel=given.facts["saturation_adu"],
            niter=4, sepmed=True, cleantype="meanmask", fsmode="median",
        )  # fmt: skip
        return int(found.sum())

    return work


def write_for_crowdsource(path: Path, signal: np.ndarray, weight: np.ndarray, psf: Any, gain: float) -> None:
    """What crowdsource/run.py reads; its weights hold the photons of stars, as those of its authors' surveys do."""
    known = weight > 0
    variance = 1 / np.where(known, weight, 1) + np.maximum(signal, 0) / gain
    sigma = np.where(known, np.sqrt(variance), 0).astype(np.float32)
    np.savez(path, image=signal, sigma=sigma, coefficients=psf.coefficients, oversampling=psf.oversampling,
             radius=psf.radius_px, threshold=5.0)  # fmt: skip


def write_for_programs(folder: str) -> Work:
    """Images and the reference catalog for SExtractor, PSFEx and SCAMP."""
    given, _ = _prepared(folder)

    def work() -> None:
        peers.write_image(given.folder / "image.fits", given.image, _plain_header(given))
        peers.write_image(given.folder / "weight.fits", given.weight)
        from ztfpipe.methods.sky.matching import move_to_epoch
        from ztfpipe.model.dates import julian_year

        at, epoch = dict(np.load(given.folder / "calibrators.npz")), julian_year(given.facts["jd"])
        ra, dec = move_to_epoch(
            at["ra_deg"], at["dec_deg"], at["pmra_mas"], at["pmdec_mas"], epoch - float(at["epoch_year"])
        )
        chosen = (at["g_mag"] >= 12) & (at["g_mag"] <= 18)
        peers.write_references(
            given.folder / "gaia.cat", ra[chosen], dec[chosen], at["error_mas"][chosen], at["g_mag"][chosen], epoch
        )

    return work


def _plain_header(given: Inputs) -> Any:
    """A gnomonic header at the quadrant's centre, where the commanded pointing puts it: SCAMP's start."""
    from astropy.io import fits

    from ztfpipe.methods.sky.projection import pixel_to_sky
    from ztfpipe.model.wcs import TpvWcs

    prior = TpvWcs(**np.load(given.folder / "prior.npz"))
    ny, nx = given.image.shape
    x, y = (nx - 1) / 2 + np.array([0.0, 1.0, 0.0]), (ny - 1) / 2 + np.array([0.0, 0.0, 1.0])
    ra, dec = pixel_to_sky(prior, x, y)
    east, north = (ra[1:] - ra[0]) * np.cos(np.radians(dec[0])), dec[1:] - dec[0]
    cards = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CUNIT1": "deg", "CUNIT2": "deg", "CRVAL1": ra[0],
             "CRVAL2": dec[0], "CRPIX1": x[0] + 1, "CRPIX2": y[0] + 1, "CD1_1": east[0], "CD1_2": east[1],
             "CD2_1": north[0], "CD2_2": north[1], "EQUINOX": 2000.0, "RADESYS": "ICRS", "GAIN": given.gain,
             "MJD-OBS": given.facts["jd"] - 2400000.5, "EXPTIME": 30.0, "FILTER": "zr"}  # fmt: skip
    return fits.Header(list(cards.items()))


def sextractor(folder: str, what: str) -> Work:
    """SExtractor with the columns of our aperture catalog, with stamps for PSFEx, with positions, or with PSF fits."""
    there = Path(folder)
    gain = json.loads((there / "facts.json").read_text())["gain"]
    columns = {"shapes": peers.SHAPES, "stamps": peers.STAMPS, "positions": peers.POSITIONS, "psf": peers.PSF_FLUXES}
    extra = {"stamps": {"PHOT_APERTURES": 10, "DETECT_THRESH": 5}, "positions": {"DETECT_THRESH": 5},
             "psf": {"PSF_NAME": "psf_stars.psf", "PSF_NMAX": 4}}.get(what, {})  # fmt: skip
    return lambda: peers.extract(there, columns[what], f"{what}.cat", {"GAIN": gain, **extra})


def psfex(folder: str) -> Work:
    """PSFEx on the brightest stars."""
    count = peers.brightest_stars(Path(folder), "stamps.cat", "psf_stars.cat", PSF_STARS_MAX)

    def work() -> int:
        peers.model_psf(Path(folder), "psf_stars.cat", PSF_DEGREE)
        return count

    return work


def scamp(folder: str) -> Work:
    """SCAMP with its pattern match."""
    return lambda: peers.solve(Path(folder), "positions.cat", "gaia.cat")


def crowdsource(folder: str) -> Work:
    """crowdsource given our PSF, in its own environment."""
    import subprocess

    command = [peers.CROWDSOURCE_PYTHON, peers.CROWDSOURCE / "run.py", "crowdsource.npz", "crowdsource_out.npz"]
    return lambda: subprocess.run([str(part) for part in command], cwd=folder, check=True, capture_output=True)


def rows() -> list[dict[str, Any]]:
    """All steps of both quadrants."""
    table = []
    for case in ("sparse", "dense"):
        with TemporaryDirectory(prefix="bench-peers-") as folder:
            measure(f"{HERE}:make_inputs", folder, case, repeats=1)
            measure(f"{HERE}:write_for_programs", folder, repeats=1)
            table += _rows(case, folder)
    return table


def _rows(case: str, folder: str) -> list[dict[str, Any]]:
    def cost(work: str, *arguments: str, repeats: int = 3) -> Cost:
        return measure(f"{HERE}:{work}", folder, *arguments, repeats=repeats)

    def beside(what: str, ours: Cost, program: str, label: str, theirs: Callable[[], Cost], note: str = "",
               ) -> dict[str, Any]:  # fmt: skip
        here = peers.installed(program)
        label = label if here else f"{label}: not installed, make bench-peers"
        return row(f"{case}: {what}", ours, peer=label, theirs=theirs() if here else None, bar="", met=True, note=note)

    model, fits, solved, searched = (cost(name) for name in ("psf_model", "psf_photometry", "astrometry", "rays"))
    return [
        beside("background, aperture catalog", cost("background_and_apertures"), "source-extractor", "SExtractor",
               lambda: cost("sextractor", "shapes"), "SExtractor: the whole program, files included"),
        beside("detection, seeing and PSF model", model, "psfex", f"PSFEx, at most {PSF_STARS_MAX} stars",
               lambda: (cost("sextractor", "stamps", repeats=1), cost("psfex"))[1],
               "PSFEx alone, its stars cut out beforehand; both of third order"),
        beside("PSF photometry, two passes", fits, "psfex", "SExtractor with PSFEx's PSF",
               lambda: cost("sextractor", "psf")),
        beside("PSF photometry, two passes", fits, "crowdsource", "crowdsource, given our PSF",
               lambda: cost("crowdsource", repeats=1), "crowdsource: one run"),
        beside("astrometry, pattern match and quartic", solved, "scamp", "SCAMP",
               lambda: (cost("sextractor", "positions", repeats=1), cost("scamp"))[1],
               "both given the positions of stars and calibrators; both search 3' and 0.5 deg"),
        row(f"{case}: cosmic rays", searched, peer="astroscrappy", theirs=(peer := cost("astroscrappy_rays")),
            bar="30", met=peer.cpu_s >= 30 * searched.cpu_s),
    ]  # fmt: skip
