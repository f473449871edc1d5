"""The O(ε) bias of the Langevin process, measured at several step sizes and extrapolated to ε → 0."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.stats import chi2 as chi2_law

from core.jobs import Token
from core.noise import Noise
from core.samplers import driver, langevin

Tensor = torch.Tensor


def mean_square(x: Tensor) -> Tensor:
    """x² of each chain, averaged over its components, float64."""
    return x.double().square().flatten(1).mean(1)


class StepSizeScan(NamedTuple):
    """An expectation value at each step size. ``tau`` is in units of Parisi–Wu time."""

    epsilon: np.ndarray
    value: np.ndarray
    error: np.ndarray
    tau: np.ndarray


class Extrapolation(NamedTuple):
    """A polynomial in ε fitted by weighted least squares; ``coefficients[0]`` is the value at ε → 0."""

    value: float
    error: float
    chi2: float
    degrees_of_freedom: int
    coefficients: np.ndarray
    covariance: np.ndarray

    @property
    def p_value(self) -> float:
        """Probability of a larger χ²; nan where as many parameters as points are fitted."""
        return float(chi2_law.sf(self.chi2, self.degrees_of_freedom)) if self.degrees_of_freedom else float("nan")

    def band(self, epsilon: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The fitted curve at ``epsilon`` and its standard deviation."""
        powers = np.vander(np.asarray(epsilon, float), len(self.coefficients), increasing=True)
        return powers @ self.coefficients, np.sqrt(np.einsum("ij,jk,ik->i", powers, self.covariance, powers))


def step_size_scan(
    theory: Any,
    epsilons: Sequence[float],
    start: Tensor,
    time: float,
    thermalisation: float,
    noise: Noise,
    observable: Callable[[Tensor], Tensor] = mean_square,
    token: Token | None = None,
) -> StepSizeScan:
    """The mean of ``observable`` under the Langevin process at each of the step sizes ``epsilons``.

    Every chain starts at ``start`` (chains, *event), runs for the Parisi–Wu time ``thermalisation`` and is measured
    for ``time``. Errors account for autocorrelation (``integrated_time``). Each step size has noise of its own, so
    that the points of the scan are independent. Raises FloatingPointError where a chain runs away.
    """
    rows = []
    for i, epsilon in enumerate(epsilons):
        state = langevin.init(theory, start, epsilon)
        drop, keep = math.ceil(thermalisation / epsilon), max(4, math.ceil(time / epsilon))
        run = driver.record(
            state, langevin.step, noise.of(f"epsilon{i}"), keep, {"value": observable}, drop, token=token
        )
        found = run.autocorrelation("value")
        rows.append((epsilon, found.mean, found.mean_error, found.tau * epsilon))
    return StepSizeScan(*np.array(rows).T)


def extrapolate(scan: StepSizeScan, degree: int = 2) -> Extrapolation:
    """Fit ``value = c_0 + c_1 ε + … + c_degree ε^degree`` to a scan, weighted by the errors.

    Raises ValueError for fewer points than parameters or errors that are not positive.
    """
    if degree < 0 or len(scan.epsilon) < degree + 1:
        raise ValueError(f"a polynomial of degree {degree} needs {degree + 1} step sizes, got {len(scan.epsilon)}")
    if not np.all(scan.error > 0):
        raise ValueError(f"the errors of the scan must be positive, got {scan.error}")
    scale = float(np.max(scan.epsilon))  # keeps the normal equations well conditioned
    powers = np.vander(scan.epsilon / scale, degree + 1, increasing=True) / scan.error[:, None]
    data = scan.value / scan.error
    solution = np.linalg.lstsq(powers, data)[0]
    covariance = np.linalg.inv(powers.T @ powers)
    chi2 = float(np.sum((powers @ solution - data) ** 2))
    units = scale ** -np.arange(degree + 1.0)
    coefficients, covariance = solution * units, covariance * np.outer(units, units)
    error = float(np.sqrt(covariance[0, 0]))
    return Extrapolation(float(coefficients[0]), error, chi2, len(data) - degree - 1, coefficients, covariance)
