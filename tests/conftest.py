"""Fixtures for all tests: a tiny camera, and raw CCD files in memory whose headers hold all that ingest asks for.

`make_raw(...)` is quick (four quadrants of 64 x 56 pixels); the synthetic camera of ztfpipe.simulate is for tests of
physics. `night_folder(...)` writes such files as the telescope would send them.
"""

from __future__ import annotations

import csv
import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import hypothesis
import numpy as np
import psycopg
import pytest

from tests.real_data import REAL_DATA
from ztfpipe.camera import Camera
from ztfpipe.config import Config
from ztfpipe.model.images import Cards, RawCcd, RawQuadrant
from ztfpipe.model.keys import IMAGE_TYPES, ExposureKey, RawKey
from ztfpipe.products import names
from ztfpipe.products.accounts.settings import write_settings
from ztfpipe.products.arrival.raw import write_raw_ccd


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Real data may be missing on a laptop; where CI runs, a test without them fails instead of being skipped."""
    if item.get_closest_marker("shared_data") and not REAL_DATA.is_dir() and not os.environ.get("CI"):
        pytest.skip(f"no real data at {REAL_DATA}")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of an empty database of a PostgreSQL started for these tests; skipped where there can be none, but in CI."""
    # A socket's path has at most 107 bytes: no temporary folder of a test is short enough.
    folder = f"/tmp/ztfpipe-postgres-{os.getpid()}"
    up = subprocess.run([str(CLUSTER), "up", folder], capture_output=True, text=True, timeout=300, check=False)
    if up.returncode == NOT_HERE and not os.environ.get("CI"):
        pytest.skip(up.stderr.splitlines()[0])
    assert up.returncode == 0, up.stderr
    yield subprocess.run([str(CLUSTER), "url", folder], capture_output=True, text=True, check=True).stdout.strip()
    subprocess.run([str(CLUSTER), "down", folder], capture_output=True, check=True)


@pytest.fixture
def empty_postgres(postgres: str) -> str:
    """The same, emptied of what earlier tests left."""
    with psycopg.connect(postgres, autocommit=True) as server:
        server.execute("DROP SCHEMA public CASCADE")
        server.execute("CREATE SCHEMA public")
    return postgres


BACKENDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.fixture(params=BACKENDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a database that has nothing yet: a test that asks for it runs once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'database' / 'operations.sqlite'}"
    return request.getfixturevalue("empty_postgres")


