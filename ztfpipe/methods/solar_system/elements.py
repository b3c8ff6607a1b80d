"""Orbital elements of heliocentric states, with their uncertainties, and whether an orbit can be believed."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ztfpipe.methods.solar_system.ephemeris import to_ecliptic
from ztfpipe.methods.solar_system.kepler_nb import GM_SUN

Floats = NDArray[np.float64]
DERIVATIVE_STEP = 1e-6
"""Of a state's components, relative to the distance and the speed."""


@dataclass(frozen=True)
class Elements:
    """Osculating elements (n,), ecliptic and equinox of J2000.

    inverse_axis_per_au: 1 / semi-major axis, negative for hyperbolas; mean_anomaly_deg: NaN for those.
    """

    inverse_axis_per_au: Floats
    eccentricity: Floats
    perihelion_au: Floats
    inclination_deg: Floats
    node_deg: Floats
    argument_deg: Floats
    mean_anomaly_deg: Floats


def elements_of(position_au: Floats, velocity_au_d: Floats) -> Elements:
    """Elements of states (n, 3) [au], [au/d] on the axes of the ICRS; NaN for states that are not finite."""
    r, v = to_ecliptic(position_au), to_ecliptic(velocity_au_d)
    distance = np.sqrt((r**2).sum(axis=1))
    momentum = np.cross(r, v)
    h = np.sqrt((momentum**2).sum(axis=1))
    inverse_axis = 2 / distance - (v**2).sum(axis=1) / GM_SUN
    towards = np.cross(v, momentum) / GM_SUN - r / distance[:, None]
    e = np.sqrt((towards**2).sum(axis=1))
    pole = momentum / h[:, None]
    node = np.stack([-pole[:, 1], pole[:, 0], np.zeros(len(r))], axis=1)
    with np.errstate(invalid="ignore"):
        true = _turned(towards, r, pole)
        eccentric = 2 * np.arctan2(np.sqrt(1 - e) * np.sin(true / 2), np.sqrt(1 + e) * np.cos(true / 2))
        mean = np.degrees(eccentric - e * np.sin(eccentric)) % 360
    return Elements(
        inverse_axis_per_au=inverse_axis,
        eccentricity=e,
        perihelion_au=h**2 / GM_SUN / (1 + e),
        inclination_deg=np.degrees(np.arccos(np.clip(pole[:, 2], -1, 1))),
        node_deg=np.degrees(np.arctan2(node[:, 1], node[:, 0])) % 360,
        argument_deg=np.degrees(_turned(node, towards, pole)) % 360,
        mean_anomaly_deg=mean,
    )


def _turned(start: Floats, end: Floats, pole: Floats) -> Floats:
    """Angle [rad] from one direction to another about a pole, each (n, 3)."""
    return np.arctan2((np.cross(start, end) * pole).sum(axis=1), (start * end).sum(axis=1))


def element_sigmas(position_au: Floats, velocity_au_d: Floats, covariance: Floats) -> Elements:
    """1-sigma uncertainties of the elements from the covariance (n, 6, 6) of the states, to first order."""
    names = [one.name for one in fields(Elements)]
    n = len(position_au)
    slopes = np.empty((n, len(names), 6))
    scales = [np.sqrt((part**2).sum(axis=1)) for part in (position_au, velocity_au_d)]
    for k in range(6):
        step = DERIVATIVE_STEP * scales[k // 3]
        shifted = []
        for sign in (-1, 1):
            state = np.concatenate([position_au, velocity_au_d], axis=1)
            state[:, k] += sign * step
            shifted.append(elements_of(state[:, :3], state[:, 3:]))
        for row, name in enumerate(names):
            change = getattr(shifted[1], name) - getattr(shifted[0], name)
            if name.endswith("_deg"):
                change = (change + 180) % 360 - 180
            slopes[:, row, k] = change / (2 * step)
    with np.errstate(invalid="ignore"):
        sigmas = np.sqrt(np.einsum("nij,njk,nik->ni", slopes, covariance, slopes))
    return Elements(*sigmas.T)


def doubts(
    elements: Elements,
    sigma_axis_per_au: Floats,
    rms_arcsec: Floats,
    prior: Floats,
    settled: NDArray[np.bool_],
    observer_distance_au: Floats,
    *,
    rms_max_arcsec: float,
    prior_max: float,
    distance_min_au: float,
) -> list[str]:
    """Why each orbit is not to be believed: the first reason, or empty where there is none.

    An orbit that fits is not yet a sane one: arcs of three days fit almost anything.
    """
    result = []
    for i in range(len(rms_arcsec)):
        q, e = elements.perihelion_au[i], elements.eccentricity[i]
        reasons = (
            (not (settled[i] and np.isfinite(e)), "the fit did not settle"),
            (not rms_arcsec[i] <= rms_max_arcsec, f"residuals of {rms_arcsec[i]:.2f} arcsec"),
            (not prior[i] <= prior_max, "far from any known kind of orbit"),
            (e >= 1 and (e - 1) > 0.02, f"hyperbolic, e = {e:.2f}"),
            (not observer_distance_au[i] >= distance_min_au, f"{observer_distance_au[i]:.4f} au away: a satellite?"),
            (q < 0.05, f"perihelion at {q:.3f} au"),
            (not np.isfinite(sigma_axis_per_au[i]), "no covariance"),
        )
        result.append(next((text for bad, text in reasons if bad), ""))
    return result
