"""log q of the probability flow against Gaussian integrals, quadrature, and what weights and Metropolis make of it."""

import math

import numpy as np
import pytest
import torch

from core.contracts import Cancelled
from core.diffusion import likelihood
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_noise import noise_range
from core.diffusion.gaussian import GaussianScore
from core.diffusion.gaussian_law import GaussianLaw
from core.diffusion.likelihood import ProbabilityFlow, score_divergence
from core.diffusion.weights import independence_metropolis
from core.jobs import Token
from core.noise import Noise
from core.theories.mixture import GaussianMixture
from core.theories.phi4 import Phi4
from core.theories.potential import Quartic
from tests.core.diffusion.imperfect import OBSERVABLES, SIGMAS, Faulty, small, within

PEAKS = GaussianMixture((0.5, 0.5), (-1.0, 1.0), (0.25, 0.25))


def free(kappa=0.2, m=0.0, shape=(4, 6)):
    return FieldGaussianScore(Phi4(shape, kappa, 0.0).free_propagator(), m)


class Bent:
    """A nonlinear, not odd score of two sites whose divergence is known."""

    def score(self, x, f=1.0, xi=0.0):
        a, b = x[:, 0], x[:, 1]
        return torch.stack([torch.sin(a) * b - a, a * b**2 - torch.tanh(b)], dim=1)

    def exact(self, x):
        a, b = x[:, 0], x[:, 1]
        return torch.cos(a) * b - 1 + 2 * a * b - torch.cosh(b) ** -2


@pytest.mark.parametrize(
    "gaussian", [free(), GaussianScore([1.0, -2.0], [[2.0, 0.6], [0.6, 0.5]])], ids=["field", "plane"]
)
def test_a_gaussian_with_its_own_score_is_exact(gaussian):
    law = GaussianLaw.of(gaussian)
    flow = ProbabilityFlow(gaussian, gaussian, 0.02, 20.0, 2)
    x = Noise(1).normal(0, (10, *law.event))
    assert torch.allclose(flow.log_prob(x).log_q, law.log_prob(x, 1.0, 0.02**2), atol=1e-9)
    made = flow.sample(10, Noise(2))
    assert torch.allclose(made.log_q, law.log_prob(made.fields, 1.0, 0.02**2), atol=1e-9)
    assert made.error.max() < 1e-10


@pytest.mark.parametrize("m", [0.3, 1.5])
def test_two_components_with_their_own_score_have_their_own_density(m):
    """The flow starts from the exact law at the highest level, so only the steps' error is left, as estimated."""
    gaussian = free(m=m, shape=(4, 4))
    flow = ProbabilityFlow(gaussian, gaussian, 0.05, 10.0, 128)
    x = m / 2 + 0.7 * Noise(1).normal(0, (30, 4, 4))
    found = flow.log_prob(x)
    error = (found.log_q - GaussianLaw.of(gaussian).log_prob(x, 1.0, 0.05**2)).abs()
    assert error.max() < 1e-4
    assert error.mean() < 3 * found.error.mean() + 1e-9


def linear_flow(steps):
    """Score of one free field, prior and reference of another: the flow is linear and q a Gaussian in closed form.

    Each mode shrinks by √((A + low²)/(A + high²)) from the variance B + high².
    """
    model, reference, low, high = free(0.2), free(0.1), 0.05, 4.0
    a, b = model.connected, reference.connected
    variances = (b + high**2) * (a + low**2) / (a + high**2)
    exact = GaussianLaw(variances, np.zeros(a.shape))
    return ProbabilityFlow(model, reference, low, high, steps), exact


def test_likelihood_of_a_linear_flow_is_exact_to_fourth_order():
    """Halving the step divides the error by 16 (within a quarter), and the estimate is right to a factor 2."""
    x = Noise(3).normal(0, (20, 4, 6))
    errors = []
    for steps in (32, 64):
        flow, exact = linear_flow(steps)
        found = flow.log_prob(x)
        errors.append((found.log_q - exact.log_prob(x)).abs())
        assert 0.5 < errors[-1].mean() / found.error.mean() < 2
    assert 12 < errors[0].mean() / errors[1].mean() < 20
    assert errors[1].max() < 1e-5


def test_samples_of_a_linear_flow_have_its_density():
    flow, exact = linear_flow(64)
    made = flow.sample(1000, Noise(4))
    assert torch.allclose(made.log_q, exact.log_prob(made.fields), atol=1e-5)
    square = GaussianLaw(exact.variances, np.zeros((4, 6))).multiply(made.fields, exact.variances**-0.5).square()
    assert abs(float(square.mean()) - 1) < SIGMAS * math.sqrt(2 / square.numel())


