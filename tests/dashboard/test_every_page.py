"""What holds on every page and every tab: controls are in the address and explained, states make the round trip."""

import ast
import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import panel as pn
import panel_material_ui as pmui
import param
import pytest
from hypothesis import given, settings
from panel.widgets.base import WidgetBase

from core.statistics.measure import TITLES
from dashboard import locks
from dashboard.address import Address, encode
from dashboard.definitions import DEFINITIONS, definition, explained, plain
from dashboard.pages.compare.state import OWN as COMPARE_OWN
from dashboard.pages.diffusion.beside import BesideState
from dashboard.pages.diffusion.budget import BudgetState
from dashboard.pages.diffusion.budget_texts import COLUMNS as BUDGET
from dashboard.pages.diffusion.state import BESIDE_KEYS, BUDGET_KEYS, TRAIN_KEYS, DiffusionState
from dashboard.pages.diffusion.table import COLUMNS
from dashboard.pages.diffusion.train_form import TrainSettings
from dashboard.pages.lattice.keep_form import KeepSettings
from dashboard.pages.lattice.race import RaceSettings
from dashboard.pages.lattice.race_scene import HEAD
from dashboard.pages.lattice.scan import ScanSettings
from dashboard.pages.lattice.state import KEEP_KEYS, RACE_KEYS, SCAN_KEYS, LatticeState
from dashboard.pages.one.state import OneState
from dashboard.shell import build_page

PAGES = Path(__file__).parents[2] / "dashboard" / "pages"
SMALL = "&L=16&configurations=32&sweeps=20&paths=500&steps=5&model="
PLACES = [
    "page=home",
    *(f"page=one&tab={tab}" for tab in ("line", "plane", "langevin")),
    *(f"page=lattice&tab={tab}" for tab in ("live", "race", "scan", "keep")),
    *(f"page=diffusion&tab={tab}" for tab in ("play", "train", "beside", "budget")),
    "page=compare",
]
STATES = [
    (OneState, None),
    (LatticeState, None),
    (RaceSettings, RACE_KEYS),
    (ScanSettings, SCAN_KEYS),
    (KeepSettings, KEEP_KEYS),
    (DiffusionState, None),
    (BesideState, BESIDE_KEYS),
    (BudgetState, BUDGET_KEYS),
    (TrainSettings, TRAIN_KEYS),
]
NO_STATE = {"taken"}
"""Controls that no link should set: what becomes of an ensemble that has the name already."""
UNEXPLAINED = (pmui.Tabs, pmui.LinearProgress)


@dataclass
class Opened:
    shell: Any
    widgets: list[Any]
    named: list[tuple[param.Parameterized, str]]


