"""Step of `reference`: one version of a reference from its frozen inputs. Paths are relative to the archive."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import ValidationError

from ztfpipe.config import Reference
from ztfpipe.errors import BadFile
from ztfpipe.methods.stars import daophot
from ztfpipe.model.coadd import ReferenceImage, ReferenceInput
from ztfpipe.model.images import Cards
from ztfpipe.model.keys import QuadrantKey, ReferenceVersionKey
from ztfpipe.model.reference import FrozenInputs
from ztfpipe.model.science import Calibrators
from ztfpipe.pipelines.reference.recipe import make_reference
from ztfpipe.products.accounts.records import write_record
from ztfpipe.products.accounts.references import read_frozen_inputs
from ztfpipe.products.accounts.settings import read_settings
from ztfpipe.products.catalogs import calibrators as catalog_files
from ztfpipe.products.catalogs.catalogs import write_psfcat, write_sexcat
from ztfpipe.products.formats.atomic import write_text
from ztfpipe.products.images.daophot import write_daophot_psf, write_psf_stamp
from ztfpipe.products.images.reference import read_reference_input, reference_header, write_reference_images
from ztfpipe.products.names import key_of, path_of
from ztfpipe.steps.recording import Numbers, Stopwatch, qa_record, spelt


def coadd(output: str, settings: Path, inputs: Path) -> None:
    """Make all products of one version of a reference; `output` is the path of its image.

    inputs: its frozen list. Science images and calibrators are found by it.
    An input that cannot be read, or does not agree with the calibrators, is left out and named in header, log and
    record. Every product is written, whatever the inputs allow: STATUS 0, no pixels and zero rows where they do not.
    """
    watch = Stopwatch()
    key: ReferenceVersionKey = key_of(output, "vrefimg")
    _, camera = read_settings(settings, Reference)
    frozen = read_frozen_inputs(inputs)
    if frozen.key != key:
        raise BadFile(inputs, f"inputs of {path_of('vrefimg', frozen.key)}, not of {output}")
    values = _frozen_settings(inputs, frozen)
    with watch.part("read"):
        had: list[ReferenceInput] = []
        missing: dict[QuadrantKey, str] = {}
        for epoch in frozen.selection.chosen:
            try:
                _must_be_of(key, epoch.key)
                had.append(read_reference_input(epoch.key, camera))
            except BadFile as error:
                missing[epoch.key] = error.reason
        calibrators = _calibrators(key)
    with watch.part("recipe"):
        made = make_reference(had, missing, calibrators, camera, key.reference, values)
    with watch.part("write"):
        _write(key, made, frozen, reference_header(made, key, frozen.night, camera))
    _record(key, output, made, values, watch)


def _frozen_settings(path: Path, frozen: FrozenInputs) -> Reference:
    """The settings that were frozen with the inputs: a version is made with no others, whatever is in force now."""
    try:
        return Reference.model_validate(frozen.settings)
    except ValidationError as error:
        raise BadFile(path, f"its settings are not those of this version of ztfpipe: {error}") from error


def _calibrators(key: ReferenceVersionKey) -> Calibrators:
    """Calibrators of the field's quadrant; None where there is no file."""
    gaia, ps1 = (Path(path_of(product, key.reference.place)) for product in ("gaiacalibrators", "ps1calibrators"))
    return Calibrators(
        catalog_files.read_astrometric_calibrators(gaia) if gaia.exists() else None,
        catalog_files.read_photometric_calibrators(ps1) if ps1.exists() else None,
        None,
    )


def _must_be_of(key: ReferenceVersionKey, epoch: QuadrantKey) -> None:
    """BadFile when an epoch is of another field, filter or quadrant than the reference."""
    if epoch.reference != key.reference:
        raise BadFile(path_of("sciimg", epoch), "it is of another field, filter or quadrant than the reference")


def _write(key: ReferenceVersionKey, made: ReferenceImage, frozen: FrozenInputs, header: Cards) -> None:
    """Everything but the record; the image last, so that with it all is there."""
    form = daophot.from_model(made.psf) if made.psf is not None else daophot.absent(made.image_adu.shape)
    write_daophot_psf(path_of("vrefimgdao", key), form)
    write_psf_stamp(path_of("vrefimgdaopsfcent", key), daophot.stamp(form, *form.centre_px), header)
    write_psfcat(path_of("vrefpsfcat", key), made.psf_catalog, header)
    write_sexcat(path_of("vrefsexcat", key), made.aperture_catalog, header)
    write_text(path_of("vrefimlog", key), _coadd_log(key, made, frozen))
    write_text(path_of("vreflog", key), _catalog_log(key, made))
    write_reference_images(key, made, header)


def _coadd_log(key: ReferenceVersionKey, made: ReferenceImage, frozen: FrozenInputs) -> str:
    """What went into the co-add, for people."""
    reference = key.reference
    lines = [
        f"reference of field {reference.field} {reference.filter} CCD {reference.ccdid} quadrant {reference.qid},"
        f" version {key.version}",
        f"STATUS = {made.status}",
        f"inputs frozen at the end of night {frozen.night}: {frozen.why}",
        *made.notes,
        *(f"input {path_of('sciimg', one)}" for one in made.used),
        *_numbers(made.metrics, ("trimmed", "coverage", "covered", "noise", "nframes", "nreject")),
    ]
    return "\n".join(lines) + "\n"


def _catalog_log(key: ReferenceVersionKey, made: ReferenceImage) -> str:
    """What was measured on the co-add, for people."""
    return "\n".join([f"catalogs of {path_of('vrefimg', key)}", *_numbers(made.metrics, ("",))]) + "\n"


def _numbers(metrics: Numbers, beginnings: tuple[str, ...]) -> list[str]:
    return spelt({name: value for name, value in metrics.items() if name.startswith(beginnings)})


def _record(key: ReferenceVersionKey, output: str, made: ReferenceImage, values: Reference, watch: Stopwatch) -> None:
    metrics = {
        **made.metrics,
        "seeing_px": made.seeing_px,
        "version": key.version,
        "covered_pixels": int(np.count_nonzero(made.coverage > 0)),
    }
    inputs = {path_of("sciimg", one): "used" for one in made.used}
    inputs |= {path_of("sciimg", one): f"left out: {reason}" for one, reason in made.rejected.items()}
    record = qa_record("reference coadd", output, made.status, "; ".join(made.notes), metrics, values, watch, inputs)
    write_record(path_of("vrefqa", key), record)
