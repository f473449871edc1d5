"""Every algorithm through the registry, with its automatic parameters: exact laws, tuning, and bad input."""

import json
import math

import pytest
import torch

from core.noise import Noise
from core.samplers import driver, pilots
from core.samplers.algorithms import ALGORITHMS, automatic, find
from core.samplers.fourier import FourierKernel
from core.samplers.pilots import pilot_fields, pilot_lattice
from core.samplers.starts import STARTS, mixed_start
from core.theories.phi4 import Phi4
from tests.core.samplers import exact_laws as laws

VARIANTS = [
    ("hmc", {}),
    ("hmc", {"integrator": "omelyan", "fourier": True}),
    ("langevin", {}),
    ("langevin", {"fourier": True}),
    ("mala", {}),
    ("mala", {"fourier": True}),
    ("metropolis", {}),
    ("metropolis", {"overrelaxation": 2}),
    ("cluster", {}),
    ("cluster", {"kind": "swendsen-wang", "sweeps": 2}),
]
EXACT = [(name, given) for name, given in VARIANTS if ALGORITHMS[name].exact]
HERE = [(name, given) for name, given in EXACT if name == "mala" or "integrator" in given]
"""The other algorithms have these tests in files of their own."""
TARGET = {"hmc": 0.8, "mala": 0.57, "metropolis": 0.5, "cluster": 0.5}


def start_of(name, given):
    def start(theory, x):
        return ALGORITHMS[name].start(theory, x, **automatic(name, theory, Noise(1), x.dtype, **given))

    return start


@pytest.mark.parametrize(("name", "given"), HERE)
@pytest.mark.parametrize(("shape", "kappa"), [((8,), 0.3), ((4, 6), 0.2), ((4, 2, 2), 0.12)])
def test_free_field_propagator_mode_by_mode(name, given, shape, kappa):
    steps = 200 if name == "mala" else 80
    laws.check_free_field(shape, kappa, start_of(name, given), ALGORITHMS[name].step, steps=steps, precision=0.05)


@pytest.mark.parametrize(("name", "given"), HERE)
@pytest.mark.parametrize("lam", [0.022, 0.6])
def test_single_site_integrals_at_vanishing_hopping(name, given, lam):
    laws.check_single_site(lam, start_of(name, given), ALGORITHMS[name].step, steps=150)


@pytest.mark.parametrize(("name", "given"), EXACT)
def test_2x2_lattice_by_quadrature(name, given):
    laws.check_2x2(start_of(name, given), ALGORITHMS[name].step, steps=150)


@pytest.mark.parametrize("fourier", [False, True])
@pytest.mark.parametrize("kappa", [0.0, 0.2, 0.249])
def test_bias_of_the_automatic_langevin_step_on_the_free_field(kappa, fourier):
    # The variance of a mode is G/(1 - ε𝒦/2G), see test_langevin_lattice.
    theory = Phi4(16, kappa, 0.0)
    epsilon = automatic("langevin", theory, Noise(1), fourier=fourier)["step_size"]
    exact = theory.free_propagator()
    spectrum = FourierKernel(theory).spectrum if fourier else 1.0
    assert (exact / (1 - epsilon * spectrum / (2 * exact))).mean() == pytest.approx(exact.mean() * 1.003, rel=1e-4)


@pytest.mark.parametrize("lam", [0.022, 0.3, 0.9, 2.0])
def test_bias_of_the_automatic_langevin_step_on_a_single_site(lam):
    epsilon = automatic("langevin", Phi4(4, 0.0, lam), Noise(1))["step_size"]
    biased, exact = (laws.langevin_moments_of_a_site(lam, e)[0] for e in (epsilon, epsilon / 16))
    assert 0.0003 < abs(biased / exact - 1) < 0.01


