"""``stoqlab bench train``: the published network, what is compared and how, and the command."""

import itertools
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from core.cli import main, train_race
from core.cli.held_out import LEVELS, Data, Examination, denoiser_of
from core.cli.published_network import BATCH, Geometric, PublishedNetwork, PublishedTraining, Units
from core.cli.train_curves import Excess, Lead
from core.cli.train_race import Point, Setting
from core.diffusion.field_baseline import Baseline
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_model import FieldModel, FieldTrainingRecord
from core.diffusion.field_network import PRESETS, FieldNetwork
from core.diffusion.field_noise import NoiseRange
from core.ensembles.make import make_ensemble
from core.ensembles.request import EnsembleRequest
from core.noise import Noise
from core.schedule import VE
from core.theories.phi4 import Phi4

LATTICE = (4, 4)


def free_field(extent: int = 4, kappa: float = 0.2) -> FieldGaussianScore:
    p = 2 * np.pi * np.arange(extent) / extent
    return FieldGaussianScore(1 / (2 - 4 * kappa * (np.cos(p)[:, None] + np.cos(p))))


def drawn(score: FieldGaussianScore, n: int, seed: int = 1) -> torch.Tensor:
    return score.draw_prior(n, 1.0, 0.0, Noise(seed))


# The published network


def test_published_network_has_the_published_number_of_weights():
    network = PublishedNetwork()
    convolutions = 9 * (32 + 32 * 64 + 64 * 128 + 128 * 256 + 256 * 128 + 2 * 128 * 64 + 2 * 64 * 32 + 2 * 32) + 1
    widths = (32, 64, 128, 256, 128, 64, 32)
    times = 256 * 257 + sum(257 * width for width in widths)
    assert sum(p.numel() for p in network.parameters()) == convolutions + times + 2 * sum(widths) == 1_115_297


def test_weights_follow_the_law_that_torch_draws_them_from():
    """Uniform within 1/√(inputs), so ⟨w²⟩ = 1/(3 inputs), with the relative error √(4/5n)."""
    network = PublishedNetwork()
    network.initialise(Noise(3))
    for layer in (network.down[2], network.up[1], network.times[3], network.embedding):
        inputs, _ = nn.init._calculate_fan_in_and_fan_out(layer.weight)
        for weights in (w.detach() for w in layer.parameters()):
            assert float(weights.abs().max()) <= inputs**-0.5
            ratio = 3 * inputs * float(weights.square().mean())
            assert abs(ratio - 1) < 5 * math.sqrt(0.8 / weights.numel())
    assert float(network.frequencies.std()) == pytest.approx(30, rel=5 / math.sqrt(2 * 128))


def test_published_network_has_no_periodic_boundary_but_knows_the_time():
    network = PublishedNetwork()
    network.initialise(Noise(3))
    y, t = Noise(4).normal(0, (2, 6, 6), torch.float32), torch.tensor([0.3, 0.3])
    assert {layer.padding_mode for layer in (*network.down, *network.up, network.out)} == {"zeros"}
    with torch.no_grad():
        shifted = network(y.roll(1, 1), t).roll(-1, 1)
        assert (shifted - network(y, t)).abs().max() > 1e-3
        assert (network(y, t + 0.1) - network(y, t)).abs().max() > 1e-3


@pytest.mark.parametrize("schedule", [VE(25.0), Geometric(0.01, 20.0)], ids=["published", "adapted"])
def test_score_in_normalised_fields_is_the_denoiser_in_units_of_the_field(schedule):
    """Sites N(μ, v): the normalised score is linear, and so is D = (v x + σ̃² μ)/(v + σ̃²)."""
    mean, variance, centre, scale = 0.7, 1.9, -0.4, 3.1
    units = Units(centre, scale, schedule, 1e-5)

    def network(y, t):
        level = torch.from_numpy(np.asarray(schedule.sigma(t.numpy()))).to(y)[:, None, None]
        return -level * (y - (mean - centre) / scale) / (variance / scale**2 + level**2)

    sigma = torch.tensor([0.05, 0.3, 1.0, 4.0, 25.0], dtype=torch.float64)
    x = Noise(1).normal(0, (5, 4, 4)) * 3
    s = sigma[:, None, None]
    exact = (variance * x + s**2 * mean) / (variance + s**2)
    torch.testing.assert_close(units.denoised(network, x, sigma), exact, rtol=1e-10, atol=1e-10)


