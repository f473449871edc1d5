"""The field network: its symmetries, and the loss whose Gaussian noise cancels."""

from __future__ import annotations

import math

import pytest
import torch

from core.diffusion.field_baseline import Baseline, Propagators
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_loss import Batch, denoising_loss
from core.diffusion.field_network import FieldNetwork, NetworkConfig
from core.noise import Noise
from core.samplers.ensemble import thermalise
from core.theories.phi4 import Phi4

TINY = NetworkConfig(channels=3, hidden=6, gate=5, blocks=2, embedding=7)


def network(config: NetworkConfig = TINY, seed: int = 1) -> FieldNetwork:
    """A network with all of its weights drawn at random, the last layer's too."""
    made = FieldNetwork(config)
    made.initialise(Noise(seed))
    with torch.no_grad():
        made.out.copy_(Noise(seed, "out").normal(0, tuple(made.out.shape), torch.float32))
        made.out_level.weight.copy_(
            0.3 * Noise(seed, "level").normal(0, tuple(made.out_level.weight.shape), torch.float32)
        )
    return made


def free(event: tuple[int, ...], m: float = 0.4) -> Baseline:
    kappa = 0.22 * 2 / len(event)
    return Baseline(FieldGaussianScore(Phi4(event, kappa, 0.0).free_propagator(), m), kappa, 0.022)


SYMMETRIES = {
    "sign": lambda x: -x,
    "translation": lambda x: torch.roll(x, tuple(range(2, x.ndim + 1)), tuple(range(1, x.ndim))),
    "reflection": lambda x: x.flip(1),
    "exchange of axes": lambda x: x.transpose(1, x.ndim - 1),
}


@pytest.mark.parametrize("event", [(12,), (8, 8), (6, 6, 6)], ids=str)
@pytest.mark.parametrize("name", SYMMETRIES)
def test_commutes_with_the_symmetries(name, event):
    act = SYMMETRIES[name]
    x, sigma = Noise(2).normal(0, (4, *event)), torch.tensor([0.05, 0.4, 2.0, 9.0], dtype=torch.float64)
    made, propagators = network().double(), Propagators.of([free(event)]).to(torch.float64)
    with torch.inference_mode():
        out, other = made(x, sigma, propagators), made(act(x), sigma, propagators)
    size = out.flatten(1).abs().amax(1)
    assert size.min() > 1e-3
    assert ((other - act(out)).flatten(1).abs().amax(1) < 1e-12 * size).all()
    with torch.inference_mode():
        single = network()(act(x).float(), sigma.float(), Propagators.of([free(event)]))
    assert ((single - act(out)).flatten(1).abs().amax(1) < 1e-4 * size).all()


def test_rows_of_a_batch_have_their_own_baselines():
    couplings = [
        Baseline(FieldGaussianScore(Phi4(8, k, 0.0).free_propagator(), m), k, 0.02)
        for k, m in ((0.2, 0.0), (0.24, 0.5))
    ]
    made = network(NetworkConfig(3, 6, 5, 1, 7, conditioned=True))
    x, sigma = Noise(3).normal(0, (2, 8, 8), torch.float32), torch.tensor([0.3, 0.7])
    both = made(x, sigma, Propagators.of(couplings).pick(torch.tensor([1, 0])))
    for i, baseline in enumerate(reversed(couplings)):
        alone = made(x[i : i + 1], sigma[i : i + 1], Propagators.of([baseline]))
        assert torch.allclose(both[i], alone[0], rtol=1e-4, atol=1e-5)
    swapped = made(x, sigma, Propagators.of(couplings))
    assert (both - swapped).abs().amax() > 1e-3


def test_an_untrained_network_adds_nothing():
    made = FieldNetwork(TINY)
    made.initialise(Noise(1))
    x = Noise(2).normal(0, (3, 8, 8), torch.float32)
    assert torch.equal(made(x, torch.tensor([0.1, 1.0, 5.0]), Propagators.of([free((8, 8))])), torch.zeros_like(x))


