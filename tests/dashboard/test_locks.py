"""What a link locks or hides stays as it is, whoever tries to change it."""

import panel_material_ui as pmui
import param
import pytest

from dashboard import locks
from dashboard.address import Address
from dashboard.widgets import choices, control, switch


class State(param.Parameterized):
    kappa = param.Number(0.27, bounds=(0.0, 0.6), step=0.005, doc="Hopping.")
    lam = param.Number(0.022, bounds=(1e-4, 1.0), doc="Coupling.")
    L = param.Selector(default=64, objects={"32": 32, "64": 64}, doc="Sites.")
    steps = param.Integer(4, bounds=(1, 9), doc="Steps.")
    flip = param.Boolean(False, doc="Flip.")
    called = param.String("a", doc="Name.")
    entries = param.ListSelector(default=["x"], objects={"X": "x", "Y": "y"}, doc="Which.")


OTHERS = {"kappa": 0.4, "lam": 0.5, "L": 32, "steps": 7, "flip": True, "called": "b", "entries": ["y"]}
NAMES = list(OTHERS)


def opened(query):
    said = []
    address, state = Address(query, said.append), State()
    address.sync(state, NAMES)
    return address, state, said


def widget(state, name):
    if name == "entries":
        return choices(state, name, "Which")
    return switch(state, name) if name == "L" else control(state, name)


@pytest.mark.parametrize("key", ["lock", "hide"])
@pytest.mark.parametrize("name", NAMES)
def test_a_fixed_parameter_keeps_the_value_of_the_link(name, key):
    address, state, said = opened(f"?kappa=0.3&{key}={name}")
    kept, seen = getattr(state, name), []
    state.param.watch(seen.append, name)
    setattr(state, name, OTHERS[name])
    state.param.update(**OTHERS)
    state.param.update({name: OTHERS[name]})
    assert getattr(state, name) == kept
    assert not seen
    assert all(getattr(state, other) == value for other, value in OTHERS.items() if other != name)
    assert said == [f"{name} is set by the link and stays as it is."]
    assert f"{key}={name}" in address.bar.query


@pytest.mark.parametrize("name", NAMES)
def test_a_locked_control_is_disabled_says_why_and_what_it_sends_is_not_taken(name):
    _, state, _ = opened(f"?lock={name}")
    kept, shown = getattr(state, name), widget(state, name)
    assert shown.disabled
    assert shown.description.startswith("Set by the link.")
    shown.disabled = False  # as pages do, and browsers that were tampered with
    assert shown.disabled
    shown.value = {"lam": -0.3}.get(name, OTHERS[name])
    assert getattr(state, name) == kept
    free = widget(State(), name)
    assert not free.disabled
    assert "link" not in free.description


@pytest.mark.parametrize("name", NAMES)
def test_a_hidden_control_is_not_shown_whatever_the_page_does(name):
    _, state, _ = opened(f"?hide={name}")
    shown = widget(state, name)
    shown.visible = True
    assert not shown.visible
    assert widget(State(), name).visible


def test_one_session_is_not_bound_by_the_link_of_another():
    opened("?lock=kappa")
    _, state, said = opened("?kappa=0.3")
    state.kappa = 0.4
    assert state.kappa == 0.4
    assert State.param["kappa"].__class__ is param.Number
    assert not said


def test_a_card_of_hidden_controls_goes_and_one_with_others_stays():
    _, state, _ = opened("?hide=kappa,lam")
    gone = pmui.Card(widget(state, "kappa"), widget(state, "lam"))
    stays = pmui.Card(widget(state, "kappa"), widget(state, "flip"))
    locks.tidy([gone, stays])
    assert (gone.visible, stays.visible) == (False, True)


def test_unknown_names_are_told_in_one_sentence_that_names_the_known_ones():
    address, _, said = opened("?lock=kappa,foo&hide=bar,later")
    address.expect(["later"])
    address.check_locks()
    (sentence,) = said
    assert all(word in sentence for word in ("'foo'", "'bar'", "kappa, lam, L"))
    assert "'later'" not in sentence
    assert "'kappa'" not in sentence


def test_numbers_from_the_browser_are_written_as_they_were_meant():
    address, state, _ = opened("")
    slider = widget(state, "kappa")
    slider.value = 0.1 + 0.2
    assert "kappa=0.3&" in address.bar.query
