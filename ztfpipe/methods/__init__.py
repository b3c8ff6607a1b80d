"""Arithmetic: arrays in, arrays out. Importing this package chooses the folder of compiled kernels.

numba notices an edited kernel, but not an edited function that a kernel calls from another file. The cache folder is
therefore named after all kernels' sources, numba's version and the processor: any change starts a new folder.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import sys
import tempfile
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def _processor() -> bytes:
    """What compiled code depends on: the architecture and, where the system tells, the model and its instructions."""
    try:
        first = Path("/proc/cpuinfo").read_bytes().split(b"\n\n", 1)[0]
    except OSError:
        first = platform.processor().encode()
    stable = [line for line in first.splitlines() if line.startswith((b"model name", b"flags", b"Features"))]
    return platform.machine().encode() + b"\n" + b"\n".join(stable or [first])


def kernel_digest(package: Path = _PACKAGE) -> str:
    """Digest of every `*_nb.py` below `package`, numba's version and the processor: 16 hexadecimal digits."""
    digest = hashlib.sha256(_processor())
    digest.update(importlib.metadata.version("numba").encode())
    for path in sorted(package.rglob("*_nb.py")):
        digest.update(str(path.relative_to(package)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _own_folder(folder: Path) -> bool:
    """Make `folder` for this user alone; False when it cannot be written or belongs to someone else.

    The cache holds code that numba runs: a folder another user could have filled must not be used.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return False
    return folder.stat().st_uid == os.getuid() and os.access(folder, os.W_OK)


def cache_folder() -> Path:
    """The folder of compiled kernels, made if need be: below ZTFPIPE_CACHE, else the user's cache, else /tmp."""
    base = os.environ.get("ZTFPIPE_CACHE")
    if base is None:
        base = str(Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "ztfpipe")
    name = f"kernels-{kernel_digest()}"
    folder = Path(base) / name
    if not _own_folder(folder):
        folder = Path(tempfile.gettempdir()) / f"ztfpipe-{os.getuid()}" / name
        if not (_own_folder(folder.parent) and _own_folder(folder)):
            # Nobody else can have been there before.
            folder = Path(tempfile.mkdtemp(prefix="ztfpipe-kernels-"))
    return folder


def _choose_cache() -> None:
    folder = str(cache_folder())
    os.environ["NUMBA_CACHE_DIR"] = folder
    if "numba" in sys.modules:
        sys.modules["numba"].config.CACHE_DIR = folder


_choose_cache()