def test_no_noise_is_left_of_a_free_field():
    theory = Phi4(8, 0.22, 0.0)
    baseline = Baseline(FieldGaussianScore(theory.free_propagator()), 0.22, 0.0)
    modes = torch.fft.rfft2(Noise(4).normal(0, (64, 8, 8)))
    x0 = torch.fft.irfft2(modes * torch.from_numpy(theory.free_propagator()[:, :5]).sqrt(), s=(8, 8)).float()
    sigma = torch.logspace(-1.5, 1.0, 64)
    eta = Noise(5).normal(0, tuple(x0.shape), torch.float32)
    propagators = Propagators.of([baseline])
    assert denoising_loss(None, Batch(x0, sigma, eta, propagators, theory.force(x0))).max() < 1e-8
    assert denoising_loss(None, Batch(x0, sigma, eta, propagators)).min() > 0.1  # the samples alone leave all of it


@pytest.fixture(scope="module")
def ensemble() -> tuple[Phi4, torch.Tensor]:
    """φ⁴ on 4 × 4 with a strong coupling."""
    theory = Phi4(4, 0.25, 0.2)
    *_, report = thermalise(theory, 40_000, Noise(6), 60)
    return theory, report.fields.float()


def test_no_other_mixture_of_the_targets_has_less_noise(ensemble):
    # of T = φ_0 + s c(p) δ_p with a factor s, and with the noise of E[φ_0|x̃] - φ_0 in all of them alike
    theory, x0 = ensemble
    propagators = Propagators.of([Baseline(FieldGaussianScore.fit(x0), 0.25, 0.2)])
    force = torch.fft.rfft2(theory.force(x0)).abs().square().mean(0) / 16
    assert torch.allclose(propagators.curvature()[0], force, rtol=0.03)
    for sigma in (0.3, 1.0, 4.0):
        delta = sigma * (Noise(8).normal(0, tuple(x0.shape), torch.float32) + sigma * theory.force(x0))
        share = 1 / (1 + sigma**2 * propagators.curvature())
        kick = torch.fft.irfft2(share * torch.fft.rfft2(delta), s=(4, 4))
        # the noise is ⟨|φ_0 + s kick|²⟩ up to a constant: a parabola in s, lowest at -⟨φ_0 kick⟩/⟨kick²⟩
        cross, square = (x0 * kick).mean((1, 2)).double(), kick.square().mean((1, 2)).double()
        lowest = -float(cross.mean() / square.mean())
        error = float((cross + lowest * square).std() / square.mean()) / math.sqrt(len(x0))
        assert abs(lowest - 1) < 4.5 * error < 0.2


@pytest.mark.parametrize("m", [0.0, 0.6])
@pytest.mark.parametrize("sigma", [0.15, 0.7, 3.0])
def test_both_targets_have_the_same_mean_at_every_field(ensemble, sigma, m):
    # ∂/∂a of the loss of the denoiser B + a σ̃ t(x̃) at a = 0 is -⟨t (T - B)/σ̃⟩, the same for both targets and every t
    theory, x0 = ensemble
    wrong = FieldGaussianScore(Phi4(4, 0.15, 0.0).free_propagator(), m)  # any G will do
    propagators = Propagators.of([Baseline(wrong, 0.25, 0.2)])
    eta = Noise(7).normal(0, tuple(x0.shape), torch.float32)
    x = x0 + sigma * eta
    tests = {"linear": x, "cubic": x**3 / (1 + x**2), "neighbours": torch.roll(x, 1, 1) * x**2 / (1 + x**2)}
    for name, t in tests.items():
        differences = []
        for force in (theory.force(x0), None):
            batch = Batch(x0, torch.full((len(x0),), sigma), eta, propagators, force)
            slope = denoising_loss(Shift(t, sigma), batch) - denoising_loss(Shift(-t, sigma), batch)  # type: ignore[arg-type]
            differences.append(slope.double())
        gap = differences[0] - differences[1]
        error = float(gap.std()) / math.sqrt(len(gap))
        assert abs(float(gap.mean())) < 4.5 * error, name
        assert float(differences[0].std()) < float(differences[1].std()) * 3


class Shift:
    """In the place of a network: a given change of the denoiser, D = B + ½ σ̃ t."""

    def __init__(self, t: torch.Tensor, sigma: float) -> None:
        self.t, self.sigma = t, sigma

    def __call__(self, x, sigma, propagators):
        return self.t / (2 * self.sigma)


@pytest.mark.parametrize("name", ["channels", "hidden", "gate", "blocks", "embedding"])
def test_sizes_below_one_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} of a network must be at least 1, got 0"):
        NetworkConfig(**{name: 0})
