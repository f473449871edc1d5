"""The page *Diffusion*, tab *Play*: an ensemble made on the spot, its run, and what is drawn of both."""

import math
import re
import time

import numpy as np
import pytest
import torch

from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_request import SampleRequest
from core.diffusion.field_sample import sample
from core.diffusion.field_source import Bound
from core.diffusion.trust import TrustCheck
from core.noise import Noise
from core.samplers.ensemble import thermalise_by_clusters
from core.statistics.errors import Measured
from core.statistics.format import with_error
from core.statistics.measure import measure
from core.theories.phi4 import Phi4
from dashboard import app_hooks
from dashboard.pages.diffusion import ensembles, models, shared_work
from dashboard.pages.diffusion.ensembles import Request
from dashboard.pages.diffusion.rows import Row
from dashboard.pages.diffusion.scene import RANGE, run_scene, thermalising_scene
from dashboard.pages.diffusion.shared_work import at_hand, prepare
from dashboard.pages.diffusion.state import DiffusionState
from dashboard.pages.diffusion.table import COLUMNS, table_html
from dashboard.pages.diffusion.timeline import clock, level
from dashboard.pages.diffusion.work import source
from dashboard.shell import Shell, build_page
from dashboard.stage import Band, Image, Line
from tests.dashboard.pages.conftest import play_tab


def panels(scene):
    return {panel.id: panel for panel in scene.panels}


def lines_of(panel):
    return {s.label: s for s in panel.series if isinstance(s, Line) and s.label}


def scene_of(tab, view="clock", group="cumulants", shown=1):
    return run_scene(tab.outcome, tab.implied, view, group, shown)


def test_the_former_name_of_the_page_opens_it():
    page, shell = build_page("?page=field&L=16&configurations=32&sweeps=20&paths=16&steps=5&model=")
    assert page.meta.title == "Diffusion · StoqLab"
    shell.close()


def test_a_quick_picture_comes_first_then_the_run_and_its_table(play, wait):
    tab = play("kappa=0.25")
    said = []
    tab.stage.param.watch(lambda event: said.append(event.new), "status")
    tab.table.param.watch(lambda event: said.append("table"), "object")
    wait(lambda: tab.table.object)
    assert [s for s in said if "cluster update" not in s][:4] == [
        "preview · 16 configurations", "preview · 16 configurations, 64 under way", "64 configurations", "table",
    ]  # fmt: skip
    assert tab.table.styles == {"opacity": "1"}
    assert tab.stage.playing
    assert not tab.stage.busy
    assert r"-0.5 \sum_\mu" in tab.equation.object  # -2κ
    assert "**Score.**" in tab.text.object


def test_an_ensemble_is_made_once_for_all_sessions(play, wait):
    first = play("kappa=0.21")
    wait(lambda: first.table.object)
    second = play("kappa=0.21")
    wait(lambda: second.table.object)
    assert second.stage.block == first.stage.block
    first.state.param.update(schedule="vp", steps=20)
    wait(lambda: not first.stage.busy)
    assert [request.configurations for request in ensembles._kept] == [64]


def test_a_server_has_the_results_of_the_first_visitor(shells, wait, monkeypatch):
    """The page opens with them, and only the state of the default settings is made, once."""
    search, state = "?page=diffusion&model=", DiffusionState(model="")
    prepare(state)
    assert set(ensembles._kept) == {Request(Phi4(32, 0.27, 0.022), n, 100, 0) for n in (64, 256)}
    monkeypatch.setattr(shared_work, "work", lambda *_: pytest.fail("computed again"))
    first, second = play_tab(shells(search)), play_tab(shells(search))
    wait(lambda: first.table.object and second.table.object)
    found = at_hand(state, source(state))
    assert found is not None
    assert found.last
    assert first.outcome is second.outcome is found
    assert first.stage.block is second.stage.block
    assert at_hand(DiffusionState(model="", seed=1), source(state)) is None


def test_a_failure_at_the_start_is_in_the_log(monkeypatch, caplog):
    monkeypatch.setattr(models, "default", lambda: "gone")
    app_hooks._first_fields()
    assert "the first picture of the page Diffusion could not be made" in caplog.text
    assert "there is no model" in caplog.text


