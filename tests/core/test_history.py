"""The history of runs: what is kept of them, and that a broken record breaks nothing."""

import json
import math

import pytest

from core import history
from core.ensembles.make import make_ensemble
from core.ensembles.request import EnsembleRequest
from core.history import Curves, History, Run, Table, keep
from core.history_records import ensemble_run, scan_run, toy_training_run
from core.samplers.scan import ScanRequest, scan
from core.theories.phi4 import Phi4


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("STOQLAB_HOME", str(tmp_path))
    return History()


RUN = Run(
    "training", "κ & <b>", "browser", 1.5, {"rate": 0.01, "κ": math.nan}, 3, "abc", ["F.nc"],
    {"loss": (-0.5, 0.1), "ess": (0.5, None)}, Curves("nats", [1, 2], [0.1, 0.2], {"total": [1.0, math.nan]}),
    Table("t", ["a", "b"], [["x", (1.0, 0.1)]]),
)  # fmt: skip


def test_a_record_comes_back_as_it_was(runs):
    kept = runs.add(RUN)
    (found,) = History().list()
    assert found == kept
    assert found.results == RUN.results
    assert found.settings == {"rate": 0.01, "κ": None}
    assert found.curves.lines["total"][0] == 1.0
    assert math.isnan(found.curves.lines["total"][1])
    assert found.table.rows == [["x", [1.0, 0.1]]]
    assert found.versions["torch"]
    assert found.ended > 1.7e9
    key = runs.remove(found.id)
    assert runs.list() == []
    runs.restore(key)
    assert [run.id for run in runs.list()] == [found.id]


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"format": 2}', '{"format": 1, "kind": "party"}', "\x00"])
def test_what_is_no_record_is_left_out(runs, text):
    kept = runs.add(RUN)
    runs.path("broken").write_text(text)
    assert [run.id for run in runs.list()] == [kept.id]
    with pytest.raises(KeyError):
        runs["broken"]


def test_the_oldest_go_first(runs, monkeypatch):
    monkeypatch.setattr(history, "MOST", 3)
    ids = [runs.add(RUN).id for _ in range(5)]
    assert {run.id for run in runs.list()} <= set(ids)
    assert len(runs.list()) == 3


def test_a_run_does_not_fail_for_its_record(runs, caplog):
    keep(lambda: 1 / 0)
    assert "could not be put into the history" in caplog.text
    assert runs.list() == []


def test_long_curves_are_thinned_and_keep_their_ends():
    some = history.thinned(10_000)
    assert (len(some), some[0], some[-1]) == (history.MOST_POINTS, 0, 9999)
    assert history.thinned(5) == [0, 1, 2, 3, 4]


def test_an_ensemble_leaves_what_makes_it_again(runs, tmp_path):
    request = EnsembleRequest(Phi4((4, 4), 0.25, 0.1), "hmc", 40, 4, 5, 2, {"step_size": 0.1, "n_steps": 4}, seed=8)
    result = make_ensemble(request, tmp_path / "F.nc")
    run = runs.add(ensemble_run(result.path, "command line"))
    wanted = {"κ": 0.25, "λ": 0.1, "lattice": "4 × 4", "configurations": 40, "chains": 4, "step_size": 0.1,
              "n_steps": 4, "thinning": 2, "thermalisation": 5, "algorithm": "hmc"}  # fmt: skip
    assert {name: run.settings[name] for name in wanted} == wanted
    assert (run.kind, run.seed, run.complete, run.title) == ("ensemble", 8, True, "F")
    assert run.results["acceptance"][0] == pytest.approx(result.acceptance)
    assert 0 < run.results["abs_m"][0] < 2


def test_a_scan_leaves_its_points(runs):
    request = ScanRequest((0.2, 0.25, 0.3), (4,), configurations=200)
    points = [report.point for report in scan(request) if report.point is not None]
    run = runs.add(scan_run(request, points, 2.0, "browser"))
    assert run.complete
    assert [row[:2] for row in run.table.rows] == [[4, 0.2], [4, 0.25], [4, 0.3]]
    assert run.table.rows[1][3] == pytest.approx([points[2].chi.value, points[2].chi.error])
    assert not scan_run(request, points[:2], 2.0, "browser").complete


def test_a_toy_training_leaves_its_curve(runs):
    from core.diffusion.training import Trainer, TrainingConfig
    from core.theories.registry import make_target

    trainer = Trainer(make_target("two-peak"), TrainingConfig.of(1, steps=60, samples=2000, batch=64))
    trainer.run()
    run = runs.add(toy_training_run(trainer, "mine", "browser"))
    assert run.curves.lines["loss"][-1] == trainer.history[-1][1]
    assert run.curves.steps == [step for step, _ in trainer.history]
    assert run.complete
    assert json.loads(runs.path(run.id).read_text())["settings"]["batch"] == 64