@pytest.mark.parametrize(("name", "given"), VARIANTS)
def test_chains_do_not_depend_on_their_number(name, given):
    # 300 chains of 16² are cut into two chunks of the driver; five of them run alone.
    theory, algorithm = Phi4(16, 0.27, 0.022), ALGORITHMS[name]
    x, parameters = pilot_fields(theory, Noise(3)).tile(10, 1, 1), automatic(name, theory, Noise(3), **given)
    few, many = (
        driver.record(algorithm.start(theory, x[:n], **parameters), algorithm.step, Noise(3), 4, laws.OBSERVABLES)
        for n in (5, 300)
    )
    torch.testing.assert_close(few.state.x, many.state.x[:5], rtol=0, atol=0)
    assert not torch.equal(few.state.x.abs(), x[:5].abs())


@pytest.mark.parametrize(("name", "given"), EXACT)
@pytest.mark.parametrize("kappa", [0.21, 0.27, 0.5])
def test_step_size_is_tuned_to_its_acceptance(name, given, kappa):
    theory = Phi4(16, kappa, 0.022)
    state = start_of(name, given)(theory, pilot_fields(theory, Noise(4)))
    run = driver.record(state, ALGORITHMS[name].step, Noise(4), 100, laws.OBSERVABLES)
    assert run.acceptance == pytest.approx(TARGET[name], abs=0.12 if name == "hmc" else 0.06)


@pytest.mark.parametrize(("name", "given"), VARIANTS)
def test_automatic_parameters_are_complete_and_plain(name, given):
    theory = Phi4(8, 0.3, 0.022)
    values = automatic(name, theory, Noise(1), torch.float64, **given)
    assert set(values) == set(ALGORITHMS[name].parameters)
    assert json.loads(json.dumps(values)) == values
    assert given.items() <= values.items()
    assert automatic(name, theory, Noise(1).starting_at(7), torch.float64, **given) == values
    assert automatic(name, theory, Noise(1), **{**values, "step_size": 0.125})["step_size"] == 0.125


def test_length_of_a_trajectory_follows_the_slowest_mode():
    def length(kappa, **given):
        values = automatic("hmc", Phi4(16, kappa, 0.022), Noise(1), **given)
        return values["step_size"] * values["n_steps"]

    assert length(0.27) == pytest.approx(4, rel=0.05)
    assert length(0.21) == pytest.approx(2.5, rel=0.1)  # ¼ of 2π/ω, ω² = 1/G(0), G(0) = 2.6
    assert length(0.4) == pytest.approx(1.0, rel=0.15)
    assert length(0.27, fourier=True) < 2
    assert length(0.21, step_size=0.05) == pytest.approx(2.5, rel=0.1)


def test_a_tiny_step_does_not_make_an_endless_trajectory():
    assert automatic("hmc", Phi4(8, 0.2, 0.022), Noise(1), step_size=1e-12)["n_steps"] == 1000


@pytest.mark.parametrize("name", ALGORITHMS)
def test_couplings_at_the_edge_have_automatic_parameters(name):
    for kappa, lam in ((0.2499, 0.0), (0.0, 0.0), (0.3, 1e-9), (0.3, 10.0), (1.0, 0.022)):
        theory = Phi4(8, kappa, lam)
        values = automatic(name, theory, Noise(1))
        assert 1e-4 < values["step_size"] < 20
        state = ALGORITHMS[name].start(theory, mixed_start(theory, 5, Noise(1)), **values)
        assert bool(torch.isfinite(ALGORITHMS[name].step(state, Noise(1))[0].x).all())