@pytest.fixture(scope="module")
def session():
    """A page in the broken phase with its full run and its table."""
    address = "L=16&configurations=256&sweeps=100&paths=256&steps=40&kappa=0.32&seed=4&model="
    shell = Shell(f"?page=diffusion&{address}")
    tab = play_tab(shell)
    end = time.monotonic() + 120
    while "ESS" not in tab.table.object:
        assert time.monotonic() < end
        time.sleep(0.02)
    yield tab
    shell.close()


@pytest.mark.parametrize("shown", [1, 4, 9])
def test_the_pictures_start_from_the_ensemble(session, shown):
    run = session.outcome.run
    scene = scene_of(session, shown=shown)
    images = panels(scene)["field"].series
    assert len(images) == shown
    for i, image in enumerate(images):
        assert isinstance(image, Image)
        phi = run.forward.fields[0, i]
        limit = float(image.limits[0, 1])
        assert limit == pytest.approx(RANGE * np.sqrt(run.prediction.value[0, 2]))
        seen = (image.data[0] / 127.5 - 1) * limit
        assert seen == pytest.approx(np.clip(phi, -limit, limit), abs=limit / 250)
        last = (image.data[-1] / 127.5 - 1) * float(image.limits[-1, 1])
        assert last == pytest.approx(np.clip(run.backward.fields[-1, i], -limit, limit), abs=limit / 250)
        assert image.limits[:, 0] == pytest.approx(-image.limits[:, 1])
    # No two of them lie on one another.
    corners = {image.extent[::2] for image in images}
    assert len(corners) == shown
    assert (np.diff(np.asarray(scene.positions)) > 0).all()


def test_side_by_side_both_are_at_the_same_noise_level(session):
    run, schedule = session.outcome.run, session.outcome.schedule
    line = level(run, schedule)
    assert run.forward.times[line.there] == pytest.approx(run.backward.times[line.back])
    sigma = np.asarray(schedule.sigma(run.backward.times))
    assert (np.diff(sigma) < 0).all()
    assert line.positions[0] == 0
    assert line.positions[-1] == 1
    places = dict(zip((text for _, text in line.ticks), (x for x, _ in line.ticks), strict=True))
    assert np.interp(places["σ̃ = 3"], line.positions, np.log(np.maximum(sigma, 1e-9))) == pytest.approx(np.log(3))
    drawn = panels(scene_of(session, view="level"))
    (there,), (back,) = drawn["field"].series, drawn["field2"].series
    assert there.limits == pytest.approx(back.limits)
    for frame in (0, 10, -1):
        limit = there.limits[frame, 1]
        for image, fields in ((there, run.forward.fields[line.there]), (back, run.backward.fields)):
            seen = (image.data[frame] / 127.5 - 1) * limit
            assert seen == pytest.approx(np.clip(fields[frame, 0], -limit, limit), abs=limit / 250)


def test_on_the_way_back_the_forward_frame_of_the_same_time_stays(session):
    run, schedule = session.outcome.run, session.outcome.schedule
    line = clock(run, schedule)
    turn = len(run.forward.times)
    assert (line.back[:turn] == -1).all()
    assert run.forward.times[line.there[turn:]] == pytest.approx(run.backward.times)
    drawn = panels(scene_of(session, group="correlations"))["g"]
    back = lines_of(drawn)["backward"].y
    assert np.isnan(back[:turn]).all()
    assert np.isfinite(back[turn:]).all()
    assert lines_of(drawn)["forward"].y[-1] == pytest.approx(run.forward.correlator.value[0])


