"""The page *Diffusion*, tab *Side by side*, without a browser: what runs, what is drawn of it, and what is said."""

import re

import numpy as np
import pytest

from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_noise import noise_range, schedule_reaching
from core.diffusion.side_by_side import side_by_side
from core.diffusion.side_by_side_tracks import NAMES
from core.noise import Noise
from core.statistics.format import with_error
from core.theories.phi4 import Phi4
from dashboard.pages.diffusion.beside import BesideView
from dashboard.pages.diffusion.beside_scene import axis, beside_scene
from dashboard.pages.diffusion.beside_texts import sentence, table_html
from dashboard.pages.diffusion.view import DiffusionView
from dashboard.stage import Image, Line

SMALL = "L=16&configurations=64&sweeps=60&paths=32&steps=12&runs=2&duration=150&model=&tab=beside"


def panels(scene):
    return {panel.id: panel for panel in scene.panels}


def lines(panel, colour):
    return [s for s in panel.series if isinstance(s, Line) and s.color == colour]


@pytest.fixture
def beside(shells):
    def make(query=""):
        view = DiffusionView(shells(f"?page=diffusion&{SMALL}&{query}"))
        tab = view.tab("beside")
        assert isinstance(tab, BesideView)
        return tab

    return make


@pytest.fixture(scope="module")
def found():
    theory = Phi4(16, 0.2, 0.0)
    score = FieldGaussianScore(theory.free_propagator())
    data = score.draw_prior(256, 1.0, 0.0, Noise(2))
    schedule = schedule_reaching("ve", noise_range(score).high)
    return side_by_side(theory, score, schedule, data, n=32, duration=400, runs=3, steps=20, shown=9, seed=1)


def test_a_quick_picture_comes_first_then_both_in_full(beside, wait):
    tab = beside("kappa=0.2")
    said = []
    tab.stage.param.watch(lambda event: said.append(event.new), "status")
    wait(lambda: not tab.stage.busy)
    said = [s for s in said if "cluster update" not in s]
    assert said == [
        "preview · 16 fields each", "preview, 32 fields, 2 runs under way", "run 1 of 2 · 32 fields each",
        "32 fields each",
    ]  # fmt: skip
    assert tab.stage.playing
    result = tab.outcome.found
    assert (result.n, int(result.diffusion.run[-1]), int(result.quantisation.evaluations[-1])) == (32, 2, 150)
    assert "Stochastic quantisation" in tab.text.object
    assert tab.table.styles == {"opacity": "1"}


def test_the_controls_of_both_are_in_the_sidebar(beside):
    tab = beside()
    assert [card.title for card in tab.sidebar][:2] == ["Theory", "Both processes"]
    shown = {name for card in tab.sidebar for item in card.objects for name in getattr(item, "css_classes", None) or []}
    assert {"control-epsilon", "control-duration", "control-runs", "control-kappa", "control-solver"} <= shown
    assert "control-correction" not in shown


def test_a_new_step_makes_new_chains_and_the_same_diffusion(beside, wait):
    tab = beside("kappa=0.2&seed=3")
    wait(lambda: not tab.stage.busy)
    before = tab.outcome.found
    tab.own_widgets["epsilon"].value = np.log10(0.05)
    wait(lambda: tab.outcome.found.quantisation.epsilon == 0.05 and tab.outcome.last)
    after = tab.outcome.found
    assert np.array_equal(after.diffusion.fields, before.diffusion.fields)
    assert not np.array_equal(after.quantisation.fields[-1], before.quantisation.fields[-1])


def test_the_clock_is_changed_without_new_work(beside, wait):
    tab = beside("kappa=0.2")
    wait(lambda: not tab.stage.busy)
    outcome, block = tab.outcome, tab.stage.block
    tab.own.clock = "seconds"
    assert tab.outcome is outcome
    assert tab.stage.block != block
    assert tab.stage.scene.ticks[-1][1].endswith("s")


def test_a_step_too_large_is_told_in_a_sentence(beside, wait):
    tab = beside("kappa=0.4&epsilon=0.2")
    tab.own.param.epsilon.bounds = (0.001, 2.0)
    wait(lambda: not tab.stage.busy)
    tab.own.epsilon = 1.5
    wait(lambda: tab.stage.error)
    assert "ran away" in tab.stage.error
    assert not tab.stage.busy


def test_hidden_it_rests_and_goes_on_when_it_comes_back(beside, wait):
    tab = beside("kappa=0.2")
    tab.rest()
    tab.state.kappa = 0.22
    assert tab.live._latest._waiting is None
    tab.open()
    wait(lambda: tab.outcome is not None and tab.outcome.found.theory.kappa == 0.22 and tab.outcome.last)


