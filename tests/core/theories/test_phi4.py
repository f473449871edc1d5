"""φ⁴: the force is minus the action's gradient, the compiled leapfrog is the plain one, bad couplings are named."""

import math

import numpy as np
import pytest
import torch

from core.contracts import Theory
from core.noise import Noise
from core.samplers.integrators import integrate_in_torch, leapfrog
from core.theories.phi4 import Phi4, neighbours

SHAPES = [(5,), (2, 2), (4, 6), (3, 4, 5)]


def fields(theory, n=3, stream="x", dtype=torch.float64):
    return Noise(1, stream).normal(0, (n, *theory.event), dtype)


@pytest.mark.parametrize("shape", SHAPES)
def test_force_is_minus_the_gradient_of_the_action(shape):
    theory = Phi4(shape, 0.31, 0.07)
    x = fields(theory).requires_grad_()
    (gradient,) = torch.autograd.grad(theory.action(x).sum(), x)
    torch.testing.assert_close(theory.force(x), -gradient)
    assert isinstance(theory, Theory)


def test_action_of_a_hand_made_field():
    # 3 × 3, one site at 2, the others at 1: 18 links, 4 of which touch the site.
    kappa, lam = 0.3, 0.1
    x = torch.ones(1, 3, 3, dtype=torch.float64)
    x[0, 1, 1] = 2
    by_hand = -2 * kappa * (14 + 4 * 2) + (1 - 2 * lam) * (8 + 4) + lam * (8 + 16)
    assert Phi4(3, kappa, lam).action(x).item() == pytest.approx(by_hand, rel=1e-14)


@pytest.mark.parametrize("theory", [Phi4(6, 0.27, 0.022), Phi4((4, 4, 4), 0.4, 0.5), Phi4((8,), 0.3, 0.0)])
def test_the_action_is_that_of_a_massive_field_with_a_coupling(theory):
    mass_squared, coupling = theory.continuum
    x = torch.randn(3, *theory.event, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    field, axes = math.sqrt(2 * theory.kappa) * x, range(1, x.ndim)
    gradient = sum((field.roll(-1, axis) - field).square() for axis in axes)
    density = gradient / 2 + mass_squared * field**2 / 2 + coupling * field**4 / math.factorial(4)
    torch.testing.assert_close(theory.action(x), density.flatten(1).sum(1), rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("couplings", [(0.27, 0.022), (0.4, 0.5), (0.2, 0.0), (5.0, 1.0), (1e-3, 0.1), (0.3, 0.6)])
@pytest.mark.parametrize("L", [8, (4, 4, 4)])
def test_couplings_come_back_from_the_continuum(L, couplings):
    if couplings == (0.2, 0.0) and L != 8:
        couplings = (0.1, 0.0)  # a free field in three dimensions needs κ < 1/6
    theory = Phi4(L, *couplings)
    again = Phi4.from_continuum(L, *theory.continuum)
    assert (again.kappa, again.lam) == pytest.approx(couplings, rel=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0.0, 0.0), "mass_squared"), ((1.0, -1.0), "coupling"), ((math.nan, 1.0), "mass_squared")],
)
def test_a_bad_continuum_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Phi4.from_continuum(8, *arguments)


def test_no_hopping_no_continuum():
    with pytest.raises(ValueError, match="kappa"):
        _ = Phi4(8, 0.0, 0.1).continuum


def test_each_link_of_a_2x2_lattice_counts_twice():
    x = fields(Phi4(2, 0.2, 0.1))
    expected = 2 * (x.flip(1) + x.flip(2))
    torch.testing.assert_close(neighbours(x), expected)
    a, b, c, d = x.flatten(1).T
    links = 2 * (a * b + c * d + a * c + b * d)
    local = (0.8 * x**2 + 0.1 * x**4).flatten(1).sum(1)
    torch.testing.assert_close(Phi4(2, 0.2, 0.1).action(x), local - 0.4 * links)


