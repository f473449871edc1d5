"""The Langevin process of φ⁴: its law at finite step size where known, with and without Fourier acceleration."""

import math

import numpy as np
import pytest
import torch

from core.noise import Noise
from core.samplers import driver, langevin
from core.samplers.fourier import FourierKernel
from core.schedule import VE
from core.statistics.lattice import magnetisation
from core.theories.phi4 import Phi4
from core.theories.phi4_langevin_kernel import langevin_step
from tests.core.samplers import exact_laws as laws

SHAPES = [((8,), 0.35), ((4, 6), 0.2), ((3, 4, 2), 0.14)]
ACCELERATED = pytest.mark.parametrize("accelerated", [False, True])


def kernel(theory, accelerated):
    return FourierKernel(theory) if accelerated else None


def modes(theory):
    axes = tuple(range(1, theory.d + 1))
    return lambda x: torch.fft.fftn(x.double(), dim=axes).abs().square() / theory.volume


def spectrum_of(theory, accelerated):
    return FourierKernel(theory).spectrum if accelerated else np.ones(theory.event)


@pytest.mark.parametrize("shape", [s for s, _ in SHAPES])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 2e-6)])
def test_compiled_step_is_the_plain_one(shape, dtype, tolerance):
    theory, noise = Phi4(shape, 0.27, 0.3), Noise(1)
    x, eps = 1.5 * noise.of("x").normal(0, (5, *shape), dtype), 0.07
    y, finite = langevin_step(theory, x, eps, noise.starting_at(2), 9)
    eta = noise.normal(9, (7, *shape), dtype)[2:]
    torch.testing.assert_close(y, x + eps * theory.force(x) + math.sqrt(2 * eps) * eta, rtol=tolerance, atol=tolerance)
    assert finite
    assert y.dtype == dtype


@pytest.mark.parametrize(("shape", "kappa"), SHAPES)
@ACCELERATED
def test_free_field_at_finite_step_size(shape, kappa, accelerated):
    # A mode is an oscillator of frequency ω² = 1/G_p with noise 𝒦_p: its variance is G_p / (1 - ε 𝒦_p / 2 G_p).
    theory = Phi4(shape, kappa, 0.0)
    exact, epsilon = theory.free_propagator(), 0.3
    biased = exact / (1 - epsilon * spectrum_of(theory, accelerated) / (2 * exact))
    state = langevin.init(theory, laws.start(theory, 500), epsilon, kernel=kernel(theory, accelerated))
    momenta = [p for p in np.ndindex(shape) if all(2 * n <= extent for n, extent in zip(p, shape, strict=True))]
    measured = modes(theory)
    observables = {str(p): lambda x, p=p: measured(x)[(slice(None), *p)] for p in momenta}
    run = driver.record(state, langevin.step, Noise(2), 150, observables, 60)
    for p in momenta:
        laws.check(run, str(p), biased[p], 0.03)
    assert np.max(biased / exact) > 1.1  # so that forgetting the bias, or the kernel, would show


@ACCELERATED
def test_noise_strength_changes_nothing_but_the_clock(accelerated):
    # Mode by mode v ← (1 - h 𝒦/G)² v + 2 h 𝒦 with h = ½ g² ε, from v = 0, and the clock is the sum of the h.
    theory, epsilon, strength, chains = Phi4((4, 6), 0.2, 0.0), 0.01, VE(3.0).g, 20_000
    exact, k = theory.free_propagator(), spectrum_of(theory, accelerated)
    x = torch.zeros(chains, *theory.event)
    state, noise = langevin.init(theory, x, epsilon, strength, kernel(theory, accelerated)), Noise(3)
    v, clock = np.zeros(theory.event), 0.0
    for i in range(30):
        h = float(strength(i * epsilon)) ** 2 / 2 * epsilon
        v, clock = (1 - h * k / exact) ** 2 * v + 2 * h * k, clock + h
        state, info = langevin.step(state, noise)
        assert info.accepted is None
    assert state.clock == pytest.approx(clock, rel=1e-12)
    found = modes(theory)(state.x)
    error = (found.std(0) / math.sqrt(chains)).numpy()
    assert np.all(np.abs(found.mean(0).numpy() - v) < laws.SIGMAS * error)
    # In the limit of small steps v is a function of the clock alone, whatever g was.
    in_the_clock = exact * (1 - np.exp(-2 * k * clock / exact))
    np.testing.assert_allclose(v, in_the_clock, rtol=0.03)
    unchanged_clock = exact * (1 - np.exp(-2 * k * 30 * epsilon / exact))
    assert np.max(np.abs(unchanged_clock / v - 1)) > 0.2


