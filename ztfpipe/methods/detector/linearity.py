"""Detector non-linearity: DN_true = x / (A x^2 + B x + 1), where x is the measured signal above bias.

That is after overscan and bias subtraction and before the flat. `correction.py` does it with the rest in one pass; this
is the bare formula.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def linearise(signal_adu: NDArray[np.floating], a_per_adu2: float, b_per_adu: float) -> NDArray[np.floating]:
    """DN that a linear detector would have counted, of measured DN above bias; any shape, dtype kept.

    Source: the coefficient tables distributed for the camera (`nonlinearity` in its file); system paper 3.5.
    """
    return signal_adu / ((a_per_adu2 * signal_adu + b_per_adu) * signal_adu + 1)