@pytest.fixture(scope="module", params=PLACES)
def opened(request, tmp_path_factory):
    """A page with the tab in front, what stands on it, and which parameters have a control there."""
    named: list[tuple[param.Parameterized, str]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STOQLAB_HOME", str(tmp_path_factory.mktemp("home")))
        call = locks.call
        patch.setattr(locks, "call", lambda state, name, title: (named.append((state, name)), call(state, name, title)))
        page, shell = build_page(f"?{request.param}{SMALL if 'diffusion' in request.param else '&L=16'}")
        try:
            widgets = [w for place in (*page.sidebar, *page.main) for w in place.select(WidgetBase)]
            yield Opened(shell, widgets, named)
        finally:
            shell.close()
            with contextlib.suppress(AttributeError):
                pn.state._views.clear()


def test_every_control_is_in_the_address(opened):
    claimed = {(id(state), name) for state, name in opened.shell.address.claimed.values()}
    missing = {name for state, name in opened.named if (id(state), name) not in claimed}
    assert missing <= NO_STATE


def test_every_control_has_a_tooltip(opened):
    bare = [
        (type(w).__name__, w.label or w.css_classes)
        for w in opened.widgets
        if not isinstance(w, UNEXPLAINED) and not getattr(w, "description", None)
    ]
    assert not bare


def test_nothing_of_a_plain_page_is_complained_about(opened):
    assert [message.object for message in opened.shell.messages] == []


def values(parameter):
    """Random values that a parameter allows."""
    if isinstance(parameter, param.ListSelector):
        return st.lists(st.sampled_from(list(parameter.objects)), unique=True)
    if isinstance(parameter, param.Selector):
        return st.sampled_from(list(parameter.objects))
    if isinstance(parameter, param.Boolean):
        return st.booleans()
    if isinstance(parameter, param.Integer):
        low, high = parameter.bounds or (None, None)
        return st.integers(None if low is None else int(low), None if high is None else int(high))
    if isinstance(parameter, param.Number):
        low, high = parameter.bounds or (None, None)
        return st.floats(low, high, allow_nan=False, allow_infinity=False)
    assert isinstance(parameter, param.String), parameter
    return st.text(st.characters(exclude_categories=("Cs",)), max_size=30)


def complain(sentence):
    pytest.fail(sentence)


@pytest.mark.parametrize(("kind", "keys"), STATES, ids=lambda value: getattr(value, "__name__", ""))
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_a_random_state_makes_the_round_trip(kind, keys, data):
    names = keys or [name for name in kind.param if name != "name"]
    drawn = {name: data.draw(values(kind.param[name]), label=name) for name in names}
    written = Address("", complain)
    written.sync(kind(**drawn), names)
    state = kind()
    Address("?" + written.bar.query, complain).sync(state, names)
    assert {name: getattr(state, name) for name in names} == drawn
    again = Address("", complain)
    again.sync(state, names)
    assert again.bar.query == written.bar.query


def test_the_keys_of_the_tabs_are_all_parameters_and_clash_with_none():
    for kind, keys in STATES:
        assert set(keys or []) <= set(kind.param)
    for groups in (
        [LatticeState, RACE_KEYS, SCAN_KEYS, KEEP_KEYS],
        [DiffusionState, BESIDE_KEYS, BUDGET_KEYS, TRAIN_KEYS],
    ):
        every = [
            key
            for g in groups
            for key in (g.values() if isinstance(g, dict) else g if isinstance(g, tuple) else g.param)
        ]
        assert len(every) == len(set(every))
    assert set(KeepSettings.param) - set(KEEP_KEYS) - {"name"} == NO_STATE


def titles():
    """The titles of all panels that the pages' code writes out, with parts that vary left out."""
    for file in sorted(PAGES.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Panel"):
                continue
            for keyword in node.keywords:
                if keyword.arg != "title":
                    continue
                for part in ast.walk(keyword.value):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str) and len(part.value) > 1:
                        yield file.stem, part.value


def test_every_quantity_has_a_definition():
    shown = [*titles(), *(("table", label) for label in (*COLUMNS.values(), *BUDGET, *TITLES.values(), *HEAD))]
    assert len(shown) > 60
    ignored = {"A · ", "B · ", " · φ", "₀₁₂₃₄₅₆₇₈"}  # pieces of titles
    undefined = {label for _, label in shown if label not in ignored and definition(label) is None}
    assert undefined == set()


@pytest.mark.parametrize(
    ("label", "term"),
    [
        ("κ₂ = ⟨φ²⟩", "κ₁ … κ₈, cumulants"),
        ("U<sub>L</sub>", "Binder cumulant U_L"),
        ("τ_int of |M|, steps", "τ_int"),
        ("⟨|M|⟩", "Magnetisation M, |M|"),
        ("χ", "Susceptibility χ"),
        ("κ_c", "Critical hopping κ_c"),
        ("κ", "Hopping parameter κ"),
        ("ESS", "Effective sample size ESS"),
        ("Score norm √(⟨|s_p|²⟩/V)", "Score norm"),
        ("Action S/V", "Action density S/V"),
        ("σ̃, up to", "Noise level σ̃"),
    ],
)
def test_labels_find_the_definition_that_they_mean(label, term):
    found = definition(label)
    assert found is not None
    assert found.term == term


def test_definitions_are_short_and_different():
    assert len({d.term for d in DEFINITIONS}) == len(DEFINITIONS)
    assert all(20 < len(d.text) < 200 and d.text.endswith(".") for d in DEFINITIONS)


def test_heads_of_columns_are_explained_and_heads_of_rows_are_not():
    table = explained("<tr><th></th><th scope=col>U<sub>L</sub></th><th scope=row>χ</th><th>nothing known</th></tr>")
    assert table.count("data-define") == 1
    assert 'tabindex="0"' in table
    assert ">U<sub>L</sub></span></th><th scope=row>χ</th><th>nothing known</th></tr>" in table
    assert plain("a<br>b_₂") == "a b2"


def test_what_the_address_says_is_what_the_parameter_says():
    """Guards the tests above: an address that lost a value would make the round trip with the default."""
    state = LatticeState(kappa=0.3)
    address = Address("", complain)
    address.sync(state, ["kappa"])
    assert address.bar.query == f"kappa={encode(state.param['kappa'], 0.3)}"
    assert COMPARE_OWN
