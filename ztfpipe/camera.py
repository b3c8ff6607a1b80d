"""The instrument as data: a camera is one file of `camera/`, validated here; the code holds no instrument literal."""

from __future__ import annotations

import csv
import functools
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ztfpipe.errors import BadKey, BadSettings

CAMERA_FOLDER = Path(os.environ.get("ZTFPIPE_CAMERAS", Path(__file__).resolve().parents[1] / "camera"))


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Observatory(_Frozen):
    """Where the telescope stands: MPC code, geodetic degrees (east positive), metres."""

    code: str
    longitude_deg: float
    latitude_deg: float
    height_m: float


class Amplifier(_Frozen):
    """One readout channel: where its quadrant looks, and what its electronics do. Saturation is raw DN above bias."""

    ccdid: int
    qid: int
    east_deg: float
    north_deg: float
    gain_e_per_adu: Annotated[float, Field(gt=0)]
    read_noise_e: Annotated[float, Field(gt=0)]
    dark_current_e_per_s: Annotated[float, Field(ge=0)]
    saturation_adu: Annotated[float, Field(gt=0, lt=65536)]
    name: str = ""
    source: str

    @property
    def amp_id(self) -> int:
        """Amplifier number as in the headers: quadrant number less one."""
        return self.qid - 1

    @property
    def rcid(self) -> int:
        """Readout-channel number, 0 to 63."""
        return 4 * (self.ccdid - 1) + self.qid - 1


class RawLayout(_Frozen):
    """How a raw CCD file is laid out, and in which direction each quadrant is read."""

    image_hdu: dict[int, int]
    overscan_hdu: dict[int, int]
    overscan_columns: Annotated[int, Field(ge=1)]
    overscan_use: tuple[int, int]
    reversed_x_qids: tuple[int, ...]
    reversed_y_qids: tuple[int, ...]
    crosstalk: tuple[tuple[float, ...], ...]

    def overscan_columns_used(self, qid: int) -> slice:
        """Stored columns of the overscan image that carry no trailed signal (`overscan_use` counts in read order)."""
        first, last = self.overscan_use
        if qid in self.reversed_x_qids:
            return slice(self.overscan_columns - last, self.overscan_columns - first)
        return slice(first, last)


class Filter(_Frozen):
    """A filter: its code in file names, number, header name, colour of its colour term, and target zero point."""

    fid: int
    letter: str
    header: str
    wavelength_nm: float
    colour: tuple[str, str]
    colour_text: str
    reference_zero_point_mag: float
    extinction_mag_per_airmass: float
    zero_point_max_mag: float
    zero_point_rms_max_mag: float
    calibrators_min: int


class MaskBit(_Frozen):
    """A bit of the mask image; `source` marks objects, not defects."""

    bit: Annotated[int, Field(ge=0, le=15)]
    name: str
    text: str
    source: bool = False


class Ghost(_Frozen):
    """A reflection of bright stars: a disc on the line through the star and the centre of its CCD, at `magnification`
    times the star's distance from it (negative: on the other side)."""

    magnification: float
    radius_arcsec: Annotated[float, Field(gt=0)]
    faintest_v_mag: float


class InfoBit(_Frozen):
    """A bit of INFOBITS: the quality metric and comparison that set it, thresholds by first night; fatal: STATUS 0."""

    bit: Annotated[int, Field(ge=0, le=31)]
    metric: str
    comparison: Annotated[Literal["above", "below", "outside", "true"], Field(alias="is")]
    thresholds: dict[str, float | tuple[float, float] | None]
    text: str
    fatal: bool = False

    def threshold(self, night: str) -> float | tuple[float, float] | None:
        """Threshold in force on `night` (YYYYMMDD), None for a bit without one."""
        begun = [start for start in self.thresholds if start <= night]
        return self.thresholds[max(begun)] if begun else None

    def in_force(self, night: str) -> bool:
        """Whether headers of `night` carry this bit."""
        return not self.thresholds or any(start <= night for start in self.thresholds)

    def sentence(self, night: str) -> str:
        """Header text with the threshold of `night` filled in."""
        threshold = self.threshold(night)
        values = threshold if isinstance(threshold, tuple) else (threshold,)
        return self.text.format(*values) if threshold is not None else self.text