@pytest.mark.parametrize("clock", ["evaluations", "seconds"])
def test_both_fields_are_those_of_the_same_time(found, clock):
    scene, where = beside_scene(found, clock, 1), axis(found, clock)
    q, d = found.quantisation, found.diffusion
    positions = np.asarray(scene.positions)
    left, right = (panels(scene)[name].series[0] for name in ("chain", "process"))
    assert isinstance(left, Image)
    spread = np.sqrt(found.reference.value[0])
    for i in (0, len(positions) // 3, len(positions) - 1):
        k = np.flatnonzero(where.chains[q.shown_at] <= positions[i] + 1e-5)[-1]
        limit = float(np.asarray(left.limits)[i, 1]) * spread
        seen = (np.asarray(left.data)[i] / 127.5 - 1) * limit
        assert seen == pytest.approx(np.clip(q.fields[k, 0], -limit, limit), abs=limit / 250)
    assert np.array_equal(np.asarray(left.limits), np.asarray(right.limits))  # so that both have the same size
    limit = float(np.asarray(right.limits)[-1, 1]) * np.sqrt(d.observables.value[-1, 0])
    seen = (np.asarray(right.data)[-1] / 127.5 - 1) * limit
    assert seen == pytest.approx(np.clip(d.fields[-1, 0], -limit, limit), abs=limit / 250)
    assert scene.captions[-1] == f"Parisi–Wu time {400 * 0.02:.3g}   run 3, step 20 of 20"


def test_a_finished_field_stays_until_the_next_run_has_taken_a_step(found):
    scene = beside_scene(found, "evaluations", 1)
    texts = [caption.split("   ")[1] for caption in scene.captions]
    assert "run 1, step 20 of 20" in texts
    assert "run 2, step 20 of 20" in texts
    assert "run 2, step 0 of 20" not in texts


def test_the_curves_are_the_numbers_of_the_run(found):
    scene = beside_scene(found, "evaluations", 4)
    where = axis(found, "evaluations")
    q, d = found.quantisation, found.diffusion
    assert where.chains == pytest.approx(np.log10(1 + q.evaluations))
    assert where.ticks[:3] == [(0.0, "0"), (pytest.approx(np.log10(2)), "1"), (pytest.approx(np.log10(11)), "10")]
    for k, name in enumerate(NAMES):
        panel = panels(scene)[name]
        assert panel.note == with_error(float(found.reference.value[k]), float(found.reference.error[k]))
        now, best = lines(panel, "forward")
        assert np.asarray(now.y) == pytest.approx(q.observables.value[:, k])
        assert np.asarray(best.y)[-1] == pytest.approx(q.result.value[k])
        now, best = lines(panel, "backward")
        gaps = np.isnan(np.asarray(now.y))
        assert gaps.sum() == 2  # between three runs
        assert np.asarray(now.y)[~gaps] == pytest.approx(d.observables.value[~gaps, k])
        assert np.asarray(best.x)[-1] == pytest.approx(where.chains[-1])
        assert np.asarray(best.y)[[0, -1]] == pytest.approx(d.estimate.value[[0, -1], k])
    drift = panels(scene)["drift"]
    assert np.asarray(lines(drift, "forward")[0].y) == pytest.approx(q.drift)


def test_the_clock_of_seconds_counts_in_steps_of_the_chains(found):
    where, (q, d) = axis(found, "seconds"), (found.quantisation, found.diffusion)
    assert where.chains == pytest.approx(np.log10(1 + q.evaluations))
    assert where.runs == pytest.approx(np.log10(1 + d.seconds / q.seconds[1]))
    for place, label in where.ticks[1:]:
        number, unit = label.split()
        assert place == pytest.approx(
            np.log10(1 + float(number) * {"s": 1, "ms": 1e-3, "µs": 1e-6}[unit] / q.seconds[1])
        )


def test_the_pictures_hold_as_many_fields_as_are_asked_for(found):
    for shown in (1, 4, 9):
        scene = beside_scene(found, "evaluations", shown)
        assert len(panels(scene)["chain"].series) == len(panels(scene)["process"].series) == shown


def test_the_table_has_every_result_with_its_distance(found):
    text = table_html(found, 256)
    assert len(re.findall("<tr>", text)) == 4
    for track in (found.quantisation, found.diffusion):
        for value, error, sigma in zip(*track.result, found.sigma(track), strict=True):
            assert with_error(float(value), float(error)) in text
            assert f"{abs(sigma):.1f} σ" in text
    assert "<td>96</td>" in text  # three runs of 32, all independent


def test_the_sentence_tells_what_the_run_has_shown(found):
    text = sentence(found)
    assert "3 short runs of 32 fields" in text
    assert "does 20 evaluations" in text
    assert ("τ_int =" in text) == found.quantisation.settled
    theory, data = found.theory, FieldGaussianScore(found.theory.free_propagator()).draw_prior(64, 1, 0, Noise(1))
    score = FieldGaussianScore(theory.free_propagator())
    schedule = schedule_reaching("ve", noise_range(score).high)
    young = side_by_side(theory, score, schedule, data, n=200, epsilon=0.002, duration=60, runs=1)
    assert "have not thermalised" in sentence(young)
    assert "one short run of 200 fields" in sentence(young)