def test_levels_beyond_the_schedule_are_told_as_the_nearest():
    units, told = Units(0.0, 1.0, VE(25.0), 1e-5), []
    units.denoised(lambda y, t: told.append(t) or y, torch.zeros(2, 2, 2), torch.tensor([1e-6, 100.0]))
    assert told[0].tolist() == pytest.approx([1e-5, 1.0])


@pytest.mark.parametrize("levels", [None, (0.01, 8.0)], ids=["published", "adapted"])
def test_published_training_learns_and_repeats_itself(levels):
    score = free_field()
    fields = drawn(score, 512)
    exam = Examination.of(drawn(score, 256, 2), NoiseRange(0.1, 4.0), 2, 256, Noise(5))
    training = PublishedTraining(fields, Noise(1), levels)
    before = exam.losses(training.denoise).mean()
    losses = [training.advance() for _ in range(20)]
    assert training.step == 20
    assert exam.losses(training.denoise).mean() < 0.5 * before
    again = PublishedTraining(fields, Noise(1), levels)
    assert [again.advance() for _ in range(2)] == losses[:2]


def test_every_epoch_sees_every_field_once():
    training = PublishedTraining(drawn(free_field(), 2 * BATCH), Noise(1))
    epochs = [torch.cat([training.rows(step), training.rows(step + 1)]) for step in (0, 2)]
    for rows in epochs:
        assert rows.sort().values.tolist() == list(range(2 * BATCH))
    assert not torch.equal(*epochs)


def test_fields_that_cannot_be_normalised_are_refused():
    with pytest.raises(ValueError, match="at least 64 fields"):
        PublishedTraining(torch.zeros(100, 4, 4), Noise(1))


# The comparison


def test_losses_of_exact_and_wrong_denoisers_are_what_theory_says():
    """Free field: the exact denoiser loses ½ Σ_p W, another propagator's ½ Σ_p (W' - W)² (G + σ̃²)/σ̃² more."""
    right = free_field()
    wrong = FieldGaussianScore(0.6 * right.connected)
    exam = Examination.of(drawn(right, 40_000), NoiseRange(0.1, 5.0), 4, 40_000, Noise(2))
    losses = {name: exam.losses(denoiser_of(score)) for name, score in (("right", right), ("wrong", wrong))}
    plain = Excess.of(losses["right"], np.zeros(len(exam.x0)), exam)
    more = Excess.of(losses["wrong"], losses["right"], exam)
    assert len(exam.x0) == 40_000
    total = 0.0
    for band, (low, high) in enumerate(itertools.pairwise(exam.edges)):
        # The mean over a band is that over its levels, so the prediction takes the same middles of equal parts.
        level = np.exp(np.log(low) + np.log(high / low) * (np.arange(LEVELS) + 0.5) / LEVELS)
        g, s2 = right.connected[None], level[:, None, None] ** 2
        w, v = g / (g + s2), 0.6 * g / (0.6 * g + s2)
        assert abs(plain.value[band] - (w.sum((1, 2)) / 2).mean()) < 5 * plain.error[band]
        gap = ((v - w) ** 2 * (g + s2) / s2).sum((1, 2)).mean() / 2
        assert abs(more.value[band] - gap) < 5 * more.error[band]
        total += 2 * math.log(high / low) * gap
    assert abs(more.total - total) < 5 * more.total_error
    assert more.total_error < 0.02 * total  # paired: the noise that both see is gone


