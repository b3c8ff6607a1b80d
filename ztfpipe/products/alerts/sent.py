"""What has been published: for each cluster and night, the candids that a topic has confirmed to have.

`ledger/stream/CLUSTER/NIGHT/TOPIC.candids` has a candid on each line and only grows; a batch is on disk before the next
one is asked for. A process that is killed leaves at most a torn last line, which is not believed: its packet is sent
again. It is memory, like names: a command that is given twice sends nothing twice.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from ztfpipe.errors import BadKey
from ztfpipe.products.accounts.locks import take_lock
from ztfpipe.products.formats.atomic import flush, machine_faults

FOLDER = Path("../ledger/stream")
"""Where it is, from the archive."""
_FINISHED = "finished.jsonl"


class SentRecord:
    """The record of a cluster and night, held by one process at a time. Topics and counts of archives are given as
    they come; `in` answers whether (topic, candid) has been confirmed."""

    def __init__(self, cluster: str, night: str, root: Path = FOLDER) -> None:
        """Take the record. Raises Busy when another process has it, BadKey for a cluster whose name is no name of a
        folder."""
        name = re.sub(r"[^A-Za-z0-9._-]", "_", cluster)[:100]
        if not name.strip("._"):
            raise BadKey("cluster", cluster, "a name with a letter or digit in it")
        self._folder = root / name / night
        with machine_faults(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = take_lock(self._folder, night)
        self._candids: dict[str, set[int]] = defaultdict(set)
        self._finished: dict[str, dict[str, Any]] = {}
        for path in sorted(self._folder.glob("*.candids")):
            self._candids[path.stem] = {int(line) for line in _believed(path, lambda line: line.isdigit())}
        for line in _believed(self._folder / _FINISHED, _is_json):
            one = json.loads(line)
            self._finished[one["archive"]] = one

    def __enter__(self) -> SentRecord:
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()

    def __contains__(self, address: tuple[str, int]) -> bool:
        topic, candid = address
        return topic in self._candids and candid in self._candids[topic]

    def add(self, addresses: Iterable[tuple[str, int]]) -> None:
        """Note confirmed messages, and have them on disk. Raises TryAgain when the disk is full or away."""
        by_topic: dict[str, list[int]] = defaultdict(list)
        for topic, candid in addresses:
            by_topic[topic].append(candid)
        for topic, candids in by_topic.items():
            _append(self._folder / f"{topic}.candids", "".join(f"{candid}\n" for candid in candids))
            self._candids[topic].update(candids)

    def finished(self, archive: str, state: str) -> dict[str, int] | None:
        """How many packets an archive had for each topic, when all were confirmed and it is as it was then."""
        one = self._finished.get(archive)
        return one["topics"] if one is not None and one["state"] == state else None

    def finish(self, archive: str, state: str, topics: dict[str, int]) -> None:
        """Note that all packets of an archive are confirmed, so that it need not be read again."""
        self._finished[archive] = one = {"archive": archive, "state": state, "topics": topics}
        _append(self._folder / _FINISHED, json.dumps(one) + "\n")


class NoRecord:
    """In place of a record where nothing is remembered: a folder that is written to shows itself what is there."""

    def __init__(self) -> None:
        self._sent: set[tuple[str, int]] = set()

    def __enter__(self) -> NoRecord:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __contains__(self, address: tuple[str, int]) -> bool:
        return address in self._sent

    def add(self, addresses: Collection[tuple[str, int]]) -> None:
        """Note messages."""
        self._sent.update(addresses)

    def finished(self, archive: str, state: str) -> None:
        """Nothing is."""
        return None

    def finish(self, archive: str, state: str, topics: dict[str, int]) -> None:
        """Nothing is noted."""


def _believed(path: Path, is_whole: Any) -> list[str]:
    """The lines of a record up to the first that is not whole, which is cut off with all that follows."""
    if not path.exists():
        return []
    with machine_faults(path):
        content = path.read_bytes()
        lines, good = [], 0
        for raw in content.splitlines(keepends=True):
            text = raw.decode("ascii", "replace").removesuffix("\n")
            if not raw.endswith(b"\n") or not is_whole(text):
                break
            lines.append(text)
            good += len(raw)
        if good < len(content):
            os.truncate(path, good)
    return lines


def _is_json(line: str) -> bool:
    try:
        return {"archive", "state", "topics"} <= set(json.loads(line))
    except (ValueError, TypeError):
        return False


def _append(path: Path, text: str) -> None:
    """Put whole lines at the end of a file and on disk, or leave it as it was."""
    with machine_faults(path), path.open("ab", buffering=0) as stream:
        before, left = stream.tell(), memoryview(text.encode("ascii"))
        try:
            while left:
                left = left[stream.write(left) :]
            os.fsync(stream.fileno())
        except OSError:
            stream.truncate(before)
            raise
        if before == 0:
            flush(path.parent)
