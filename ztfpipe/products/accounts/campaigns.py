"""Files of a campaign: what it was frozen to, its batches as they went, what it changed, and swaps of files."""

from __future__ import annotations

import base64
import contextlib
import csv
import dataclasses
import json
import shutil
import signal
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ztfpipe.errors import BadFile, BadKey
from ztfpipe.model.campaign import Campaign, Metric, Unit
from ztfpipe.model.plan import TemplateChoice
from ztfpipe.products.formats.atomic import atomic_write, link_over, machine_faults, write_text

CAMPAIGN_FILE = "campaign.json"
"""In the campaign's own folder; Snakemake takes a workspace that holds it for a campaign's."""
_BATCH_COLUMNS = ("ended", "batch", "units", "made", "seconds", "planning_s", "exit_code")
_KEPT = "replaced"


def campaign_folder(workspace: Path, name: str) -> Path:
    """Where a campaign works: a workspace of its own, beside the archive."""
    return workspace / "campaigns" / name


def write_campaign(folder: Path, campaign: Campaign) -> None:
    """Write what a campaign was frozen to, atomically."""
    write_text(folder / CAMPAIGN_FILE, json.dumps(dataclasses.asdict(campaign), indent=1) + "\n")


def read_campaign(folder: Path) -> Campaign | None:
    """Read it; None before it was frozen. BadFile when it holds something else."""
    path = folder / CAMPAIGN_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        templates = tuple(TemplateChoice(**one) for one in content.pop("templates"))
        return Campaign(**{**content, "templates": templates, "products": tuple(content["products"])})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, BadKey) as error:
        raise BadFile(path, f"not a campaign: {error}") from error


def note_batch(folder: Path, *row: object) -> None:
    """Add a row to the campaign's list of batches (`_BATCH_COLUMNS`)."""
    path = folder / "batches.csv"
    with machine_faults(path), path.open("a", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        if stream.tell() == 0:
            rows.writerow(_BATCH_COLUMNS)
        rows.writerow(row)


def read_batches(folder: Path) -> list[dict[str, str]]:
    """The rows of the list, empty before there is one."""
    path = folder / "batches.csv"
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def write_comparison(path: Path, units: Iterable[Unit], metrics: Sequence[Metric]) -> None:
    """Write old and new numbers as CSV, a row a unit as it comes; what was not measured is empty."""
    names = [metric.name for metric in metrics]
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(["unit", *(f"{name}_{side}" for name in names for side in ("old", "new"))])
        for one in units:
            rows.writerow([one.name, *(side.get(name, "") for name in names for side in (one.old, one.new))])


def link_as_it_is(archive: Path, area: Path, path: str) -> bool:
    """Give a file of the archive the same name in a campaign's, as a second name of it; whether there is such a file.

    Writers replace files and never change them, so that neither side sees what the other does later.
    """
    source, name = archive / path, area / path
    if not source.exists():
        return False
    with machine_faults(name):
        name.parent.mkdir(parents=True, exist_ok=True)
        try:
            name.hardlink_to(source)  # not flushed to disk, as products are: what is lost is linked again
        except FileExistsError:
            if not name.samefile(source):
                link_over(source, name)
    return True


@dataclasses.dataclass(frozen=True)
class Swap:
    """Puts a campaign's files in the place of the archive's, unit by unit, and can be ended by a kill at any time.

    A file is replaced in one step of the file system. Of a unit's files the record comes last; what is under way is in
    a journal, which the next swap finishes first. The files replaced keep second names below `kept`.
    """

    area: Path
    archive: Path
    folder: Path

    @property
    def kept(self) -> Path:
        """Root of the replaced files, under their archive names."""
        return self.folder / _KEPT

    @property
    def journal(self) -> Path:
        """Names the files of the unit that is being swapped; absent when none is."""
        return self.folder / "swapping.json"

    def finish(self) -> bool:
        """Finish the unit that an earlier swap was killed in; whether there was one."""
        try:
            paths = json.loads(self.journal.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return False
        self._replace(paths)
        return True

    def __call__(self, paths: Sequence[str]) -> None:
        """Swap a unit's files (archive paths, the record last); those already swapped stay as they are."""
        with _not_interrupted():
            write_text(self.journal, json.dumps(list(paths)) + "\n")
            self._replace(paths)

    def done(self, record: str) -> bool:
        """Whether the unit of this record was swapped."""
        new, old = self.area / record, self.archive / record
        return new.exists() and old.exists() and new.samefile(old)

    def discard_kept(self) -> None:
        """Remove the files that were replaced."""
        shutil.rmtree(self.kept, ignore_errors=True)

    def _replace(self, paths: Sequence[str]) -> None:
        for path in paths:  # all old ones are kept before the first is replaced
            old, kept = self.archive / path, self.kept / path
            if old.exists() and not kept.exists() and not old.samefile(self.area / path):
                link_over(old, kept)
        for path in paths:
            link_over(self.area / path, self.archive / path)
            _forget(self.archive, path)
        self.journal.unlink()


def _forget(archive: Path, path: str) -> None:
    """Take away what Snakemake noted of a file: it was made of inputs with other names, and would be made again."""
    word = base64.urlsafe_b64encode(path.encode()).decode()
    folder = archive / ".snakemake" / "metadata"
    limit = 254  # Snakemake cuts the words of long paths into folders of so many characters
    parts = [word[at : at + limit] for at in range(0, len(word), limit)]
    folder.joinpath(*(f"@{part}" for part in parts[:-1]), parts[-1]).unlink(missing_ok=True)


@contextlib.contextmanager
def _not_interrupted() -> Iterator[None]:
    """Let a request to end wait until the body is done."""
    waiting = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, waiting)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def size_of(folder: Path, paths: Sequence[str]) -> int:
    """Bytes of those of the files that are there."""
    total = 0
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            total += (folder / path).stat().st_size
    return total
