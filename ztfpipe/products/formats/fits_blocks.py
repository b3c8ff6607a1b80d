"""The blocks of a FITS file: where each HDU begins and ends, and its checksums. No FITS library needed.

The checksum is the 32-bit ones'-complement sum of FITS Standard 4.0, section 4.4.2.7 and appendix J: the sum over a
whole HDU whose CHECKSUM card is right is all ones.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

BLOCK = 2880
CARD = 80
ALL_ONES = 0xFFFFFFFF
_HEADER_BLOCKS_MAX = 512
_EXCLUDED = frozenset(b":;<=>?@[\\]^_`")


@dataclass(frozen=True)
class HduBlocks:
    """Byte extent of one HDU: header from `start` to `data_start`, padded data from there to `end`."""

    start: int
    data_start: int
    end: int
    keywords: dict[str, str]
    """The value field of each keyword as text, quotes and comment removed; the first of a repeated keyword holds."""


class FileBytes:
    """The bytes of an open file by slices, each read when it is asked for."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._size = os.fstat(stream.fileno()).st_size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(self._size)
        self._stream.seek(start)
        return self._stream.read(max(0, stop - start))


Content = bytes | bytearray | memoryview | FileBytes


class BrokenBlocks(Exception):
    """The bytes are not a whole FITS HDU; `whole` HDUs before it are."""

    def __init__(self, reason: str, whole: list[HduBlocks]) -> None:
        self.reason, self.whole = reason, whole
        super().__init__(reason)


def scan(content: Content) -> list[HduBlocks]:
    """Extents of all HDUs of a FITS file. BrokenBlocks, with the whole HDUs before, where it stops being one."""
    hdus: list[HduBlocks] = []
    offset = 0
    while offset < len(content):
        try:
            hdu = _scan_hdu(content, offset)
        except ValueError as error:
            raise BrokenBlocks(str(error), hdus) from error
        if hdu.end > len(content):
            raise BrokenBlocks(f"truncated: {len(content)} bytes of at least {hdu.end}", hdus)
        hdus.append(hdu)
        offset = hdu.end
    return hdus


def _scan_hdu(content: Content, start: int) -> HduBlocks:
    keywords: dict[str, str] = {}
    offset = start
    for _ in range(_HEADER_BLOCKS_MAX):
        block = bytes(content[offset : offset + BLOCK])
        if offset == start and block[:9] not in (b"SIMPLE  =", b"XTENSION="):
            raise ValueError("not FITS" if start == 0 else f"no FITS header at byte {start}")
        if len(block) < BLOCK:
            raise ValueError(f"truncated: ends within the header at byte {start}")
        offset += BLOCK
        for position in range(0, BLOCK, CARD):
            card = block[position : position + CARD]
            if card[:8] == b"END     ":
                return HduBlocks(start, offset, offset + _padded(_data_size(keywords, start)), keywords)
            if card[8:10] == b"= ":
                keywords.setdefault(card[:8].decode("latin-1").strip(), _value(card[10:].decode("latin-1")))
    raise ValueError(f"no END card in the header at byte {start}")


def _value(field: str) -> str:
    text = field.strip()
    if text.startswith("'"):
        return text[1:].replace("''", "\0").split("'", 1)[0].replace("\0", "'").rstrip()
    return text.split("/", 1)[0].strip()


def _data_size(keywords: dict[str, str], start: int) -> int:
    try:
        naxis = int(keywords["NAXIS"])
        if naxis == 0:
            return 0
        size = abs(int(keywords["BITPIX"])) // 8
        for axis in range(1, naxis + 1):
            size *= int(keywords[f"NAXIS{axis}"])
        per_group = size + abs(int(keywords["BITPIX"])) // 8 * int(keywords.get("PCOUNT", "0"))
        total = per_group * int(keywords.get("GCOUNT", "1"))
    except (KeyError, ValueError) as error:
        raise ValueError(f"NAXIS or BITPIX unreadable in the header at byte {start}") from error
    if total < 0:
        raise ValueError(f"negative size in the header at byte {start}")
    return total


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def ones_sum(content: bytes | memoryview, carry: int = 0) -> int:
    """32-bit ones'-complement sum of `content` (a multiple of four bytes) on top of `carry`."""
    words = np.frombuffer(content, dtype=">u4")
    # Adding native 64-bit words of swapped bytes is not possible; numpy's swap of a block in cache is cheap.
    total = int(words.sum(dtype=np.uint64)) + carry
    while total > ALL_ONES:
        total = (total & ALL_ONES) + (total >> 32)
    return total


def encode(total: int) -> bytes:
    """The 16 characters of CHECKSUM that make an HDU of sum `total` (with CHECKSUM all '0') sum to all ones.

    FITS Standard 4.0, appendix J.2.
    """
    complement = ALL_ONES - total
    text = bytearray(16)
    for index in range(4):
        byte = (complement >> (24 - 8 * index)) & 0xFF
        quotient, remainder = divmod(byte, 4)
        parts = [quotient + 48 + remainder, quotient + 48, quotient + 48, quotient + 48]
        while any(part in _EXCLUDED for part in parts):
            for pair in (0, 2):
                if parts[pair] in _EXCLUDED or parts[pair + 1] in _EXCLUDED:
                    parts[pair] += 1
                    parts[pair + 1] -= 1
        for row, part in enumerate(parts):
            text[4 * row + index] = part
    return bytes(text[-1:] + text[:-1])


def seal(content: bytearray | memoryview) -> None:
    """Set the DATASUM and CHECKSUM cards of every HDU in place; both cards must be there, with any value.

    The comments carry no time, so the same content gives the same bytes.
    """
    view = memoryview(content)
    for hdu in scan(view):
        datasum = ones_sum(view[hdu.data_start : hdu.end])
        _put(content, hdu, "DATASUM", f"{datasum:<8}", "sum of the data")
        _put(content, hdu, "CHECKSUM", "0" * 16, "sum of header and data is all ones")
        checksum = encode(ones_sum(view[hdu.start : hdu.data_start], datasum))
        _put(content, hdu, "CHECKSUM", checksum.decode("ascii"), "sum of header and data is all ones")


def _put(content: bytearray | memoryview, hdu: HduBlocks, keyword: str, text: str, comment: str) -> None:
    # The fixed format of the standard: readers that rewrite the card to verify it must arrive at the same bytes.
    card = f"{keyword:8}= {text!r:20} / {comment}".encode("ascii").ljust(CARD)
    for position in range(hdu.start, hdu.data_start, CARD):
        if bytes(content[position : position + 8]) == card[:8]:
            content[position : position + CARD] = card
            return
    raise ValueError(f"no {keyword} card in the header at byte {hdu.start}")


def checksum_fault(content: bytes | memoryview, hdu: HduBlocks) -> str:
    """What is wrong with the checksums of `hdu`, or an empty string."""
    missing = [name for name in ("CHECKSUM", "DATASUM") if name not in hdu.keywords]
    if missing:
        return f"{' and '.join(missing)} missing"
    datasum = ones_sum(content[hdu.data_start : hdu.end])
    faults = []
    if hdu.keywords["DATASUM"] != str(datasum):
        faults.append("DATASUM does not match the data")
    if ones_sum(content[hdu.start : hdu.data_start], datasum) != ALL_ONES:
        faults.append("CHECKSUM does not match")
    return " and ".join(faults)
