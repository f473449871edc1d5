"""Path weights: their definition, written out densely, and what they make of bad scores and long steps."""

import math

import numpy as np
import pytest
import torch

from core.contracts import Cancelled, score_at
from core.diffusion import path_weights
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_noise import noise_range, schedule_reaching
from core.diffusion.gaussian import GaussianScore
from core.diffusion.gaussian_law import GaussianLaw, prior_law
from core.diffusion.grids import time_grid
from core.diffusion.path_weights import PathProposal
from core.diffusion.weights import independence_metropolis
from core.jobs import Token
from core.noise import Noise
from core.schedule import VE, VP
from core.theories.mixture import GaussianMixture
from core.theories.phi4 import Phi4
from core.theories.potential import Quartic
from tests.core.diffusion.imperfect import OBSERVABLES, SIGMAS, Faulty, small, within

PEAKS = GaussianMixture((0.5, 0.5), (-1.0, 1.0), (0.25, 0.25))


def field_paths(theory, gaussian, model, steps, kind="ancestral", schedule="ve", **options):
    levels = noise_range(gaussian)
    s = schedule_reaching(schedule, levels.high)
    times = time_grid(s, steps, "karras", float(s.t_of_sigma(levels.low)))
    return PathProposal(theory, score_at(model, s), s, times, gaussian, kind, **options)


def toy_paths(target, model, steps, kind="ancestral", schedule="ve", **options):
    s = schedule_reaching(schedule, 5 * math.sqrt(float(target.covariance[0, 0])))
    times = time_grid(s, steps, "karras", float(s.t_of_sigma(0.05)))
    return PathProposal(
        target, score_at(model, s), s, times, GaussianScore(target.mean, target.covariance), kind, **options
    )


def white(x, mean, variance):
    return torch.distributions.Normal(mean, math.sqrt(variance)).log_prob(x).flatten(1).sum(1)


def posterior(gaussian, x_t, x_s, mean, a, q, levels):
    """Density of the ancestral step: normal, covariance (q/a²)(1 - q H) with H = -∇∇ log P_t of the Gaussian law."""
    (ft, xit), _ = levels
    size, result = x_t[0].numel(), []
    for one, other, centre in zip(x_t, x_s, mean, strict=True):
        hessian = torch.autograd.functional.jacobian(lambda y: gaussian.score(y[None], ft, xit)[0], one)
        c = q / a**2 * (torch.eye(size, dtype=torch.float64) + q * hessian.reshape(size, size))
        law = torch.distributions.MultivariateNormal(centre.flatten(), (c + c.T) / 2)
        result.append(law.log_prob(other.flatten()))
    return torch.stack(result)


@pytest.mark.parametrize("schedule", [VE(3.0), VP(4.0)])
@pytest.mark.parametrize(("kind", "m", "prior"), [
    ("ancestral", 0.0, "matched"), ("ancestral", 0.6, "matched"), ("ancestral", 0.6, "noise"),
    ("euler", 0.6, "matched"),
])  # fmt: skip
def test_weights_are_the_ratio_of_the_two_path_densities(schedule, kind, m, prior):
    """Every density is written out from the visited configurations, which the score sees; in both directions."""
    theory = Phi4((2, 3), 0.2, 0.05)
    gaussian = FieldGaussianScore(Phi4((2, 3), 0.2, 0.0).free_propagator(), m)
    model, seen = Faulty(gaussian, 0.8, 0.1), []

    def score(x, t):
        assert x.dtype == torch.float32
        seen.append((t, x.double(), model.score(x, float(schedule.f(t)), float(schedule.xi(t))).double()))
        return seen[-1][2].float()

    paths = PathProposal(theory, score, schedule, np.array([0.9, 0.5, 0.2]), gaussian, kind, prior, torch.float32)
    assert paths.times.tolist() == [0.9, 0.5, 0.2, 0.0]
    for made in (lambda: paths.propose(4, Noise(1)), lambda: paths.lift(Noise(2).normal(0, (4, 2, 3)), Noise(3))):
        seen.clear()
        found = made()
        visited = sorted(seen, key=lambda v: -v[0])
        f, xi = float(schedule.f(0.9)), float(schedule.xi(0.9))
        log_w = -theory.action(found.fields) - prior_law(GaussianLaw.of(gaussian), prior).log_prob(visited[0][1], f, xi)
        states = [v[1] for v in visited] + [found.fields]
        for i, (t, x, s) in enumerate(visited):
            end = float(paths.times[i + 1])
            a, q, y = float(schedule.f(t, end)), float(schedule.xi(t, end)), states[i + 1]
            log_w += white(x, a * y, q)
            if kind == "euler":
                g2dt = float(schedule.g2(t)) * (t - end)
                log_w -= white(y, (1 + float(schedule.k(t)) * (t - end) / 2) * x + g2dt * s, g2dt)
            else:
                levels = [(float(schedule.f(v)), float(schedule.xi(v))) for v in (t, end)]
                log_w -= posterior(gaussian, x, y, (x + q * s) / a, a, q, levels)
        # The visited configurations are known to float32 only, as the score is given them.
        assert np.allclose(found.log_weights, log_w.numpy(), atol=2e-4)


