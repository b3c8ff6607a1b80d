"""LSDB opens a release as a HATS catalog, and pandas and pyarrow its files, with the light curves that are in them."""

from __future__ import annotations

import contextlib
import json
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from benchmarks.release_scenes import key_of, write_release
from tests.clients.conftest import HERE
from ztfpipe.cli.main import run
from ztfpipe.methods.sky.regions import separation_deg
from ztfpipe.products.names import path_of

pytestmark = pytest.mark.clients

FILES, STARS, EPOCHS, ROWS_MAX = 9, 800, 5.0, 700
AT, RADIUS_ARCSEC = (359.5, 30.4), 500.0


@pytest.fixture(scope="module")
def read(lsdb_python, tmp_path_factory):
    """What the clients read, and the light curves as they were written."""
    workspace = tmp_path_factory.mktemp("release")
    archive, hats, fields = workspace / "archive", workspace / "hats", workspace / "fields"
    archive.mkdir()
    config = workspace / "config.yaml"
    config.write_text(
        yaml.safe_dump({"camera": "mini", "workspace": str(workspace), "release": {"hats_rows_max": ROWS_MAX}})
    )
    with contextlib.chdir(archive):
        write_release(1, FILES, STARS, EPOCHS, curves=True)
        paths = [archive / path_of("lightcurve", key_of(1, k)) for k in range(FILES)]
    assert run(["lightcurve", "export", "1", str(hats), "--hats", "--config", str(config)]) == 0
    assert run(["lightcurve", "export", "1", str(fields), "--fields", "300", "--config", str(config)]) == 0
    one = fields / paths[0].relative_to(archive)
    # A dataset of pyarrow is a folder of Parquet files alone.
    one.with_name("checksum.md5").unlink()
    arguments = [hats, one, one.parent, *AT, RADIUS_ARCSEC]
    done = subprocess.run(
        [lsdb_python, HERE / "read_with_lsdb.py", *map(str, arguments)],
        env={"HOME": str(workspace), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
        cwd=workspace, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), pd.concat([pd.read_parquet(path) for path in paths]), hats


def test_lsdb_has_every_light_curve_once(read):
    found, table, hats = read
    assert found["rows"] == len(table)
    assert found["ids"] == sorted(table["objectid"])
    assert found["columns"] == list(table.columns)
    assert found["partitions"] == len(Path(hats / "partition_info.csv").read_text().splitlines()) - 1 > 3
    assert found["ascending"]


def test_a_cone_of_lsdb_is_that_of_a_scan(read):
    found, table, _ = read
    apart = separation_deg(table["objra"].to_numpy(np.float64), table["objdec"].to_numpy(np.float64), *AT) * 3600
    assert found["cone"] == sorted(table["objectid"][apart <= RADIUS_ARCSEC])
    assert len(found["cone"]) > 50
    one = table[table["objectid"] == found["one"]["objectid"]]["mag"].iloc[0]
    assert found["one"]["mag"] == one.tolist()


def test_pandas_and_pyarrow_read_the_files(read):
    found, table, _ = read
    assert found["pandas"]["columns"] == list(table.columns)
    assert found["pandas"]["index"] == table.index[:3].tolist()
    assert found["field"] == len(table)