@pytest.mark.parametrize("name", sorted(TARGET))
@pytest.mark.parametrize("huge", [1e5, 1e30])
def test_a_huge_step_is_refused(name, huge):
    theory = Phi4(4, 0.2, 0.022)
    state = ALGORITHMS[name].start(
        theory, STARTS["hot"](theory, 20, Noise(1), torch.float32), **automatic(name, theory, Noise(1), step_size=huge)
    )
    run = driver.record(state, ALGORITHMS[name].step, Noise(1), 10, laws.OBSERVABLES)
    assert run.acceptance < 0.01
    assert bool(torch.isfinite(run.state.x).all())


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("hmcc", {}, "the algorithm must be one of hmc, langevin, mala, metropolis, cluster, got 'hmcc'"),
        ("hmc", {"stepsize": 0.1}, "'stepsize' is no parameter of hmc; it takes step_size, n_steps, integrator"),
        ("langevin", {"n_steps": 3}, "'n_steps' is no parameter of langevin"),
        ("hmc", {"step_size": 0.0}, "step_size must be a positive finite number, got 0.0"),
        ("mala", {"step_size": -0.1}, "step_size must be a positive finite number, got -0.1"),
        ("langevin", {"step_size": math.nan}, "step_size must be a positive finite number, got nan"),
        ("metropolis", {"step_size": math.inf}, "step_size must be a positive finite number, got inf"),
        ("cluster", {"step_size": "auto"}, "step_size must be a positive finite number, got 'auto'"),
        ("hmc", {"n_steps": 0}, "n_steps must be a whole number from 1 to 100000, got 0"),
        ("hmc", {"n_steps": 2.5}, "n_steps must be a whole number from 1 to 100000, got 2.5"),
        ("hmc", {"n_steps": True}, "n_steps must be a whole number from 1 to 100000, got True"),
        ("hmc", {"n_steps": 10**9}, "n_steps must be a whole number from 1 to 100000, got 1000000000"),
        ("hmc", {"integrator": "euler"}, "integrator must be one of leapfrog, omelyan, got 'euler'"),
        ("mala", {"fourier": "yes"}, "fourier must be true or false, got 'yes'"),
        ("langevin", {"flip": 1}, "flip must be true or false, got 1"),
        ("metropolis", {"overrelaxation": -1}, "overrelaxation must be a whole number from 0 to 1000, got -1"),
        ("cluster", {"kind": "wolf"}, "kind must be one of wolff, swendsen-wang, got 'wolf'"),
        ("cluster", {"sweeps": 0}, "sweeps must be a whole number from 1 to 1000, got 0"),
    ],
)
def test_bad_parameters_are_named(name, given, message):
    theory = Phi4(4, 0.2, 0.022)
    with pytest.raises(ValueError, match=message):
        automatic(name, theory, Noise(1), **given)
    required = {"step_size": 0.1} | ({"n_steps": 3} if name == "hmc" else {})
    if name in ALGORITHMS and set(given) <= set(ALGORITHMS[name].parameters):
        with pytest.raises(ValueError, match=message):
            ALGORITHMS[name].start(theory, torch.zeros(2, 4, 4), **{**required, **given})


@pytest.mark.parametrize("name", ["metropolis", "cluster"])
def test_odd_extents_are_named_by_the_local_updates(name):
    with pytest.raises(ValueError, match="every extent must be even"):
        automatic(name, Phi4(5, 0.2, 0.022), Noise(1))


def test_find():
    assert find("mala") is ALGORITHMS["mala"]
    assert [a.exact for a in ALGORITHMS.values()] == [True, False, True, True, True]


@pytest.mark.parametrize(
    ("event", "smaller"),
    [
        ((256, 256), (256, 256)),
        ((512, 512), (256, 256)),
        ((2048, 2048), (256, 256)),
        ((16, 8192), (16, 4096)),
        ((518, 200), (260, 200)),
        ((64, 64, 64), (32, 32, 64)),
    ],
)
def test_pilots_of_a_large_lattice_live_on_a_smaller_one(event, smaller):
    assert pilot_lattice(Phi4(event, 0.2, 0.022)) == Phi4(smaller, 0.2, 0.022)


def test_the_step_size_of_a_large_lattice_is_scaled(monkeypatch):
    # The rule, and what it is worth: on 64² scaled from 16² it is that of pilots on 64² to 10 %.
    theory, noise = Phi4((64, 64), 0.2, 0.022), Noise(3)
    full = {name: automatic(name, theory, noise)["step_size"] for name in ("hmc", "mala", "metropolis")}
    monkeypatch.setattr(pilots, "LARGEST", 256)
    small = Phi4((16, 16), 0.2, 0.022)
    for name, power in (("hmc", 1 / 4), ("mala", 1 / 3), ("metropolis", 0)):
        scaled = automatic(name, theory, noise)["step_size"]
        assert scaled == pytest.approx(automatic(name, small, noise)["step_size"] / 16**power)
        assert scaled == pytest.approx(full[name], rel=0.1)
