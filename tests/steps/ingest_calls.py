"""How the tests of ingest call its steps, and how they spoil files."""

from __future__ import annotations

from pathlib import Path

from ztfpipe.model.keys import IncomingKey
from ztfpipe.products import names
from ztfpipe.products.formats import fits_blocks
from ztfpipe.steps import ingest

NIGHT = "20180325"
SETTINGS = Path("../settings/ingest.json")
CALIBRATION = Path("../settings/calibration.json")


def verify(path):
    """Verify a file of the incoming folder, from the archive's folder as a rule does."""
    record = names.path_of("ingestrecord", IncomingKey(NIGHT, path.name))
    return ingest.verify(record, SETTINGS, Path("../incoming") / NIGHT / path.name)


def archive(path, record):
    ingest.archive(
        record.archive_path, SETTINGS, path, Path(names.path_of("ingestrecord", IncomingKey(NIGHT, path.name)))
    )


def assert_set_aside(path, record, *fragments):
    """The file is set aside in one sentence with all the fragments; its bytes are kept, and not archived."""
    reason = record.reasons[""]
    assert record.status == "set aside"
    assert reason.startswith(f"{path.name}: ")
    assert "\n" not in reason
    for fragment in fragments:
        assert fragment in reason
    kept = Path(names.path_of("setaside", IncomingKey(NIGHT, path.name)))
    assert kept.read_bytes() == path.read_bytes()
    assert record.archive_path == ""
    assert path.read_bytes() not in [one.read_bytes() for one in Path("raw").rglob("*.fits*")]


def rewrite(path, change):
    """Let `change` edit the bytes (a bytearray) of a file, then make its checksums right again."""
    content = bytearray(path.read_bytes())
    change(content)
    fits_blocks.seal(content)
    path.write_bytes(content)


def set_card(content, hdu, keyword, field):
    """Put `field` as the value of a keyword in HDU number `hdu`."""
    extent = fits_blocks.scan(content)[hdu]
    for position in range(extent.start, extent.data_start, 80):
        if content[position : position + 8] == keyword.ljust(8).encode():
            content[position : position + 80] = f"{keyword:8}= {field}".ljust(80).encode()
            return
    raise AssertionError(f"no {keyword}")


def flip_bit(path, hdu, part):
    """Flip one bit in the header's free text or the data of HDU number `hdu`, without touching the checksums."""
    content = bytearray(path.read_bytes())
    extent = fits_blocks.scan(content)[hdu]
    # In the header: the last character of the first card's comment, a space that becomes an exclamation mark.
    position = {"header": extent.start + 79, "data": (extent.data_start + extent.end) // 2}[part]
    content[position] ^= 1
    path.write_bytes(content)
