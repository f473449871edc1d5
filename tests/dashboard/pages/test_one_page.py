"""The page *One degree of freedom* as a session sees it: stages, sentences, address, table, end."""

import re
import threading

import numpy as np
import param
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.diffusion.training import Trainer, TrainingConfig
from core.jobs import Token
from core.statistics.format import thousands
from core.theories.registry import make_target
from dashboard.address import decode, encode
from dashboard.pages.diffusion.state import DiffusionState
from dashboard.pages.one.picture import FAST, full_quality, paint
from dashboard.pages.one.state import OneState
from dashboard.pages.one.table import table_html, table_rows
from dashboard.shell import Shell, build_page

QUICK = "paths=2000&steps=60"  # a full picture that does not take long


def said(shell: Shell) -> list[str]:
    return [alert.object for alert in shell.messages]


def test_the_page_is_built_for_its_address():
    page, shell = build_page(f"?page=one&tab=langevin&{QUICK}")
    try:
        assert page.meta.title == "One degree of freedom · StoqLab"
        assert len(page.sidebar) == 6
        assert not said(shell)
    finally:
        shell.close()


def test_a_quick_picture_comes_first_then_the_one_asked_for_then_the_table(one, wait):
    view = one(f"{QUICK}&tab=langevin")
    tab = view.tab("line")
    seen = []
    tab.stage.param.watch(lambda event: seen.append(event.new), "status")
    tab.table.param.watch(lambda event: seen.append("table"), "object")
    view.state.tab = "line"
    assert tab.stage.busy
    wait(lambda: "table" in seen)
    assert seen == [f"preview · {thousands(FAST.paths)} paths", "2\u202f000 paths", "table"]
    assert tab.stage.playing
    wait(lambda: not tab.stage.busy)
    assert not tab.picture.preview
    assert r"10^{\,t}" in tab.equations.object


def test_a_tab_behind_another_does_no_work_and_catches_up(one, wait):
    view = one(f"{QUICK}&tab=langevin")
    tab = view.tab("line")
    view.state.sigma = 4.0
    assert not tab.stage.busy
    assert tab.picture is None
    view.state.tab = "line"
    wait(lambda: tab.picture is not None and not tab.stage.busy)
    assert r"4^{\,t}" in tab.equations.object


def test_a_change_redraws_and_the_newest_wins(one, wait):
    view = one(QUICK)
    tab = view.tab("line")
    for sigma in np.linspace(3, 20, 18):
        view.state.sigma = float(sigma)
    wait(lambda: not tab.stage.busy)
    assert tab.picture.g[tab.picture.turn - 1] == pytest.approx(20)


