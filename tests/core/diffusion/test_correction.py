"""Correction by the true action: it leaves equilibrium alone, and improves what is near it."""

import math

import numpy as np
import pytest
import torch

from core.contracts import Cancelled
from core.diffusion.correction import correct
from core.jobs import Token
from core.noise import Noise
from core.theories.potential import Quartic
from tests.core.diffusion.imperfect import OBSERVABLES, SIGMAS, small

TOY = {"mala": {"step_size": 1.0}, "hmc": {"step_size": 0.8, "n_steps": 3}}


@pytest.mark.parametrize("algorithm", ["mala", "hmc"])
@pytest.mark.parametrize("steps", [1, 5])
def test_equilibrium_stays_as_it_is(algorithm, steps):
    """Moments of 20,000 exact draws after the steps, 4.5σ; the steps are long enough for many refusals."""
    target, n = Quartic(), 20_000
    done = correct(target, target.sample(n, Noise(1)), algorithm, steps, Noise(2), **TOY[algorithm])
    x, exact = done.fields[:, 0].numpy(), target.moments(8)
    assert 0.3 < done.acceptance < 0.95
    for k in (1, 2, 3, 4):
        wide = target.moments(2 * k)[2 * k] if k < 4 else exact[8]
        error = math.sqrt((wide - exact[k] ** 2) / n)
        assert abs((x**k).mean() - exact[k]) < SIGMAS * error, k


@pytest.mark.parametrize("algorithm", ["mala", "hmc"])
def test_a_small_lattice_from_a_bad_start_converges(algorithm):
    """4 × 4, κ = 0.2, fields 1.3 times too large: after many steps as long HMC within 4.5σ, after one not yet."""
    lattice = small(0.2)
    steps = 20 if algorithm == "hmc" else 120
    start = 1.3 * lattice.fields
    some, many = (correct(lattice.theory, start, algorithm, n, Noise(3)) for n in (1, steps))
    for name, observable in OBSERVABLES.items():
        truth, error = lattice.truth[name]
        deviations = []
        for x in (start, some.fields, many.fields):
            values = observable(x).numpy()
            deviations.append((values.mean() - truth) / math.hypot(values.std() / math.sqrt(len(values)), error))
        raw, first, last = np.abs(deviations)
        assert raw > 10, name
        assert first < raw, name
        assert last < SIGMAS, name
    assert many.acceptance > 0.5
    assert many.parameters["step_size"] > 0
    assert many.warnings == ()


def test_a_configuration_does_not_depend_on_the_others():
    target = Quartic()
    x = target.sample(6, Noise(4))
    all_of = correct(target, x, "mala", 3, Noise(5), step_size=0.5)
    some = correct(target, x[4:], "mala", 3, Noise(5).starting_at(4), step_size=0.5)
    assert torch.equal(all_of.fields[4:], some.fields)


def test_steps_that_are_refused_are_said():
    target = Quartic()
    done = correct(target, target.sample(500, Noise(6)), "mala", 2, Noise(7), step_size=300.0)
    assert done.acceptance < 0.1
    assert "of the correction's steps were accepted" in done.warnings[0]


def test_a_cancelled_computation_stops():
    token = Token()
    token.cancel()
    with pytest.raises(Cancelled):
        correct(Quartic(), torch.zeros(2, 1).double(), "mala", 2, Noise(1), token, step_size=0.1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"algorithm": "langevin"}, "correction must be one of mala, hmc, got 'langevin'"),
        ({"steps": 0}, "steps of a correction must be a whole number of at least 1, got 0"),
        ({"x": torch.zeros(2, 3)}, r"configurations must have the theory's shape \(1,\), got \(3,\)"),
        ({}, "step_size must be given for mala"),
        ({"step_size": 0.1, "epsilon": 1}, "'epsilon' is no parameter for mala"),
        ({"step_size": -1.0}, "step_size must be a positive finite number, got -1.0"),
    ],
)
def test_bad_requests_are_refused(given, message):
    arguments = {"x": torch.zeros(2, 1).double(), "algorithm": "mala", "steps": 1, "noise": Noise(1), **given}
    with pytest.raises(ValueError, match=message):
        correct(Quartic(), **arguments)
