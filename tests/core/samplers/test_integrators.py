"""Integrators: reversible, volume-preserving, of the stated order, and the compiled path is the one in torch."""

import math

import numpy as np
import pytest
import torch

from core.noise import Noise
from core.samplers import cuda_graph
from core.samplers.fourier import FourierKernel
from core.samplers.integrators import INTEGRATORS, energy, integrate, integrate_in_torch, make_moves, mover, one_by_one
from core.theories.phi4 import Phi4
from tests.core.samplers.gaussian_theory import Oscillator

NAMES = list(INTEGRATORS)
SHAPES = [(2,), (5,), (2, 2), (2, 3), (4, 6), (16, 33), (3, 4, 5), (2, 2, 2), (2, 3, 2, 4)]


def start(theory, n=3, dtype=torch.float64):
    shape = (n, *theory.event)
    return Noise(1, "x").normal(0, shape, dtype), Noise(1, "p").normal(0, shape, dtype)


@pytest.mark.parametrize("name", NAMES)
def test_moves_read_the_same_from_either_end_and_last_as_long_as_asked(name):
    kicks, drifts = make_moves(name, 0.1, 7)
    assert len(kicks) == len(drifts) + 1
    np.testing.assert_array_equal(kicks, kicks[::-1])
    np.testing.assert_array_equal(drifts, drifts[::-1])
    assert kicks.sum() == pytest.approx(0.7, rel=1e-14)
    assert drifts.sum() == pytest.approx(0.7, rel=1e-14)


def test_omelyan_by_hand():
    # One step, hep-lat/0505020: e^{λεT'} e^{εV/2} e^{(1-2λ)εT'} e^{εV/2} e^{λεT'} with kicks for T'.
    kicks, drifts = make_moves("omelyan", 1.0, 1)
    np.testing.assert_allclose(kicks, [0.1931833275037836, 1 - 2 * 0.1931833275037836, 0.1931833275037836])
    np.testing.assert_array_equal(drifts, [0.5, 0.5])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_compiled_is_the_same_as_in_torch(shape, name):
    theory = Phi4(shape, 0.1, 0.022)
    x, p = start(theory)
    moves = make_moves(name, 0.13, 7)
    expected = integrate_in_torch(theory, x, p, moves)
    for got, wanted in zip(theory.integrate(x, p, *moves), expected, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-12, atol=1e-12)
    for got, wanted in zip(theory.integrate(x.float(), p.float(), *moves), expected, strict=True):
        torch.testing.assert_close(got.double(), wanted, rtol=2e-5, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(5,), (4, 6), (3, 4, 5)])