class NonlinearityTable(_Frozen):
    """Coefficients by (ccdid, amp_id), from `valid_from` on: DN_true = x / (A x^2 + B x + 1)."""

    valid_from: str
    coefficients: dict[tuple[int, int], tuple[float, float]]


class BadPixelBox(_Frozen):
    """A box of pixels known to be bad: zero-based, both ends inclusive."""

    ccdid: int
    qid: int
    x0: int
    x1: int
    y0: int
    y1: int
    kind: str


class FieldCentre(_Frozen):
    """Centre of a survey field, degrees J2000."""

    field: int
    ra_deg: float
    dec_deg: float


class Camera(_Frozen):
    """A validated camera file with its tables. `digest` changes when any of them does."""

    name: str
    digest: str
    observatory: Observatory
    header: dict[str, str]
    quadrant_shape: tuple[int, int]
    pixel_scale_arcsec: float
    x_axis: Literal["west"]
    y_axis: Literal["south"]
    ccds: tuple[int, ...]
    qids: tuple[int, ...]
    raw: RawLayout
    amplifiers: dict[tuple[int, int], Amplifier]
    nonlinearity: tuple[NonlinearityTable, ...]
    fields: dict[int, FieldCentre]
    zero_point_thresholds: dict[int, dict[str, float]]
    filters: dict[str, Filter]
    mask_bits: tuple[MaskBit, ...]
    infobits: tuple[InfoBit, ...]
    ghosts: tuple[Ghost, ...]
    static_bad_pixels: tuple[BadPixelBox, ...]

    @staticmethod
    @functools.cache
    def load(name_or_path: str) -> Camera:
        """Read a camera by name (`ztf`, `mini`, `quadrant`) or by the path of its file.

        Raises BadSettings when the file or one of its tables is missing or does not validate.
        """
        path = Path(name_or_path)
        if path.suffix != ".yaml":
            path = CAMERA_FOLDER / f"{name_or_path}.yaml"
        return _load(path)

    @property
    def overscan_shape(self) -> tuple[int, int]:
        """Rows and columns of a quadrant's overscan image."""
        return self.quadrant_shape[0], self.raw.overscan_columns

    @property
    def reference_pixel(self) -> tuple[float, float]:
        """Zero-based (x, y) of the quadrant's centre, where its sky offset applies."""
        ny, nx = self.quadrant_shape
        return (nx - 1) / 2, (ny - 1) / 2

    def quadrants(self) -> Iterator[tuple[int, int]]:
        """All (ccdid, qid) of the camera, in order of readout channel."""
        return ((ccdid, qid) for ccdid in self.ccds for qid in self.qids)

    def amplifier(self, ccdid: int, qid: int) -> Amplifier:
        """The readout channel of a quadrant; BadKey when the camera has no such quadrant."""
        if ccdid not in self.ccds or qid not in self.qids:
            raise BadKey("quadrant", (ccdid, qid), f"a quadrant of camera {self.name}")
        return self.amplifiers[ccdid, qid]

    def ccd_centre_deg(self, ccdid: int) -> tuple[float, float]:
        """Mean place (east, north) of the quadrants of a CCD."""
        amplifiers = [self.amplifier(ccdid, qid) for qid in self.qids]
        n = len(amplifiers)
        return sum(one.east_deg for one in amplifiers) / n, sum(one.north_deg for one in amplifiers) / n

    def filter(self, code: str) -> Filter:
        """The filter with this code (`zg`); BadKey when unknown."""
        if code not in self.filters:
            raise BadKey("filter", code, f"one of {', '.join(self.filters)}")
        return self.filters[code]

    def filter_code(self, fid: int) -> str:
        """The code of filter number `fid`."""
        for code, entry in self.filters.items():
            if entry.fid == fid:
                return code
        raise BadKey("filter number", fid, f"one of {[entry.fid for entry in self.filters.values()]}")

    def field(self, field: int) -> FieldCentre:
        """The centre of a field; BadKey when the grid has none of this number."""
        if field not in self.fields:
            raise BadKey("field", field, f"in the field grid of camera {self.name}")
        return self.fields[field]

    def nonlinearity_coefficients(self, ccdid: int, qid: int, night: str) -> tuple[float, float]:
        """A [1/DN^2] and B [1/DN] of DN_true = x / (A x^2 + B x + 1) in force on `night`."""
        tables = [table for table in self.nonlinearity if table.valid_from <= night]
        if not tables:
            raise BadKey("night", night, f"covered by a non-linearity table of camera {self.name}")
        newest = max(tables, key=lambda table: table.valid_from)
        return newest.coefficients[ccdid, self.amplifier(ccdid, qid).amp_id]

    def mask_value(self, *names: str) -> int:
        """The mask value with the named bits set."""
        bits = {entry.name: entry.bit for entry in self.mask_bits}
        unknown = [name for name in names if name not in bits]
        if unknown:
            raise BadKey("mask bit", unknown[0], f"one of {', '.join(bits)}")
        return sum(1 << bits[name] for name in set(names))

    @property
    def defect_mask(self) -> int:
        """Value of the bits that must be zero in an uncontaminated pixel (6141 for ZTF)."""
        return sum(1 << entry.bit for entry in self.mask_bits if not entry.source)