def test_any_number_of_held_out_fields_has_all_levels_alike():
    exam = Examination.of(drawn(free_field(), 300), NoiseRange(0.1, 5.0), 4, 299, Noise(2))
    assert len(exam.x0) == 288 == 9 * 4 * LEVELS
    counts = exam.sigma.unique(return_counts=True)[1]
    assert counts.tolist() == [9] * 4 * LEVELS
    for band, (low, high) in enumerate(itertools.pairwise(exam.edges)):
        some = exam.sigma[torch.from_numpy(exam.band == band)]
        assert low < some.min() < some.max() < high
    for n in (31, 400):
        with pytest.raises(ValueError, match="held_out must be from 32"):
            Examination.of(drawn(free_field(), 300), NoiseRange(0.1, 5.0), 4, n, Noise(2))


def point(name: str, seconds: float, losses: float, exam: Examination) -> Point:
    return Point(name, seconds, round(10 * seconds), 1, np.full(len(exam.x0), losses))


def test_lead_is_the_time_of_the_first_validation_that_is_no_worse():
    exam = Examination.of(drawn(free_field(), 64), NoiseRange(0.1, 5.0), 4, 64, Noise(2))
    ours = [point("ours", s, loss, exam) for s, loss in ((0.5, 9.0), (2.0, 5.0), (4.0, 3.0), (8.0, 2.0))]
    lead = Lead.of(ours, point("published", 100.0, 3.5, exam), exam)
    assert (lead.seconds, lead.step, lead.factor, lead.by_band) == (4.0, 40, 25.0, [4.0] * 4)
    assert lead.difference.total == pytest.approx(2 * math.log(50) * (2.0 - 3.5))
    never = Lead.of(ours, point("published", 100.0, 1.5, exam), exam)
    assert (never.seconds, never.step, never.factor, never.by_band) == (None, None, None, [None] * 4)


def test_clock_doubles_up_to_the_end():
    clock = Setting(Path("x.nc"), 15, 64, 8, "small", "cpu", 1, 1).clock
    assert clock[-1] == 900
    assert clock[0] == pytest.approx(1.5, rel=0.5)
    assert np.allclose(np.divide(clock[1:], clock[:-1]), 2)


# The command

QUICK = ("--L", "4", "--configs", "640", "--minutes", "0.01", "--held-out", "64", "--threads", "1", "--device", "cpu")


def bench(*arguments: str) -> int:
    return main(["bench", "train", *QUICK, *arguments])


def check(report: dict, names: list[str]) -> None:
    assert (report["L"], report["kappa"], report["lam"], report["configs"]) == (4, 0.27, 0.022, 576)
    assert (report["minutes"], report["threads"], report["held_out"], report["complete"]) == (0.01, 1, 64, True)
    bands = report["bands"]
    assert len(bands) == len(report["baseline"]["loss"]) == 8
    assert all(high == low for (_, high), (low, _) in itertools.pairwise(bands))
    assert list(report["curves"]) == names
    for name, curve in report["curves"].items():
        assert (curve["parameters"] == 1_115_297) == (name != "ours")
        seconds = [point["seconds"] for point in curve["points"]]
        assert seconds == sorted(seconds)
        assert curve["points"][0]["step"] == 0
        for point in curve["points"]:
            assert len(point["over_baseline"]["excess"]) == len(point["over_baseline"]["error"]) == 8
    for name in names[1:]:
        last = report["curves"][name]["points"][-1]
        lead = report["leads"][name]
        assert lead["end"] == last["seconds"] >= 0.6
        assert lead["factor"] == pytest.approx(lead["end"] / lead["seconds"])
        # Paired: the difference of the ends is the difference of what both are over the baseline.
        ours = report["curves"]["ours"]["points"][-1]["over_baseline"]["total"]
        assert lead["difference"]["total"] == pytest.approx(ours - last["over_baseline"]["total"], rel=1e-6)


