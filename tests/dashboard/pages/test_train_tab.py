"""The tab *Train* without a browser: real trainings of a few seconds on a 4×4 lattice."""

import pytest

from core.diffusion.field_model import FieldModel
from core.diffusion.training_jobs import trainings
from core.diffusion.training_request import Continuation, LiveSampler
from core.ensembles.library import Library
from core.ensembles.make import make_ensemble
from core.ensembles.request import EnsembleRequest
from core.theories.phi4 import Phi4
from dashboard.pages.diffusion.train import TrainView
from dashboard.pages.diffusion.train_form import TrainSettings, request_of
from dashboard.pages.diffusion.train_texts import duration


@pytest.fixture(scope="module")
def ensemble():
    library = Library()
    make_ensemble(EnsembleRequest(Phi4(4, 0.2, 0.022), "cluster", 1280, chains=128, thin=4), library.path("tiny"))
    yield "tiny"
    library.remove("tiny")


@pytest.fixture
def views(shells, wait):
    """``views()`` is the tab as a session sees it; all trainings are gone at the end."""

    def make():
        shell = shells("?page=diffusion&tab=train")
        view = TrainView(shell, None)
        view.open()
        return view, shell

    yield make
    for job in trainings().jobs():
        job.cancel()
    wait(lambda: all(job._process is None or not job._process.is_alive() for job in trainings().jobs()))
    for path in trainings().library.list():
        path.unlink()


def classes(view):
    buttons = (view.start, view.pause, view.stop, view.cancel, view.save, view.save_name, view.save_now, view.which)
    return {name for widget in (*view.widgets.values(), *buttons) for name in widget.css_classes}


def test_the_form_makes_the_request():
    settings = TrainSettings(low=0.2, high=0.3, L=8, minutes=2.5, batch="32", rate="1e-3", seed=4, preset="large")
    request = request_of(settings)
    assert request.data == LiveSampler(8, 0.2, 0.3, 0.022)
    assert (request.minutes, request.steps, request.batch, request.rate) == (2.5, None, 32, 1e-3)
    assert (request.seed, request.preset, request.target) == (4, "large", "auto")
    by_steps = request_of(TrainSettings(length="steps", steps=70, target="dsm"))
    assert (by_steps.minutes, by_steps.steps, by_steps.batch, by_steps.rate) == (None, 70, None, None)
    assert by_steps.target == "dsm"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"low": 0.3, "high": 0.2}, "a range of κ must rise, got 0.3 to 0.2"),
        ({"batch": "many"}, "Batch must be a number or auto, got 'many'"),
        ({"batch": "1.5"}, "Batch must be a whole number or auto, got '1.5'"),
        ({"rate": "fast"}, "Learning rate must be a number or auto, got 'fast'"),
        ({"rate": "2"}, "Learning rate must be above 0 and below 1, got 2"),
        ({"rate": "nan"}, "Learning rate must be above 0 and below 1, got nan"),
        ({"batch": "inf"}, "Batch must be a whole number or auto, got 'inf'"),
        ({"seed": -3}, "Seed must be a whole number from 0 to 2147483647, got -3"),
        ({"seed": 2**31}, "Seed must be a whole number from 0 to 2147483647, got 2147483648"),
        ({"seed": None}, "Seed must be a whole number from 0 to 2147483647, got nothing"),
        ({"data": "gone"}, "the library has no ensemble 'gone' any more"),
    ],
)
def test_what_cannot_be_is_said(values, sentence):
    with pytest.raises(ValueError, match=sentence):
        request_of(TrainSettings(**values))


def test_a_seed_typed_out_of_range_is_told_in_a_sentence(views):
    view, _ = views()
    view.widgets["seed"].value = -3
    view.begin()
    assert "Seed must be a whole number from 0 to 2147483647, got -3" in view.message.object
    assert view.job is None


