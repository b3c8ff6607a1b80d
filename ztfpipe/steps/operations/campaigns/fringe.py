"""A fringe campaign: science images and differences of a filter made again, in a workspace of the campaign's own.

The main archive gives what they are made of: second names of raw files, masters, catalogs, templates and references,
for a batch at a time. The products have the names they have in the main archive.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ztfpipe.config import Config
from ztfpipe.model.campaign import Batch, Campaign
from ztfpipe.model.keys import BIAS_FILTER_CAL, CalibrationKey, ExposureKey, NightKey, QuadrantKey, ReferenceVersionKey
from ztfpipe.model.plan import NightPlan
from ztfpipe.model.templates import FRINGE, LOFREQFLAT
from ztfpipe.products.accounts.campaigns import campaign_folder, link_as_it_is
from ztfpipe.products.accounts.plan import plan_to_json, read_plan
from ztfpipe.products.formats.atomic import write_text
from ztfpipe.products.names import PRODUCTS, path_of
from ztfpipe.steps.reference.backfilling import nights_within

TARGETS = ("sciimgs", "diffimgs")
IMAGE_FILES = (
    "sciimg", "mskimg", "psfcat", "sexcat", "sciimgdao", "sciimgdaopsfcent", "scipreview", "sciimlog", "log", "sciqa",
)  # fmt: skip
DIFFERENCE_FILES = (
    "scimrefdiffimg", "diffimgpsf", "candidates", "rawdetections", "streaks", "diffpreview", "diffimlog", "diffqa",
)  # fmt: skip
_CATALOGS = ("gaiacalibrators", "ps1calibrators", "brightstars")
_CONTEXTS = ("gaiacontext", "ps1context")
_REFERENCE_FILES = ("vrefimg", "vrefmsk", "vrefunc", "vrefpsfcat")
_COMPANIONS = {
    kind: [name for name, entry in PRODUCTS.items() if entry.key_type is CalibrationKey and name.startswith(kind)]
    for kind in ("bias", "hifreqflat", LOFREQFLAT, FRINGE)
}


@dataclass(frozen=True)
class FringeWork:
    """The units of a fringe campaign. workspace: the site's; products come below `area`."""

    campaign: Campaign
    config: Config
    workspace: Path

    @property
    def archive(self) -> Path:
        """The main archive."""
        return self.workspace / "archive"

    @property
    def runs_in(self) -> Path:
        """The workspace that Snakemake works in."""
        return campaign_folder(self.workspace, self.campaign.name)

    @property
    def area(self) -> Path:
        """The campaign's own archive."""
        return self.runs_in / "archive"

    @cached_property
    def nights(self) -> list[str]:
        """Nights of the campaign that have a plan."""
        return nights_within(self.archive, self.campaign.first, self.campaign.last)

    def plan(self, night: str) -> NightPlan:
        """The night's plan with the campaign's templates in place of those it has."""
        plan = read_plan(self.archive / path_of("plan", NightKey(night)))
        code = self.campaign.filter
        others = [one for one in plan.templates if (one.kind, one.filter) != (FRINGE, code)]
        return replace(plan, templates=tuple(sorted([*others, *self.campaign.templates])))

    def asked(self, plan: NightPlan) -> list[QuadrantKey]:
        """Quadrants of a night within the filter and what the campaign is narrowed to."""
        return [key for key in plan.science if within(key, self.campaign)]

    def units(self, plan: NightPlan) -> Iterator[QuadrantKey]:
        """Those that have a template and all that they are made of."""
        places = {(one.ccdid, one.qid) for one in self.campaign.templates}
        there: dict[str, bool] = {}
        materials = Materials(plan)
        for key in self.asked(plan):
            needed = materials.needed(key) if (key.ccdid, key.qid) in places else ["no template"]
            for path in needed:
                if path not in there:
                    there[path] = (self.archive / path).exists()
            if all(there[path] for path in needed):
                yield key

    def files(self, plan: NightPlan, key: QuadrantKey) -> tuple[str, ...]:
        """Archive paths of the unit's files, a record last of each kind; the image's record is the last of all."""
        return tuple(path_of(product, key) for product in self.products(plan, key))

    def products(self, plan: NightPlan, key: QuadrantKey) -> tuple[str, ...]:
        """Names of the unit's products, in that order."""
        if key.reference not in plan.pinned:
            return IMAGE_FILES
        return (*DIFFERENCE_FILES, *(["scorrimg"] if self.config.difference.scorr_image else []), *IMAGE_FILES)

    def records(self, plan: NightPlan, key: QuadrantKey) -> tuple[str, ...]:
        """Records by which the unit is seen to be done: the difference's, where there is one, and the image's."""
        return tuple(path_of(product, key) for product in self.products(plan, key) if product.endswith("qa"))

    def batches(self, size: int) -> Iterator[Batch]:
        """Whole exposures of a night, of up to `size` quadrants (one exposure at least) that are not done, in order.

        Each is prepared when it is asked for: its plan is written and its materials get their names in the area.
        """
        for night in self.nights:
            plan = self.plan(night)
            exposures: dict[ExposureKey, Units] = {}
            for key in self.units(plan):
                records = self.records(plan, key)
                if not self.made(records):
                    exposures.setdefault(key.exposure, {})[key] = records
            for units in gathered(exposures, size):
                self._prepare(plan, list(units))
                yield batch_of(night, TARGETS, units)

    def made(self, records: tuple[str, ...]) -> bool:
        """Whether the campaign has made a unit."""
        return all((self.area / path).exists() for path in records)

    def _prepare(self, plan: NightPlan, keys: list[QuadrantKey]) -> None:
        """Write the plan of these quadrants, and nothing else, and link what they are made of."""
        path = self.area / path_of("plan", NightKey(plan.night))
        text = plan_to_json(replace(plan, science=tuple(keys)))
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)
        materials = Materials(plan)
        wanted = {one for key in keys for one in (*materials.needed(key), *materials.useful(key))}
        for one in sorted(wanted):
            link_as_it_is(self.archive, self.area, one)