@pytest.mark.parametrize("schedule", ["ve", "vp", "cosine"])
@pytest.mark.parametrize("steps", [1, 7])
def test_a_free_field_with_its_own_score_has_equal_weights_at_any_number_of_steps(schedule, steps):
    theory = Phi4(16, 0.22, 0.0)
    gaussian = FieldGaussianScore(theory.free_propagator())
    w = field_paths(theory, gaussian, gaussian, steps, schedule=schedule).propose(50, Noise(1))
    assert w.spread < 1e-8
    assert w.ess > 1 - 1e-12
    exact = 0.5 * np.log(2 * np.pi * gaussian.connected).sum()
    assert w.log_partition.value == pytest.approx(exact, abs=1e-8)


def test_eulers_weights_of_a_free_field_become_equal_with_the_number_of_steps():
    """The variance of the log-weights falls as 1/steps; its own error from 2000 paths is 3.2 %, of a ratio 4.5 %."""
    theory = Phi4(4, 0.2, 0.0)
    gaussian = FieldGaussianScore(theory.free_propagator())
    few, many = (field_paths(theory, gaussian, gaussian, n, "euler").propose(2000, Noise(2)) for n in (150, 600))
    assert abs(few.spread**2 / many.spread**2 / 4 - 1) < 0.06 + SIGMAS * 0.045  # the next order in 1/steps is 6 %
    assert few.ess < many.ess
    assert many.ess > 0.5
    exact = 0.5 * np.log(2 * np.pi * gaussian.connected).sum()
    assert abs(within(many.log_partition, exact)) < SIGMAS


@pytest.mark.parametrize(("kind", "steps", "prior", "schedule"), [
    ("ancestral", 25, "matched", "ve"), ("ancestral", 25, "matched", "vp"), ("ancestral", 25, "noise", "ve"),
    ("euler", 60, "matched", "ve"),
])  # fmt: skip
@pytest.mark.parametrize("target", [Quartic(), PEAKS], ids=["quartic", "two peaks"])
def test_reweighting_recovers_a_law_from_a_bad_score(target, kind, steps, prior, schedule):
    """Moments and Z against exact ones within 4.5σ, while those of the raw configurations are off by 10σ and more."""
    paths = toy_paths(target, Faulty(target, 0.7, 0.02), steps, kind, schedule, prior=prior)
    w = paths.propose(20_000, Noise(3))
    x = w.fields[:, 0].numpy()
    exact = target.moments(4)
    log_z = target.law.panels.log_z if isinstance(target, Quartic) else 0.0
    assert abs(within(w.log_partition, log_z)) < SIGMAS
    for n in (1, 2, 4):
        assert abs(within(w.mean(x**n), exact[n])) < SIGMAS, n
    assert abs((x**2).mean() - exact[2]) > 10 * (x**2).std() / math.sqrt(len(x))
    assert w.ess * len(w) > 1000


@pytest.mark.parametrize("kind", ["ancestral", "euler"])
def test_path_space_metropolis_keeps_equilibrium(kind):
    """Exact draws, lifted to paths, then Metropolis: moments stay exact within 4.5σ at every draw of 10,000 chains."""
    target, n, draws = Quartic(), 10_000, 3
    paths = toy_paths(target, Faulty(target, 0.8, 0.03), 12 if kind == "ancestral" else 40, kind)
    start = paths.lift(target.sample(n, Noise(4)), Noise(5))
    chain = independence_metropolis(paths.propose(n * draws, Noise(6)), n, Noise(7), start)
    assert 0.1 < chain.acceptance < 0.8
    moments = target.moments(8)
    for d in range(draws):
        x = chain.fields[:, d, 0].numpy()
        for k in (1, 2, 4):
            error = math.sqrt((moments[2 * k] - moments[k] ** 2) / n)
            assert abs((x**k).mean() - moments[k]) < SIGMAS * error, (d, k)