@pytest.mark.parametrize("shape", SHAPES)
def test_compiled_leapfrog_is_the_plain_one(shape):
    theory = Phi4(shape, 0.27, 0.022)
    x, p = fields(theory), fields(theory, stream="p")
    moves = leapfrog(0.13, 7)
    compiled, plain = theory.integrate(x, p, *moves), integrate_in_torch(theory, x, p, moves)
    for a, b in zip(compiled, plain, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)
    single = theory.integrate(x.float(), p.float(), *moves)
    torch.testing.assert_close(single[0].double(), plain[0], rtol=1e-4, atol=1e-4)
    assert single[2].dtype == torch.float64


def test_leapfrog_is_reversible():
    theory = Phi4(8, 0.4, 0.022)
    x, p = 3 * fields(theory), fields(theory, stream="p")
    y, q, there = theory.integrate(x, p, *leapfrog(0.1, 20))
    back, momentum, delta = theory.integrate(y, -q, *leapfrog(0.1, 20))
    torch.testing.assert_close(back, x, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(momentum, -p, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(delta, -there, rtol=1e-8, atol=1e-8)
    assert there.abs().min() > 1e-3


def test_leapfrog_is_of_second_order():
    theory = Phi4(8, 0.27, 0.022)
    x, p = fields(theory, 50), fields(theory, 50, "p")
    errors = [theory.integrate(x, p, *leapfrog(1.0 / n, n))[2].abs().mean().item() for n in (20, 40, 80)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.1)
    assert math.log2(errors[1] / errors[2]) == pytest.approx(2, abs=0.03)


def test_classical_minimum_has_no_force():
    theory = Phi4((4, 4), 0.4, 0.022)
    x = torch.full((1, 4, 4), theory.classical_minimum, dtype=torch.float64)
    assert theory.classical_minimum == pytest.approx(3.8257, abs=1e-4)
    assert theory.force(x).abs().max() < 1e-12
    assert Phi4(4, 0.2, 0.022).classical_minimum == 0
    assert Phi4(4, 0.2, 0.0).classical_minimum == 0


def test_free_propagator_inverts_the_quadratic_form():
    # S = ½ φ K φ, so K applied to a plane wave is 1/G_p.
    theory = Phi4((4, 6), 0.2, 0.0)
    g = theory.free_propagator()
    for p in [(0, 0), (1, 0), (0, 2), (3, 5)]:
        phase = 2 * np.pi * (p[0] * np.arange(4)[:, None] / 4 + p[1] * np.arange(6) / 6)
        x = torch.from_numpy(np.cos(phase))[None]
        torch.testing.assert_close(-theory.force(x), x / g[p])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((8, 0.2, -0.01), "lambda must be a finite number of at least 0, got -0.01"),
        ((8, 0.2, math.nan), "lambda must be a finite number of at least 0, got nan"),
        ((8, math.nan, 0.1), "kappa must be a finite number of at least 0, got nan"),
        ((8, math.inf, 0.1), "kappa must be a finite number of at least 0, got inf"),
        ((8, -0.1, 0.1), "kappa must be a finite number of at least 0, got -0.1"),
        ((8, 0.25, 0.0), "kappa must be below .* = 0.25 for the free field .* got 0.25"),
        (((4, 4, 4), 0.17, 0.0), "kappa must be below .* = 0.166667 for the free field"),
        ((1, 0.2, 0.1), "L must be a whole number of at least 2, or a tuple of them, got 1"),
        ((8.0, 0.2, 0.1), "L must be a whole number of at least 2"),
        ((True, 0.2, 0.1), "L must be a whole number of at least 2"),
        ((8, 0.2, 1.1e4), "lambda must be at most 10000, got 11000"),
        ((8, 1e30, 0.1), "kappa must be at most 10000"),
        ((8, 0.4, 1e-20), "lambda = 1e-20 is too small for kappa = 0.4"),
        (((), 0.2, 0.1), "L must name at least one extent"),
    ],
)
def test_bad_couplings_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Phi4(*arguments)


def test_free_propagator_needs_a_free_field():
    with pytest.raises(ValueError, match=r"for lambda = 0 only, got 0\.1"):
        Phi4(8, 0.2, 0.1).free_propagator()