@pytest.mark.parametrize(("lam", "epsilon"), [(0.022, 0.2), (0.3, 0.08), (0.9, 0.04)])
def test_single_site_at_finite_step_size(lam, epsilon):
    theory = Phi4((4, 4), 0.0, lam)
    phi2, phi4 = laws.langevin_moments_of_a_site(lam, epsilon)
    observables = {name: laws.OBSERVABLES[name] for name in ("phi2", "phi4")}
    state = langevin.init(theory, laws.start(theory, 1500), epsilon, flip=True)
    run = driver.record(state, langevin.step, Noise(4), 200, observables, 60)
    laws.check(run, "phi2", phi2, 0.004)
    laws.check(run, "phi4", phi4, 0.01)
    unbiased = laws.langevin_moments_of_a_site(lam, epsilon / 16)[0]
    assert abs(run.autocorrelation("phi2").mean - unbiased) > 10 * run.autocorrelation("phi2").mean_error


@ACCELERATED
def test_2x2_lattice_extrapolated_in_the_step_size(accelerated):
    # 2 v(ε) - v(2ε) is free of the bias of first order; what is left of second order is below the errors here.
    theory = Phi4(2, 0.3, 0.2)
    exact = laws.moments_2x2(0.3, 0.2)
    start = laws.start(theory, 1500)
    coarse, fine = (
        driver.record(
            langevin.init(theory, start, eps, kernel=kernel(theory, accelerated), flip=True),
            langevin.step,
            Noise(seed),
            round(20 / eps),
            laws.OBSERVABLES,
            round(4 / eps),
        )
        for seed, eps in ((5, 0.04), (6, 0.02))
    )
    biased = []
    for name in laws.OBSERVABLES:
        a, b = coarse.autocorrelation(name), fine.autocorrelation(name)
        value, error = 2 * b.mean - a.mean, math.hypot(2 * b.mean_error, a.mean_error)
        assert error < 0.02 * exact[name]
        assert abs(value - exact[name]) < laws.SIGMAS * error, f"{name}: {value} ± {error}, {exact[name]}"
        biased.append(abs(a.mean - exact[name]) / a.mean_error)
    assert max(biased) > 8


def test_sign_flips_are_a_symmetry():
    theory, noise = Phi4((4, 6), 0.4, 0.022), Noise(7)
    x = laws.start(theory, 2000) + theory.classical_minimum
    plain, _ = langevin.step(langevin.init(theory, x, 0.002), noise)
    flipped, _ = langevin.step(langevin.init(theory, x, 0.002, flip=True), noise)
    sign = magnetisation(flipped.x) / magnetisation(plain.x)
    torch.testing.assert_close(flipped.x.abs(), plain.x.abs(), rtol=0, atol=0)
    assert set(sign.round(decimals=6).tolist()) == {1.0, -1.0}
    assert abs(float(sign.mean())) < laws.SIGMAS / math.sqrt(2000)


@ACCELERATED
def test_runaway_is_caught(accelerated):
    theory = Phi4((4, 4), 0.2, 0.5)
    state = langevin.init(theory, torch.full((3, 4, 4), 30.0), 1.0, kernel=kernel(theory, accelerated))
    with pytest.raises(FloatingPointError, match=r"ran away at step \d+: ε = 1 is too large"):
        driver.record(state, langevin.step, Noise(1), 50, laws.OBSERVABLES)


@pytest.mark.parametrize("shape", [(6,), (4, 6), (2, 4, 6)])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_single_bad_site_is_seen(shape, bad):
    theory = Phi4(shape, 0.1, 0.022)
    x = torch.zeros(3, *shape)
    x[2].flatten()[-1] = bad
    with pytest.raises(FloatingPointError, match="ran away at step 1"):
        langevin.step(langevin.init(theory, x, 0.01), Noise(1))