def test_cumulants_lie_on_the_prediction_forward_and_come_back(session):
    run, schedule = session.outcome.run, session.outcome.schedule
    drawn = panels(scene_of(session))
    for n in (2, 4, 6, 8):
        lines = lines_of(drawn[f"k{n}"])
        measured, predicted = lines["forward"].y, lines["predicted"].y
        f, xi = schedule.f(run.forward.times), schedule.xi(run.forward.times)
        assert predicted == pytest.approx(predicted[0] * f**n + (xi if n == 2 else 0))
        assert measured[0] == pytest.approx(predicted[0])
        # Prediction and measurement share the ensemble, so only the noise of this run separates them.
        error = run.forward.cumulants.error[:, n]
        assert (np.abs(measured - predicted) < 5 * error + 1e-9).all()
        bands = [s for s in drawn[f"k{n}"].series if isinstance(s, Band) and s.color == "forward"]
        assert bands[0].high - bands[0].low == pytest.approx(2 * error)
        assert lines["backward"].x[0] > 1
    end = lines_of(drawn["k2"])["backward"].y[-1]
    error = np.hypot(run.backward.cumulants.error[-1, 2], run.forward.cumulants.error[0, 2])
    assert abs(end - run.prediction.value[0, 2]) < 5 * error
    assert "→" in drawn["k2"].note


@pytest.mark.parametrize("view", ["clock", "level"])
@pytest.mark.parametrize("group", ["cumulants", "correlations", "histograms", "score", "action", "data"])
def test_every_group_is_drawn_in_every_view(session, view, group):
    scene = scene_of(session, view, group, 4)
    assert {"field", "field2"} & set(panels(scene)) == ({"field"} if view == "clock" else {"field", "field2"})
    assert len(scene.panels) > (1 if group == "action" else 2)  # nobody has asked for the action yet
    assert scene.block


def test_histograms_are_densities_on_moving_axes(session):
    run = session.outcome.run
    drawn = panels(scene_of(session, group="histograms"))
    for name in ("site", "m"):
        bars, _, line = drawn[name].series
        widths = np.diff(np.asarray(bars.edges), axis=1)
        assert (np.asarray(bars.heights) * widths).sum(axis=1) == pytest.approx(1, abs=0.02)
        turn = len(run.forward.times)
        assert np.asarray(line.y)[turn:] == pytest.approx(getattr(run.backward, f"{name}_histogram").value)
        assert drawn[name].xlim == pytest.approx(np.asarray(bars.edges)[:, [0, -1]])


def test_the_score_norm_follows_the_gaussian_prediction(session):
    """The score is the Gaussian one here, so only the spread of 256 configurations separates the two, 5 errors."""
    run = session.outcome.run
    turn = len(run.forward.times)
    lines = lines_of(panels(scene_of(session, group="score"))["norm"])
    predicted, found = lines["Gaussian: 1/√(f²G + Ξ)"].y[turn:], lines["backward"].y[turn:]
    error = run.backward.score_norm.error
    assert (np.abs(found - predicted)[:, 1:] < 6 * error[:, 1:]).mean() > 0.99


def test_the_score_implies_the_couplings_of_its_law(session, wait):
    """At the lowest level the exact score has the theory's couplings, 5 errors. They are fitted when asked for."""
    assert session.implied is None
    session.state.group = "action"
    wait(lambda: session.implied is not None)
    session.state.group = "cumulants"
    found, theory = session.implied.couplings, session.outcome.data.theory
    for name, truth in (("kappa", theory.kappa), ("a", 1 - 2 * theory.lam), ("lam", theory.lam)):
        learned, exact = found.of(name)
        assert abs(exact.value[0] - truth) < 5 * exact.error[0] + 0.02 * truth, name
        for view in ("clock", "level"):
            panel = panels(scene_of(session, view, "action"))[name]
            drawn = [s for s in panel.series if isinstance(s, Line) and s.color == "learned"]
            assert len(drawn) == (2 if view == "clock" else 1)
            x, y = np.asarray(drawn[0].x), np.asarray(drawn[0].y)
            assert (np.diff(x) > 0).all()
            place = x[0] if view == "clock" else x[-1]  # of the lowest level: the start, or the end towards data
            assert np.interp(place, x, y) == pytest.approx(learned.value[0])
    assert session.implied.outcome is session.outcome


