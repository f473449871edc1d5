"""HMC on φ⁴ against what is known without simulation: free field, single site, 2 × 2 lattice, identities."""

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from core.noise import Noise
from core.samplers import driver, hmc
from core.samplers.step_size import mean_square
from core.statistics.autocorrelation import integrated_time
from core.statistics.lattice import abs_magnetisation, magnetisation, phi_squared
from core.theories.phi4 import Phi4, neighbours
from tests.core.samplers.gaussian_theory import Oscillator

SIGMAS = 4.5


def site_average(x):
    return x.double().flatten(1).mean(1)


def simulated(theory, observables, chains=500, steps=100, thermalisation=40, step_size=0.25, seed=1):
    state = hmc.init(
        theory, 0.5 * Noise(seed, "start").normal(0, (chains, *theory.event), torch.float32), step_size, 2.0, True
    )
    return driver.record(state, hmc.step, Noise(seed), steps, observables, thermalisation)


def check(run, name, exact, precision):
    found = run.autocorrelation(name)
    assert found.mean_error < precision * abs(exact)
    assert abs(found.mean - exact) < SIGMAS * found.mean_error


def test_free_field_propagator_mode_by_mode():
    theory = Phi4((6, 8), 0.2, 0.0)

    def mode(p, q):
        def observable(x):
            return torch.fft.fft2(x.double())[:, p, q].abs().square() / theory.volume

        return observable

    momenta = [(p, q) for p in range(4) for q in range(5)]  # the others follow by symmetry
    run = simulated(theory, {f"{p} {q}": mode(p, q) for p, q in momenta})
    exact = theory.free_propagator()
    assert 0.5 < run.acceptance < 0.999
    for p, q in momenta:
        check(run, f"{p} {q}", exact[p, q], 0.02)


@pytest.mark.parametrize("lam", [0.0, 0.022, 0.4])
def test_single_site_integrals_at_vanishing_hopping(lam):
    weight = [quad(lambda x, n=n: x**n * np.exp(-(1 - 2 * lam) * x**2 - lam * x**4), -12, 12)[0] for n in (0, 2, 4)]
    run = simulated(Phi4(4, 0.0, lam), {"phi2": phi_squared, "phi4": lambda x: site_average(x.double() ** 4)})
    check(run, "phi2", weight[1] / weight[0], 0.01)
    check(run, "phi4", weight[2] / weight[0], 0.02)


def test_2x2_lattice_by_quadrature():
    kappa, lam = 0.3, 0.2
    axis = np.linspace(-4.2, 4.2, 41)  # the trapezoidal rule converges exponentially for this weight
    x = torch.from_numpy(np.stack(np.meshgrid(*[axis] * 4, indexing="ij"), axis=-1).reshape(-1, 2, 2))
    theory = Phi4(2, kappa, lam)
    weight = torch.exp(-theory.action(x))
    observables = {
        "phi2": phi_squared,
        "phi4": lambda x: site_average(x.double() ** 4),
        "abs M": abs_magnetisation,
        "M2": lambda x: magnetisation(x) ** 2,
        "link": lambda x: site_average(x * neighbours(x)),
    }
    run = simulated(theory, observables, chains=2000)
    for name, observable in observables.items():
        # |M| has a kink, which costs the trapezoidal rule its fast convergence: still far below the error.
        check(run, name, float((weight * observable(x)).sum() / weight.sum()), 0.005)


@pytest.mark.parametrize(("kappa", "lam"), [(0.21, 0.022), (0.25, 0.5), (0.4, 0.022)])
def test_schwinger_dyson(kappa, lam):
    # ⟨φ ∂S/∂φ⟩ = 1 at every site.
    theory = Phi4(8, kappa, lam)
    identity = {"SD": lambda x: -site_average(x.double() * theory.force(x.double()))}
    run = simulated(theory, identity, step_size=0.12, thermalisation=100)
    check(run, "SD", 1.0, 0.01)


def test_jarzynski_identity_of_the_energy_error():
    # ⟨e^{-ΔH}⟩ = 1 in equilibrium, for any step size.
    theory = Phi4(6, 0.21, 0.022)
    state = simulated(theory, {"phi2": phi_squared}, chains=1000, steps=4, step_size=0.5).state
    weights = []
    for _ in range(60):
        state, info = hmc.step(state, Noise(2))
        weights.append(torch.exp(info.log_ratio).numpy())
    found = integrated_time(np.stack(weights, axis=1))
    assert np.std(weights) > 0.2
    assert abs(found.mean - 1) < SIGMAS * found.mean_error


def test_any_theory_can_be_sampled():
    state = hmc.init(Oscillator(2.0), torch.zeros(1000, 1, dtype=torch.float64), 0.7, 1.4)
    found = driver.record(state, hmc.step, Noise(3), 200, {"x2": mean_square}, 20).autocorrelation("x2")
    assert abs(found.mean - 0.5) < SIGMAS * found.mean_error
    assert found.mean_error < 0.005


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
