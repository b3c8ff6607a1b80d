"""Steps of `difference` that plant sources of known flux: one quadrant, and the night. Paths are below the archive."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ztfpipe.config import Difference, Planted
from ztfpipe.errors import BadFile, BadName
from ztfpipe.methods.difference.planting import Sources
from ztfpipe.model.keys import NightKey, QuadrantKey
from ztfpipe.model.records import QaRecord
from ztfpipe.pipelines.difference.planted import efficiencies, plant_and_recover
from ztfpipe.products.accounts.efficiency import efficiency_png, write_efficiencies
from ztfpipe.products.accounts.records import read_record, write_record
from ztfpipe.products.accounts.settings import read_settings
from ztfpipe.products.catalogs.events import read_candidates, read_planted, write_planted
from ztfpipe.products.formats.atomic import write_bytes
from ztfpipe.products.images.difference import read_reference_side, read_science_side
from ztfpipe.products.names import key_of, parse, path_of
from ztfpipe.steps.recording import Stopwatch, pixel_checksum, qa_record


def planted(
    output: str,
    settings: Path,
    planting: Path,
    image: Path,
    mask: Path,
    psfcat: Path,
    refimg: Path,
    refmsk: Path,
    refunc: Path,
    refpsfcat: Path,
    candidates: Path,
    diffqa: Path,
) -> None:
    """Write the table of what was planted into a quadrant and found, and the record.

    candidates, diffqa: of the difference as it is, which are only read. The same quadrant and settings plant the same
    sources. Zero rows and STATUS 0 where nothing can be planted. Raises BadFile as the step `image` does.
    """
    watch = Stopwatch()
    key: QuadrantKey = key_of(output, "planted")
    section, camera = read_settings(settings, Difference)
    what, _ = read_settings(planting, Planted)
    with watch.part("read"):
        science, _ = read_science_side(image, mask, psfcat, key, camera)
        reference, _ = read_reference_side(refimg, refmsk, refunc, refpsfcat, key, camera)
        there = read_candidates(candidates)
        limit = read_record(QaRecord, diffqa).metrics.get("diffmaglim")
        inputs = {
            str(image): pixel_checksum(science.image_adu, science.mask),
            str(refimg): pixel_checksum(reference.image_adu, reference.mask),
        }
    with watch.part("recipe"):
        recovered = plant_and_recover(
            science, reference, camera, section, what,
            known=Sources(there.xpos.to_numpy() - 1, there.ypos.to_numpy() - 1),
            limit_mag=np.nan if limit is None else float(limit),
            rng=np.random.default_rng(science.identifier),
        )  # fmt: skip
    write_planted(output, recovered)
    reason = "; ".join(recovered.notes)
    record = qa_record("planted quadrant", output, recovered.status, reason, recovered.metrics, what, watch, inputs)
    write_record(path_of("plantedqa", key), record)


def efficiency(output: str, settings: Path, tables: Sequence[Path]) -> None:
    """Write a night's efficiency against magnitude, by filter, off and on hosts, and its picture."""
    night: NightKey = key_of(output, "efficiency")
    read_settings(settings, Planted)
    read = []
    for path in tables:
        try:
            _, key = parse(path)
        except BadName as error:
            raise BadFile(path, error.reason) from error
        table = read_planted(path)
        read.append((key.exposure.filter, {name: table[name].to_numpy() for name in table}))
    curves = efficiencies(read)
    write_bytes(path_of("efficiencyplot", night), efficiency_png(night.night, curves))
    write_efficiencies(output, night.night, curves)