class Materials:
    """What the quadrants of a night are made of, by its plan: archive paths."""

    def __init__(self, plan: NightPlan) -> None:
        self.night = plan.night
        self.masters = {(one.kind, one.filter, one.ccdid, one.qid): one.key for one in plan.masters}
        self.templates = {(one.kind, one.filter, one.ccdid, one.qid): one.key for one in plan.templates}
        self.references = {one.reference: one for one in plan.references}

    def needed(self, key: QuadrantKey) -> list[str]:
        """Without one of these Snakemake has nothing to make the quadrant of."""
        paths = [path_of("raw", key.raw)]
        paths += [path_of(kind, one) for kind, one in self._calibrations(key).items()]
        paths += [path_of(name, key.place) for name in _CATALOGS]
        version: ReferenceVersionKey | None = self.references.get(key.reference) if key.reference else None
        if version is not None:
            paths += [path_of(name, version) for name in _REFERENCE_FILES]
            paths += [path_of(name, key.place) for name in _CONTEXTS]
        return paths

    def useful(self, key: QuadrantKey) -> list[str]:
        """What is read when it is there: companions of the calibrations, and the known bodies."""
        calibrations = self._calibrations(key)
        companions = [path_of(name, one) for kind, one in calibrations.items() for name in _COMPANIONS[kind]]
        return [path_of("known", NightKey(self.night)), *companions]

    def _calibrations(self, key: QuadrantKey) -> dict[str, CalibrationKey]:
        """Masters and templates of the quadrant, by kind; those there are."""
        place, code = (key.ccdid, key.qid), key.exposure.filter
        found = {
            "bias": self.masters.get(("bias", BIAS_FILTER_CAL, *place)),
            "hifreqflat": self.masters.get(("hifreqflat", code, *place)),
            **{kind: self.templates.get((kind, code, *place)) for kind in (LOFREQFLAT, FRINGE)},
        }
        return {kind: one for kind, one in found.items() if one is not None}


def within(key: QuadrantKey, campaign: Campaign) -> bool:
    """Whether a quadrant is of the campaign's filter and of what it is narrowed to."""
    exposure = key.exposure
    values = {"field": exposure.field, "ccd": key.ccdid, "quadrant": key.qid}
    return exposure.filter == campaign.filter and all(values[name] == one for name, one in campaign.narrowed.items())


def unit_name(key: QuadrantKey) -> str:
    """A quadrant by the words of its archive name."""
    return Path(path_of("sciimg", key)).name.removesuffix("_" + PRODUCTS["sciimg"].pattern.rsplit("_", 1)[1])


Units = dict[QuadrantKey, tuple[str, ...]]


def gathered(exposures: Mapping[ExposureKey, Units], size: int) -> Iterator[Units]:
    """Whole exposures, in order of time, put together to up to `size` quadrants; one exposure at least."""
    waiting = [exposures[one] for one in sorted(exposures)]
    while waiting:
        units = dict(waiting.pop(0))
        while waiting and len(units) + len(waiting[0]) <= size:
            units |= waiting.pop(0)
        yield units


def batch_of(night: str, targets: tuple[str, ...], units: Units, **narrowed: str) -> Batch:
    """The call of Snakemake for these quadrants of a night."""
    exposures = sorted({key.exposure.filefracday for key in units})
    title = f"night {night}, {len(exposures)} exposures, {len(units)} quadrants"
    asked = {"night": night, "exposure": ",".join(exposures), **narrowed}
    return Batch(title, targets, asked, {unit_name(key): records for key, records in units.items()})
