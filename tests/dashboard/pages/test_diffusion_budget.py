"""The page *Diffusion*, tab *Error budget*, without a browser: what runs, the table, the bars and the sentence."""

import re
from dataclasses import replace

import holoviews as hv
import numpy as np
import pytest

from core.diffusion.error_budget import COLUMNS, error_budget
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_noise import noise_range, schedule_reaching
from core.diffusion.score_profile import score_profile
from core.noise import Noise
from core.statistics.format import with_error
from core.statistics.jackknife import Estimate
from core.theories.phi4 import Phi4
from dashboard.pages.diffusion.budget import BudgetView
from dashboard.pages.diffusion.budget_figure import PROFILED, bars, profile_figure
from dashboard.pages.diffusion.budget_texts import sentence, table_html, worst
from dashboard.pages.diffusion.view import DiffusionView

SMALL = "L=16&configurations=64&sweeps=60&steps=10&model=&budget_paths=64&tab=budget"


@pytest.fixture
def budget(shells):
    def make(query=""):
        tab = DiffusionView(shells(f"?page=diffusion&{SMALL}&{query}")).tab("budget")
        assert isinstance(tab, BudgetView)
        return tab

    return make


def done(tab):
    """Whether everything is there, and drawn."""
    return tab.outcome is not None and tab.outcome.last and tab.button.label == "Begin again"


@pytest.fixture(scope="module")
def parts():
    """A free field with a score that pulls too weakly: only the score errs."""
    theory = Phi4(8, 0.2, 0.0)
    gaussian = FieldGaussianScore(theory.free_propagator())
    wrong = FieldGaussianScore(1.5 * theory.free_propagator())
    data = gaussian.draw_prior(128, 1.0, 0.0, Noise(2))
    schedule = schedule_reaching("ve", noise_range(gaussian).high)
    common = {"theory": theory, "gaussian": gaussian, "n": 128}
    found = error_budget(wrong, data, schedule, steps=12, reference_steps=40, **common)
    return found, score_profile(wrong, data, steps_per_e=4, **common)


def with_part(found, column, k, value, error):
    """The budget with one entry replaced."""
    old = found.columns[column]
    values, errors = old.value.copy(), old.error.copy()
    values[k], errors[k] = value, error
    return replace(found, columns=found.columns | {column: Estimate(values, errors)})


def quiet(found):
    """The budget with nothing in it that is more than chance."""
    nothing = {name: Estimate(0 * e.value, e.error + 1e-9) for name, e in found.columns.items()}
    return replace(found, columns=nothing)


def test_a_quick_table_comes_first_then_the_full_one_and_the_profile(budget, wait):
    tab = budget("kappa=0.25")
    counts = []
    tab.table.param.watch(lambda event: counts.append((tab.outcome.budget.n, tab.outcome.profile is None)), "object")
    said = []
    tab.text.param.watch(lambda event: said.append(event.new), "object")
    wait(lambda: done(tab))
    assert said[0].startswith("**Preview from 32 paths**")
    assert not any("Preview" in text for text in said[1:])
    assert counts[0] == (32, True)
    assert tab.outcome.budget.n == tab.outcome.profile.n == 64
    assert tab.outcome.budget.reference_steps > 100
    assert len(tab.figures) == 2
    assert not tab.bar.visible
    assert tab.button.label == "Begin again"
    assert "64 paths" in tab.status.object
    assert re.search("dominates|nearly cancel", tab.text.object)


def test_it_is_stopped_and_begun_again(budget, wait):
    tab = budget("kappa=0.25&budget_paths=4096&steps=100")
    assert tab.button.label == "Stop"
    assert tab.bar.visible
    tab.button.clicks += 1
    assert (tab.button.label, tab.status.object, tab.bar.visible) == ("Begin again", "Stopped.", False)
    wait(lambda: tab.live._latest.future is None)
    assert tab.outcome is None or not tab.outcome.last
    tab.own.budget_paths = 32
    tab.state.steps = 10
    wait(lambda: done(tab) and tab.outcome.budget.n == 32)


def test_hidden_it_rests_and_goes_on_when_it_comes_back(budget, wait):
    tab = budget("kappa=0.25&budget_paths=4096")
    tab.rest()
    wait(lambda: tab.live._latest.future is None)
    tab.own.budget_paths = 32
    assert tab.live._latest.future is None
    tab.open()
    wait(lambda: done(tab) and tab.outcome.budget.n == 32)


def test_unit_and_theme_change_without_new_work(budget, wait):
    tab = budget("kappa=0.25&budget_paths=32")
    wait(lambda: done(tab))
    outcome, before = tab.outcome, tab.table.object
    tab.own.unit = "percent"
    assert "per cent of the data" in tab.table.object != before
    figure = tab.figures[0].object
    tab.shell.dark = not tab.shell.dark
    assert tab.figures[0].object is not figure
    assert tab.outcome is outcome


