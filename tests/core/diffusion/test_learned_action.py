"""The action and the couplings that a score implies, against actions and free fields that are known."""

import numpy as np
import pytest
import torch

from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.learned_action import EXTRA, action_curve, effective_couplings, force_map
from core.noise import Noise
from core.samplers import hmc
from core.samplers.driver import record
from core.samplers.starts import mixed_start
from core.theories.phi4 import Phi4, neighbours
from core.theories.registry import make_target
from tests.core.diffusion.imperfect import Faulty

SIGMAS = 4.5


class Local:
    """The force of φ⁴, with terms of more than its own, as if it were a score at every level."""

    def __init__(self, theory, lam6=0.0, diagonal=0.0):
        self.theory, self.lam6, self.diagonal = theory, lam6, diagonal

    def score(self, x, f=1.0, xi=0.0):
        diagonals = sum(x.roll((s, t), (1, 2)) for s in (1, -1) for t in (1, -1))
        return self.theory.force(x) - 6 * self.lam6 * x**5 + 2 * self.diagonal * diagonals


def free(kappa, extent=8):
    theory = Phi4(extent, kappa, 0.0)
    return theory, FieldGaussianScore(theory.free_propagator())


def projected(theory, sigma):
    """(κ, a) of -φ_p/(G_p + σ̃²) fitted by 2κ C_p φ_p - 2a φ_p, weighed with the dissolved field's own spectrum."""
    v = theory.free_propagator() + sigma**2
    p = [2 * np.pi * np.arange(n) / n for n in theory.event]
    c = 2 * (np.cos(p[0])[:, None] + np.cos(p[1])[None, :])
    terms = np.stack([2 * c.ravel(), np.full(c.size, -2.0)])
    return np.linalg.solve((terms * v.ravel()) @ terms.T, terms @ np.full(c.size, -1.0))


@pytest.mark.parametrize("name", ["two-peak", "quartic"])
@pytest.mark.parametrize("sigma", [0.05, 0.5, 3.0])
def test_the_integral_of_an_exact_score_is_the_action(name, sigma):
    target = make_target(name)
    low, high = target.window(1.0, sigma**2)[0]
    found = action_curve(target, target, sigma, np.linspace(low, high, 101))
    assert found.exact.min() == 0
    np.testing.assert_allclose(found.learned, found.exact, atol=2e-5 * found.exact.max())


def test_a_shifted_score_tilts_the_action():
    target = make_target("two-peak")
    x = np.linspace(-2, 2, 41)
    found = action_curve(Faulty(target, shift=0.3), target, 0.2, x)
    bottom = x[found.exact.argmin()]
    np.testing.assert_allclose(found.learned - found.exact, -0.3 * (x - bottom), atol=1e-6)


def test_the_force_of_a_theory_has_its_couplings():
    theory = Phi4(6, 0.23, 0.022)
    fields = 1.3 * Noise(1).normal(0, (64, 6, 6))
    found = effective_couplings(Local(theory), fields, [0.0, 0.4])
    assert found.names == ("kappa", "a", "lam")
    np.testing.assert_allclose(found.learned.value, [[0.23, 1 - 2 * 0.022, 0.022]] * 2, rtol=1e-9)
    assert found.residual.max() < 1e-6
    more = effective_couplings(Local(theory, 0.003, 0.05), fields, [0.0], extra=EXTRA)
    np.testing.assert_allclose(more.learned.value, [[0.23, 0.956, 0.022, 0.003, 0.05]], rtol=1e-9)
    without = effective_couplings(Local(theory, 0.003, 0.05), fields, [0.0])
    assert without.residual[0] > 0.01


@pytest.mark.parametrize("sigma", [0.0, 0.3, 1.0, 4.0])
def test_couplings_of_a_free_field_at_every_level(sigma):
    theory, score = free(0.22)
    fields = score.draw_prior(4000, 1.0, 0.0, Noise(2), torch.float64)
    found = effective_couplings(score, fields, [sigma], seed=3)
    exact = np.append(projected(theory, sigma), 0.0)
    for estimate in (found.learned, found.exact):
        value, error = estimate.value[0], estimate.error[0]
        assert np.all(np.abs(value - exact) < SIGMAS * error + 1e-9)
    # by the score alone, κ is known far better than by 20 %: the comparison can fail
    assert found.exact.error[0, 0] < 0.2 * exact[0]
    assert np.all(np.abs(found.difference.value) < SIGMAS * found.difference.error + 1e-9)


def test_the_exact_couplings_are_those_of_the_law_that_the_fields_come_from():
    # The score is another theory's; the exact couplings at σ̃ = 0 come out of the fields all the same.
    theory = Phi4(6, 0.2, 0.05)
    start = hmc.init(theory, mixed_start(theory, 1024, Noise(1), torch.float64), 0.2, flip=True)
    fields = record(start, hmc.step, Noise(2), 60, {}, 60).state.x
    found = effective_couplings(Local(Phi4(6, 0.1, 0.3)), fields, [0.0])
    value, error = found.exact.value[0], found.exact.error[0]
    assert np.all(np.abs(value - [0.2, 0.9, 0.05]) < SIGMAS * error)
    assert np.all(error < [0.02, 0.08, 0.02])
    np.testing.assert_allclose(found.learned.value[0], [0.1, 0.4, 0.3], rtol=1e-9)
    assert abs(found.difference.value[0, 2]) > 10 * found.difference.error[0, 2]


def test_the_same_seed_gives_the_same_couplings():
    score = free(0.2, 6)[1]
    fields = score.draw_prior(640, 1.0, 0.0, Noise(2), torch.float64)
    one, two, other = (effective_couplings(score, fields, [0.5], seed=s).exact.value for s in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


def test_the_map_of_the_force_that_a_score_misses():
    theory = Phi4(6, 0.2, 0.02)
    fields = Noise(4).normal(0, (5, 6, 6))
    good, off = (force_map(s, theory, fields) for s in (Local(theory), Faulty(Local(theory), shift=0.25)))
    assert good.rms == 0
    torch.testing.assert_close(off.difference, torch.full_like(fields, 0.25))
    assert off.rms == pytest.approx(0.25)
    assert off.relative == pytest.approx(0.25 / theory.force(fields).square().mean().sqrt())
    torch.testing.assert_close(off.force, 0.4 * neighbours(fields) - 1.92 * fields - 0.08 * fields**3)


def test_bad_arguments_are_refused_in_a_sentence():
    theory, score = free(0.2, 6)
    fields = Noise(1).normal(0, (20, 6, 6))
    with pytest.raises(ValueError, match="at least 16"):
        effective_couplings(score, fields[:3], [0.1])
    with pytest.raises(ValueError, match="extents of at least 3"):
        effective_couplings(score, Noise(1).normal(0, (20, 2, 6)), [0.1])
    with pytest.raises(ValueError, match="among lam6, kappa_diagonal, got 'mass'"):
        effective_couplings(score, fields, [0.1], extra=("mass",))
    with pytest.raises(ValueError, match="sigmas must be noise levels"):
        effective_couplings(score, fields, [-0.1])
    with pytest.raises(ValueError, match="theory's shape"):
        force_map(score, theory, fields[:, :3])
    with pytest.raises(ValueError, match="one dimension"):
        action_curve(make_target("circle"), make_target("circle"), 0.1, np.linspace(0, 1, 3))
    with pytest.raises(ValueError, match="rising"):
        action_curve(make_target("two-peak"), make_target("two-peak"), 0.1, np.array([1.0, 0.0]))