def _load(path: Path) -> Camera:
    digest = hashlib.sha256()
    try:
        raw = _resolved(path, digest)
        tables = {
            "amplifiers": {(row["ccdid"], row["qid"]): row for row in _table(raw.pop("amplifiers"), digest)},
            "fields": {row["field"]: row for row in _table(raw.pop("fields"), digest)},
            "zero_point_thresholds": {row.pop("rcid"): row for row in _table(raw.pop("zero_point_thresholds"), digest)},
            "static_bad_pixels": _table(raw["raw"].pop("static_bad_pixels"), digest),
            "nonlinearity": [
                {
                    "valid_from": entry["valid_from"],
                    "coefficients": {
                        (row["ccdid"], row["amp_id"]): (row["a_per_adu2"], row["b_per_adu"])
                        for row in _table(entry["table"], digest)
                    },
                }
                for entry in raw.pop("nonlinearity")
            ],
        }
        return Camera.model_validate({**raw, **tables, "digest": digest.hexdigest()[:16]})
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, ValidationError) as error:
        raise BadSettings(path, f"not a camera: {error}") from error


def _resolved(path: Path, digest: Any) -> dict[str, Any]:
    """The mapping of a camera file, laid over the file it extends."""
    content = path.read_bytes()
    own = yaml.safe_load(content)
    _anchor_tables(own, path.parent)
    if "extends" in own:
        base = _resolved(path.parent / f"{own.pop('extends')}.yaml", digest)
        for key, value in own.items():
            if isinstance(value, dict) and value.pop("extends", False):
                value = {**base[key], **value}
            base[key] = value
        own = base
    digest.update(content)
    return own


def _anchor_tables(mapping: dict[str, Any], folder: Path) -> None:
    """A table stands beside the file that names it, also when a camera of another folder extends that file."""
    for name in ("amplifiers", "fields", "zero_point_thresholds"):
        if name in mapping:
            mapping[name] = folder / mapping[name]
    for entry in mapping.get("nonlinearity", ()):
        entry["table"] = folder / entry["table"]
    if "static_bad_pixels" in mapping.get("raw", {}):
        mapping["raw"]["static_bad_pixels"] = folder / mapping["raw"]["static_bad_pixels"]


def _table(path: Path, digest: Any) -> list[dict[str, Any]]:
    """Rows of a small CSV table with `#` comments; numbers become int or float."""
    content = path.read_bytes()
    digest.update(content)
    lines = (line for line in content.decode().splitlines() if line and not line.startswith("#"))
    return [{key: _number(value) for key, value in row.items()} for row in csv.DictReader(lines)]


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