def test_what_cannot_be_run_is_told_in_a_sentence(budget, wait):
    tab = budget("kappa=0.25&score=exact")
    wait(lambda: tab.button.label == "Begin again")
    assert "exact score is known for the free field alone" in tab.status.object
    assert not tab.bar.visible


@pytest.mark.parametrize("unit", ["sigma", "percent"])
def test_the_table_has_every_part_in_the_unit(parts, unit):
    found, _ = parts
    text = table_html(found, unit)
    by = found.per_sigma if unit == "sigma" else found.per_cent
    rows = re.findall(r"<tr><th scope=row>.*?</tr>", text)
    assert len(rows) == len(found.names)
    for k, row in enumerate(rows):
        cells = re.findall(r"<td[^>]*>([^<]*)</td>", row)
        assert len(cells) == 2 + len(COLUMNS) + 2
        assert cells[1] == with_error(float(found.generated.value[k]), float(found.generated.error[k]))
        value, error = (float(part[k] * by[k]) for part in found.columns["score"])
        assert cells[5] == ("–" if np.isnan(value) else with_error(value, error))


def test_the_sentence_names_the_part_that_dominates(parts):
    found, _ = parts
    assert worst(found).column == "score"
    assert sentence(found).startswith(
        "With 128 generated against 128 configurations of data, **the score dominates**: it"
    )
    k = found.names.index("abs_m")
    calm = quiet(found)
    assert worst(calm) is None
    assert "**statistics dominates**" in sentence(calm)
    assert "no systematic part differs from 0" in sentence(calm)
    size = found.statistics[k]
    prior = with_part(calm, "prior", k, -2 * size, 0.1 * size)
    assert "**the prior dominates**: it shifts |M| by −2.00(10) σ, or" in sentence(prior)
    assert worst(with_part(prior, "score", k, 1.5 * size, 0.1 * size)).column == "prior"
    against = with_part(prior, "score", k, 1.5 * size, 0.1 * size)
    assert sentence(against).partition("data, ")[2] == (
        "**the prior and the score nearly cancel**: |M| is shifted −2.00(10) σ by the prior and 1.50(10) σ by the "
        "score, together by −0.5 σ, so that neither dominates."
    )
    assert "**the prior dominates**" in sentence(with_part(prior, "score", k, 1.2 * size, 0.1 * size))
    assert "**the prior dominates**" in sentence(with_part(prior, "score", k, -1.5 * size, 0.1 * size))
    assert "**the prior dominates**" in sentence(with_part(prior, "score", k, 1.5 * size, 0.6 * size))
    small = with_part(calm, "cut-off", k, 0.5 * size, 0.1 * size)
    assert "**statistics dominates**" in sentence(small)
    assert "is the cut-off in σ̃: it shifts |M| by 0.50(10) σ" in sentence(small)
    chance = with_part(calm, "prior", k, 2 * size, size)
    assert worst(chance) is None


@pytest.mark.parametrize("unit", ["sigma", "percent"])
def test_the_bars_are_as_high_as_the_parts(parts, unit):
    found, _ = parts
    by = found.per_sigma if unit == "sigma" else found.per_cent
    layers = {layer.label: layer for layer in bars(found, unit, dark=False) if isinstance(layer, hv.Rectangles)}
    assert list(layers) == ["± statistics", *COLUMNS, "total"]
    for column in (*COLUMNS, "total"):
        value = (found.columns[column].value * by)[np.isfinite(by)]
        boxes = layers[column].array().astype(float)
        assert boxes[:, 3] + boxes[:, 1] == pytest.approx(value)
        assert np.minimum(np.abs(boxes[:, 1]), np.abs(boxes[:, 3])) == pytest.approx(0)
        middles = (boxes[:, 0] + boxes[:, 2]) / 2
        assert np.abs(middles - np.flatnonzero(np.isfinite(by))).max() < 0.5
    left = [layers[column].array()[0, 0] for column in (*COLUMNS, "total")]
    assert (np.diff(np.array(left, float)) > 0.1).all()


def test_the_profile_shows_what_each_range_of_levels_adds(parts):
    _, found = parts
    points = {layer.label: layer for layer in profile_figure(found, dark=True) if isinstance(layer, hv.Scatter)}
    assert len(points) == len(PROFILED)
    k = found.names.index("phi2")
    seen = points["φ²"].array().astype(float)
    assert seen[:, 1] == pytest.approx(100 * found.between.value[:, k] / found.data.value[k])
    assert seen[:, 0] == pytest.approx(found.sigma, rel=0.1)