MISTAKES = {
    "formula": ({"target": "formula", "formula": "x**4/"}, "The potential 'x**4/' cannot be read"),
    "not normalisable": ({"target": "formula", "formula": "-x**2"}, "normalis"),
    "mixture, words": ({"target": "mixture", "means": "left, right"}, "Means: 'left, right' is not a list of numbers"),
    "mixture, negative width": ({"target": "mixture", "stds": "0.4, -1"}, "Widths must be positive, got [0.4, -1.0]"),
    "mixture, lengths": (
        {"target": "mixture", "weights": "1, 2, 3"},
        "Weights, means and widths must have one entry for each component",
    ),
    "drawn, not points": ({"schedule": "drawn", "drawn": "up and down"}, "Drawn schedule"),
    "drawn, negative": ({"schedule": "drawn", "drawn": "0:1 1:-3"}, "must be positive"),
    "drawn, times": ({"schedule": "drawn", "drawn": "0:1 0.5:2"}, "must rise from 0 to 1"),
    "no learned score": ({"target": "formula", "score": "learned"}, "press Train"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_gives_a_sentence_and_keeps_the_picture(one, wait, name):
    changes, words = MISTAKES[name]
    view = one("paths=500&steps=20")
    tab, start = view.tab("line"), {key: view.state.param[key].default for key in MISTAKES[name][0]}
    wait(lambda: not tab.stage.busy)
    picture, block = tab.picture, tab.stage.block
    view.state.param.update(**changes)
    wait(lambda: tab.stage.error)
    assert words in tab.stage.error
    assert tab.stage.error[0].isupper()
    assert tab.picture is picture
    assert tab.stage.block is block
    assert not tab.stage.busy
    view.state.param.update(**start)
    wait(lambda: not tab.stage.error and not tab.stage.busy)
    assert not tab.picture.preview  # the same one, which is kept


def test_a_run_that_diverges_gives_a_sentence(one, wait):
    view = one("schedule=drawn&drawn=0:100,1:100&keep_variance=true&solver=ancestral&steps=20&paths=500")
    tab = view.tab("line")
    wait(lambda: tab.stage.error)
    assert "take more steps" in tab.stage.error
    assert not tab.stage.busy


def test_warnings_are_shown_and_go(one, wait):
    view = one("paths=500&steps=20&prior=noise&sigma=2")
    tab = view.tab("line")
    wait(lambda: not tab.stage.busy)
    assert tab.note.visible
    assert tab.note.object
    view.state.sigma = 10.0
    wait(lambda: not tab.stage.busy)
    view.state.prior = "matched"
    wait(lambda: not tab.stage.busy)
    assert not tab.note.visible


def test_values_that_cannot_be_used_are_named_in_a_sentence(one):
    view = one("tab=langevin&sigma=99&target=cat&steps=many&seed=-1&moments=perhaps&drawn=nonsense")
    sentences = said(view.shell)
    assert len(sentences) == 6
    for key, allowed in {
        "sigma": "a number from 1 to 50",
        "target": "one of two-peak, quartic, mixture, formula",
        "steps": "a whole number from 5 to 2000",
        "seed": "a whole number from 0",
        "moments": "true or false",
    }.items():
        assert any(f"{key} = " in s and allowed in s for s in sentences), key
    assert any("drawn" in s and "not a list of points" in s for s in sentences)
    for name in ("sigma", "target", "steps", "seed", "moments", "drawn"):
        assert getattr(view.state, name) == view.state.param[name].default


def values(parameter: param.Parameter) -> st.SearchStrategy:
    """Everything that a control of this parameter can set."""
    if isinstance(parameter, param.Selector):
        return st.sampled_from(list(parameter.objects))
    if isinstance(parameter, param.Boolean):
        return st.booleans()
    if isinstance(parameter, param.Integer):
        return st.integers(*parameter.bounds)
    if isinstance(parameter, param.Number):
        return st.floats(*parameter.bounds)
    return st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=30)


def states(kind: type[param.Parameterized]) -> st.SearchStrategy[dict]:
    return st.fixed_dictionaries({name: values(kind.param[name]) for name in kind.param if name != "name"})


@pytest.mark.parametrize("kind", [OneState, DiffusionState])
def test_the_address_reproduces_every_state(kind):
    @settings(max_examples=60, deadline=None)
    @given(states(kind))
    def check(wanted):
        first, second = Shell("?page=one&theme=dark"), None
        state = kind()
        first.sync(state, list(wanted))
        state.param.update(**wanted)
        second, again = Shell("?" + first.address.bar.query), kind()
        second.sync(again, list(wanted))
        assert not said(second)
        assert {name: getattr(again, name) for name in wanted} == wanted
        assert second.dark
        assert second.address.bar.query == first.address.bar.query

    check()


@pytest.mark.parametrize("kind", [OneState, DiffusionState])
def test_the_address_keeps_all_digits(kind):
    for name, parameter in kind.param.objects("existing").items():
        if isinstance(parameter, param.Number) and not isinstance(parameter, param.Integer):
            low, high = parameter.bounds
            value = low + (high - low) / 3
            assert decode(parameter, encode(parameter, value)) == value, name


def test_the_table_compares_exact_data_and_runs(one):
    view = one("tab=langevin&seed=3&steps=300")
    order = view.tab("line").order()
    picture = paint(order, full_quality(order), Token())
    learned = Trainer(order.target, TrainingConfig(steps=300, batch=512, samples=20_000), seed=1)
    learned.run()
    rows, caption = table_rows(order, picture, learned.score(), Token())
    assert [row.name for row in rows] == [
        "exact",
        "data (forward, t = 0)",
        "this run (VE, exact score)",
        "VE, exact score",
        "VP, exact score",
        "VE, learned score",
        "VP, learned score",
    ]
    exact = rows[0].cumulants.value
    assert exact[[2, 4, 6, 8]] == pytest.approx([1.0625, -2, 16, -272])
    assert rows[2].cumulants.value == pytest.approx(rows[3].cumulants.value)  # the same run, of the same seed
    for row in rows[1:5]:
        bias = 0.01 * np.abs(exact) * ("exact score" in row.name)  # of 300 Euler steps
        assert (np.abs(row.cumulants.value - exact) <= 5 * row.cumulants.error + bias).all()
    assert (np.abs(rows[5].cumulants.value - exact)[[2, 4]] < 0.1 * np.abs(exact)[[2, 4]]).all()
    html = table_html(rows, caption)
    assert "20\u202f000 paths" in html
    assert html.count("<tr>") == 8
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", html)
    assert cells[:4] == ["1.0625", "−2", "16", "−272"]
    assert all(re.fullmatch(r"−?\d+(\.\d+)?\(\d+(\.\d+)?\)", cell) for cell in cells[4:])


def test_the_table_shows_odd_cumulants_where_they_are_not_zero(one):
    view = one("tab=langevin&seed=3&target=mixture&paths=2000&steps=50")
    order = view.tab("line").order()
    rows, caption = table_rows(order, paint(order, full_quality(order), Token()), None, Token())
    html = table_html(rows, caption)
    assert all(f"κ{n}" in html for n in "₁₂₃₄₅₆₇₈")
    assert len(rows) == 5


def test_far_off_numbers_are_coloured(one):
    view = one("tab=langevin&seed=3&score=gaussian&paths=5000&steps=50")
    order = view.tab("line").order()
    rows, caption = table_rows(order, paint(order, full_quality(order), Token()), None, Token())
    lines = table_html(rows, caption).split("<tr>")
    assert "class=far" in lines[4]  # the Gaussian score's κ₄
    assert "class=far" not in lines[2]
    assert "class=far" not in lines[3]


def test_closing_the_session_ends_the_work(one, wait):
    view = one("paths=500000&steps=2000")
    tab = view.tab("line")
    wait(lambda: tab.picture is not None)
    future = tab.live._latest.future
    view.shell.close()
    if future is not None:
        future.result(timeout=20)  # a full run of this size takes minutes
    assert tab.picture.preview
    view.state.sigma = 5.0
    assert tab.live._latest.future is None
    assert not [t for t in threading.enumerate() if t.name in ("stoqlab-langevin", "stoqlab-training")]


def test_moments_are_drawn_from_the_same_run(one, wait):
    view = one(QUICK)
    tab = view.tab("line")
    wait(lambda: not tab.stage.busy)
    picture = tab.picture
    view.state.moments = True
    assert tab.picture is picture
    assert "μ₄" in {panel.title for panel in tab.stage.scene.panels}


def test_controls_follow_the_choice(one):
    view = one("tab=langevin")
    shown = lambda: {name for name, widget in view.widgets.items() if widget.visible}  # noqa: E731
    assert view.cards["Langevin process"].visible
    assert not view.cards["Noise schedule"].visible
    view.state.target = "mixture"
    assert {"means", "stds", "weights"} < shown()
    view.state.target = "quartic"
    assert {"mu2", "coupling"} < shown()
    assert not {"means", "formula", "plane_target"} & shown()
    view.state.schedule = "vp-linear"
    assert {"beta_min", "beta_max"} < shown()
    assert "sigma" not in shown()
    view.state.schedule = "drawn"
    assert "keep_variance" in shown()
    assert view.schedule.editor.editable
    view.schedule.editor.points = [(0.0, 1.0), (0.5, 2.0), (1.0, 4.0)]
    assert view.state.drawn == "0:1 0.5:2 1:4"
    assert float(view.state.make_schedule().g(0.5)) == pytest.approx(2.0)


def test_the_score_in_use_is_the_one_chosen(one):
    view = one("tab=langevin&score=gaussian")
    order = view.tab("line").order()
    x = torch.linspace(-2, 2, 5, dtype=torch.float64)[:, None]
    assert order.score_name == "Gaussian"
    assert order.model.score(x, 1.0, 0.0) == pytest.approx(-x / 1.0625)
    view.state.score = "exact"
    assert view.tab("line").order().model == make_target("two-peak")
