"""The page *Field*: an ensemble made on the spot, its run, and what is drawn of both."""

import re
import time

import numpy as np
import pytest

from core.noise import Noise
from core.samplers.ensemble import thermalise
from core.statistics.format import with_error
from core.theories.phi4 import Phi4
from dashboard.pages.field import ensembles
from dashboard.pages.field.scene import RANGE, run_scene, thermalising_scene
from dashboard.pages.field.table import table_html, table_rows
from dashboard.pages.field.view import FieldView
from dashboard.shell import Shell
from dashboard.stage import Band, Line

SMALL = "L=16&configurations=64&trajectories=100&paths=64&steps=40"


@pytest.fixture
def field(shells):
    """``field("kappa=0.21")`` is the page at this address with a small lattice."""
    return lambda query="": FieldView(shells(f"?page=field&{SMALL}&{query}"))


def panels(scene):
    return {panel.id: panel for panel in scene.panels}


def test_an_ensemble_is_made_before_ones_eyes_then_runs_and_plays(field, wait):
    view = field("kappa=0.25")
    said = []
    view.stage.param.watch(lambda event: said.append(event.new), "status")
    view.table.param.watch(lambda event: said.append("table"), "object")
    assert view.stage.busy
    wait(lambda: not view.stage.busy)
    reports = [s for s in said if s.startswith("HMC trajectory")]
    assert reports
    done = [int(s.split()[2]) for s in reports]
    assert done == sorted(done)
    assert all(s.endswith("of 100") for s in reports)
    assert said[len(reports) :] == ["preview · 16 configurations", "64 configurations", "table"]
    assert view.table.styles == {"opacity": "1"}
    assert view.stage.playing
    assert r"-0.5 \sum_\mu" in view.equation.object  # -2κ
    assert "**Score.**" in view.text.object


def test_an_ensemble_is_made_once_for_all_sessions(field, wait):
    first = field("kappa=0.21")
    wait(lambda: not first.stage.busy)
    second = field("kappa=0.21")
    said = []
    second.stage.param.watch(lambda event: said.append(event.new), "status")
    wait(lambda: not second.stage.busy)
    assert not [s for s in said if s.startswith("HMC")]
    assert second.stage.block == first.stage.block
    first.state.param.update(schedule="vp", steps=30)
    wait(lambda: not first.stage.busy)
    assert len(ensembles._kept) == 1


@pytest.fixture(scope="module")
def session():
    """A page in the broken phase with its full run, and its ensemble."""
    shell = Shell(f"?page=field&{SMALL}&kappa=0.32&seed=4&configurations=256&paths=256&steps=100")
    view = FieldView(shell)
    end = time.monotonic() + 120
    while view.stage.busy:
        assert time.monotonic() < end
        time.sleep(0.02)
    yield view
    shell.close()


def test_the_picture_starts_from_the_ensemble(session):
    run, schedule = session.run
    scene = run_scene(run, schedule, 2)
    image = panels(scene)["field"].series[0]
    phi = run.forward.fields[0, 2]
    limit = float(image.limits[0, 1])
    assert limit == pytest.approx(RANGE * np.sqrt(run.prediction.value[0, 2]))
    shown = (image.data[0] / 127.5 - 1) * limit
    assert shown == pytest.approx(np.clip(phi, -limit, limit), abs=limit / 250)
    assert image.limits[:, 0] == pytest.approx(-image.limits[:, 1])
    # Colours follow the spread √κ₂(t) both ways.
    assert image.limits[-1, 1] == pytest.approx(limit, rel=0.02)
    assert (np.diff(np.asarray(scene.positions)) > 0).all()


def test_cumulants_lie_on_the_prediction_forward_and_come_back(session):
    run, schedule = session.run
    drawn = panels(run_scene(run, schedule, 0))
    turn = len(run.forward.times)
    for n in (2, 4, 6, 8):
        series = drawn[f"k{n}"].series
        bands = [s for s in series if isinstance(s, Band)]
        lines = {s.label: s for s in series if isinstance(s, Line) and s.label}
        measured, predicted = lines["forward"].y, lines["predicted"].y
        f, xi = schedule.f(run.forward.times), schedule.xi(run.forward.times)
        assert predicted == pytest.approx(predicted[0] * f**n + (xi if n == 2 else 0))
        assert measured[0] == pytest.approx(predicted[0])
        # Prediction and measurement share the ensemble, so only the noise of this run separates them.
        error = run.forward.cumulants.error[:, n]
        assert (np.abs(measured - predicted) < 5 * error).all()
        forward = bands[2]
        assert forward.high - forward.low == pytest.approx(2 * error)
        assert len(lines["backward"].x) == len(series[5].x) == len(run.backward.times)
        assert lines["backward"].x[0] > 1
        assert len(lines["forward"].x) == turn
    end = lines_of(drawn["k2"])["backward"].y[-1]
    error = np.hypot(run.backward.cumulants.error[-1, 2], run.forward.cumulants.error[0, 2])
    assert abs(end - run.prediction.value[0, 2]) < 5 * error + 0.01 * end
    assert "→" in drawn["k2"].note


def lines_of(panel):
    return {s.label: s for s in panel.series if isinstance(s, Line) and s.label}


