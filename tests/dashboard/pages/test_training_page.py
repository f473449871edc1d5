"""Training on the page: it runs beside the page, can be stopped, and what it learned serves the picture."""

import numpy as np
import pytest
import torch

from core.jobs import Token
from core.theories.registry import make_target
from dashboard.pages.one import training as module
from dashboard.pages.one.picture import full_quality, paint

PAGE = "tab=langevin&target=quartic&mu2=-1.1"  # a law for which no score is shipped


@pytest.fixture
def view(one, monkeypatch):
    """A page whose trainer draws fewer samples."""
    usual = module.TrainingConfig.of
    monkeypatch.setattr(module.TrainingConfig, "of", lambda dim, **c: usual(dim, **(c | {"samples": 20_000})))
    return one(PAGE)


def pressed(button) -> None:
    button.clicks += 1


def test_a_short_training_gives_a_score_for_this_target(view, wait):
    training = view.training
    training.describe()
    assert training.message.object == "No score has been learned for this target yet."
    heard = []
    training.listeners.append(lambda: heard.append(True))
    training.training_steps = 250
    pressed(training.button)
    assert training.running
    assert not training.button.visible
    assert training.stop.visible
    wait(lambda: not training.running)
    assert heard == [True]
    assert training.button.visible
    assert not training.stop.visible
    assert not training.progress.visible
    assert training.message.object.startswith("Learned from 20 000 samples in 250 steps")
    loss, floor = training.loss.scene.panels[0].series
    assert loss.x.tolist() == [50, 100, 150, 200, 250]
    assert floor.y == 0.5
    assert loss.y[-1] < loss.y[0]
    target = view.state.make_target()
    model = training.model_for(target)
    assert model.record.steps == 250
    assert model.record.law == repr(target)
    assert training.model_for(make_target("quartic", mu2=-1.2, g=0.4)) is None


def test_stop_keeps_what_has_been_learned(view, wait):
    training = view.training
    training.training_steps = 20_000
    pressed(training.button)
    wait(lambda: training.progress.value is not None and "step" in training.message.object)
    pressed(training.button)  # does nothing while it runs
    pressed(training.stop)
    wait(lambda: not training.running)
    model = training.model_for(view.state.make_target())
    assert 50 <= model.record.steps < 20_000
    assert np.isfinite(model.score(torch.zeros(1, 1, dtype=torch.float64), 1.0, 0.5)).all()


def test_the_learned_score_draws_the_picture(view, wait):
    state, tab = view.state, view.tab("line")
    state.param.update(tab="line", score="learned", paths=2000, steps=60)
    assert "press Train" in tab.stage.error
    assert view.learning.visible
    view.training.training_steps = 400
    pressed(view.training.button)
    wait(lambda: tab.picture is not None and not tab.stage.busy)
    assert tab.stage.error == ""
    assert tab.picture.score_name == "learned"
    assert "learned score" in tab.table.object
    picture = tab.picture
    # What 400 steps have learned is nearer to the exact score than the Gaussian one, where the data are.
    middle = picture.turn + (len(picture.t) - picture.turn) * 2 // 3
    seen = picture.exact[middle] > 0.02 * picture.exact[middle].max()
    x, exact = picture.x[middle][seen], picture.score_exact[middle][seen]
    gaussian = -(x - picture.centre[middle]) / picture.spread[middle] ** 2
    learned = picture.score_used[middle][seen]
    assert np.abs(learned - exact).max() < 0.5 * np.abs(gaussian - exact).max()


def test_one_training_serves_every_schedule(view, wait):
    view.training.training_steps = 400
    pressed(view.training.button)
    wait(lambda: not view.training.running)
    view.state.param.update(score="learned", paths=4000, steps=100, solver="heun")
    kappa = view.state.make_target().cumulants(8)
    for schedule in ("ve", "vp", "drawn"):
        view.state.param.update(schedule=schedule, drawn="0:1 0.5:5 1:40")
        order = view.tab("line").order()
        end = paint(order, full_quality(order), Token()).cumulants
        assert end[2].value[-1] == pytest.approx(kappa[2], rel=0.1)
        assert end[4].value[-1] == pytest.approx(kappa[4], rel=0.2)


def test_a_target_that_is_wrong_is_not_trained_on(view):
    view.state.param.update(target="formula", formula="nonsense")
    pressed(view.training.button)
    assert not view.training.running
    assert "nonsense" in view.training.message.object


def test_training_that_fails_says_so(view, wait, monkeypatch):
    def fails(*_, **__):
        raise ArithmeticError("training diverged at step 7; try a smaller rate")

    monkeypatch.setattr(module.Trainer, "run", fails)
    pressed(view.training.button)
    said = "Training ended: training diverged at step 7; try a smaller rate"
    wait(lambda: view.training.message.object == said)
    assert not view.training.running
    assert view.training.button.visible


def test_the_end_of_the_session_ends_the_training(view, wait):
    view.training.training_steps = 20_000
    pressed(view.training.button)
    wait(lambda: "step" in view.training.message.object)
    view.shell.close()
    wait(lambda: not [t for t in module.threading.enumerate() if t.name == "stoqlab-training"], 20)


def test_the_same_seed_learns_the_same_score(one, wait, monkeypatch):
    usual = module.TrainingConfig.of
    monkeypatch.setattr(module.TrainingConfig, "of", lambda dim, **c: usual(dim, **(c | {"samples": 20_000})))
    x = torch.linspace(-3, 3, 50, dtype=torch.float64)[:, None]
    scores = []
    for seed in (5, 5, 6):
        view = one(f"{PAGE}&seed={seed}")
        view.training.training_steps = 200
        pressed(view.training.button)
        wait(lambda view=view: not view.training.running)
        scores.append(view.training.model_for(view.state.make_target()).score(x, 1.0, 0.3))
    assert torch.equal(scores[0], scores[1])
    assert not torch.allclose(scores[0], scores[2])