def test_the_table_compares_the_ensemble_with_what_came_back(session):
    """What came back, measured anew: moments of all sites, errors from the 256 configurations."""
    html = session.table.object
    cells = [re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", html)]
    data, back = [row for row in cells if row]
    assert len(data) == len(back) == len(COLUMNS) + 2
    x = session.outcome.run.generated.double()
    each = {"kappa2": (x**2).mean(dim=(1, 2)), "abs_m": x.mean(dim=(1, 2)).abs()}
    for i, name in enumerate(COLUMNS):
        if name in each:
            expected = with_error(float(each[name].mean()), float(each[name].std()) / 16)
            assert back[i].startswith(expected), name
    assert data[-2:] == ["–", "–"]
    assert f"<small>{session.outcome.run.evaluations} evaluations</small>" in back[-2]
    assert "σ" in back[0]
    assert "σ" not in data[0]


def test_differences_have_their_sign_and_far_ones_are_coloured():
    row = Row("some", {"kappa2": (1.0, 0.1), "chi": (2.0, None)}, {"kappa2": -4.6, "chi": 1.23}, 10, (30, 1.5), 0.5)
    html = table_html([Row("Data", {}, {}, 20), row])
    assert "<small class=far>−4.6 σ</small>" in html
    assert "<small>+1.2 σ</small>" in html
    assert "<td>–</td>" in html  # what is not known
    assert "<td>1.5 s<small>30 evaluations</small></td><td>0.50</td>" in html
    assert "20 configurations of data, 10 made of noise" in html


def test_the_weights_of_paths_stand_in_the_row_of_the_score():
    check = TrustCheck("green", "", 0.25, 0.75, Measured(1.0, 0.1), 64)
    html = table_html([Row("Data", {}, {}, 20), Row("a", {}, {}, 10), Row("b", {}, {}, 10, main=True)], check)
    assert html.count("ESS 0.25") == 1
    assert "<td>0.75<small>ESS 0.25</small></td></tr></tbody>" in html


def test_marks_lie_where_modes_drown(session):
    run, schedule = session.outcome.run, session.outcome.schedule
    scene = scene_of(session)
    marks = {mark.label: mark for mark in scene.marks}
    zero = run.crossing["zero mode"]
    assert marks["zero mode"].position == pytest.approx(zero / schedule.t_max)
    assert marks["sign of M"].position == pytest.approx(2 - zero / schedule.t_max)
    assert "sign of M is decided" in marks["sign of M"].tooltip
    assert (2 - zero / schedule.t_max, "sign of M") in scene.ticks
    # f² V⟨M²⟩ = Ξ there.
    m2 = float(run.gaussian.full[0, 0])
    assert float(schedule.f(zero)) ** 2 * m2 == pytest.approx(float(schedule.xi(zero)), rel=1e-6)
    assert {"k = 1", "k = 4", "k = 8"} <= set(marks)


def test_views_groups_and_fields_change_without_a_new_run(session):
    outcome, block = session.outcome, session.stage.block
    for change in ({"shown": 9}, {"group": "score"}, {"view": "level"}):
        before = session.stage.block
        session.state.param.update(**change)
        assert session.outcome is outcome
        assert session.stage.block != before
    session.state.param.update(shown=1, group="cumulants", view="clock")
    assert session.stage.block == block


def test_histories_are_drawn_while_the_chains_thermalise():
    theory = Phi4(8, 0.25, 0.022)
    *_, report = thermalise_by_clusters(theory, 40, Noise(0), 30, every=10)
    drawn = panels(thermalising_scene(report, 4))
    assert len(drawn["field"].series) == 4
    assert drawn["field"].note == "thermalising: cluster update 30 of 30"
    assert drawn["size"].series[0].y == pytest.approx(np.abs(report.magnetisation).mean(axis=0))
    assert drawn["phi2"].series[1].y == pytest.approx(report.phi_squared.mean(axis=0))
    assert len(drawn["m"].series) == 24


def test_a_preset_sets_the_coupling_and_the_field_orders(play, wait):
    tab = play("kappa=0.21")
    wait(lambda: tab.table.object)
    first = tab.outcome
    button = next(b for b in tab.controls.presets if "0.40" in b.label)
    button.clicks += 1
    assert tab.state.kappa == pytest.approx(0.4)
    wait(lambda: not tab.stage.busy and tab.outcome is not first)
    assert tab.outcome.run.gaussian.m > 1


def test_the_noise_reaches_beyond_the_field(play, wait):
    """Fitted: σ̃ at the end is twice the spread of the largest mode; by hand: what the sliders say, with a warning."""
    tab = play("kappa=0.21")
    wait(lambda: tab.table.object)
    run, schedule = tab.outcome.run, tab.outcome.schedule
    assert float(schedule.sigma(schedule.t_max)) == pytest.approx(run.levels.high, rel=1e-6)
    tab.state.param.update(fit_level=False, sigma=1.5)
    wait(lambda: not tab.stage.busy)
    assert float(tab.outcome.schedule.g(1.0)) == pytest.approx(1.5)
    assert tab.note.visible
    assert tab.controls.widgets["sigma"].visible


def test_mistakes_give_a_sentence_and_keep_the_picture(play, wait):
    tab = play("kappa=0.21")
    wait(lambda: "ESS" in tab.table.object)
    block = tab.stage.block
    tab.state.param.update(schedule="drawn", drawn="0:1 1:0")
    assert "must be positive" in tab.stage.error
    assert tab.stage.block is block
    tab.state.param.update(schedule="ve")
    wait(lambda: not tab.stage.busy and not tab.stage.error)
    tab.state.param.update(score="exact")
    wait(lambda: "free field alone" in tab.stage.error)
    assert tab.stage.block is not None


def test_the_free_field_comes_back_exactly_and_its_theory_is_a_row(play, wait):
    tab = play("kappa=0.2&lam=0&score=exact&configurations=512&paths=512&seed=3")
    wait(lambda: tab.table.object)
    heads = re.findall(r"<th scope=row>(.*?)</th>", tab.table.object)
    assert heads == ["Data", "Exact score", "Exact theory"]
    sigmas = [float(s.replace("−", "-")) for s in re.findall(r"([+−]?[0-9.]+) σ", tab.table.object)]
    assert len(sigmas) == 2 * len(COLUMNS)
    assert max(map(abs, sigmas)) < 4.5
    wait(lambda: "ESS" in tab.table.object.split("</caption>")[1])
    assert float(re.search(r"<small>ESS ([0-9.]+)", tab.table.object)[1]) > 0.99
    assert 'class="green"' in tab.controls.light.object
    tab.state.group = "action"
    wait(lambda: tab.implied is not None)
    for name, truth in (("kappa", 0.2), ("a", 1.0), ("lam", 0.0)):
        learned, _ = tab.implied.couplings.of(name)
        assert abs(learned.value[0] - truth) < 5 * learned.error[0] + 1e-3  # the level is not 0


@pytest.mark.parametrize("correction", ["mala", "hmc"])
def test_a_correction_is_a_row_with_its_acceptance(play, wait, correction):
    tab = play(f"kappa=0.21&correction={correction}&correction_steps=3&steps=10")
    wait(lambda: "corrected" in tab.table.object)
    rows = re.findall(r"<tr>(.*?)</tr>", tab.table.object)
    assert f"corrected, 3 {correction.upper()}" in rows[-1]
    acceptance = float(re.findall(r"<td>(.*?)</td>", rows[-1])[-1])
    assert 0.2 < acceptance <= 1


@pytest.mark.parametrize(("correction", "steps"), [("path", 60), ("metropolis", 64)])
def test_exact_corrections_are_what_the_command_makes(play, wait, correction, steps):
    tab = play(f"kappa=0.2&correction={correction}&steps=10&seed=6&configurations=128&paths=128")
    wait(lambda: "… exact" in tab.table.object)
    rows = re.findall(r"<tr>(.*?)</tr>", tab.table.object)
    assert f", {steps} steps" in rows[-1]
    outcome = tab.outcome
    request = SampleRequest(
        128, outcome.schedule, steps=steps, grid="log-sigma", correction=correction, check=0, seed=6
    )
    same = sample(request, Bound(outcome.score.model, outcome.data.theory))
    found = measure(outcome.data.theory, [same.fields.numpy()]).observables["kappa2"]
    cells = re.findall(r"<td>(.*?)</td>", rows[-1])
    assert cells[0].startswith(with_error(found.value, found.error))
    assert cells[-1] == f"{same.acceptance:.2f}<small>ESS {same.ess:.2f}</small>"
    assert "in 2 chains of 64" in tab.table.object
    assert "ESS" in rows[-2]  # the weights of the score's own paths stay


def test_an_exact_correction_tells_how_far_it_is_and_is_stopped(play, wait):
    tab = play("kappa=0.21&correction=path&paths=1024&L=32&steps=200&configurations=64")
    wait(lambda: tab.correcting.visible)
    future = tab.live._latest.future
    before = tab.table.object
    tab.stop.clicks += 1
    future.result(timeout=30)
    assert not tab.correcting.visible
    assert tab.table.object == before
    assert "… exact" not in before
    assert "ESS" in before.split("</caption>")[1]


def test_what_the_score_was_fitted_to_is_not_what_it_is_held_against(session):
    """Half of the data goes into the fit, the table has the other half."""
    data, score = session.outcome.data.fields, session.outcome.score
    assert np.allclose(score.gaussian.full, FieldGaussianScore.fit(data[:128]).full)
    assert torch.equal(score.against, data[128:])
    assert "128 configurations of data" in session.table.object
    other = data[128:].double().square().mean(dim=(1, 2))
    cells = re.findall(r"<td>(.*?)</td>", session.table.object)
    assert cells[0] == with_error(float(other.mean()), float(other.std()) / math.sqrt(128))


def test_the_published_figures_stand_where_they_belong(play, wait):
    tab = play("kappa=0.4&L=32&configurations=32&paths=16&sweeps=40&steps=5")
    wait(lambda: tab.table.object)
    published = next(row for row in re.findall(r"<tr>(.*?)</tr>", tab.table.object) if "Published" in row)
    cells = re.findall(r"<td>(.*?)</td>", published)
    assert [cell.split("<")[0] for cell in cells[:4]] == ["0.39597(4)", "−0.29453(6)", "0.9011(3)", "−5.869(2)"]
    assert "κ₄/κ₂² = −1.8785(5); data −1.9" in cells[1]
    assert "κ₈/κ₂⁴ = −238.73(14)" in cells[3]
    assert "They are not in equilibrium" in tab.table.object
    assert "σ" not in published
    tab.state.param.update(L=16)
    wait(lambda: not tab.stage.busy and tab.table.styles == {"opacity": "1"})
    assert "Published" not in tab.table.object


def test_closing_the_session_ends_the_work(shells, wait):
    shell = shells("?page=diffusion&L=64&configurations=1024&sweeps=2000&model=")
    tab = play_tab(shell)
    wait(lambda: tab.stage.status.startswith("cluster update"))
    future = tab.live._latest.future
    shell.close()
    future.result(timeout=30)  # the ensemble would take minutes
    assert not ensembles._kept
    tab.state.kappa = 0.3
    assert tab.live._latest.future is None


def test_a_hidden_tab_computes_nothing_and_goes_on_when_it_is_back(play, wait):
    tab = play("L=64&configurations=1024&sweeps=2000")
    wait(lambda: tab.stage.status.startswith("cluster update"))
    tab.rest()
    tab.live._latest.future.result(timeout=30)  # the ensemble would take minutes
    tab.state.param.update(L=16, configurations=32, sweeps=20)
    assert tab.live._latest.future is None
    tab.open()
    wait(lambda: tab.table.object)
    future = tab.live._latest.future
    tab.rest()
    tab.open()  # nothing has changed
    assert future is None or tab.live._latest.future in (None, future)


def test_a_change_while_the_chains_thermalise_starts_anew(play, wait):
    tab = play("kappa=0.22&sweeps=2000&configurations=256&L=64")
    wait(lambda: tab.stage.status.startswith("cluster update"))
    tab.state.param.update(kappa=0.2, sweeps=20, configurations=32, L=16)
    wait(lambda: not tab.stage.busy)
    (request,) = ensembles._kept
    assert request.theory.kappa == pytest.approx(0.2)