def test_compiled_trajectory_draws_the_momenta_and_decisions_of_the_noise(shape, dtype):
    theory, chains = Phi4(shape, 0.1, 0.022), 40
    x, _ = start(theory, chains, dtype)
    noise, count = Noise(5).starting_at(3), 11
    moves = make_moves("leapfrog", 1.0, 3)
    y, _, delta = theory.integrate(x, noise.normal(count, tuple(x.shape), dtype), *moves)
    got, accepted, difference = theory.trajectory(x, noise, count, *moves, True, noise.of("flip"))
    expected = torch.log(noise.uniform(count, (chains, 1))[:, 0]) < -delta
    sign = torch.where(noise.of("flip").uniform(count, (chains, 1))[:, 0] < 0.5, -1, 1)
    assert 3 < int(expected.sum()) < chains - 3
    assert 3 < int((sign < 0).sum()) < chains - 3
    torch.testing.assert_close(difference, delta, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(accepted, expected)
    wanted = torch.where(expected.reshape(-1, *[1] * len(shape)), y, x) * sign.reshape(-1, *[1] * len(shape))
    torch.testing.assert_close(got, wanted.to(dtype), rtol=0, atol=0)


def test_inputs_are_left_alone_and_need_not_be_contiguous():
    theory = Phi4((4, 6), 0.2, 0.1)
    x, p = (v.transpose(1, 2).contiguous().transpose(1, 2) for v in start(theory))
    before = x.clone(), p.clone()
    moves = make_moves("leapfrog", 0.1, 3)
    got = theory.integrate(x, p, *moves)
    expected = integrate_in_torch(theory, *before, moves)
    torch.testing.assert_close(got[0], expected[0], rtol=1e-12, atol=1e-12)
    theory.trajectory(x, Noise(1), 0, *moves)
    torch.testing.assert_close((x, p), before, rtol=0, atol=0)


def test_a_runaway_chain_is_nan_and_hurts_no_other():
    theory = Phi4(4, 0.2, 0.5)
    x, p = start(theory)
    x[1] *= 1e4
    moves = make_moves("leapfrog", 0.1, 30)
    _, _, delta = theory.integrate(x, p, *moves)
    assert torch.isfinite(delta).tolist() == [True, False, True]
    y, accepted, _ = theory.trajectory(x, Noise(1), 0, *moves, False)
    assert accepted.tolist() == [True, False, True]
    torch.testing.assert_close(y[1], x[1], rtol=0, atol=0)


@pytest.mark.parametrize("fourier", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_trajectories_are_reversible(name, fourier):
    theory = Phi4(8, 0.3, 0.022)
    kernel = FourierKernel(theory) if fourier else None
    x, p = start(theory)
    moves = make_moves(name, 0.1, 20)
    y, q, there = integrate(theory, x, p, moves, kernel)
    back, momentum, delta = integrate(theory, y, -q, moves, kernel)
    torch.testing.assert_close(back, x, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(momentum, -p, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(delta, -there, rtol=1e-8, atol=1e-8)
    assert there.abs().min() > 1e-7
    assert (y - x).abs().max() > 0.5


@pytest.mark.parametrize("fourier", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_trajectories_preserve_the_volume_of_phase_space(name, fourier):
    theory = Phi4((2, 3), 0.2, 0.3)
    kernel = FourierKernel(theory) if fourier else None
    moves = make_moves(name, 0.3, 4)
    point = torch.cat([v.reshape(-1) for v in start(theory, 1)])

    def end(z):
        x, p = (v.reshape(1, 2, 3) for v in z.chunk(2))
        y, q, _ = integrate_in_torch(theory, x, p, moves, kernel)
        return torch.cat([y.reshape(-1), q.reshape(-1)])

    jacobian = torch.autograd.functional.jacobian(end, point)
    assert isinstance(jacobian, torch.Tensor)
    assert torch.linalg.det(jacobian).item() == pytest.approx(1, abs=1e-12)
    assert (jacobian - torch.eye(12, dtype=torch.float64)).abs().max() > 0.5


@pytest.mark.parametrize("name", NAMES)
def test_energy_error_is_of_second_order(name):
    theory = Phi4(8, 0.27, 0.022)
    x, p = start(theory, 50)
    errors = [integrate(theory, x, p, make_moves(name, 1.0 / n, n))[2].abs().mean().item() for n in (20, 40, 80)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.1)
    assert math.log2(errors[1] / errors[2]) == pytest.approx(2, abs=0.03)


def test_omelyan_is_more_accurate_for_the_same_number_of_forces():
    theory = Phi4(8, 0.27, 0.022)
    x, p = start(theory, 50)
    plain = integrate(theory, x, p, make_moves("leapfrog", 0.05, 20))[2].abs().mean()
    omelyan = integrate(theory, x, p, make_moves("omelyan", 0.1, 10))[2].abs().mean()
    assert omelyan < plain / 2


@pytest.mark.parametrize("name", NAMES)
def test_oscillator_moves_at_its_frequency(name):
    # S = ½ ω x², unit momenta: x(t) = x cos √ω t, p = -x √ω sin √ω t.
    x, p = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    y, q, _ = integrate(Oscillator(2.0), x, p, make_moves(name, 1e-3, 1000))
    assert y.item() == pytest.approx(math.cos(math.sqrt(2)), abs=1e-6)
    assert q.item() == pytest.approx(-math.sqrt(2) * math.sin(math.sqrt(2)), abs=1e-6)


def test_accelerated_modes_of_the_free_field_move_at_one_frequency():
    # Ω² = 𝒦(p)/G(p) is the same for every mode where 𝒦 = c G: after half a period every mode is at minus itself.
    theory = Phi4((4, 6), 0.2, 0.0)
    kernel = FourierKernel(theory)
    frequencies = np.sqrt(kernel.spectrum / theory.free_propagator())
    np.testing.assert_allclose(frequencies, frequencies[0, 0], rtol=1e-10)
    x, p = start(theory)
    steps = 2000
    moves = make_moves("omelyan", math.pi / frequencies[0, 0] / steps, steps)
    y, q, _ = integrate(theory, x, p, moves, kernel)
    torch.testing.assert_close(y, -x, rtol=0, atol=1e-5)
    torch.testing.assert_close(q, -p, rtol=0, atol=1e-5)


def test_energy_counts_the_kernel():
    theory = Phi4((4, 4), 0.2, 0.0)
    kernel = FourierKernel(theory)
    x, p = torch.zeros(500, 4, 4, dtype=torch.float64), Noise(2).normal(0, (500, 4, 4))
    # With p = 𝒦^(-½) η the kinetic energy is ½ η².
    torch.testing.assert_close(
        energy(theory, x, kernel.inverse_sqrt(p), kernel), p.square().flatten(1).sum(1) / 2, rtol=1e-12, atol=1e-12
    )


def test_unknown_integrator_is_named():
    with pytest.raises(ValueError, match="integrator must be one of leapfrog, omelyan, got 'euler'"):
        make_moves("euler", 0.1, 1)


def test_cuda_alone_is_replayed_from_a_graph():
    assert mover(torch.device("cuda", 0)) is cuda_graph.replay
    assert mover(torch.device("cpu")) is mover(torch.device("mps")) is one_by_one


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("fourier", [False, True])
def test_replayed_graph_is_the_trajectory(fourier):
    theory = Phi4(8, 0.27, 0.022)
    kernel = FourierKernel(theory) if fourier else None
    x, p = start(theory)
    for steps in (3, 5):  # the second from the graph of the first
        moves = make_moves("omelyan", 0.1, steps)
        expected = integrate_in_torch(theory, x, p, moves, kernel)
        got = integrate_in_torch(theory, x.cuda(), p.cuda(), moves, kernel)
        for a, b in zip(got, expected, strict=True):
            torch.testing.assert_close(a.cpu(), b, rtol=1e-9, atol=1e-9)
