"""Laws of φ⁴ known without simulation, and the comparison of a run with them."""

from functools import cache

import numpy as np
import torch
from scipy.integrate import quad

from core.noise import Noise
from core.samplers import driver, hmc
from core.statistics.lattice import abs_magnetisation, magnetisation, phi_squared
from core.theories.phi4 import Phi4, neighbours

SIGMAS = 4.5


def site_average(x):
    return x.double().flatten(1).mean(1)


def fourth_power(x):
    return site_average(x.double() ** 4)


OBSERVABLES = {
    "phi2": phi_squared,
    "phi4": fourth_power,
    "abs M": abs_magnetisation,
    "M2": lambda x: magnetisation(x) ** 2,
    "link": lambda x: site_average(x.double() * neighbours(x.double())),
}


def start(theory, chains, seed=1, dtype=torch.float32):
    return 0.5 * Noise(seed, "start").normal(0, (chains, *theory.event), dtype)


def check(run, name, exact, precision):
    """Within 4.5 of its own errors, which must be below ``precision`` of the exact value."""
    found = run.autocorrelation(name)
    assert found.mean_error < precision * abs(exact), f"{name}: error {found.mean_error:.2g} of {exact:.4g}"
    assert abs(found.mean - exact) < SIGMAS * found.mean_error, f"{name}: {found.mean} ± {found.mean_error}, {exact}"


def check_free_field(shape, kappa, init, step, chains=400, steps=120, thermalisation=40, precision=0.04):
    """Every mode's ⟨|φ_p|²⟩/V; ``init(theory, x)`` makes the state."""
    theory = Phi4(shape, kappa, 0.0)
    axes = tuple(range(1, theory.d + 1))
    momenta = list(np.ndindex(*[n // 2 + 1 for n in shape]))  # the others follow by symmetry

    def mode(p):
        return lambda x: torch.fft.fftn(x.double(), dim=axes)[(slice(None), *p)].abs().square() / theory.volume

    state = init(theory, start(theory, chains))
    run = driver.record(state, step, Noise(2), steps, {str(p): mode(p) for p in momenta}, thermalisation)
    exact = theory.free_propagator()
    for p in momenta:
        check(run, str(p), exact[p], precision)


def check_single_site(lam, init, step, shape=(4, 4), chains=400, steps=60):
    """⟨φ²⟩ and ⟨φ⁴⟩ at κ = 0, where the sites are independent."""
    weight = [quad(lambda x, n=n: x**n * np.exp(-(1 - 2 * lam) * x**2 - lam * x**4), -12, 12)[0] for n in (0, 2, 4)]
    theory = Phi4(shape, 0.0, lam)
    observables = {name: OBSERVABLES[name] for name in ("phi2", "phi4")}
    run = driver.record(init(theory, start(theory, chains)), step, Noise(3), steps, observables, 20)
    check(run, "phi2", weight[1] / weight[0], 0.01)
    check(run, "phi4", weight[2] / weight[0], 0.02)


@cache
def moments_2x2(kappa, lam):
    """``OBSERVABLES`` of the 2 × 2 lattice by the trapezoidal rule, which converges exponentially for small κ."""
    axis = np.linspace(-4.2, 4.2, 41)
    x = torch.from_numpy(np.stack(np.meshgrid(*[axis] * 4, indexing="ij"), axis=-1).reshape(-1, 2, 2))
    weight = torch.exp(-Phi4(2, kappa, lam).action(x))
    return {name: float((weight * f(x)).sum() / weight.sum()) for name, f in OBSERVABLES.items()}


def check_2x2(init, step, kappa=0.3, lam=0.2, chains=2000, steps=60, dtype=torch.float32):
    """The 2 × 2 lattice, where each link counts twice, against quadrature."""
    theory = Phi4(2, kappa, lam)
    run = driver.record(init(theory, start(theory, chains, dtype=dtype)), step, Noise(4), steps, OBSERVABLES, 30)
    for name, exact in moments_2x2(kappa, lam).items():
        check(run, name, exact, 0.01)


@cache
def hmc_near_criticality():
    """HMC on 8² at κ = 0.27, λ = 0.022, with sign flips."""
    theory = Phi4(8, 0.27, 0.022)
    state = hmc.init(theory, start(theory, 400), 0.2, 2.0, True)
    return theory, driver.record(state, hmc.step, Noise(5), 200, OBSERVABLES, 80)


def check_agreement_with_hmc(init, step, steps, thermalisation, precision=0.025):
    """Within 4 combined errors, which must be below ``precision``, of ``hmc_near_criticality``; returns the run."""
    theory, reference = hmc_near_criticality()
    run = driver.record(init(theory, start(theory, 400)), step, Noise(6), steps, OBSERVABLES, thermalisation)
    for name in OBSERVABLES:
        a, b = run.autocorrelation(name), reference.autocorrelation(name)
        error = np.hypot(a.mean_error, b.mean_error)
        assert error < precision * abs(b.mean), f"{name}: combined error {error:.2g} of {b.mean:.4g}"
        assert abs(a.mean - b.mean) < 4 * error, f"{name}: {a.mean} and {b.mean} ± {error}"
    return run


def langevin_moments_of_a_site(lam, epsilon):
    """⟨φ²⟩ and ⟨φ⁴⟩ of one site at κ = 0 under Langevin steps, by the transition matrix on a grid."""
    x = np.linspace(-5, 5, 801)
    mean = x + epsilon * (-2 * (1 - 2 * lam) * x - 4 * lam * x**3)
    transition = np.exp(-((x[:, None] - mean[None, :]) ** 2) / (4 * epsilon))
    p = np.linalg.matrix_power(transition / transition.sum(0), 2**14)[:, 400]
    return float(p @ x**2), float(p @ x**4)