def test_bench_train_reports_curves_and_leads(tmp_path, capsys):
    out = tmp_path / "results.json"
    assert bench("--json", "--out", str(out)) == 0
    printed, told = capsys.readouterr()
    assert printed.count("\n") == 1
    report = json.loads(printed)
    check(report, ["ours", "published", "adapted"])
    assert json.loads(out.read_text()) == report
    assert told.count("\n") == sum(len(curve["points"]) for curve in report["curves"].values())
    # Untrained, the published network is some hundred nats from anything, ours is the baseline.
    first = {name: curve["points"][0]["over_baseline"] for name, curve in report["curves"].items()}
    assert first["published"]["total"] > 50
    assert abs(first["ours"]["total"]) < 5


def test_bench_train_compares_with_a_reference_and_prints_a_table(tmp_path, capsys):
    """An untrained model is its baseline, so what is over it is what is over the baseline."""
    data, model, out = (tmp_path / name for name in ("data.nc", "reference.safetensors", "results.json"))
    make_ensemble(EnsembleRequest(Phi4((4, 4), 0.2, 0.022), "cluster", 800, chains=100, seed=3), data)
    gaussian = FieldGaussianScore.fit(Data.read(data).fields)
    network = FieldNetwork(PRESETS["small"])
    network.initialise(Noise(1))
    FieldModel(network, [Baseline(gaussian, 0.2, 0.022)], FieldTrainingRecord(theory="phi4")).save(model)
    arguments = ("--data", str(data), "--reference", str(model), "--published", "recipe", "--out", str(out))
    assert bench(*arguments) == 0
    printed = capsys.readouterr().out
    for words in ("κ = 0.2, λ = 0.022", "published network", "1115297 parameters", "over the", "Ours had what"):
        assert words in printed
    report = json.loads(out.read_text())
    for curve in report["curves"].values():
        for point in curve["points"]:
            assert point["over_reference"]["total"] == pytest.approx(point["over_baseline"]["total"], abs=1e-2)
    with pytest.raises(SystemExit):
        bench(*arguments)
    assert "exists already" in capsys.readouterr().err


def test_what_was_found_before_an_interruption_is_in_the_file(tmp_path, monkeypatch, capsys):
    out, race = tmp_path / "results.json", train_race.race

    def interrupted(*arguments):
        points = race(*arguments)
        yield next(points)
        yield next(points)
        raise KeyboardInterrupt

    monkeypatch.setattr(train_race, "race", interrupted)
    assert bench("--out", str(out)) == 130
    report = json.loads(out.read_text())
    assert report["complete"] is False
    assert [len(curve["points"]) for curve in report["curves"].values()] == [2]
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.slow
def test_contenders_at_once_find_what_they_find_in_turn(capsys):
    assert bench("--json", "--concurrent", "--published", "recipe") == 0
    report = json.loads(capsys.readouterr().out)
    check(report, ["ours", "published"])
    assert bench("--json", "--published", "recipe") == 0
    in_turn = json.loads(capsys.readouterr().out)
    for name, curve in report["curves"].items():
        assert curve["points"][0]["over_baseline"] == in_turn["curves"][name]["points"][0]["over_baseline"]


@pytest.mark.slow
def test_error_in_another_process_is_told_in_its_own_words(tmp_path):
    setting = Setting(tmp_path / "missing.nc", 0.02, 64, 8, "small", "cpu", 1, 1)
    with pytest.raises(ArithmeticError, match=r"there is no file .*missing\.nc"):
        list(train_race.race(["published"], setting, True))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--held-out", "10000"), "held_out must be from 64"),
        (("--threads", "100000"), "--threads must be at most"),
        (("--minutes", "0"), "must be a positive number"),
        (("--device", "abacus"), "device must be one of"),
        (("--data", "missing.nc"), "no file missing.nc"),
    ],
)
def test_bad_arguments_are_named(arguments, words, capsys):
    with pytest.raises(SystemExit) as stop:
        sys.exit(bench(*arguments))
    assert stop.value.code in (1, 2)
    assert words in capsys.readouterr().err
