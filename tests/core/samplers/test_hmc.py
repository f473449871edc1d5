"""HMC on φ⁴ against what is known without simulation: free field, single site, 2 × 2 lattice, identities."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from core.noise import Noise
from core.samplers import driver, hmc
from core.samplers.fourier import FourierKernel
from core.samplers.step_size import mean_square
from core.statistics.autocorrelation import integrated_time
from core.statistics.lattice import magnetisation, phi_squared
from core.theories.phi4 import Phi4
from tests.core.samplers import exact_laws as laws
from tests.core.samplers.gaussian_theory import Oscillator

WAYS = ["leapfrog", "omelyan", "fourier"]
"""The integrators with plain momenta, and leapfrog with momenta from a Fourier kernel."""


def algorithm(way, step_size=0.25):
    """``init(theory, x)`` of a ``way``: trajectories of mean length 2, with sign flips."""

    def init(theory, x):
        if way == "fourier":
            return hmc.init(theory, x, step_size, 2.0, True, kernel=FourierKernel(theory, 1.0))
        return hmc.init(theory, x, step_size * (2 if way == "omelyan" else 1), 2.0, True, way)

    return init


def simulated(theory, observables, chains=500, steps=100, thermalisation=40, step_size=0.25, seed=1, way="leapfrog"):
    state = algorithm(way, step_size)(theory, laws.start(theory, chains, seed))
    return driver.record(state, hmc.step, Noise(seed), steps, observables, thermalisation)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("shape", "kappa"), [((8,), 0.3), ((4, 6), 0.2), ((4, 2, 2), 0.12)])
def test_free_field_propagator_mode_by_mode(shape, kappa, way):
    laws.check_free_field(shape, kappa, algorithm(way), hmc.step, steps=100, precision=0.03)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("lam", [0.022, 0.4])
def test_single_site_integrals_at_vanishing_hopping(lam, way):
    laws.check_single_site(lam, algorithm(way), hmc.step, shape=(2, 3, 2))


@pytest.mark.parametrize("way", WAYS)
def test_2x2_lattice_by_quadrature(way):
    laws.check_2x2(algorithm(way), hmc.step, steps=100)


@pytest.mark.parametrize(("kappa", "lam"), [(0.21, 0.022), (0.25, 0.5), (0.4, 0.022)])
def test_schwinger_dyson(kappa, lam):
    # ⟨φ ∂S/∂φ⟩ = 1 at every site.
    theory = Phi4(8, kappa, lam)
    identity = {"SD": lambda x: -laws.site_average(x.double() * theory.force(x.double()))}
    run = simulated(theory, identity, step_size=0.12, thermalisation=100)
    laws.check(run, "SD", 1.0, 0.01)


@pytest.mark.parametrize("way", WAYS)
def test_jarzynski_identity_of_the_energy_error(way):
    # ⟨e^{-ΔH}⟩ = 1 in equilibrium, for any step size.
    theory = Phi4(6, 0.21, 0.022)
    state = simulated(theory, {"phi2": phi_squared}, chains=1000, steps=4, step_size=0.5, way=way).state
    weights = []
    for _ in range(60):
        state, info = hmc.step(state, Noise(2))
        weights.append(torch.exp(info.log_ratio).numpy())
    found = integrated_time(np.stack(weights, axis=1))
    assert np.std(weights) > 0.2
    assert abs(found.mean - 1) < laws.SIGMAS * found.mean_error


def test_any_theory_can_be_sampled():
    state = hmc.init(Oscillator(2.0), torch.zeros(1000, 1, dtype=torch.float64), 0.7, 1.4)
    found = driver.record(state, hmc.step, Noise(3), 200, {"x2": mean_square}, 20).autocorrelation("x2")
    assert abs(found.mean - 0.5) < laws.SIGMAS * found.mean_error
    assert found.mean_error < 0.005


def test_compiled_chains_are_those_of_any_theory():
    # The same theory without its compiled dynamics: the same momenta, decisions and signs, to rounding.
    @dataclass(frozen=True)
    class Plain:
        phi4: Phi4

        @property
        def event(self):
            return self.phi4.event

        def action(self, x):
            return self.phi4.action(x)

        def force(self, x):
            return self.phi4.force(x)

    theory = Phi4(4, 0.21, 0.022)
    compiled = algorithm("leapfrog", 0.5)(theory, laws.start(theory, 200, dtype=torch.float64))
    plain = replace(compiled, theory=Plain(theory))
    accepted = []
    for _ in range(5):
        (compiled, info), (plain, expected) = hmc.step(compiled, Noise(3)), hmc.step(plain, Noise(3))
        torch.testing.assert_close(info.accepted, expected.accepted)
        torch.testing.assert_close(info.log_ratio, expected.log_ratio, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(compiled.x, plain.x, rtol=1e-9, atol=1e-9)
        accepted.append(expected.accepted.double().mean())
    assert 0.2 < np.mean(accepted) < 0.98


@pytest.mark.parametrize("way", WAYS)
def test_tuned_step_size_gives_the_wanted_acceptance(way):
    theory = Phi4(16, 0.21, 0.022)
    pilots = simulated(theory, {"phi2": phi_squared}, chains=32, steps=2, way=way).state
    pilots = replace(pilots, steps=round(4.0 / pilots.step_size))
    for wanted in (0.7, 0.9):
        step_size = hmc.tuned_step_size(pilots, Noise(4), wanted)
        tuned = replace(pilots, step_size=step_size, steps=max(1, round(4.0 / step_size)))
        run = driver.record(tuned, hmc.step, Noise(5), 40, {"phi2": phi_squared})
        # The length is cut to whole steps, which moves the acceptance by some per cent.
        assert run.acceptance == pytest.approx(wanted, abs=0.06)
        assert hmc.tuned_step_size(pilots, Noise(4), wanted) == step_size


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("way", WAYS)
def test_reversibility_error_is_rounding(way, dtype):
    theory = Phi4(8, 0.27, 0.022)
    state = algorithm(way, 0.1)(theory, laws.start(theory, 20, dtype=dtype))
    error = hmc.reversibility_error(state, Noise(1))
    assert 0 < error < 100 * torch.finfo(dtype).eps
    assert np.isnan(hmc.reversibility_error(replace(state, x=1e3 * state.x), Noise(1)))


def test_unknown_integrator_is_named():
    with pytest.raises(ValueError, match="integrator must be one of leapfrog, omelyan, got 'verlet'"):
        hmc.init(Oscillator(), torch.zeros(2, 1), 0.1, integrator="verlet")


def test_flips_visit_both_signs():
    theory = Phi4(4, 0.4, 0.022)
    start = torch.full((100, 4, 4), theory.classical_minimum)
    kept = driver.record(hmc.init(theory, start, 0.1), hmc.step, Noise(1), 10, {"M": magnetisation}, 5)
    flipped = driver.record(hmc.init(theory, start, 0.1, flip=True), hmc.step, Noise(1), 10, {"M": magnetisation}, 5)
    assert np.all(kept.series["M"] > 0)
    assert np.mean(flipped.series["M"] > 0) == pytest.approx(0.5, abs=4.5 * 0.5 / np.sqrt(1000))


@pytest.mark.parametrize("name", ["step_size", "length"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_bad_lengths_are_named(name, value):
    with pytest.raises(ValueError, match=f"{name} must be a positive finite number, got"):
        hmc.init(Oscillator(), torch.zeros(2, 1), **{"step_size": 0.1, name: value})
