"""The Gaussian law as a density against dense linear algebra, its score and its own draws."""

import math

import numpy as np
import pytest
import torch

from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.gaussian import GaussianScore
from core.diffusion.gaussian_law import GaussianLaw, prior_law
from core.noise import Noise
from core.theories.phi4 import Phi4


def field(m=0.0, shape=(4, 6)):
    return FieldGaussianScore(Phi4(shape, 0.2, 0.0).free_propagator(), m)


def dense(gaussian, x, f, xi):
    """log of the density at x (n, *event) with the covariance written out site by site."""
    law = GaussianLaw.of(gaussian)
    size = law.variances.size
    unit = torch.eye(size, dtype=torch.float64).reshape(size, *law.event)
    c = law.multiply(unit, f**2 * law.variances + xi).reshape(size, size)
    normal = torch.distributions.MultivariateNormal
    if isinstance(gaussian, GaussianScore):
        assert torch.allclose(c, torch.from_numpy(f**2 * gaussian.covariance) + xi * torch.eye(size).double())
        return normal(f * torch.from_numpy(gaussian.mean), c).log_prob(x)
    shift, y = torch.full((size,), f * gaussian.m, dtype=torch.float64), x.flatten(1)
    return torch.logaddexp(normal(shift, c).log_prob(y), normal(-shift, c).log_prob(y)) - math.log(2)


CASES = {
    "field": field(),
    "two components": field(0.7),
    "odd lattice": field(0.4, (3, 5)),
    "chain": field(0.0, (6,)),
    "plane": GaussianScore([1.0, -2.0], [[2.0, 0.6], [0.6, 0.5]]),
    "line": GaussianScore(0.5, 2.0),
}


@pytest.mark.parametrize("name", CASES)
def test_density_is_that_of_dense_linear_algebra(name):
    gaussian, f, xi = CASES[name], 0.8, 0.3
    x = 1.5 * Noise(3).normal(0, (20, *GaussianLaw.of(gaussian).event))
    assert torch.allclose(GaussianLaw.of(gaussian).log_prob(x, f, xi), dense(gaussian, x, f, xi), rtol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_gradient_and_laplacian_of_the_density_are_score_and_divergence(name):
    gaussian, f, xi = CASES[name], 0.8, 0.3
    law = GaussianLaw.of(gaussian)
    x = Noise(4).normal(0, (5, *law.event)).requires_grad_(True)
    (gradient,) = torch.autograd.grad(law.log_prob(x, f, xi).sum(), x)
    assert torch.allclose(gradient, gaussian.score(x.detach(), f, xi), atol=1e-12)
    jacobian = torch.autograd.functional.jacobian(lambda y: gaussian.score(y, f, xi).sum(0), x.detach())
    size = law.variances.size
    trace = torch.stack([j.reshape(size, size).trace() for j in jacobian.movedim(-1 - len(law.event), 0)])
    assert torch.allclose(law.divergence(x.detach(), f, xi), trace, atol=1e-10)


@pytest.mark.parametrize("name", CASES)
def test_draws_have_the_entropy_of_the_density(name):
    """⟨-log P⟩ over 20,000 draws against the same over dense draws; error from the draws, 4.5σ."""
    gaussian, f, xi, n = CASES[name], 0.8, 0.3, 20_000
    law = GaussianLaw.of(gaussian)
    ours = law.log_prob(law.draw(n, f, xi, Noise(5)), f, xi)
    size = law.variances.size
    unit = torch.eye(size, dtype=torch.float64).reshape(size, *law.event)
    c = law.multiply(unit, f**2 * law.variances + xi).reshape(size, size)
    other = Noise(6).normal(0, (n, size)) @ torch.linalg.cholesky(c).T
    sign = torch.where(Noise(7).uniform(0, (n, 1)) < 0.5, -1.0, 1.0)
    other = (other + f * law.m * sign).reshape(n, *law.event) + f * torch.from_numpy(law.mean)
    theirs = law.log_prob(other, f, xi)
    error = math.sqrt((ours.var() + theirs.var()) / n)
    assert abs(float(ours.mean() - theirs.mean())) < 4.5 * error


def test_both_components_are_drawn_equally_often():
    m = GaussianLaw.of(field(5.0)).draw(4000, 1.0, 0.1, Noise(9)).mean((1, 2))
    assert torch.all((m.abs() - 5).abs() < 2)
    assert abs(float((m > 0).double().mean()) - 0.5) < 4.5 * 0.5 / math.sqrt(4000)


def test_draws_do_not_depend_on_their_number():
    law = GaussianLaw.of(field(0.5))
    assert torch.equal(law.draw(7, 1.0, 0.5, Noise(1))[4:], law.draw(3, 1.0, 0.5, Noise(1).starting_at(4)))


def test_one_component_has_the_full_two_point_function():
    gaussian = field(0.7)
    assert np.allclose(GaussianLaw.of(gaussian).one_component.variances, gaussian.full)


def test_noise_prior_is_white():
    law = prior_law(GaussianLaw.of(field(0.7)), "noise")
    x = Noise(8).normal(0, (5, 4, 6))
    expected = torch.distributions.Normal(0.0, math.sqrt(0.3)).log_prob(x).flatten(1).sum(1)
    assert torch.allclose(law.log_prob(x, 0.8, 0.3), expected)


def test_large_magnetisation_does_not_overflow():
    law = GaussianLaw.of(field(30.0))
    x = torch.full((1, 4, 6), 30.0, dtype=torch.float64)
    assert torch.isfinite(law.log_prob(x, 1.0, 1e-6)).all()
    assert torch.isfinite(law.divergence(x, 1.0, 1e-6)).all()


def test_refuses_what_is_not_gaussian():
    with pytest.raises(ValueError, match="FieldGaussianScore or a GaussianScore, got Phi4"):
        GaussianLaw.of(Phi4(4, 0.2, 0.0))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="prior must be one of matched, noise, got 'flat'"):
        prior_law(GaussianLaw.of(field()), "flat")
