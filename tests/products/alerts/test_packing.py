"""Archives of packets put together from parts, beside the library that makes tars whole."""

import gzip
import io
import subprocess
import tarfile

import numpy as np
import pytest

from ztfpipe.errors import BadFile
from ztfpipe.products.alerts.packets import read_archive
from ztfpipe.products.alerts.packing import write_archive
from ztfpipe.products.alerts.stamps import stamp_bytes

HEAD = b"Obj\x01" + b"a schema, the same again and again" * 300


def contents(seed, n):
    """Packets of many sizes: with stamps or without, with the head or another one, empty."""
    rng = np.random.default_rng(seed)
    out = []
    for k in range(n):
        records = rng.integers(0, 40, rng.integers(0, 3000), dtype=np.uint8).tobytes()
        stamps = b"".join(stamp_bytes(rng.normal(0, 5, (63, 63)).astype(np.float32)) for _ in range(k % 4))
        out.append((10**17 + k, (b"" if k % 5 == 4 else HEAD) + records + stamps))
    return [*out, (10**18, b"")]


@pytest.mark.parametrize("n", [0, 1, 7, 40])
def test_it_is_the_tar_that_the_library_makes(tmp_path, n):
    made = contents(n, n) if n else []
    path = tmp_path / "a.tar.gz"
    assert write_archive(path, iter(made), 1523318400, HEAD) == len(made)
    slow = io.BytesIO()
    with tarfile.open(fileobj=slow, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for candid, content in made:
            member = tarfile.TarInfo(f"{candid}.avro")
            member.size, member.mtime = len(content), 1523318400
            archive.addfile(member, io.BytesIO(content))
    assert gzip.decompress(path.read_bytes()) == slow.getvalue()
    assert list(read_archive(path)) == made
    first = path.read_bytes()
    write_archive(path, iter(made), 1523318400, HEAD)
    assert path.read_bytes() == first


def test_other_programs_open_it(tmp_path):
    path = tmp_path / "a.tar.gz"
    made = [(candid, HEAD + str(candid).encode()) for candid, _ in contents(3, 12)]
    write_archive(path, made, 0, HEAD)
    assert subprocess.run(["gzip", "--test", path], check=False).returncode == 0
    listed = subprocess.run(["tar", "--list", "--gzip", "--file", path], capture_output=True, text=True, check=True)
    assert listed.stdout.split() == [f"{candid}.avro" for candid, _ in made]
    assert path.stat().st_size < sum(len(content) for _, content in made) / 20, "the head is packed, once for all"


def test_cut_short_or_damaged_it_is_no_archive(tmp_path):
    path = tmp_path / "a.tar.gz"
    write_archive(path, contents(4, 12), 0, HEAD)
    whole = path.read_bytes()
    # A byte of the records, which are compressed, and one of a stamp, which is stored.
    stored = whole.index(b"\x1f\x8b\x08\x00\x00\x00\x00\x00", 10) + 500
    for content in (whole[:-1000], whole[: len(whole) // 2], whole[:stored] + b"\x55\xaa" + whole[stored + 2 :]):
        path.write_bytes(content)
        with pytest.raises(BadFile):
            list(read_archive(path))