def test_the_table_compares_the_ensemble_with_what_came_back(session):
    """What came back, measured anew: moments of all sites, errors from the 256 configurations."""
    run, _ = session.run
    rows = {name: (there, back) for name, there, back in table_rows(run)}
    assert list(rows) == ["κ₂ of a site", "κ₄ of a site", "κ₆ of a site", "κ₈ of a site", "⟨|M|⟩"]
    x = run.generated.double()
    m2, m4 = (float((x**n).mean()) for n in (2, 4))
    for name, value, each in (
        ("κ₂ of a site", m2, (x**2).mean(dim=(1, 2))),
        ("⟨|M|⟩", float(x.mean(dim=(1, 2)).abs().mean()), x.mean(dim=(1, 2)).abs()),
    ):
        there, back = rows[name]
        assert back[0] == pytest.approx(value, rel=1e-5)
        assert back[1] == pytest.approx(float(each.std()) / 16, rel=0.35)  # of 64 blocks: uncertain by a tenth
        assert there[0] == pytest.approx(value, rel=0.05)
    assert rows["κ₄ of a site"][1][0] == pytest.approx(m4 - 3 * m2**2, rel=1e-4)
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", session.table.object)
    assert cells == re.findall(r"<td[^>]*>([^<]*)</td>", table_html(run))
    assert len(cells) == 15
    for i, (there, back) in enumerate(rows.values()):
        assert cells[3 * i : 3 * i + 2] == [with_error(*there), with_error(*back)]
        sigma = (back[0] - there[0]) / np.hypot(there[1], back[1])
        assert float(cells[3 * i + 2].split()[0].replace("−", "-")) == pytest.approx(sigma, abs=0.051)
        assert (f"<td class=far>{cells[3 * i + 2]}" in session.table.object) == (abs(sigma) > 4)


def test_marks_lie_where_modes_drown(session):
    run, schedule = session.run
    scene = run_scene(run, schedule, 0)
    marks = {mark.label: mark for mark in scene.marks}
    zero = run.crossing["zero mode"]
    assert marks["zero mode"].position == pytest.approx(zero / schedule.t_max)
    assert marks["sign of M"].position == pytest.approx(2 - zero / schedule.t_max)
    assert "sign of M is decided" in marks["sign of M"].tooltip
    # f² V⟨M²⟩ = Ξ there.
    m2 = float(run.gaussian.full[0, 0])
    assert float(schedule.f(zero)) ** 2 * m2 == pytest.approx(float(schedule.xi(zero)), rel=1e-6)
    assert marks["shortest wave"].position != marks["zero mode"].position


def test_the_configuration_shown_changes_without_a_new_run(session):
    run, block = session.run, session.stage.block
    session.state.shown = 3
    assert session.run is run
    assert session.stage.block != block
    session.state.shown = 1
    assert session.stage.block == block


def test_histories_are_drawn_while_the_chains_thermalise():
    theory = Phi4(8, 0.25, 0.022)
    *_, report = thermalise(theory, 40, Noise(0), 30, every=10)
    scene = thermalising_scene(report, 0)
    drawn = panels(scene)
    assert drawn["field"].note == "thermalising: trajectory 30 of 30"
    assert drawn["size"].series[0].y == pytest.approx(np.abs(report.magnetisation).mean(axis=0))
    assert drawn["phi2"].series[1].y == pytest.approx(report.phi_squared.mean(axis=0))
    assert len(drawn["m"].series) == 24


def test_a_new_coupling_makes_a_new_ensemble_and_a_preset_sets_it(field, wait):
    view = field("kappa=0.21")
    wait(lambda: not view.stage.busy)
    first = view.run
    button = next(b for b in view.sidebar[0].select(type(view._preset("x", 0.3))) if "0.40" in b.label)
    button.clicks += 1
    assert view.state.kappa == pytest.approx(0.4)
    wait(lambda: not view.stage.busy and view.run is not first)
    assert len(ensembles._kept) == 2
    assert view.run[0].gaussian.m > 1  # ordered


def test_the_noise_reaches_beyond_the_field(field, wait):
    """Fitted: σ̃ at the end is twice the spread of the largest mode; by hand: what the sliders say, with a warning."""
    view = field("kappa=0.21")
    wait(lambda: not view.stage.busy)
    run, schedule = view.run
    assert float(schedule.sigma(schedule.t_max)) == pytest.approx(run.levels.high, rel=1e-6)
    view.state.param.update(fit_level=False, sigma=1.5)
    wait(lambda: not view.stage.busy)
    assert float(view.run[1].g(1.0)) == pytest.approx(1.5)
    assert view.note.visible
    assert view.widgets["sigma"].visible


def test_mistakes_give_a_sentence_and_keep_the_picture(field, wait):
    view = field("kappa=0.21")
    wait(lambda: not view.stage.busy)
    block = view.stage.block
    view.state.param.update(schedule="drawn", drawn="0:1 1:0")
    assert "must be positive" in view.stage.error
    assert view.stage.block is block
    view.state.param.update(schedule="ve")
    wait(lambda: not view.stage.busy and not view.stage.error)


def test_closing_the_session_ends_the_work(shells, wait):
    shell = shells("?page=field&L=64&configurations=1024&trajectories=2000")
    view = FieldView(shell)
    wait(lambda: view.stage.status.startswith("HMC trajectory"))
    future = view.live._latest.future
    shell.close()
    future.result(timeout=30)  # the ensemble would take minutes
    assert not ensembles._kept
    view.state.kappa = 0.3
    assert view.live._latest.future is None


def test_a_change_while_the_chains_thermalise_starts_anew(field, wait):
    view = field("kappa=0.22&trajectories=2000&configurations=256")
    wait(lambda: view.stage.status.startswith("HMC trajectory"))
    view.state.param.update(kappa=0.2, trajectories=60, configurations=32)
    wait(lambda: not view.stage.busy)
    (request,) = ensembles._kept
    assert request.theory.kappa == pytest.approx(0.2)
