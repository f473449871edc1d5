"""Values with errors from correlated data: means, functions of means, and a bootstrap of blocks.

Series have the shape (draws,) or (chains, draws). Two ways to the error of a function of means f(⟨a⟩, ⟨b⟩, …):

- ``derived``: the Γ method along the gradient of f (U. Wolff, hep-lat/0306017, section 3.1): the projected series
  Σ_i ∂f/∂a_i (a_i - ⟨a_i⟩) has the error and the autocorrelation time of f, to leading order.
- ``bootstrap``: whole blocks of the chains, longer than the autocorrelation time, are drawn with replacement. It
  takes no derivative, and covers functions that are far from linear within the error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from core.noise import Noise
from core.statistics.autocorrelation import integrated_time
from core.statistics.jackknife import Estimate, jackknife

BLOCK_TIMES = 10
"""Length of a block in autocorrelation times: the error of AR(1) data then comes out 5 % too small at most."""
LEAST_BLOCKS = 12
"""Shorter blocks are taken rather than fewer than these: an error from 12 blocks is known to 20 %."""
MOST_BLOCKS = 1024
"""More blocks than these are joined."""
RESAMPLES = 500
"""Bootstrap samples; the error they give is known to 3 %."""
ROUNDING = 1e-12
"""Errors below this part of a value come from sums in double precision: nothing fluctuates, and the error is 0."""


class Measured(NamedTuple):
    """A value with its error (one standard deviation) and τ_int = ½ + Σ ρ(t) in draws; nan where it is unknown."""

    value: float
    error: float = math.nan
    tau_int: float = math.nan
    tau_int_error: float = math.nan


def mean(series: np.ndarray, independent: bool = False) -> Measured:
    """Mean of a ``series`` (draws,) or (chains, draws), with the error that its autocorrelation leaves.

    ``independent`` draws are known to be uncorrelated: τ_int = ½. Chains of fewer than four draws are taken as one
    datum each, and τ_int is nan; a single datum has no error. An error that is mere rounding is 0.
    Raises ValueError for an empty series, or one that holds nan or infinities.
    """
    a = as_chains(series)
    if independent:
        return _measured(float(a.mean()), _standard_error(a.ravel()), 0.5, 0.0)
    if a.shape[1] < 4:
        tau = (0.5, 0.0) if a.shape[1] == 1 and len(a) > 1 else (math.nan, math.nan)
        return _measured(float(a.mean()), _standard_error(a.mean(axis=1)), *tau)
    found = integrated_time(a)
    return _measured(found.mean, found.mean_error, found.tau, found.tau_error)


def derived(
    function: Callable[[Mapping[str, float]], float], series: Mapping[str, np.ndarray], independent: bool = False
) -> Measured:
    """``function`` of the means of the named ``series``, with error and τ_int by the Γ method along its gradient.

    The gradient is taken by central differences as wide as the statistical errors, in which range the function has
    to be nearly linear. Raises ValueError for series of different shapes.
    """
    a = {name: as_chains(values) for name, values in series.items()}
    if len({values.shape for values in a.values()}) != 1:
        raise ValueError(f"all series must have one shape, got {', '.join(str(v.shape) for v in a.values())}")
    means = {name: float(values.mean()) for name, values in a.items()}
    projected = np.zeros(next(iter(a.values())).shape)
    for name, values in a.items():
        step = float(values.std()) / math.sqrt(values.size)
        if step > 1e-14 * abs(means[name]):
            up, down = function(means | {name: means[name] + step}), function(means | {name: means[name] - step})
            projected += (up - down) / (2 * step) * (values - means[name])
    return mean(projected, independent)._replace(value=float(function(means)))


class Blocks(NamedTuple):
    """Sums over blocks of draws, ``sums`` (blocks, quantities), and the number of draws in each, ``counts`` (blocks,).

    Blocks do not reach across chains. ``length`` is the number of draws in the longest.
    """

    sums: np.ndarray
    counts: np.ndarray
    length: int


def cut(values: np.ndarray, length: float, counts: np.ndarray | None = None) -> Blocks:
    """Cut chains (chains, draws, quantities) into blocks of at least ``length`` draws, as equal as they can be.

    Where this leaves fewer than LEAST_BLOCKS, blocks are made shorter, down to single draws; where it leaves more
    than MOST_BLOCKS, longer, up to groups of whole chains; an infinite ``length`` asks for whole chains. ``counts``
    (draws,) tells that ``values`` hold sums over so many draws each.
    """
    chains, bins = values.shape[:2]
    counts = np.ones(bins) if counts is None else np.asarray(counts, dtype=float)
    draws = counts.sum()
    least, most = max(1, math.ceil(LEAST_BLOCKS / chains)), max(1, MOST_BLOCKS // chains)
    pieces = 1 if length == math.inf else int(min(max(min(draws // max(length, 1), most), least), bins))
    starts = np.cumsum(counts) - counts
    edges = np.unique(np.searchsorted(starts, draws * np.arange(pieces) / pieces - 0.5))
    sums = np.add.reduceat(values, edges, axis=1)
    count = np.broadcast_to(np.add.reduceat(counts, edges), sums.shape[:2])
    groups = np.arange(chains) * min(chains, MOST_BLOCKS) // chains  # only where there are more chains than blocks
    first = np.flatnonzero(np.diff(groups, prepend=-1))
    sums, count = np.add.reduceat(sums, first, axis=0), np.add.reduceat(count, first, axis=0)
    return Blocks(sums.reshape(-1, sums.shape[-1]), count.reshape(-1), int(count.max()))


def block_length(*times: float) -> float:
    """Length of blocks, in draws, for the largest of some autocorrelation times; nan is left out."""
    known = [tau for tau in times if not math.isnan(tau)]
    return max(1.0, BLOCK_TIMES * (max(known) - 0.5)) if known else math.inf


def bootstrap(
    function: Callable[[np.ndarray], np.ndarray], blocks: Blocks, noise: Noise | None = None, resamples: int = RESAMPLES
) -> Estimate:
    """``function`` of the means, (…, quantities) → (…, results), with the standard deviation over bootstrap samples.

    The spread is enlarged by √(B/(B-1)) for B blocks, as a mean's error needs. One block gives errors of nan, and a
    spread that is mere rounding errors of 0. The noise is by default that of seed 0, so the same data have
    the same errors.
    """
    number = len(blocks.counts)
    value = function(blocks.sums.sum(axis=0) / blocks.counts.sum())
    if number < 2:
        return Estimate(value, np.full_like(value, np.nan))
    picked = (noise or Noise(0, "bootstrap")).uniform(0, (resamples, number)).numpy()
    picked = np.minimum((picked * number).astype(int), number - 1)
    weights = np.stack([np.bincount(row, minlength=number) for row in picked]).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        samples = function(weights @ blocks.sums / (weights @ blocks.counts)[:, None])
        error = samples.std(axis=0) * math.sqrt(number / (number - 1))
        return Estimate(value, np.where(error < ROUNDING * np.abs(value), 0.0, error))


def jackknifed(function: Callable[[np.ndarray], np.ndarray], blocks: Blocks) -> Estimate:
    """``function`` of the means, (…, quantities) → (…, results), with the error of leaving out one block at a time."""
    with np.errstate(divide="ignore", invalid="ignore"):
        counts = blocks.counts[:, None]
        stacked = np.concatenate([blocks.sums, counts], axis=1)
        return jackknife(lambda s: function(s[..., :-1] / s[..., -1:]), stacked, counts).estimate


def as_chains(series: np.ndarray) -> np.ndarray:
    """A series as float64 of shape (chains, draws); ValueError unless it is one, not empty and finite."""
    a = np.asarray(series, dtype=float)
    if a.ndim not in (1, 2) or a.size == 0:
        raise ValueError(f"series must have the shape (draws,) or (chains, draws) with data in it, got {a.shape}")
    if not np.all(np.isfinite(a)):
        raise ValueError("series must be finite, got nan or inf in it")
    return np.atleast_2d(a)


def _measured(value: float, error: float, tau: float, tau_error: float) -> Measured:
    return Measured(value, 0.0 if error < ROUNDING * abs(value) else error, tau, tau_error)


def _standard_error(data: np.ndarray) -> float:
    return float(data.std(ddof=1) / math.sqrt(len(data))) if len(data) > 1 else math.nan
