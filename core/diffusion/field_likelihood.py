"""How likely a score makes given configurations: log q, effective sample size, acceptance of independence Metropolis.

The weights ``w = e^{-S}/q`` of configurations in equilibrium tell what those of the model's own draws cannot: a region
that the model misses is there. With x from e^{-S}/Z and y from q,

    ESS = ⟨w⟩_q²/⟨w²⟩_q = 1/(⟨w⟩_x ⟨1/w⟩_x),    acceptance = ⟨min(1, w(y)/w(x))⟩,    KL = ⟨log w⟩_x - log Z,

the last being the relative entropy of the data with respect to the model. By ``path`` the weights are those of whole
paths, forward from the data and backward from noise; then -(S + log w) is a lower bound of log q on average, and KL
that of the path laws, an upper bound of the configurations'.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import logsumexp

from core.diffusion.field_flow import cheap, field_flow, require_affordable
from core.diffusion.field_generate import GRID, STEPS, baseline_of
from core.diffusion.field_noise import noise_range, schedule_reaching
from core.diffusion.field_source import Bound
from core.diffusion.likelihood import weighted
from core.diffusion.trust import path_proposal
from core.diffusion.weights import Weighted
from core.jobs import Token, one_thread
from core.noise import Noise
from core.schedule import Schedule
from core.statistics.errors import Measured, mean

Tensor = torch.Tensor

METHODS = ("flow", "path", "hutchinson")
"""``flow``: log q of the probability flow with its exact divergence. ``path``: weights of whole paths. ``hutchinson``:
log q with an estimate of the divergence, as a diagnostic; its weights would be biased, so there are none."""
FLOW_STEPS = 64
INACCURATE = 0.1
"""Error of the integrated log q, in nats, from which on a sentence says so."""


@dataclass(frozen=True, eq=False)
class Likelihood:
    """What was found for ``configs`` configurations; numbers that a method does not give are nan.

    ``log_q`` is the mean over the configurations (a lower bound of it by ``path``), ``ess`` that of as many draws of
    the model, ``ess_data`` the same as the data see it, ``relative_entropy`` of the data with respect to the model,
    all in nats per configuration. ``integration_error`` is the typical error of log q by the flow. ``values`` (n,) are
    the log q (or -(S + log w)) of each configuration.
    """

    method: str
    configs: int
    log_q: Measured
    ess: float
    ess_data: float
    acceptance: float
    log_partition: Measured
    relative_entropy: Measured
    integration_error: float
    evaluations: int
    seconds: float
    warnings: tuple[str, ...]
    values: np.ndarray


def likelihood(
    bound: Bound,
    x: Tensor,
    method: str | None = None,
    *,
    schedule: Schedule | None = None,
    steps: int | None = None,
    grid: str = GRID,
    exact: bool = False,
    seed: int = 0,
    device: str = "cpu",
    token: Token | None = None,
) -> Likelihood:
    """log q and weights of configurations x from the equilibrium of ``bound.theory``.

    x are independent configurations (n, *event), or Markov chains (chains, draws, *event), whose correlations then
    count in the errors.
    ``method`` is one of METHODS, by default ``flow`` where the exact divergence is cheap and ``path`` elsewhere.
    ``exact`` takes the flow however long it takes. Raises ValueError for a bad method, a theory that is not known, or
    a flow that would take minutes, Cancelled once ``token`` is.
    """
    began = time.perf_counter()
    theory = bound.theory
    if theory is None:
        raise ValueError("a likelihood needs the action: give kappa and lam")
    chained = x.ndim == theory.d + 2
    layout = tuple(x.shape[:2]) if chained else (1, len(x))
    x = x.flatten(0, 1) if chained else x
    if len(x) < 2:
        raise ValueError(f"a likelihood needs at least two configurations, got {len(x)}")

    def average(each: np.ndarray) -> Measured:
        return mean(each.reshape(layout), independent=not chained)

    schedule = schedule or schedule_reaching("ve", noise_range(baseline_of(bound.score)).high)
    noise, error, warnings = Noise(seed, "likelihood"), float("nan"), []
    flow = field_flow(
        bound.score, schedule, steps=steps if steps and method != "path" else FLOW_STEPS, device=device,
        divergence="hutchinson" if method == "hutchinson" else "exact",
    )  # fmt: skip
    method = method or ("flow" if cheap(flow) else "path")
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    with one_thread():
        if method == "path":
            paths = path_proposal(bound.score, theory, schedule, steps=steps or STEPS, grid=grid, device=device)
            data, made = paths.lift(x, noise, token), paths.propose(len(x), noise, token)
            evaluations = steps or STEPS
            values = -theory.action(data.fields).numpy() - data.log_weights
        else:
            if not exact:
                require_affordable(flow, len(x) if method == "hutchinson" else 2 * len(x))
            found = flow.log_prob(x, noise, token)
            evaluations, values, error = 6 * flow.steps, found.log_q.numpy(), float(found.error.median())
            if method == "hutchinson":
                nan = Measured(np.nan)
                sentence = (
                    "The divergence is Hutchinson's estimate, one probe a configuration: log q of a configuration "
                    "fluctuates by many nats, and weights from it would be biased."
                )
                return Likelihood(
                    method, len(x), average(values), np.nan, np.nan, np.nan, nan, nan, error, evaluations,
                    time.perf_counter() - began, (sentence,), values,
                )  # fmt: skip
            data, made = weighted(theory, found), flow.propose(theory, len(x), noise, token)
            if error > INACCURATE:
                warnings.append(f"log q is integrated to {error:.2g} nats only; take more steps.")
    log_z, log_w = made.log_partition, average(data.log_weights)
    return Likelihood(
        method, len(x), average(values), made.ess, ess_of_data(data), cross_acceptance(data, made), log_z,
        Measured(log_w.value - log_z.value, float(np.hypot(log_w.error, log_z.error))), error, evaluations,
        time.perf_counter() - began, (*warnings, *made.warnings), values,
    )  # fmt: skip


def ess_of_data(data: Weighted) -> float:
    """Effective sample size of the proposals as a fraction, from the weights of configurations in equilibrium."""
    log_w = data.log_weights
    return float(len(log_w) ** 2 * np.exp(-logsumexp(log_w) - logsumexp(-log_w)))


def cross_acceptance(data: Weighted, made: Weighted) -> float:
    """Acceptance of independence Metropolis in equilibrium: ⟨min(1, w(y)/w(x))⟩ over all pairs of both samples."""
    return float(np.mean([np.exp(np.minimum(made.log_weights - log_w, 0)).mean() for log_w in data.log_weights]))