@pytest.mark.parametrize(("model", "width"), [(PEAKS, 4.0), (Faulty(PEAKS, 0.8, 0.1), 8.0), (Quartic(), 12.0)])
def test_density_in_one_dimension_is_normalised(model, width):
    """∫ q dx = 1 by the trapezoidal rule, whatever the score."""
    target = Quartic() if isinstance(model, Quartic) else PEAKS
    flow = ProbabilityFlow(
        model, GaussianScore(target.mean, target.covariance), 0.02, 20.0, 128, divergence="differences"
    )
    x = torch.linspace(-width, width, 1001, dtype=torch.float64)[:, None]
    found = flow.log_prob(x)
    assert float(torch.trapezoid(found.log_q.exp(), x[:, 0])) == pytest.approx(1, abs=1e-4)


def test_density_of_two_peaks_is_their_own():
    """At level 100 the law is Gaussian but for κ_4/(4!·100⁴) = 10⁻⁹; what is left, below 10⁻³, are the steps."""
    flow = ProbabilityFlow(PEAKS, GaussianScore(0.0, 1.0625), 0.02, 100.0, 256, divergence="differences")
    x = torch.linspace(-2, 2, 41, dtype=torch.float64)[:, None]
    found = flow.log_prob(x)
    assert torch.allclose(found.log_q, PEAKS.log_prob(x, 1.0, 0.02**2), atol=1e-3)
    assert found.error.max() < 1e-3


def test_samples_and_given_configurations_agree():
    """log q along the way down equals log q on the way up, within the estimated errors."""
    flow = ProbabilityFlow(Faulty(PEAKS, 0.9, 0.05), GaussianScore(0.0, 1.0625), 0.05, 10.0, 128, "differences")
    made = flow.sample(200, Noise(5))
    back = flow.log_prob(made.fields)
    assert torch.all((made.log_q - back.log_q).abs() < 20 * (made.error + back.error) + 1e-6)
    assert (made.log_q - back.log_q).abs().max() < 1e-3


@pytest.mark.parametrize("m", [0.0, 0.7])
def test_divergences_agree_on_a_field(m):
    gaussian, x = free(m=m), Noise(6).normal(0, (3, 4, 6))
    analytic = score_divergence(gaussian, x, 0.3)
    assert torch.allclose(score_divergence(Faulty(gaussian), x, 0.3), analytic, atol=1e-10)
    assert torch.allclose(score_divergence(gaussian, x, 0.3, "differences"), analytic, atol=1e-6)


def test_divergences_of_a_nonlinear_score_are_exact():
    x = Noise(7).normal(0, (50, 2))
    assert torch.allclose(score_divergence(Bent(), x, 1.0), Bent().exact(x), atol=1e-12)
    assert torch.allclose(score_divergence(Bent(), x, 1.0, "differences"), Bent().exact(x), atol=1e-8)


def test_a_model_may_bring_its_own_divergence():
    class Own(Faulty):
        def divergence(self, x, f, xi):
            return torch.full((len(x),), f + xi)

    assert score_divergence(Own(PEAKS), torch.zeros(3, 1), 0.5).tolist() == [1.5] * 3


def test_hutchinson_is_unbiased_for_the_divergence_and_refused_for_weights():
    """20,000 probes at one point, 4.5σ of their spread."""
    x = Noise(8).normal(0, (1, 2)).expand(20_000, 2)
    probes = Noise(9).normal(0, (20_000, 2)).sign()
    found = score_divergence(Bent(), x, 1.0, "hutchinson", probes)
    assert found.std() > 0.05
    assert abs(float(found.mean() - Bent().exact(x)[0])) < SIGMAS * float(found.std()) / math.sqrt(20_000)
    gaussian = free()
    flow = ProbabilityFlow(Faulty(gaussian), gaussian, 0.02, 4.0, 4, "hutchinson")
    with pytest.raises(ValueError, match="those of hutchinson are biased"):
        flow.propose(Phi4((4, 6), 0.2, 0.0), 2, Noise(1))
    with pytest.raises(ValueError, match="those of hutchinson are biased"):
        flow.weigh(Phi4((4, 6), 0.2, 0.0), torch.zeros(2, 4, 6))


def test_hutchinsons_estimate_of_log_q_scatters_about_the_exact_one():
    """64 estimates for one configuration of the linear flow: mean within 4.5σ, spread visible."""
    flow, exact = linear_flow(32)
    guess = ProbabilityFlow(flow.model, flow.gaussian, flow.low, flow.high, 32, "hutchinson")
    x = Noise(10).normal(0, (1, 4, 6)).expand(64, 4, 6)
    found = guess.log_prob(x, Noise(11)).log_q
    assert found.std() > 0.1
    assert abs(float(found.mean() - exact.log_prob(x)[0])) < SIGMAS * float(found.std()) / 8