def test_metropolis_recovers_a_law_from_a_bad_score():
    """Chains started at raw configurations: after 60 draws the second moment is exact within 4.5σ of 1000 chains."""
    target = Quartic()
    paths = toy_paths(target, Faulty(target, 0.6), 25)
    chain = independence_metropolis(paths.propose(60_000, Noise(8)), 1000, Noise(9))
    square = chain.fields[..., 0].numpy() ** 2
    moments = target.moments(4)
    error = math.sqrt((moments[4] - moments[2] ** 2) / 1000)
    assert abs(square[:, 0].mean() - moments[2]) > 6 * error
    assert abs(square[:, -1].mean() - moments[2]) < SIGMAS * error


@pytest.mark.parametrize("kappa", [0.2, 0.27])
def test_small_lattice_from_a_bad_score(kappa):
    """4 × 4 at both κ, the Gaussian score times 0.9: reweighting and Metropolis give the values of long HMC, 4.5σ.

    The raw configurations are off by more than 6σ. At κ = 0.27 the Gaussian has two components.
    """
    lattice = small(kappa)
    assert kappa < 0.25 or lattice.gaussian.m > 0.5
    paths = field_paths(lattice.theory, lattice.gaussian, Faulty(lattice.gaussian, 0.9), 15)
    start = paths.lift(lattice.fields[:200], Noise(10))
    w = paths.propose(16_000, Noise(11))
    chain = independence_metropolis(w, 200, Noise(12), start)
    off = []
    for name, observable in OBSERVABLES.items():
        truth, error = lattice.truth[name]
        values = observable(w.fields).numpy()
        off.append(abs(values.mean() - truth) / math.hypot(values.std() / math.sqrt(len(w)), error))
        assert abs(within(w.mean(values), truth, error)) < SIGMAS, name
        series = chain.series(np.concatenate([observable(lattice.fields[:200]).numpy(), values]))
        spread = series.mean(1).std(ddof=1) / math.sqrt(len(series))
        assert abs(series.mean() - truth) / math.hypot(spread, error) < SIGMAS, name
    assert min(off) > 6
    assert chain.acceptance == pytest.approx(w.acceptance, abs=0.03)


def test_forward_and_backward_weights_bound_log_z():
    """⟨log w⟩ over proposals <= log Z <= ⟨log w⟩ over lifted configurations in equilibrium, both close."""
    target = Quartic()
    paths = toy_paths(target, Faulty(target, 0.9), 25)
    below = paths.propose(4000, Noise(13)).log_weights.mean()
    above = paths.lift(target.sample(4000, Noise(14)), Noise(15)).log_weights.mean()
    assert below < target.law.panels.log_z < above < below + 1


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_a_path_depends_neither_on_the_others_nor_on_the_chunks(chunk, monkeypatch):
    target = Quartic()
    paths, x = toy_paths(target, target, 5), target.sample(7, Noise(2))
    all_of, lifted = paths.propose(7, Noise(1)), paths.lift(x, Noise(3))
    monkeypatch.setattr(path_weights, "_CHUNK", chunk)
    some, some_lifted = paths.propose(5, Noise(1).starting_at(2)), paths.lift(x[2:], Noise(3).starting_at(2))
    assert torch.equal(all_of.fields[2:], some.fields)
    assert np.array_equal(all_of.log_weights[2:], some.log_weights)
    assert torch.equal(some_lifted.fields, x[2:])
    assert np.array_equal(lifted.log_weights[2:], some_lifted.log_weights)


def test_a_path_that_diverges_is_reported():
    target = Quartic()
    paths = toy_paths(target, Faulty(target, -1e200), 5)
    with pytest.raises(FloatingPointError, match="A path diverged at step"):
        paths.propose(3, Noise(1))


def test_a_cancelled_computation_stops():
    target, token = Quartic(), Token()
    token.cancel()
    with pytest.raises(Cancelled):
        toy_paths(target, target, 5).propose(3, Noise(1), token)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"times": [0.5, 0.7]}, "times of a path must fall from at most 1"),
        ({"times": [1.5, 0.7]}, "times of a path must fall from at most 1"),
        ({"times": [0.0]}, "times of a path must fall from at most 1"),
        ({"kind": "flow"}, "kind must be one of ancestral, euler, got 'flow'"),
        ({"prior": "flat"}, "prior must be one of matched, noise, got 'flat'"),
        ({"gaussian": GaussianScore([0, 0], np.eye(2))}, r"gaussian must have the theory's shape \(1,\), got \(2,\)"),
        ({"schedule": VP(1000.0)}, r"so much that f\(t,s\)"),
    ],
)
def test_bad_requests_are_refused(change, message):
    target = Quartic()
    given = {"schedule": VE(5.0), "times": [1.0, 0.5], "gaussian": GaussianScore(0.0, 13.0), **change}
    with pytest.raises(ValueError, match=message):
        PathProposal(target, score_at(target, given["schedule"]), **given)
