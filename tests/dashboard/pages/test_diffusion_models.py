"""The tab *Play* with a trained network: choosing it, steering it by κ, its baseline, and what is to be trusted.

The network of these tests is fresh: its correction is 0, so that what it makes is what its Gaussian baseline makes.
"""

import re
from typing import Any

import numpy as np
import pytest
import torch

from core.diffusion.field_baseline import Baseline
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_generate import generate_fields
from core.diffusion.field_model import FieldModel, FieldTrainingRecord
from core.diffusion.field_network import FieldNetwork, NetworkConfig
from core.diffusion.field_source import refitted
from core.diffusion.model_library import ModelLibrary
from core.jobs import Token
from core.noise import Noise
from core.samplers.ensemble import thermalise_by_clusters
from core.theories.phi4 import Phi4
from dashboard.pages.diffusion import corrected, models
from dashboard.pages.diffusion.ensembles import Ensemble, Request, make
from dashboard.pages.diffusion.state import NO_MODEL, DiffusionState
from dashboard.pages.diffusion.view import DiffusionView
from dashboard.pages.diffusion.work import source

KAPPAS = (0.2, 0.22, 0.24)
LAM = 0.022


def baseline(kappa: float) -> Baseline:
    *_, last = thermalise_by_clusters(Phi4(16, kappa, LAM), 1024, Noise(9), 60)
    return Baseline(FieldGaussianScore.fit(last.fields), kappa, LAM)


@pytest.fixture(scope="module")
def baselines() -> dict[float, Baseline]:
    return {kappa: baseline(kappa) for kappa in KAPPAS}


def fresh(baselines: list[Baseline], conditioned: bool) -> FieldModel:
    network = FieldNetwork(NetworkConfig(channels=2, hidden=4, gate=4, blocks=1, embedding=4, conditioned=conditioned))
    network.initialise(Noise(1))
    couplings = [[b.kappa, b.lam] for b in baselines]
    record = FieldTrainingRecord("phi4", couplings, [[16, 16]], sigma_min=0.005, sigma_max=60.0)  # type: ignore[list-item]
    return FieldModel(network, baselines, record)


@pytest.fixture
def library(tmp_path, monkeypatch, baselines):
    """A library with a conditioned model and one of κ = 0.22."""
    monkeypatch.setenv("STOQLAB_HOME", str(tmp_path))
    library = ModelLibrary()
    library.folder.mkdir()
    fresh(list(baselines.values()), True).save(library.path("steered"))
    fresh([baselines[0.22]], False).save(library.path("single"))
    return library


@pytest.fixture
def learned(library, play):
    """``learned("kappa=0.21")`` is the tab with the conditioned model."""
    return lambda query="", model="steered": play(f"model=library:{model}&{query}")


def heads(tab) -> list[str]:
    return re.findall(r"<th scope=row>(.*?)</th>", tab.table.object)


