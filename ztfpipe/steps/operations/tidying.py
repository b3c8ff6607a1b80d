"""Removal of what can be made again, by kind and age: said first, done when told to."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ztfpipe.config import Operations
from ztfpipe.errors import BadKey, BadName, Busy
from ztfpipe.model.housekeeping import Disposable, Removal
from ztfpipe.model.keys import Key, NightKey, QuadrantKey, RawKey
from ztfpipe.model.summary import NightSummary
from ztfpipe.pipelines.operations.housekeeping import DISPOSABLES, KINDS, LOGS, REPLACED, TEMPORARY, removal_table
from ztfpipe.products.accounts.locks import take_lock
from ztfpipe.products.accounts.report import text_tables
from ztfpipe.products.names import PRODUCTS, parse, path_of
from ztfpipe.steps.workspace import archive_of, configured

DAY_S = 86400.0


def run_tidy(
    config_path: Path, workspace: Path | None, kinds: Sequence[str], older_days: float | None, *, remove: bool
) -> int:
    """`ztfpipe tidy`: list what may be removed, and with `remove` remove it. 0, or 1 when a night was busy.

    kinds: all when empty. older_days: in place of the configuration's ages. Raises BadKey for a kind there is none of,
    or an age below a day.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise BadKey("kind", kind, f"one of {', '.join(KINDS)}")
    if older_days is not None and older_days < 1:
        raise BadKey("age", older_days, "at least a day: younger files may be in use")
    config = configured(config_path, workspace)
    place = archive_of(config).parent
    found = list(removable(place, kinds or KINDS, ages_of(config.operations, older_days), time.time()))
    headline = "These files can be made again, or are of no more use"
    print(text_tables(NightSummary("", headline, (removal_table(found),))), end="")
    for one in found[:20]:
        print(f"  {one.path}")
    if len(found) > 20:
        print(f"  ... and {len(found) - 20} more")
    if not remove:
        print("nothing was removed; --remove does it")
        return 0
    removed, busy = remove_all(place, found, print)
    print(f"{removed} files removed")
    return 1 if busy else 0


def ages_of(settings: Operations, older_days: float | None) -> dict[str, float]:
    """Least age of what goes [days], by kind."""
    return {kind: older_days if older_days is not None else getattr(settings, f"{kind}_days") for kind in KINDS}


def removable(workspace: Path, kinds: Sequence[str], ages_days: dict[str, float], now: float) -> Iterator[Removal]:
    """Files that may go: old enough, and made of what is still there."""
    before = {kind: now - days * DAY_S for kind, days in ages_days.items()}
    archive = workspace / "archive"
    for one in DISPOSABLES:
        if one.kind in kinds:
            yield from _products(archive, one, before[one.kind])
    if LOGS in kinds:
        yield from _files(LOGS, (workspace / "logs").rglob("*.log"), before[LOGS])
    if REPLACED in kinds:
        kept = (path for path in workspace.glob("campaigns/*/replaced/**/*") if path.is_file())
        # Its own time is that of its making; the time of its new name is that of the replacement.
        yield from _files(REPLACED, kept, before[REPLACED], lambda status: status.st_ctime)
    if TEMPORARY in kinds:
        yield from _files(TEMPORARY, _leftovers(archive), before[TEMPORARY])


def _products(archive: Path, kind: Disposable, before: float) -> Iterator[Removal]:
    main, *companions = kind.products
    for path in sorted(archive.glob(re.sub(r"(\{\w+\})+", "*", PRODUCTS[main].pattern))):
        try:
            product, key = parse(path.relative_to(archive))
        except BadName:
            continue
        if product != main or path.stat().st_mtime > before:
            continue
        needed = [archive / path_of(name, _key_for(name, key)) for name in (*kind.made_of, *kind.waits_for)]
        if all(one.exists() for one in needed):
            for file in (path, *(archive / path_of(name, key) for name in companions)):
                if file.exists():
                    yield Removal(kind.kind, file, _freed(file.stat()), key.night)


def _key_for(product: str, key: QuadrantKey) -> Key:
    """The key of a product of the same quadrant, raw file or night."""
    other = {NightKey: NightKey(key.night), RawKey: key.raw}
    return other.get(PRODUCTS[product].key_type, key)


def _files(
    kind: str, paths: Iterator[Path], before: float, when: Callable[[os.stat_result], float] = lambda one: one.st_mtime
) -> Iterator[Removal]:
    for path in paths:
        with contextlib.suppress(FileNotFoundError):  # a file may go while the others are looked at
            status = path.stat()
            if when(status) <= before:
                yield Removal(kind, path, _freed(status))


def _leftovers(archive: Path) -> Iterator[Path]:
    """Temporary files of atomic writing."""
    return archive.rglob(".*.tmp")


def _freed(status: os.stat_result) -> int:
    return status.st_size if status.st_nlink == 1 else 0


def remove_all(workspace: Path, found: Sequence[Removal], say: Callable[[str], None]) -> tuple[int, int]:
    """Remove files, those of a night with its lock held; how many went, and how many nights were busy."""
    nights: dict[str, list[Removal]] = defaultdict(list)
    for one in found:
        nights[one.night].append(one)
    removed = busy = 0
    for night, removals in sorted(nights.items()):
        try:
            held = take_lock(workspace / "ledger" / "locks", night or "tidy")
        except Busy as error:
            say(f"left alone: {error}")
            busy += 1
            continue
        with held:
            for one in removals:
                one.path.unlink(missing_ok=True)
            removed += len(removals)
    return removed, busy
