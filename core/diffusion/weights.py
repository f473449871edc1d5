"""Proposals with exact weights: averages by reweighting, effective sample size, and independence Metropolis.

A configuration x drawn from a known law q carries the weight ``w = e^{-S(x)}/q(x)``, q normalised, so that ⟨w⟩_q is
the partition function Z = ∫ e^{-S}, and ``⟨O⟩ = Σ w O / Σ w``. The same ratios decide whether a chain takes a proposal,
``A = min(1, w'/w)`` (Hastings, Biometrika 57 (1970) 97), which leaves e^{-S}/Z as it is however bad q is. q may be
a law of configurations or of whole paths that end in them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from core.noise import Noise
from core.samplers.contract import decide
from core.statistics.errors import Measured

Tensor = torch.Tensor

FEW = 100
"""Effective configurations below which the error of a reweighted average is not to be trusted."""


@dataclass(frozen=True, eq=False)
class Weighted:
    """Independent proposals ``fields`` (n, *event) with their ``log_weights`` (n,), float64, -inf for weight zero.

    Values and weights of a configuration belong together by their number. Raises ValueError for arrays of different
    lengths, a log-weight that is nan or +inf, or no positive weight at all.
    """

    fields: Tensor
    log_weights: np.ndarray

    def __post_init__(self) -> None:
        log_w = np.asarray(self.log_weights, dtype=float)
        if log_w.shape != (len(self.fields),):
            raise ValueError(f"log_weights must have the shape ({len(self.fields)},), got {log_w.shape}")
        if np.any(np.isnan(log_w)) or np.any(log_w == math.inf):
            raise ValueError("log_weights must be numbers below infinity, got nan or inf in them")
        if not np.any(np.isfinite(log_w)):
            raise ValueError("log_weights must have a finite one among them, got -inf for every configuration")
        object.__setattr__(self, "log_weights", log_w)

    def __len__(self) -> int:
        return len(self.log_weights)

    @property
    def weights(self) -> np.ndarray:
        """w_i/⟨w⟩, shape (n,): 1 on average."""
        w = np.exp(self.log_weights - self.log_weights.max())
        return w / w.mean()

    @property
    def ess(self) -> float:
        """Effective sample size as a fraction of n, (Σw)²/(n Σw²), from 1/n to 1.

        With few proposals it says too much: a region that q hardly reaches is not missed until it is found.
        """
        return 1 / float(np.mean(self.weights**2))

    @property
    def spread(self) -> float:
        """Standard deviation of the log-weights; nan for fewer than two, or where a weight is zero."""
        return (
            float(self.log_weights.std(ddof=1)) if len(self) > 1 and np.isfinite(self.log_weights).all() else math.nan
        )

    @property
    def log_partition(self) -> Measured:
        """log Z = log ∫ e^{-S} with its error, to leading order in the spread of the weights."""
        top = self.log_weights.max()
        value = float(top + np.log(np.mean(np.exp(self.log_weights - top))))
        return Measured(value, self._error(self.weights - 1), 0.5, 0.0)

    @property
    def acceptance(self) -> float:
        """Acceptance of independence Metropolis in equilibrium, ``⟨min(w_i, w_j)⟩/⟨w⟩`` over pairs i ≠ j.

        nan for a single configuration.
        """
        n = len(self)
        if n < 2:
            return math.nan
        rising = np.sort(self.weights)
        return float(2 * (rising * np.arange(n - 1, -1, -1)).sum() / (n * (n - 1)))

    def mean(self, values: np.ndarray) -> Measured:
        """⟨O⟩ by reweighting, of ``values`` (n,), with the error of the ratio Σ w O / Σ w to leading order."""
        return self.derived(lambda means: means["O"], {"O": values})

    def derived(self, function: Callable[[Mapping[str, float]], float], values: Mapping[str, np.ndarray]) -> Measured:
        """``function`` of the reweighted means of the named ``values`` (n,), with its error along its gradient.

        The gradient is taken by central differences as wide as the statistical errors. Raises ValueError for values
        of another shape.
        """
        w = self.weights
        arrays = {name: np.asarray(v, dtype=float) for name, v in values.items()}
        for name, v in arrays.items():
            if v.shape != (len(self),):
                raise ValueError(f"{name} must have one value a configuration, shape ({len(self)},), got {v.shape}")
        means = {name: float(np.mean(w * v)) for name, v in arrays.items()}
        projected = np.zeros(len(self))
        for name, v in arrays.items():
            influence = w * (v - means[name])
            step = self._error(influence)
            if step > 1e-14 * abs(means[name]):
                up, down = function(means | {name: means[name] + step}), function(means | {name: means[name] - step})
                projected += (up - down) / (2 * step) * influence
        return Measured(float(function(means)), self._error(projected), 0.5, 0.0)

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence where so few configurations carry the weight that errors are not to be trusted."""
        effective = self.ess * len(self)
        if effective >= FEW:
            return ()
        return (
            f"The {len(self)} proposals are worth {effective:.3g} configurations (ESS {self.ess:.2g}): below {FEW} "
            "the errors of reweighted averages are too small. More steps, a better score or more proposals help.",
        )

    def _error(self, influence: np.ndarray) -> float:
        """Standard error of a mean of independent terms."""
        return float(influence.std(ddof=1) / math.sqrt(len(influence))) if len(influence) > 1 else math.nan