def test_controls_have_stable_names_and_follow_the_data(views, ensemble):
    view, _ = views()
    names = [
        "data", "low", "high", "lam", "L", "preset", "target", "length", "minutes", "steps", "batch", "rate", "seed",
        "called", "start", "pause", "stop", "cancel", "save", "save-name", "save-now", "job",
    ]  # fmt: skip
    assert classes(view) == {f"control-train-{name}" for name in names}
    assert ensemble in view.settings.param["data"].objects
    assert view.widgets["low"].visible
    assert not view.widgets["steps"].visible
    view.settings.param.update(data=ensemble, length="steps")
    assert not view.widgets["low"].visible
    assert view.widgets["steps"].visible
    assert view.pause.disabled
    assert view.save.disabled
    assert "Nothing has been trained" in view.line.object


def test_a_training_is_seen_by_every_session_and_outlives_them(views, wait, ensemble):
    view, shell = views()
    view.settings.param.update(data=ensemble, length="steps", steps=100_000, batch="16", called="mine")
    view.start.clicks += 1
    job = view.job
    assert job is not None
    assert job.title == "mine"
    assert "is prepared" not in view.line.object
    wait(lambda: job.state == "training" and len(job.history) >= 3 and job.pictures is not None)
    wait(lambda: view.stage.scene is not None and len(view.stage.scene.panels) == 3)
    loss, made, real = view.stage.scene.panels
    assert [len(panel.series) for panel in (made, real)] == [8, 8]
    assert "step " in view.line.object
    assert " of 100" in view.line.object
    shell.close()

    other, _ = views()  # another browser, or the same one after a reload
    assert other.job is job
    wait(lambda: other.stage.scene is not None and len(other.stage.scene.panels) == 3)
    loss = other.stage.scene.panels[0]
    curves = [series for series in loss.series if series.kind == "line"]
    assert len(curves) == len(job.history[0].excess)
    assert curves[0].label.startswith("σ̃ ")
    assert len(curves[0].y) >= 3  # the whole history, not only what came since
    assert list(curves[2].y[:3]) == [v.excess[2] for v in job.history[:3]]
    wait(lambda: "held-out data" in other.table.object)

    other.pause.clicks += 1
    wait(lambda: job.state == "paused" and other.pause.label == "Resume")
    assert "paused at step" in other.line.object
    other.save.clicks += 1
    assert other.save_name.value == "mine (2)"
    other.save_name.value = "mine"
    other.save_now.clicks += 1
    wait(lambda: other.message.visible)
    assert "exists already" in other.message.object
    other.save_name.value = "kept"
    other.save_now.clicks += 1
    wait(lambda: "“kept” is in the library of models" in other.message.object)
    assert FieldModel.load(trainings().library.path("kept")).record.steps == job.progress.step

    other.begin()  # somebody wants another one
    second = other.job
    assert second is not job
    wait(lambda: "waits until “mine” has ended: one network is trained at a time" in other.line.object)
    assert "Besides: <b>mine</b> (is paused). Choose which one is shown" in other.line.object
    assert other.which.visible
    assert set(other.which.options.values()) >= {job.id, second.id}
    other.cancel.clicks += 1
    wait(lambda: "Discarded; nothing was kept." in other.line.object)

    other.which.value = job.id
    assert other.job is job
    other.pause.clicks += 1
    wait(lambda: job.state == "training")
    other.stop.clicks += 1
    wait(lambda: job.state == "finished")
    wait(lambda: "Stopped on request. The network is in the library as “mine”." in other.line.object)
    assert other.pause.disabled
    assert other.stop.disabled
    assert not other.save.disabled

    wait(lambda: {"model:kept", "model:mine"} <= set(other.widgets["data"].options.values()))
    other.settings.data = "model:mine"
    assert other.start.label == "Go on"
    assert not other.widgets["preset"].visible
    assert request_of(other.settings) == Continuation(job.path)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "1 s"), (89.0, "89 s"), (91.0, "2 min"), (3600.0, "60 min"), (9000.0, "2.5 h")]
)
def test_durations(seconds, words):
    assert duration(seconds) == words
