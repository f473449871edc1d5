"""The Gaussian score of a field against dense linear algebra, finite differences and its own fit."""

import math

import numpy as np
import pytest
import torch

from core.contracts import ScoreModel
from core.diffusion.field_gaussian import FieldGaussianScore, propagator, symmetrised
from core.noise import Noise
from core.schedule import VE, VP, LinearVP
from core.statistics.lattice import magnetisation
from core.theories.phi4 import Phi4


def free(shape=(4, 6), kappa=0.2, m=0.0):
    return FieldGaussianScore(Phi4(shape, kappa, 0.0).free_propagator(), m)


def covariance(model, f, xi):
    """Dense covariance matrix of one component, from the propagator by explicit Fourier sums."""
    shape = model.event
    sites = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), -1).reshape(-1, len(shape))
    phase = 2 * np.pi * (sites / np.array(shape)) @ sites.T  # p·x for every p and x
    waves = np.exp(1j * phase)
    g = (f**2 * model.connected + xi).reshape(-1)
    return np.real(waves.conj().T @ (g[:, None] * waves)) / len(sites)


def log_density(model, x, f, xi):
    """log of the mixture's density at x (n, V), dense."""
    c = torch.from_numpy(covariance(model, f, xi))
    law = torch.distributions.MultivariateNormal
    mean = torch.full((len(c),), f * model.m, dtype=torch.float64)
    return torch.logaddexp(law(mean, c).log_prob(x), law(-mean, c).log_prob(x)) - math.log(2)