def join(parts: Sequence[Weighted]) -> Weighted:
    """Several sets of proposals from one law as one."""
    return Weighted(torch.cat([p.fields for p in parts]), np.concatenate([p.log_weights for p in parts]))


@dataclass(frozen=True, eq=False)
class IndependenceChain:
    """Markov chains over proposals: draw d of chain c holds configuration ``index[c, d]`` of ``pool``.

    ``accepted`` (chains, draws) tells which proposals were taken.
    """

    pool: Weighted
    index: np.ndarray
    accepted: np.ndarray

    @property
    def acceptance(self) -> float:
        """Fraction of accepted proposals."""
        return float(self.accepted.mean())

    @property
    def fields(self) -> Tensor:
        """The configurations held, shape (chains, draws, *event)."""
        return self.pool.fields[torch.from_numpy(self.index)]

    def series(self, values: np.ndarray) -> np.ndarray:
        """Values (n,) of the configurations of ``pool`` along the chains, shape (chains, draws)."""
        return np.asarray(values)[self.index]


def independence_metropolis(
    proposals: Weighted, chains: int, noise: Noise, start: Weighted | None = None
) -> IndependenceChain:
    """Metropolis chains that take ``proposals`` in turn: chain c those from number c·draws on.

    Chains begin at ``start``, one configuration each, which come first in the ``pool``; without it each begins at its
    first proposal, which counts as accepted and is a draw from q, not from e^{-S}. Chain c depends on its own
    proposals, the noise and c alone. Raises ValueError unless the proposals, and the start, fill the chains.
    """
    if chains < 1 or len(proposals) == 0 or len(proposals) % chains:
        raise ValueError(f"chains must divide the number of proposals, {len(proposals)}, got {chains}")
    if start is not None and len(start) != chains:
        raise ValueError(f"start must have one configuration for each of the {chains} chains, got {len(start)}")
    pool = proposals if start is None else join([start, proposals])
    offered = np.arange(len(pool) - len(proposals), len(pool)).reshape(chains, -1)
    held = offered[:, 0] if start is None else np.arange(chains)
    index, accepted = np.empty_like(offered), np.ones(offered.shape, dtype=bool)
    decisions = noise.of("decision")
    for d in range(offered.shape[1]):
        if d or start is not None:
            with np.errstate(invalid="ignore"):  # two weights of zero: nan, refused
                log_ratio = pool.log_weights[offered[:, d]] - pool.log_weights[held]
            accepted[:, d] = decide(torch.from_numpy(log_ratio), d, decisions).numpy()
            held = np.where(accepted[:, d], offered[:, d], held)
        index[:, d] = held
    return IndependenceChain(pool, index, accepted)