@pytest.mark.parametrize("target", [Quartic(), PEAKS], ids=["quartic", "two peaks"])
def test_reweighting_and_metropolis_recover_a_law_from_a_bad_score(target):
    """Z and moments within 4.5σ by reweighting; chains from exact draws stay exact; raw ⟨x²⟩ is off by 10σ."""
    gaussian = GaussianScore(target.mean, target.covariance)
    spread = math.sqrt(float(target.covariance[0, 0]))
    flow = ProbabilityFlow(Faulty(target, 0.8, 0.02), gaussian, 0.05, 5 * spread, 48, "differences")
    w = flow.propose(target, 12_000, Noise(12))
    x, exact, n = w.fields[:, 0].numpy(), target.moments(8), 4000
    log_z = target.law.panels.log_z if isinstance(target, Quartic) else 0.0
    assert abs(within(w.log_partition, log_z)) < SIGMAS
    start = flow.weigh(target, target.sample(n, Noise(13)))
    chain = independence_metropolis(w, n, Noise(14), start)
    for k in (1, 2, 4):
        assert abs(within(w.mean(x**k), exact[k])) < SIGMAS, k
        for d in range(3):
            error = math.sqrt((exact[2 * k] - exact[k] ** 2) / n)
            assert abs((chain.fields[:, d, 0].numpy() ** k).mean() - exact[k]) < SIGMAS * error, (k, d)
    assert abs((x**2).mean() - exact[2]) > 10 * (x**2).std() / math.sqrt(len(x))
    assert 0.2 < chain.acceptance < 0.95


def test_small_lattice_from_a_bad_score():
    """4 × 4, κ = 0.2, the Gaussian score times 0.9, divergence by automatic differentiation: as long HMC, 4.5σ."""
    lattice = small(0.2)
    levels = noise_range(lattice.gaussian)
    flow = ProbabilityFlow(Faulty(lattice.gaussian, 0.9), lattice.gaussian, levels.low, levels.high, 16)
    w = flow.propose(lattice.theory, 2400, Noise(15))
    chain = independence_metropolis(w, 120, Noise(16), flow.weigh(lattice.theory, lattice.fields[:120]))
    off = []
    for name, observable in OBSERVABLES.items():
        truth, error = lattice.truth[name]
        values = observable(w.fields).numpy()
        off.append(abs(values.mean() - truth) / math.hypot(values.std() / math.sqrt(len(w)), error))
        assert abs(within(w.mean(values), truth, error)) < SIGMAS, name
        series = chain.series(np.concatenate([observable(lattice.fields[:120]).numpy(), values]))
        spread = series.mean(1).std(ddof=1) / math.sqrt(len(series))
        assert abs(series.mean() - truth) / math.hypot(spread, error) < SIGMAS, name
    assert min(off) > 6


@pytest.mark.parametrize("divergence", ["exact", "hutchinson"])
@pytest.mark.parametrize("chunk", [1, 50, 1000])
def test_a_configuration_depends_neither_on_the_others_nor_on_the_chunks(divergence, chunk, monkeypatch):
    gaussian = free(0.2)
    flow = ProbabilityFlow(Faulty(gaussian, 0.9), gaussian, 0.1, 4.0, 4, divergence)
    made = flow.sample(6, Noise(1))
    known = flow.log_prob(made.fields, Noise(2))
    monkeypatch.setattr(likelihood, "_CHUNK", chunk)
    some = flow.sample(4, Noise(1).starting_at(2))
    again = flow.log_prob(made.fields[2:], Noise(2).starting_at(2))
    for one, other in ((made.fields, some.fields), (made.log_q, some.log_q), (known.log_q, again.log_q)):
        assert torch.allclose(one[2:], other, rtol=1e-12, atol=1e-12)  # an FFT of one field may round differently


def test_single_precision_scores_are_taken():
    gaussian = free()
    exact = ProbabilityFlow(gaussian, gaussian, 0.05, 4.0, 16)
    single = ProbabilityFlow(Faulty(gaussian), gaussian, 0.05, 4.0, 16, dtype=torch.float32)
    x = Noise(2).normal(0, (3, 4, 6))
    assert torch.allclose(single.log_prob(x).log_q, exact.log_prob(x).log_q, atol=1e-3)


def test_a_score_without_gradient_is_said():
    flow = ProbabilityFlow(Quartic(), GaussianScore(0.0, 13.0), 0.1, 10.0, 2)
    with pytest.raises(ValueError, match="divergence must be differences for Quartic"):
        flow.sample(2, Noise(1))


def test_a_cancelled_computation_stops():
    token = Token()
    token.cancel()
    with pytest.raises(Cancelled):
        linear_flow(4)[0].sample(2, Noise(1), token)


def test_a_flow_that_diverges_is_reported():
    with pytest.raises(FloatingPointError, match="The flow diverged at noise level"):
        ProbabilityFlow(Faulty(free(), -1e200), free(), 0.1, 10.0, 4).sample(2, Noise(1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"low": 0.0}, "levels must obey 0 < low < high, got low = 0.0"),
        ({"high": 0.01}, "levels must obey 0 < low < high"),
        ({"steps": 3}, "steps must be an even number of at least 2, got 3"),
        ({"divergence": "trace"}, "divergence must be one of exact, differences, hutchinson, got 'trace'"),
    ],
)
def test_bad_requests_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        ProbabilityFlow(**{"model": free(), "gaussian": free(), "low": 0.1, "high": 10.0, **change})
