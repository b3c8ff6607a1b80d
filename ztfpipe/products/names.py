"""The one table of file names: product and key -> path below the archive root, and back.

Paths follow the public archive wherever it has a product; `ops/` holds what the archive does not show.
The table is data: a pattern names the parts of its key, and the same pattern writes and reads the path.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from ztfpipe.errors import BadKey, BadName
from ztfpipe.model.keys import (
    BIAS_FILTER_CAL,
    SKY_FILTERS,
    CalibrationKey,
    CutoffKey,
    DataReleaseKey,
    ExposureKey,
    FieldQuadrantKey,
    IncomingKey,
    Key,
    NightKey,
    ProgramKey,
    QuadrantKey,
    RawKey,
    ReferenceKey,
    ReferenceVersionKey,
    ReleaseKey,
)
from ztfpipe.products.name_parts import CODECS, PART_PATTERNS

K = TypeVar("K", bound=Key)

_RAW = "raw/{year}/{monthday}/{fracday}/ztf_{year}{monthday}{fracday}_{field}_{filter}_c{ccd}_{imgtype}"
_SCI = "sci/{year}/{monthday}/{fracday}/ztf_{year}{monthday}{fracday}_{field}_{filter}_c{ccd}_{imgtype}_q{qid}_"
_GIVEN, _MEASURED = f"given/{_SCI}", f"measured/{_SCI}"
_SPLIT = "ops/split/{year}/{monthday}/{fracday}/ztf_{year}{monthday}{fracday}_{field}_{filter}_c{ccd}_{imgtype}_q{qid}_"
_BIAS = "cal/{year}/{monthday}/bias/{filter}/ccd{ccd}/q{qid}/ztf_{year}{monthday}_{filter}_c{ccd}_q{qid}_bias"
_FLAT = (
    "cal/{year}/{monthday}/hifreqflat/{filter}/ccd{ccd}/q{qid}/ztf_{year}{monthday}_{filter}_c{ccd}_q{qid}_hifreqflat"
)
_LOW_FLAT = (
    "cal/{year}/{monthday}/lofreqflat/{filter}/ccd{ccd}/q{qid}/ztf_{year}{monthday}_{filter}_c{ccd}_q{qid}_lofreqflat"
)
_FRINGE = "cal/{year}/{monthday}/fringe/{filter}/ccd{ccd}/q{qid}/ztf_{year}{monthday}_{filter}_c{ccd}_q{qid}_fringe"
_REF = "ref/{field3}/field{field}/{filter}/ccd{ccd}/q{qid}/ztf_{field}_{filter}_c{ccd}_q{qid}_"
_REF_VERSION = _REF.replace("/ztf_", "/v{version}/ztf_")
_MATCH = "ops/srcmatch/rc{rcid}/fr{block}/ztf_{field}_{filter}_c{ccd}_q{qid}_match.pytable"
_STATIC = "ops/static/rc{rcid}/"
_TILE = "{field}_c{ccd}_q{qid}"
_CURVE = "lc_dr{release}/{thousand}/field{field4}/ztf_{field}_{filter}_c{ccd}_q{qid}_dr{release}.parquet"
_OBJECTS = _CURVE.replace("lc_dr", "objects_dr", 1).replace(".parquet", "_objects.parquet")
_STORE = "ops/release/dr{release}/field{field4}/ztf_{field}_{filter}_c{ccd}_q{qid}_dr{release}_"
_HISTORY = "ops/history/rc{rcid}/ztf_{field}_c{ccd}_q{qid}_"
_ALERTS = "ops/alerts/{year}/{monthday}/"
_NIGHT = "ops/night/{year}/{monthday}/ztf_{year}{monthday}_"


@dataclass(frozen=True)
class Product:
    """A named file type: what keys it, and the pattern of its path."""

    name: str
    key_type: type
    pattern: str

    @property
    def regex(self) -> str:
        """Regular expression of the whole path; a part named twice must be the same both times."""
        seen: set[str] = set()

        def part(match: re.Match[str]) -> str:
            name = match[1]
            if name in seen:
                return f"(?P={name})"
            seen.add(name)
            return f"(?P<{name}>{PART_PATTERNS[name]})"

        return re.sub(r"\\{(\w+)\\}", part, re.escape(self.pattern))


def _family(key_type: type, prefix: str, suffixes: dict[str, str]) -> dict[str, Product]:
    return {name: Product(name, key_type, prefix + suffix) for name, suffix in suffixes.items()}


_REFERENCE_FILES = {
    "refimg": "refimg.fits",
    "refcov": "refcov.fits",
    "refunc": "refunc.fits",
    "refmsk": "refmsk.fits",
    "refpsfcat": "refpsfcat.fits",
    "refsexcat": "refsexcat.fits",
    "refimgdao": "refimgdao.psf",
    "refimgdaopsfcent": "refimgdaopsfcent.fits",
    "refimlog": "refimlog.txt",
    "reflog": "log.txt",
    "refqa": "refqa.json",
}

PRODUCTS: dict[str, Product] = {
    **_family(RawKey, _RAW, {"raw": ".fits.fz"}),
    **_family(
        IncomingKey,
        "ops/ingest/{year}/{monthday}/",
        {"ingestrecord": "{name}.json", "setaside": "setaside/{name}"},
    ),
    **_family(
        NightKey,
        _NIGHT,
        {
            "arrived": "arrived.json",
            "covered": "covered.json",
            "manifest": "manifest.json",
            "plan": "plan.json",
            "zeropoints": "zeropoints.json",
            "epochs": "epochs.parquet",
            "references": "references.json",
            "refverdicts": "refverdicts.parquet",
            "nightreport": "report.html",
            "skymap": "skymap.fits",
            "skyplot": "skymap.png",
            "skyplotgalactic": "skymapgalactic.png",
            "known": "known.parquet",
            "knownqa": "knownqa.json",
            "efficiency": "efficiency.json",
            "efficiencyplot": "efficiency.png",
        },
    ),
    **_family(QuadrantKey, _SPLIT, {"split": "split.fits", "splitqa": "splitqa.json"}),
    **_family(
        CalibrationKey,
        _BIAS,
        {
            "bias": ".fits",
            "biasunc": "unc.fits",
            "biasstda": "stda.fits",
            "biasstdb": "stdb.fits",
            "biasnum": "num.fits",
            "biascmask": "cmask.fits",
            "biaslog": "log.txt",
            "biasqa": "qa.json",
        },
    ),
    **_family(
        CalibrationKey,
        _FLAT,
        {
            "hifreqflat": ".fits",
            "hifreqflatunc": "unc.fits",
            "hifreqflatstda": "stda.fits",
            "hifreqflatstdb": "stdb.fits",
            "hifreqflatnum": "num.fits",
            "hifreqflatcmask": "cmask.fits",
            "hifreqflatlog": "log.txt",
            "hifreqflatqa": "qa.json",
        },
    ),
    **_family(
        CalibrationKey,
        _LOW_FLAT,
        {
            "lofreqflat": ".fits",
            "lofreqflatunc": "unc.fits",
            "lofreqflatframes": "frames.json",
            "lofreqflatlog": "log.txt",
            "lofreqflatqa": "qa.json",
        },
    ),
    **_family(
        CalibrationKey,
        _FRINGE,
        {
            "fringe": ".fits",
            "fringeframes": "frames.json",
            "fringelog": "log.txt",
            "fringeqa": "qa.json",
        },
    ),
    **_family(
        QuadrantKey,
        _SCI,
        {
            "sciimg": "sciimg.fits",
            "mskimg": "mskimg.fits",
            "psfcat": "psfcat.fits",
            "sexcat": "sexcat.fits",
            "sciimgdao": "sciimgdao.psf",
            "sciimgdaopsfcent": "sciimgdaopsfcent.fits",
            "sciunc": "sciunc.fits",
            "sciuncqa": "sciuncqa.json",
            "scipreview": "sciimg.jpg",
            "sciimlog": "sciimlog.txt",
            "sciqa": "sciqa.json",
            "log": "log.txt",
            "scimrefdiffimg": "scimrefdiffimg.fits.fz",
            "diffimgpsf": "diffimgpsf.fits",
            "diffpreview": "scimrefdiffimg.jpg",
            "diffimlog": "diffimlog.txt",
            "diffqa": "diffqa.json",
            "candidates": "candidates.parquet",
            "streaks": "streaks.parquet",
            "alerts": "alerts.tar.gz",
            "rawdetections": "rawdetections.parquet",
            "scorrimg": "scorrimg.fits.fz",
            "planted": "planted.parquet",
            "plantedqa": "plantedqa.json",
        },
    ),
    **_family(QuadrantKey, _GIVEN, {"givensciimg": "sciimg.fits", "givenmskimg": "mskimg.fits"}),
    **_family(
        QuadrantKey,
        _MEASURED,
        {
            "measuredsciimg": "sciimg.fits",
            "measuredmskimg": "mskimg.fits",
            "measuredpsfcat": "psfcat.fits",
            "measuredsexcat": "sexcat.fits",
            "measuredsciimgdao": "sciimgdao.psf",
            "measuredsciimgdaopsfcent": "sciimgdaopsfcent.fits",
            "measuredscipreview": "sciimg.jpg",
            "measuredsciimlog": "sciimlog.txt",
            "measuredsciqa": "sciqa.json",
        },
    ),
    **_family(ReferenceKey, _REF, _REFERENCE_FILES),
    # The same files of one version, under the same names in a folder of its own; the list of its inputs is no target.
    **_family(ReferenceVersionKey, _REF_VERSION, {f"v{name}": suffix for name, suffix in _REFERENCE_FILES.items()}),
    **_family(ReferenceVersionKey, _REF_VERSION, {"refinputs": "refinputs.json"}),
    **_family(
        FieldQuadrantKey,
        _STATIC,
        {
            "gaiacalibrators": f"astrom/gaia_{_TILE}.fits",
            "ps1calibrators": f"photom/ps1_{_TILE}.fits",
            "gaiacontext": f"context/gaia_{_TILE}.fits",
            "ps1context": f"context/ps1_{_TILE}.fits",
            "brightstars": f"bright/tycho2_{_TILE}.fits",
            "calibratorsqa": f"ztf_{_TILE}_calibratorsqa.json",
        },
    ),
    **_family(ReferenceKey, _MATCH, {"matchfile": ""}),
    **_family(
        ReferenceKey,
        _MATCH.removesuffix(".pytable"),
        {"matchepochs": "epochs.json", "matchqa": "qa.json", "matchids": "ids.parquet"},
    ),
    **_family(ReleaseKey, _CURVE, {"lightcurve": ""}),
    **_family(ReleaseKey, _OBJECTS, {"objects": ""}),
    **_family(
        ReleaseKey,
        _STORE,
        {"releaseindex": "index.npy", "releasedata": "data.npy", "releaseexposures": "exposures.npy"},
    ),
    **_family(DataReleaseKey, "ops/release/dr{release}/ztf_dr{release}_", {"releasefiles": "files.parquet"}),
    **_family(
        DataReleaseKey,
        "objects_dr{release}/ztf_dr{release}_",
        {
            "releasestatistics": "statistics.json",
            "releasetables": "tables.md",
            "releasecoverage": "coverage.fits",
            "releasepictures": "pictures.png",
        },
    ),
    **_family(ProgramKey, f"{_ALERTS}ztf_{{program}}_{{year}}{{monthday}}", {"nightalerts": ".tar.gz"}),
    **_family(
        NightKey,
        "ops/tracks/{year}/{monthday}/ztf_{year}{monthday}_",
        {
            "detections": "detections.parquet",
            "detectionsqa": "detectionsqa.json",
            "streaklist": "streaklist.parquet",
            "looks": "looks.parquet",
            "tracks": "tracks.parquet",
            "trackmembers": "trackmembers.parquet",
            "tracksqa": "tracksqa.json",
            "trackpage": "tracks.html",
            "trackdecisions": "trackdecisions.json",
            "adespsv": "ades.psv",
            "adesxml": "ades.xml",
            "mpcreport": "mpc.txt",
            "digest2": "digest2.txt",
            "reportqa": "reportqa.json",
        },
    ),
    **_family(
        CutoffKey,
        "ops/tracks/{year}/{monthday}/sofar/ztf_{year}{monthday}_{cutoff}_",
        {
            "sofardetections": "detections.parquet",
            "sofarstreaklist": "streaklist.parquet",
            "sofarlooks": "looks.parquet",
            "sofartracks": "tracks.parquet",
            "sofarmembers": "trackmembers.parquet",
            "sofarpage": "tracks.html",
            "sofarqa": "tracksqa.json",
        },
    ),
    **_family(NightKey, f"{_ALERTS}ztf_{{year}}{{monthday}}_", {"objectnames": "objectnames.parquet"}),
    **_family(
        ExposureKey,
        f"{_ALERTS}ztf_{{year}}{{monthday}}{{fracday}}_{{field}}_{{filter}}_{{imgtype}}_",
        {"alertsqa": "alertsqa.json", "exposurenames": "exposurenames.parquet"},
    ),
    **_family(FieldQuadrantKey, _HISTORY, {name: f"{name}.parquet" for name in ("coverage", "history", "longhistory")}),
}
_BIAS_PRODUCTS = frozenset(name for name, product in PRODUCTS.items() if product.pattern.startswith(_BIAS))
_SKY_PRODUCTS = frozenset(
    name for name, product in PRODUCTS.items() if product.pattern.startswith((_FLAT, _LOW_FLAT, _FRINGE))
)


def path_of(product: str, key: Key) -> str:
    """Path of `product` for `key`, below the archive root. BadKey when the product is not keyed so."""
    entry = PRODUCTS.get(product)
    if entry is None:
        raise BadKey("product", product, f"one of {', '.join(sorted(PRODUCTS))}")
    if not isinstance(key, entry.key_type):
        raise BadKey("key", key, f"a {entry.key_type.__name__}, as {product} needs")
    _check_filter(product, key)
    parts, _ = CODECS[entry.key_type]
    return entry.pattern.format(**parts(key))


def parse(path: str | Path) -> tuple[str, Key]:
    """Product and key of a path below the archive root. BadName when it is none, or leaves the archive."""
    text = str(path)
    if text.startswith("/") or ".." in text.split("/"):
        raise BadName(text, "not a path below the archive root")
    for name, regex, key_type in _compiled():
        match = regex.fullmatch(text)
        if match is None:
            continue
        _, from_parts = CODECS[key_type]
        try:
            key = from_parts(match.groupdict())
            if path_of(name, key) == text:
                return name, key
        except BadKey as error:
            raise BadName(text, str(error)) from error
    raise BadName(text, "no product of the archive has this name")


def key_of(path: str | Path, product: str) -> Any:
    """Key of a path that must be one of `product`, of that product's key type. BadName otherwise."""
    name, key = parse(path)
    if name != product:
        raise BadName(path, f"not the path of product {product}")
    return key