@pytest.mark.parametrize("shape", [(4, 6), (3, 5), (6,), (2, 3, 4)])
@pytest.mark.parametrize("m", [0.0, 0.7])
@pytest.mark.parametrize(("f", "xi"), [(1.0, 0.0), (1.0, 2.5), (0.3, 0.91)])
def test_score_is_the_gradient_of_the_mixtures_density(shape, m, f, xi):
    model = free(shape, 0.1, m)
    x = (2 * Noise(1).normal(0, (5, *shape))).requires_grad_()
    (gradient,) = torch.autograd.grad(log_density(model, x.flatten(1), f, xi).sum(), x)
    torch.testing.assert_close(model.score(x.detach(), f, xi), gradient, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(model.score(x.detach().float(), f, xi).double(), gradient, rtol=1e-4, atol=1e-5)
    assert isinstance(model, ScoreModel)


@pytest.mark.parametrize(("f", "xi"), [(1.0, 1e12), (1e-30, 1.0), (0.0, 1.0), (1.0, 1e-12)])
def test_score_survives_extreme_levels(f, xi):
    model = free((8, 8), m=3.7)
    s = model.score(math.sqrt(xi) * Noise(1).normal(0, (3, 8, 8), torch.float32), f, xi)
    assert torch.isfinite(s).all()


@pytest.mark.parametrize("m", [0.0, 1.2])
def test_fit_recovers_the_field_it_was_drawn_from(m):
    model = free((6, 6), 0.2, m)
    fields = model.draw_prior(20_000, 1.0, 0.0, Noise(4), torch.float64)
    fitted = FieldGaussianScore.fit(fields)
    # |φ_p|² of a complex mode has relative error 1/√n, of a real one √(2/n); the symmetries only lower it.
    np.testing.assert_allclose(fitted.full, model.full, rtol=4.5 * math.sqrt(2 / 20_000))
    if m == 0:
        assert fitted.m == 0
    else:
        # Var m from the spread of M within a component: G_c(0)/V.
        assert fitted.m == pytest.approx(m, abs=4.5 * math.sqrt(model.connected[0, 0] / 36 / 20_000) * 3)
        assert fitted.connected[0, 0] == pytest.approx(model.connected[0, 0], rel=0.1)


def test_zero_mode_is_the_magnetisation():
    fields = Noise(1).normal(0, (50, 4, 6)) + 0.3
    g = propagator(fields)
    assert g[0, 0] == pytest.approx(24 * magnetisation(fields).square().mean().item())
    assert g.mean() == pytest.approx(fields.square().mean().item())  # Parseval
    assert FieldGaussianScore.fit(fields).full[0, 0] == pytest.approx(g[0, 0])


def test_symmetrised_propagator_has_the_lattices_symmetry():
    g = symmetrised(np.abs(Noise(1).normal(0, (5, 5)).numpy()))
    minus = np.roll(g[::-1], 1, axis=0)
    np.testing.assert_allclose(g, minus)
    np.testing.assert_allclose(g, g.T)
    oblong = symmetrised(np.arange(12.0).reshape(3, 4))
    np.testing.assert_allclose(oblong, np.roll(oblong[:, ::-1], 1, axis=1))
    cube = symmetrised(np.arange(27.0).reshape(3, 3, 3))
    for axes in [(1, 0, 2), (0, 2, 1), (2, 0, 1)]:
        np.testing.assert_allclose(cube, cube.transpose(axes))


@pytest.mark.parametrize("kind", ["matched", "noise"])
def test_prior_has_the_propagator_of_the_dissolved_field(kind):
    model, f, xi, n = free((4, 6), 0.2, 0.5), 0.6, 0.64, 20_000
    drawn = model.draw_prior(n, f, xi, Noise(2), torch.float64, kind)
    expected = f**2 * model.full + xi if kind == "matched" else np.full((4, 6), xi)
    np.testing.assert_allclose(propagator(drawn), expected, rtol=4.5 * math.sqrt(2 / n))
    assert abs(magnetisation(drawn).mean()) < 4.5 * math.sqrt(expected[0, 0] / 24 / n)


def test_prior_does_not_depend_on_the_number_of_configurations():
    model = free(m=1.0)
    many, some = model.draw_prior(10, 1.0, 2.0, Noise(2)), model.draw_prior(3, 1.0, 2.0, Noise(2).starting_at(4))
    torch.testing.assert_close(many[4:7], some)
    assert many.dtype == torch.float32


@pytest.mark.parametrize("schedule", [VE(50.0), VP(5.0), LinearVP()])
def test_modes_drown_where_their_variance_equals_the_noise(schedule):
    model = free((8, 8), 0.24, 1.5)
    times = model.crossing_times(schedule)
    np.testing.assert_allclose(schedule.f(times) ** 2 * model.full, schedule.xi(times), rtol=1e-8)
    assert times.max() == times[0, 0]
    named = model.crossing(schedule)
    assert named["zero mode"] == times[0, 0]
    assert named["shortest wave"] == times[4, 4]
    assert named["shortest wave"] < named["site"] < named["zero mode"]


def test_a_mode_that_never_drowns_has_no_time():
    model = free((4, 4), m=100.0)
    assert np.isnan(model.crossing_times(VE(2.0))[0, 0])
    assert "zero mode" not in model.crossing(VE(2.0))


def test_description_names_form_and_limits():
    assert "Two Gaussian fields around ±0.5" in free(m=0.5).describe()
    assert "One Gaussian field" in free().describe()
    assert "critical" in free().describe()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((2, 2)),), "positive at every momentum"),
        ((np.full((2, 2), np.nan),), "positive at every momentum"),
        ((np.arange(1.0, 10.0).reshape(3, 3),), "must be even"),
        ((np.ones((2, 2)), -1.0), "m must be a finite number of at least 0, got -1.0"),
    ],
)
def test_bad_propagators_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        FieldGaussianScore(*arguments)


def test_bad_ensembles_and_priors_are_named():
    with pytest.raises(ValueError, match="at least two configurations, got 1"):
        FieldGaussianScore.fit(torch.zeros(1, 4, 4))
    with pytest.raises(ValueError, match="prior must be one of matched, noise, got 'flat'"):
        free().draw_prior(2, 1.0, 1.0, Noise(1), kind="flat")