def values(tab) -> list[list[str]]:
    """The values of all observables, a list a row, without differences and costs."""
    rows = [re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", tab.table.object)]
    return [[cell.split("<")[0] for cell in row[:-2]] for row in rows if row]


def done(tab) -> bool:
    """Whether the light has its last word."""
    return not tab.stage.busy and "ESS" in (tab.table.object or "").split("</caption>")[-1]


def test_the_library_is_offered_and_a_visitor_meets_what_is_shipped(library, monkeypatch):
    assert models.choices() == models.choices() | {
        "Trained here: steered": "library:steered", "Trained here: single": "library:single", NO_MODEL: "",
    }  # fmt: skip
    shipped = {name: library.path("single") for name in ("phi4_L32_k0.21", "phi4_L32_k0.27", "phi4_L32_conditioned")}
    monkeypatch.setattr(models, "shipped", lambda: shipped)
    assert models.default() == "phi4_L32_conditioned"
    assert "Shipped: κ = 0.21, 32 × 32" in models.choices()
    assert "Shipped: conditioned on κ, 32 × 32" in models.choices()
    assert models.at_home("phi4_L32_k0.27", 0.21) == "phi4_L32_k0.21"
    assert models.at_home("phi4_L32_k0.27", 0.4) == "phi4_L32_k0.27"  # there is none
    assert models.at_home("phi4_L32_conditioned", 0.21) == "phi4_L32_conditioned"
    assert models.at_home("", 0.21) == ""
    del shipped["phi4_L32_conditioned"]
    assert models.default() == "phi4_L32_k0.27"
    shipped.clear()
    assert models.default() == ""


def test_the_baseline_runs_from_the_same_noise(learned, wait):
    """The network adds nothing, so that both rows are the same configurations."""
    tab = learned("kappa=0.22")
    wait(lambda: tab.table.object)
    assert heads(tab) == ["Data", "Gaussian baseline", "Learned"]
    data, gaussian, network = values(tab)
    assert gaussian == network
    assert data != network


def test_the_network_is_what_makes_the_fields(learned, library, baselines, wait):
    """One with weights drawn at random; its fields, made anew from the noise of the run."""
    model = fresh([baselines[0.22]], False)
    with torch.no_grad():
        model.network.out.copy_(Noise(2).normal(0, tuple(model.network.out.shape), torch.float32))
    model.save(library.path("random"))
    tab = learned("kappa=0.22&seed=5", model="random")
    wait(lambda: tab.table.object)
    _, gaussian, network = values(tab)
    assert gaussian != network
    outcome = tab.outcome
    made = generate_fields(model.at(), outcome.schedule, 64, noise=Noise(5).of("field/backward"))
    assert torch.allclose(outcome.run.generated, made, atol=1e-4)


def test_kappa_steers_the_network_without_a_new_choice(learned, wait):
    """κ₂ of what it makes is that of the interpolated baseline, and so the data's: 5 errors."""
    tab = learned("kappa=0.2&configurations=256&paths=256")
    wait(lambda: done(tab))
    assert "Baseline: fitted to the training ensemble." in tab.controls.light.object
    first = tab.outcome
    tab.state.kappa = 0.23
    wait(lambda: tab.outcome is not first and done(tab))
    run = tab.outcome.run
    assert tab.outcome.score.model.kappa == pytest.approx(0.23)
    assert "Baseline: interpolated" in tab.controls.light.object
    there, back = run.forward.phi2, run.backward.phi2
    assert abs(there.value[0] - back.value[-1]) < 5 * np.hypot(there.error[0], back.error[-1])
    assert back.value[-1] > first.run.backward.phi2.value[-1] + 5 * back.error[-1]


def test_outside_its_training_the_light_is_amber_and_the_baseline_refitted(learned, wait):
    tab = learned("kappa=0.22")
    wait(lambda: tab.outcome is not None)
    tab.state.kappa = 0.28
    wait(lambda: "amber" in tab.controls.light.object)
    assert "trained for κ from 0.2 to 0.24" in tab.controls.light.object
    assert "refitted to the data here" in tab.controls.light.object
    wait(lambda: done(tab))
    assert "trained for κ from 0.2 to 0.24" in tab.controls.light.object
    tab.state.kappa = 0.22
    wait(lambda: "fitted to the training ensemble" in tab.controls.light.object)
    assert "trained for" not in tab.controls.light.object


def test_a_network_of_one_pair_of_couplings_can_be_tried_elsewhere(learned, wait):
    tab = learned("kappa=0.21", model="single")
    wait(lambda: tab.outcome is not None and tab.controls.light.object)
    assert "trained at κ = 0.22; at κ = 0.21 it guesses" in tab.controls.light.object
    assert tab.stage.error == ""


@pytest.mark.parametrize("name", ["play", "beside", "budget"])
def test_another_lattice_has_a_refitted_baseline_and_a_warning_of_an_extrapolated_one(library, shells, wait, name):
    few = "configurations=32&sweeps=20&paths=16&steps=5&runs=1&duration=100&budget_paths=32&kappa=0.22&L=32"
    tab: Any = DiffusionView(shells(f"?page=diffusion&model=library:steered&{few}&tab={name}")).tab(name)
    wait(lambda: tab.outcome is not None)
    fitted = FieldGaussianScore.fit(load_data(tab.state)[:16])  # the table compares with the other half
    assert np.allclose(tab.outcome.score.gaussian.connected, fitted.connected)
    assert "refitted to the data here" in tab.controls.light.object
    assert "amber" not in tab.controls.light.object or name == "play"  # there the check of the score decides
    assert "extrapolated" not in tab.controls.light.object
    first = tab.outcome
    tab.state.baseline = "extrapolated"
    wait(lambda: tab.outcome is not first)
    assert not np.allclose(tab.outcome.score.gaussian.connected, fitted.connected)
    assert "Baseline: extrapolated from 16 × 16" in tab.controls.light.object
    if name != "play":
        assert 'class="amber"' in tab.controls.light.object
        assert "can make wrong fields" in tab.controls.light.object
    tab.rest()


def load_data(state: DiffusionState) -> torch.Tensor:
    """The configurations that the page makes in the present setting."""
    request = source(state)
    assert isinstance(request, Request)
    *_, last = make(request, Token())
    assert isinstance(last, Ensemble)
    return last.fields


def test_another_lattice_has_an_extrapolated_or_a_refitted_baseline(learned, wait):
    tab = learned("kappa=0.22&L=32&paths=16&configurations=32")
    wait(lambda: tab.outcome is not None)
    assert tab.outcome.score.model.event == (32, 32)
    tab.state.baseline = "extrapolated"
    wait(lambda: "extrapolated" in tab.controls.light.object)
    assert "Baseline: extrapolated from 16 × 16" in tab.controls.light.object
    assert tab.controls.widgets["baseline"].visible
    tab.state.baseline = "refitted"
    wait(lambda: "refitted" in tab.controls.light.object)
    tab.state.score = "gaussian"
    wait(lambda: tab.outcome.score.kind == "gaussian" and tab.outcome.last)
    assert "The Gaussian baseline of the model." in tab.text.object
    assert not tab.controls.widgets["baseline"].visible


def test_log_q_that_takes_too_long_is_a_sentence_in_the_table(learned, wait, monkeypatch):
    monkeypatch.setattr(corrected, "PATIENCE", 0.0)
    tab = learned("kappa=0.22&correction=metropolis&paths=16&configurations=32&steps=5")
    wait(lambda: "It would take about" in tab.table.object)
    assert heads(tab) == ["Data", "Gaussian baseline", "Learned", "… exact by log q"]
    assert "cheap for networks of the preset flow only" in tab.table.object
    assert not tab.correcting.visible


def test_a_refit_on_another_lattice_sets_the_magnetisation_right(learned, wait):
    """In full, not in the preview, as the command does, and from the half of the data that the table leaves out."""
    tab = learned("kappa=0.22&L=32&paths=32&configurations=64&steps=5")
    wait(lambda: tab.outcome is not None)
    assert tab.outcome.score.model.table is None
    wait(lambda: tab.outcome.last)
    score, fields = tab.outcome.score, load_data(tab.state)
    same = refitted(models.model("library:steered"), tab.outcome.data.theory, fields[:32], 0)
    assert same.table is not None
    assert np.allclose(score.model.table.coefficients, same.table.coefficients)
    assert torch.equal(score.against, fields[32:])


def test_one_network_serves_a_schedule_drawn_by_hand(learned, wait):
    tab = learned("kappa=0.22&configurations=256&paths=256")
    wait(lambda: tab.outcome is not None and tab.outcome.last)
    first = tab.outcome
    tab.state.param.update(schedule="drawn", drawn="0:0.5 0.5:8 1:40", keep_variance=True)
    wait(lambda: tab.outcome is not first and tab.outcome.last)
    assert torch.equal(first.data.fields, tab.outcome.data.fields)
    a, b = first.run.backward.phi2, tab.outcome.run.backward.phi2
    assert abs(a.value[-1] - b.value[-1]) < 5 * np.hypot(a.error[-1], b.error[-1])
    assert float(tab.outcome.schedule.f(1.0)) < 0.1


def test_models_trained_meanwhile_appear_when_the_tab_is_opened(learned, library, wait):
    tab = learned("kappa=0.22&model=")
    wait(lambda: tab.outcome is not None)
    library.save("new", library.path("single"))
    tab.open()
    assert tab.controls.widgets["model"].options["Trained here: new"] == "library:new"


def test_one_that_is_gone_gets_a_sentence(learned, library, wait):
    tab = learned("kappa=0.22")
    wait(lambda: tab.outcome is not None and tab.outcome.last)
    block = tab.stage.block
    library.remove("single")
    tab.state.model = "library:single"
    wait(lambda: tab.stage.error)
    assert "no model “single”; choose one of those there are: “Shipped: " in tab.stage.error
    assert "library:" not in tab.stage.error
    assert tab.stage.block is block


@pytest.mark.parametrize(
    ("names", "words"),
    [([], "none yet"), (["a", "b"], "“a”, “b”"), (list("abcdefg"), "“a”, “b”, “c”, “d”, “e”, “f” and 1 more")],
)
def test_names_in_a_sentence(names, words):
    assert models.listed(names) == words


def test_a_model_in_the_address_that_is_not_there_names_those_that_are(shells, library):
    shell = shells("?page=diffusion&model=library:gone&ensemble=gone")
    DiffusionView(shell)
    said = [message.object for message in shell.messages]
    assert f"nothing ({NO_MODEL})" in said[0]
    assert "phi4_L32_conditioned (Shipped: conditioned on κ, 32 × 32)" in said[0]
    assert "nothing (Made on the spot)" in said[1]