def beside(path: str | Path, product: str) -> str:
    """Path of another product of the key that a path has; of its field's quadrant for what is kept by these.

    BadName where `path` is none of the archive's, BadKey where the product is not keyed so.
    """
    _, key = parse(path)
    if isinstance(key, QuadrantKey) and PRODUCTS[product].key_type is FieldQuadrantKey:
        key = key.place
    return path_of(product, key)


def key_from(key_type: type[K], parts: Mapping[str, str]) -> K:
    """The key of a type from the parts of a path (a rule's wildcards). BadKey for values out of range."""
    _, from_parts = CODECS[key_type]
    return from_parts(dict(parts))


def parse_raw_name(name: str) -> RawKey:
    """Key of a raw file from its bare name (`.fits.fz` or `.fits`). BadName when it is not one."""
    pattern = (
        r"ztf_(?P<filefracday>[0-9]{14})_(?P<field>[0-9]{6})_(?P<filter>[a-z]{2})"
        r"_c(?P<ccd>[0-9]{2})_(?P<imgtype>[a-z])\.fits(\.fz)?"
    )
    match = re.fullmatch(pattern, name)
    if match is None:
        raise BadName(name, "not a raw file name: ztf_<filefracday>_<field6>_<filter>_c<CC>_<type>.fits.fz")
    try:
        exposure = ExposureKey(match["filefracday"], int(match["field"]), match["filter"], match["imgtype"])
        return RawKey(exposure, int(match["ccd"]))
    except BadKey as error:
        raise BadName(name, str(error)) from error


def inside(root: Path, path: str) -> Path:
    """The file `path` below `root`; BadName when links or `..` lead out of it."""
    resolved = (root / path).resolve()
    if not resolved.is_relative_to(root.resolve()):
        raise BadName(path, f"leads out of the archive {root}")
    return root / path


@cache
def _compiled() -> tuple[tuple[str, re.Pattern[str], type], ...]:
    return tuple((name, re.compile(entry.regex), entry.key_type) for name, entry in PRODUCTS.items())


def _check_filter(product: str, key: Key) -> None:
    if isinstance(key, CalibrationKey):
        if product in _BIAS_PRODUCTS and key.filter != BIAS_FILTER_CAL:
            raise BadKey("filter", key.filter, f"{BIAS_FILTER_CAL}, as {product} needs")
        if product in _SKY_PRODUCTS and key.filter not in SKY_FILTERS:
            raise BadKey("filter", key.filter, f"one of {', '.join(SKY_FILTERS)}, as {product} needs")