# The same examples each time, however busy the machine is.
hypothesis.settings.register_profile(
    "ztfpipe", deadline=None, derandomize=True, database=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("ztfpipe")

CLUSTER = Path(__file__).resolve().parents[1] / "tools" / "postgres" / "cluster.sh"
NOT_HERE = 77
"""Exit code of the cluster's script where there can be no PostgreSQL."""
TINY = Path(__file__).parent / "data" / "camera" / "tiny.yaml"
NIGHT = "20180325"
WRITTEN: dict[tuple[RawKey, str], bytes] = {}
"""Raw files made so far: packing one takes longer than most tests."""
BIAS_LEVEL_ADU, SKY_ADU, NOISE_ADU = 1100, 400, 5.0


def obsjd_of(filefracday: str) -> float:
    """Julian date that a name's 14 digits stand for."""
    day = date(int(filefracday[:4]), int(filefracday[4:6]), int(filefracday[6:8]))
    return 2457754.5 + (day - date(2017, 1, 1)).days + int(filefracday[8:]) / 1e6


def exposure_cards(key: RawKey, camera: Camera, **changes: object) -> Cards:
    """The exposure's keywords that ingest needs, by `changes` laid over; a change to `...` leaves the keyword out."""
    exposure = key.exposure
    stem = Path(names.path_of("raw", key)).name.removesuffix(".fits.fz")
    cards: dict[str, object] = {
        "ORIGIN": "Zwicky Transient Facility",
        "IMGTYPE": IMAGE_TYPES[exposure.imgtype],
        "EXPTIME": 0.0 if exposure.imgtype == "b" else 30.0,
        "FILENAME": f"{stem}.fits",
        "ORIGNAME": f"{stem}.fits",
        "HEADTEMP": 161.3,
        "DEWPRESS": -9999.0,
        f"CCDTMP{key.ccdid:02d}": "168.4",
        "FIELDID": exposure.field,
        "OBJRAD": 150.25,
        "OBJDECD": 2.5,
        "PROGRMID": 1,
        "OBSJD": obsjd_of(exposure.filefracday),
        "AIRMASS": 1.2,
    }
    if exposure.imgtype in "of":
        entry = camera.filters[exposure.filter]
        cards |= {"FILTERID": entry.fid, "FILTER": entry.header}
    cards |= changes
    return {word: (value, f"test value of {word}") for word, value in cards.items() if value is not ...}


def quadrant_cards(camera: Camera, ccdid: int, qid: int, **changes: object) -> Cards:
    """The quadrant's own keywords."""
    amplifier = camera.amplifier(ccdid, qid)
    cards = {
        "CCD_ID": ccdid,
        "AMP_ID": amplifier.amp_id,
        "GAIN": amplifier.gain_e_per_adu,
        "READNOI": amplifier.read_noise_e,
    }
    cards |= changes
    return {word: (value, f"test value of {word}") for word, value in cards.items() if value is not ...}


@pytest.fixture(scope="session")
def tiny_camera() -> Camera:
    """One CCD (10) of four quadrants, 64 rows x 56 columns, otherwise as the large camera."""
    return Camera.load(str(TINY))


@pytest.fixture(scope="session")
def tiny_config() -> Config:
    """The default configuration for the tiny camera."""
    return Config(camera=str(TINY), workspace="work")


@pytest.fixture(scope="session")
def raw_key() -> Callable[..., RawKey]:
    """Keys of raw files: raw_key(imgtype="o", fracday="300000", field=314, filter="zr", ccdid=10)."""

    def make(imgtype: str = "o", fracday: str = "300000", **given: object) -> RawKey:
        usual = {"b": (0, "bi"), "f": (0, "zr")}.get(imgtype, (314, "zr"))
        field, filter_code = given.get("field", usual[0]), given.get("filter", usual[1])
        exposure = ExposureKey(given.get("night", NIGHT) + fracday, field, filter_code, imgtype)
        return RawKey(exposure, given.get("ccdid", 10))

    return make


@pytest.fixture(scope="session")
def make_raw(tiny_camera: Camera) -> Callable[..., RawCcd]:
    """CCD files in memory: make_raw(key, seed=0, camera=tiny, header={}, quadrant_header={qid: {}})."""

    def make(key: RawKey, *, seed: int = 0, camera: Camera = tiny_camera, header=None, quadrant_header=None) -> RawCcd:
        rng = np.random.default_rng([seed, int(key.exposure.fracday), key.ccdid])
        exposure = exposure_cards(key, camera, **(header or {}))
        sky = 0 if key.exposure.imgtype == "b" else SKY_ADU
        quadrants = {}
        for qid in camera.qids:
            image = rng.normal(BIAS_LEVEL_ADU + sky, NOISE_ADU, camera.quadrant_shape).astype(np.uint16)
            overscan = rng.normal(BIAS_LEVEL_ADU, NOISE_ADU, camera.overscan_shape).astype(np.uint16)
            own = quadrant_cards(camera, key.ccdid, qid, **(quadrant_header or {}).get(qid, {}))
            quadrants[qid] = RawQuadrant(image, overscan, {**exposure, **own})
        return RawCcd(exposure, quadrants)

    return make


@pytest.fixture(scope="session")
def raw_ccd(make_raw: Callable[..., RawCcd], raw_key: Callable[..., RawKey]) -> RawCcd:
    """One valid science CCD of the tiny camera."""
    return make_raw(raw_key())


@pytest.fixture
def workspace(tmp_path: Path, tiny_config: Config, tiny_camera: Camera, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with its settings written; the working directory is its archive, as for a step."""
    for folder in ("archive", f"incoming/{NIGHT}"):
        (tmp_path / folder).mkdir(parents=True)
    for section in ("ingest", "calibration"):
        write_settings(tmp_path / "settings", section, tiny_config, tiny_camera)
    monkeypatch.chdir(tmp_path / "archive")
    return tmp_path


@pytest.fixture
def send(workspace: Path, tiny_camera: Camera, make_raw: Callable[..., RawCcd]) -> Callable[..., Path]:
    """Put a raw file in the incoming folder as the telescope would: send(key, **make_raw's) -> its path."""

    def deliver(key: RawKey, **made: object) -> Path:
        path = workspace / "incoming" / NIGHT / Path(names.path_of("raw", key)).name
        request = (key, repr(made))
        if request not in WRITTEN:
            write_raw_ccd(path, make_raw(key, **made), tiny_camera)
            WRITTEN[request] = path.read_bytes()
        path.write_bytes(WRITTEN[request])
        return path

    return deliver


@pytest.fixture
def announce(workspace: Path) -> Callable[..., Path]:
    """Write the list of files sent: announce(extra names) lists what is in the folder, and the extra ones."""

    def write(*extra: str) -> Path:
        folder = workspace / "incoming" / NIGHT
        path = folder / "sent.csv"
        with path.open("w", newline="") as stream:
            rows = csv.writer(stream)
            rows.writerow(["name", "size", "md5"])
            for one in sorted(folder.glob("ztf_*")):
                content = one.read_bytes()
                rows.writerow([one.name, len(content), hashlib.md5(content).hexdigest()])
            rows.writerows([name, "", ""] for name in extra)
        return path

    return write
