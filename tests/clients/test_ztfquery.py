"""ztfquery, with ZTFDATA at our archive, finds every product by its own logic of paths."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.clients

SUFFIXES = (
    "sciimg.fits", "mskimg.fits", "psfcat.fits", "sexcat.fits", "sciimgdao.psf", "sciimgdaopsfcent.fits",
    "sciimlog.txt",
)  # fmt: skip
"""Products of `sci` that ztfquery knows and that are made so far."""


def test_each_file_is_where_ztfquery_looks(client, night):
    raws = sorted((night / "raw").rglob("*.fits.fz"))
    science = [path for path in sorted((night / "sci").rglob("ztf_*")) if path.name.endswith(SUFFIXES)]
    masters = [
        path
        for path in sorted((night / "cal").rglob("ztf_*"))
        if path.name.endswith(("bias.fits", "biasunc.fits", "flat.fits", "flatunc.fits", "log.txt"))
    ]
    # 2 CCDs: 5 biases, 4 flats, 1 exposure; 8 quadrants; a bias and a flat master of each with log and uncertainty.
    assert (len(raws), len(science), len(masters)) == (20, 8 * len(SUFFIXES), 8 * 2 * 3)
    names = [path.name for path in raws + science]
    said = client("read_with_ztfquery.py", night, json.dumps(names), json.dumps([_as_asked(path) for path in masters]))
    assert said["files"] == {path.name: str(path) for path in raws + science}
    assert said["masters"] == [str(path) for path in masters]
    # Asked by the name of the image, as its users do: the catalog beside it.
    assert len(said["psfcats"]) == 8
    for name, found in said["psfcats"].items():
        assert found == said["files"][name.replace("sciimg", "psfcat")]


def _as_asked(path: Path) -> list[str | None]:
    """A master as ztfquery's function of paths is asked for it."""
    kind = path.parents[3].name
    _, night, filter_code, ccd, qid, rest = path.name.split("_")
    suffix = {f"{kind}.fits": None, f"{kind}unc.fits": "unc", f"{kind}log.txt": "log"}[rest]
    return [kind, night[:4], night[4:6], night[6:], filter_code, ccd[1:], qid[1:], suffix]
