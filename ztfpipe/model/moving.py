"""Detections that may belong to moving objects, and the tracks they are linked into."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Detections:
    """Point-like detections (n,) of several nights, in any order.

    jd_mid: middle of the exposure, TDB. ra_deg, dec_deg: ICRS. sigma_arcsec: position error per axis. observer_au
    (n, 3): heliocentric place of the observer then, on the axes of the ICRS. exposure: number of the exposure; two
    detections of one exposure are never one body.
    """

    jd_mid: Floats
    ra_deg: Floats
    dec_deg: Floats
    sigma_arcsec: Floats
    observer_au: Floats
    exposure: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.jd_mid)

    def select(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> Detections:
        """The detections of a mask or of a list of indices."""
        return Detections(*(getattr(self, entry.name)[which] for entry in fields(self)))


@dataclass(frozen=True)
class Looks:
    """Images (n,) on which a moving object would have shown.

    jd_mid: middle of the exposure, TDB. observer_au (n, 3): as of Detections. exposure: its number there; the images of
    one exposure share it. corners (n, 4, 3): unit vectors to the corners, one after another round the image.
    limit_mag: where half of the bodies are detected, as V.
    """

    jd_mid: Floats
    observer_au: Floats
    exposure: NDArray[np.int64]
    corners: Floats
    limit_mag: Floats

    def __len__(self) -> int:
        return len(self.jd_mid)


@dataclass(frozen=True)
class Tracks:
    """Sets of detections that one body may have made.

    members: for each track the indices of its detections in order of time. chi2, freedom (n,): of the fit that linked
    them, and its degrees of freedom.
    """

    members: tuple[NDArray[np.int64], ...]
    chi2: Floats
    freedom: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.members)
