"""Local copies of catalogs: all rows of a cone are found, and what is far away isn't read."""

import numpy as np
import pyarrow
import pyarrow.parquet as pq
import pytest

from ztfpipe.errors import BadFile
from ztfpipe.methods.sky.healpix import pixel_centres
from ztfpipe.model.skycatalogs import Cone
from ztfpipe.products.catalogs.local_catalogs import files_near, read_local

COLUMNS = {"source_id": "id", "ra": "RA", "dec": "Dec", "ruwe": "ruwe"}


def whole_sky(n=20000, seed=1):
    rng = np.random.default_rng(seed)
    return {"id": np.arange(n), "RA": rng.uniform(0, 360, n), "Dec": np.degrees(np.arcsin(rng.uniform(-1, 1, n)))}


def directions(table):
    ra, dec = np.radians(table["RA"]), np.radians(table["Dec"])
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)


def in_cone(table, cone):
    centre = directions({"RA": np.array([cone.ra_deg]), "Dec": np.array([cone.dec_deg])})[0]
    return set(table["id"][directions(table) @ centre > np.cos(np.radians(cone.radius_deg))].tolist())


def write_single(path, table, row_group_size=500):
    order = np.argsort(table["Dec"])
    sorted_table = pyarrow.table({name: column[order] for name, column in table.items()})
    pq.write_table(sorted_table, path, row_group_size=row_group_size)


def write_hats(root, table, order=2):
    """Each row in the partition whose centre is nearest: not always HEALPix's own, but within its reach."""
    pixel = np.argmax(directions(table) @ pixel_centres(order, np.arange(12 * 4**order)).T, axis=1)
    for number in np.unique(pixel):
        folder = root / "dataset" / f"Norder={order}" / f"Dir={number // 10000 * 10000}"
        folder.mkdir(parents=True, exist_ok=True)
        rows = {name: column[pixel == number] for name, column in table.items()}
        pq.write_table(pyarrow.table(rows), folder / f"Npix={number}.parquet")


CONES = [
    Cone(150.0, 30.0, 5.0),
    Cone(0.5, -10.0, 4.0),
    Cone(359.9, 60.0, 6.0),
    Cone(77.0, 88.0, 5.0),
    Cone(0, -90, 3.0),
]


@pytest.mark.parametrize("cone", CONES, ids=str)
def test_all_rows_of_a_cone_are_found_in_either_form(tmp_path, cone):
    table = whole_sky()
    expected = in_cone(table, cone)
    assert len(expected) > 5
    write_single(tmp_path / "one.parquet", table)
    write_hats(tmp_path / "hats", table)
    for path in (tmp_path / "one.parquet", tmp_path / "hats"):
        got = read_local(path, cone, COLUMNS)
        assert set(got) == {"source_id", "ra", "dec"}  # ruwe is not there, and may be absent
        assert expected <= set(got["source_id"].tolist())
        # Within a rectangle around the cone, which at the pole is a whole cap.
        assert len(got["source_id"]) < 5 * len(expected) + 20


def test_far_row_groups_are_not_read(tmp_path):
    """Damage to pages far from the cone goes unnoticed; damage near it does not."""
    path = tmp_path / "one.parquet"
    write_single(path, whole_sky())
    whole = path.read_bytes()
    groups = pq.ParquetFile(path).metadata
    first, middle = groups.row_group(0).column(2), groups.row_group(20).column(2)

    def damaged(chunk):
        start = chunk.dictionary_page_offset or chunk.data_page_offset
        return whole[:start] + b"\xff" * chunk.total_compressed_size + whole[start + chunk.total_compressed_size :]

    cone = Cone(150.0, float(np.mean([middle.statistics.min, middle.statistics.max])), 0.5)
    expected = read_local(path, cone, COLUMNS)["source_id"]
    path.write_bytes(damaged(first))
    np.testing.assert_array_equal(read_local(path, cone, COLUMNS)["source_id"], expected)
    path.write_bytes(damaged(middle))
    with pytest.raises(BadFile, match="not readable as Parquet"):
        read_local(path, cone, COLUMNS)


def test_far_partitions_are_not_opened(tmp_path):
    table = whole_sky()
    write_hats(tmp_path, table)
    cone = Cone(150.0, 30.0, 2.0)
    near = files_near(tmp_path, cone)
    everything = sorted(tmp_path.rglob("*.parquet"))
    # 192 pixels of 14.7 deg; a cone of 2 deg touches at most four and the reach adds their neighbours.
    assert 1 <= len(near) <= 12 < len(everything)
    for file in set(everything) - set(near):
        file.write_bytes(b"not Parquet at all")
    assert in_cone(table, cone) <= set(read_local(tmp_path, cone, COLUMNS)["source_id"].tolist())


def test_a_sky_region_without_partitions_has_no_rows(tmp_path):
    table = {name: column[:0] for name, column in whole_sky().items()}
    folder = tmp_path / "dataset" / "Norder=2" / "Dir=0"
    folder.mkdir(parents=True)
    pq.write_table(pyarrow.table(table), folder / "Npix=0.parquet")
    got = read_local(tmp_path, Cone(225.0, -60.0, 1.0), COLUMNS)
    assert {len(column) for column in got.values()} == {0}


def test_nulls_become_nan_and_identifiers_stay_whole(tmp_path):
    big = 2**62 + 1  # a float would lose the last digit
    table = {"id": [big, big + 1], "RA": [10.0, 10.1], "Dec": [0.0, 0.0], "ruwe": [None, 1.2]}
    pq.write_table(pyarrow.table(table), tmp_path / "a.parquet")
    got = read_local(tmp_path / "a.parquet", Cone(10.0, 0.0, 1.0), COLUMNS)
    assert got["source_id"].tolist() == [big, big + 1]
    assert np.isnan(got["ruwe"][0])


def test_bad_copies_are_named(tmp_path):
    cone = Cone(10.0, 0.0, 1.0)
    with pytest.raises(BadFile, match="no such catalog"):
        read_local(tmp_path / "none", cone, COLUMNS)
    with pytest.raises(BadFile, match="without Parquet files"):
        read_local(tmp_path, cone, COLUMNS)
    pq.write_table(pyarrow.table({"RA": [1.0], "Dec": [1.0]}), tmp_path / "a.parquet")
    with pytest.raises(BadFile, match="column id missing"):
        read_local(tmp_path / "a.parquet", cone, COLUMNS)
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(BadFile, match="not readable as Parquet"):
        read_local(tmp_path / "a.parquet", cone, COLUMNS)
