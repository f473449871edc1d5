"""Field models: baselines between couplings and lattices, the bound score, files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from core.diffusion.field_baseline import Baseline, Propagators, between, on_lattice
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_model import FieldModel, FieldTrainingRecord, shipped
from core.diffusion.field_network import PRESETS, NetworkConfig
from core.diffusion.field_recipes import CALIBRATION, EVENT, LAM, SEED, SHIPPED
from core.noise import Noise
from core.theories.phi4 import Phi4
from tests.core.diffusion.test_field_network import network

CONFIG = NetworkConfig(channels=3, hidden=6, gate=5, blocks=2, embedding=7)


def gaussian(kappa: float = 0.22, L: int = 8, m: float = 0.0) -> FieldGaussianScore:
    return FieldGaussianScore(Phi4(L, kappa, 0.0).free_propagator(), m)


def model(m: float = 0.4, name: str = "test") -> FieldModel:
    record = FieldTrainingRecord("phi4", [[0.22, 0.02]], [[8, 8]], sigma_min=0.01, sigma_max=30.0)
    return FieldModel(network(CONFIG), [Baseline(gaussian(m=m), 0.22, 0.02)], record, name)


def conditioned() -> FieldModel:
    grid = [Baseline(gaussian(k), k, g) for k in (0.16, 0.18, 0.2, 0.22) for g in (0.01, 0.03)]
    record = FieldTrainingRecord("phi4", [[b.kappa, b.lam] for b in grid], [[8, 8]], sigma_min=0.01, sigma_max=30.0)  # type: ignore[list-item]
    return FieldModel(network(NetworkConfig(3, 6, 5, 1, 7, True)), grid, record)


FIELDS = Noise(8).normal(0, (5, 8, 8))


class TestBaselines:
    def test_another_lattice_has_the_same_function_of_the_momentum(self):
        large = on_lattice(gaussian(0.23, 16), (32, 32))
        exact = Phi4(32, 0.23, 0.0).free_propagator()
        assert np.allclose(large.connected, exact, rtol=1e-9)
        small = on_lattice(gaussian(0.23, 16), (8, 8))
        assert np.allclose(small.connected, gaussian(0.23, 8).connected, rtol=1e-9)

    def test_a_zero_mode_that_feels_the_box_is_replaced(self):
        given = gaussian(0.23, 16)
        given.connected[0, 0] *= 3
        assert np.allclose(on_lattice(given, (32, 32)).connected, Phi4(32, 0.23, 0.0).free_propagator(), rtol=1e-9)
        assert on_lattice(given, (16, 16)) is given
        with pytest.raises(ValueError, match=r"the lattice must have 2 dimensions, got \(8,\)"):
            on_lattice(given, (8,))

    def test_between_couplings_the_propagator_is_interpolated(self):
        grid = [Baseline(gaussian(k), k, 0.02) for k in np.linspace(0.18, 0.23, 11).round(4)]
        made = between(grid, 0.2125, 0.02)
        assert made.source == "interpolated"
        assert np.abs(made.gaussian.connected / gaussian(0.2125).connected - 1).max() < 2e-3
        assert between(grid, 0.21, 0.02) is grid[6]

    def test_m_is_interpolated_where_it_is_smooth(self):
        grid = [Baseline(gaussian(0.2, m=m), k, 0.02) for k, m in ((0.26, 0.0), (0.27, 0.5), (0.28, 0.7))]
        m = between(grid, 0.265, 0.02).gaussian.m
        assert 0 < m**4 < 0.5**4
        full = between(grid, 0.265, 0.02).gaussian.full.flat[0]
        ends = [b.gaussian.full.flat[0] for b in grid[:2]]
        assert min(ends) < full < max(ends)

    def test_couplings_outside_are_refused(self):
        grid = [Baseline(gaussian(k), k, 0.02) for k in (0.2, 0.22)]
        with pytest.raises(ValueError, match=r"kappa must be from 0.2 to 0.22, the couplings of the training, got 0.3"):
            between(grid, 0.3, 0.02)
        with pytest.raises(ValueError, match=r"lam must be 0.02, .* got 0.05"):
            between(grid, 0.21, 0.05)


class TestScore:
    def test_all_schedules_share_one_denoiser(self):
        score, sigma = model().at(), 0.7
        for f in (0.2, 1.0):
            xi = (sigma * f) ** 2
            d = (f**-1) * (xi * score.score(f * FIELDS, f, xi) + f * FIELDS)
            assert torch.allclose(d, score.denoise(FIELDS, sigma), rtol=1e-5, atol=1e-5)

    def test_a_network_of_zeros_leaves_the_gaussian_score(self):
        made = model()
        with torch.no_grad():
            for weight in made.network.parameters():
                weight.zero_()
        assert torch.equal(made.at().score(FIELDS, 0.5, 0.3), gaussian(m=0.4).score(FIELDS, 0.5, 0.3))

    def test_above_the_trained_levels_it_is_the_baseline(self):
        score = model().at()
        assert torch.equal(score.score(FIELDS, 1.0, 31.0**2), gaussian(m=0.4).score(FIELDS, 1.0, 31.0**2))
        assert not torch.equal(score.score(FIELDS, 1.0, 29.0**2), gaussian(m=0.4).score(FIELDS, 1.0, 29.0**2))
        assert torch.isfinite(score.score(FIELDS, 0.0, 1.0)).all()
        assert torch.isfinite(score.score(FIELDS, 1.0, 0.0)).all()

    def test_the_score_of_a_field_does_not_depend_on_the_others(self):
        score, many = model().at(), Noise(9).normal(0, (300, 8, 8), torch.float32)
        together = score.score(many, 1.0, 0.5)
        for count in (1, 2, 130):
            assert torch.equal(score.score(many[:count], 1.0, 0.5), together[:count])
        many[1:] *= 2
        assert torch.equal(score.score(many, 1.0, 0.5)[0], together[0])

    @pytest.mark.parametrize("blocks", [1, 2])
    @pytest.mark.parametrize("f", [1.0, 0.4])
    def test_the_divergence_is_the_trace_of_the_jacobian(self, blocks, f):
        made = network(
            NetworkConfig(channels=3, hidden=6, gate=5, blocks=blocks, embedding=7, magnetised=blocks > 1)
        ).double()
        baseline, sigma = Baseline(gaussian(m=0.4), 0.22, 0.02), 0.7
        score = FieldModel(made, [baseline], model().record).at()
        x, xi = f * FIELDS[:2], (f * sigma) ** 2
        p, levels = Propagators.of([baseline]).to(torch.float64), torch.full((2,), sigma, dtype=torch.float64)

        def exact(y):  # the score in double precision
            return gaussian(m=0.4).score(y, f, xi) + made(y / f, levels, p) / f

        jacobian = torch.autograd.functional.jacobian(lambda y: exact(y).sum(0), x).movedim(2, 0).reshape(2, 64, 64)  # type: ignore[union-attr]
        trace = jacobian.diagonal(dim1=1, dim2=2).sum(1)
        assert score.cheap_divergence == (blocks == 1)
        assert torch.allclose(score.divergence(x, f, xi), trace, rtol=1e-4)

    def test_bad_arguments_are_named(self):
        with pytest.raises(ValueError, match=r"x must have the shape \(n, 8, 8\), got \(2, 4, 4\)"):
            model().at().score(torch.zeros(2, 4, 4))
        with pytest.raises(ValueError, match="f and xi must not be negative"):
            model().at().score(FIELDS, -1.0, 1.0)


class TestBinding:
    def test_stored_interpolated_extrapolated_refitted(self):
        made = conditioned()
        assert made.at(kappa=0.18, lam=0.01).source == "fitted"
        assert made.at(kappa=0.19, lam=0.02).source == "interpolated"
        large = made.at((16, 16), 0.19, 0.02)
        assert (large.source, large.event) == ("extrapolated", (16, 16))
        again = made.at((16, 16), 0.3, 0.02, gaussian(0.23, 16))
        assert (again.source, again.kappa) == ("refitted", 0.3)
        assert again.theory_object == Phi4((16, 16), 0.3, 0.02)

    def test_couplings_that_make_no_sense_are_refused(self):
        with pytest.raises(ValueError, match=r"kappa must be 0.22, at which this model was trained, got 0.3"):
            model().at(kappa=0.3)
        with pytest.raises(ValueError, match=r"kappa must be given for a conditioned model, from 0.16 to 0.22"):
            conditioned().at(lam=0.02)
        with pytest.raises(ValueError, match=r"gaussian must live on the lattice \(16, 16\), got \(8, 8\)"):
            model().at((16, 16), gaussian=gaussian())

    def test_the_range_of_trust(self):
        assert conditioned().trusts(0.19, 0.02) == ""
        assert "trained for κ from 0.16 to 0.22; at κ = 0.3 it guesses" in conditioned().trusts(0.3, 0.02)
        assert "trained at λ = 0.02" in model().trusts(0.22, 0.1)


class TestFiles:
    @pytest.mark.parametrize("make", [model, conditioned])
    def test_a_file_gives_the_same_score(self, make, tmp_path):
        made = make()
        made.save(tmp_path / "m.safetensors")
        read = FieldModel.load(tmp_path / "m.safetensors")
        assert (read.digest, read.record, read.name) == (made.digest, made.record, "m")
        couplings = {"kappa": 0.18, "lam": 0.01} if made.conditioned else {}
        x = FIELDS.float()
        assert torch.allclose(
            read.at(**couplings).score(x, 1.0, 0.5), made.at(**couplings).score(x, 1.0, 0.5), atol=1e-5
        )

    def test_the_digest_knows_the_weights(self):
        made = model()
        before = made.digest
        other = model()
        with torch.no_grad():
            other.network.out[0] += 1e-4
        assert other.digest != before
        assert model().digest == before

    def test_nothing_is_overwritten(self, tmp_path):
        path = tmp_path / "m.safetensors"
        model().save(path)
        with pytest.raises(FileExistsError):
            model().save(path)

    def test_foreign_files_are_refused(self, tmp_path):
        from core.diffusion.learned import MODELS

        with pytest.raises(ValueError, match="a score of a toy target, not of a lattice field"):
            FieldModel.load(next(MODELS.glob("two-peak.safetensors")))
        path = tmp_path / "cut.safetensors"
        model().save(path)
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(ValueError, match="damaged or cut short"):
            FieldModel.load(path)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_models_are_those_of_the_recipes(name):
    made, recipe = FieldModel.load(shipped()[name]), SHIPPED[name]
    assert (made.record.steps, made.record.seed, made.record.threads) == (recipe.steps, SEED, 1)
    assert made.record.config["levels"] == "adaptive"
    assert made.record.config["calibration"] == CALIBRATION
    assert made.event == EVENT
    assert made.lam_range == (LAM, LAM)
    assert made.kappa_range == (recipe.kappas[0], recipe.kappas[-1])
    assert len(made.tables) == len(made.baselines)
    assert made.network.config == replace(PRESETS["small"], conditioned=len(recipe.kappas) > 1)
    act = {"kappa": 0.27} if made.conditioned else {}
    score, x = made.at(**act), Noise(3).normal(0, (4, *EVENT), torch.float32)
    out = score.score(x, 1.0, 0.5)
    for other in (-score.score(-x, 1.0, 0.5), score.score(x.transpose(1, 2), 1.0, 0.5).transpose(1, 2)):
        assert (out - other).abs().max() < 1e-5 * out.abs().max()
    moved = score.score(torch.roll(x, (3, 5), (1, 2)), 1.0, 0.5)
    assert (torch.roll(out, (3, 5), (1, 2)) - moved).abs().max() < 1e-5 * out.abs().max()
