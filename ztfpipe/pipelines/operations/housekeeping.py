"""What may be removed by age, and what a night needs of the disk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from ztfpipe.model.housekeeping import DiskUse, Disposable, Removal
from ztfpipe.model.summary import Table

DISPOSABLES = (
    Disposable("split", ("split", "splitqa"), ("raw",)),
    Disposable("uncertainty", ("sciunc", "sciuncqa"), ("sciimg", "mskimg")),
    Disposable("planted", ("planted", "plantedqa"), ("sciimg", "mskimg", "psfcat", "candidates"), ("efficiency",)),
)
"""All that may ever go of the archive's products. Each has a rule of its own that nothing else waits for: a file of a
rule that makes others too would take these along when it is made again. Raw files, masters, templates, references and
what is made of them are not in the list."""
LOGS, REPLACED, TEMPORARY = "logs", "replaced", "temporary"
KINDS = (*(one.kind for one in DISPOSABLES), LOGS, REPLACED, TEMPORARY)
GB = 1e9


def removal_table(found: Iterable[Removal]) -> Table:
    """What would go, by kind."""
    count: dict[str, int] = defaultdict(int)
    freed: dict[str, int] = defaultdict(int)
    nights: dict[str, set[str]] = defaultdict(set)
    for one in found:
        count[one.kind] += 1
        freed[one.kind] += one.freed_bytes
        nights[one.kind].add(one.night)
    rows = [(kind, count[kind], len(nights[kind] - {""}) or None, freed[kind] / GB) for kind in KINDS if count[kind]]
    if len(rows) > 1:
        rows.append(("all", sum(count.values()), None, sum(freed.values()) / GB))
    return Table("What may be removed", "", ("kind", "files", "nights", "frees [GB]"), tuple(rows))


def disk_table(uses: Sequence[DiskUse], budget_gb: float, free_bytes: int) -> Table:
    """What nights take, set against what they may take, and how many more find room."""
    folders = sorted({name for one in uses for name in one.by_folder})
    rows = [
        (
            one.night,
            *(one.by_folder.get(name, 0) / GB for name in folders),
            one.total / GB,
            100 * one.total / GB / budget_gb,
        )
        for one in uses
    ]
    text = f"{free_bytes / GB:.4g} GB are free"
    largest = max((one.total for one in uses), default=0)
    if largest:
        text += f", room for {free_bytes / largest:.0f} nights like the largest of these"
    over = [one.night for one in uses if one.total / GB > budget_gb]
    if over:
        text += f"; above the budget of {budget_gb:g} GB a night: {', '.join(over)}"
    head = ("night", *(f"{name} [GB]" for name in folders), "all [GB]", "of the budget [%]")
    return Table("Disk", f"{text}.", head, tuple(rows))


def disk_sentence(needed_bytes: float, source: str, free_bytes: int) -> str:
    """What the night is expected to take against what there is."""
    text = f"the night needs some {needed_bytes / GB:.3g} GB ({source}), {free_bytes / GB:.4g} GB are free"
    if needed_bytes <= free_bytes:
        return text
    return f"{text}: THE DISK WILL BE FULL; `ztfpipe tidy` says what may be removed"
