"""Controls follow their parameters and the other way round."""

import panel_material_ui as pmui
import param
import pytest

from dashboard.widgets import control, controls, round_down


class State(param.Parameterized):
    target = param.Selector(default="a", objects={"First": "a", "Second": "b"}, doc="What is\n  shown.")
    sigma = param.Number(10.0, bounds=(1.0, 50.0), doc="Strength of the noise.")
    paths = param.Integer(20_000, bounds=(500, 500_000), doc="How many.")
    epsilon = param.Number(0.05, bounds=(0.001, 0.5), doc="Step.")
    steps = param.Integer(40, bounds=(5, 200), doc="Steps.")
    many = param.Integer(2000, bounds=(0, 20_000), step=50, doc="Many.")
    seed = param.Integer(0, bounds=(0, 2**31 - 1), doc="Seed.")
    free = param.Number(1.0, doc="Any number.")
    loop = param.Boolean(False, doc="Again and again.")
    text = param.String("x**4", doc="A formula.")
    silent = param.Number(1.0)


KINDS = {
    "target": (pmui.Select, "b"),
    "sigma": (pmui.FloatSlider, 12.5),
    "steps": (pmui.IntSlider, 17),
    "seed": (pmui.IntInput, 7),
    "free": (pmui.FloatInput, -3.5),
    "loop": (pmui.Switch, True),
    "text": (pmui.TextInput, "x**2"),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_control_is_named_explained_and_linked_both_ways(name):
    kind, value = KINDS[name]
    state = State()
    widget = control(state, name)
    assert isinstance(widget, kind)
    assert f"control-{name}" in widget.css_classes
    assert widget.description == " ".join(state.param[name].doc.split())
    widget.value = value
    assert getattr(state, name) == value
    state.param.update(**{name: state.param[name].default})
    assert widget.value == state.param[name].default


def test_wide_ranges_get_a_logarithmic_slider_that_keeps_typed_values():
    state = State()
    slider = control(state, "paths")
    assert (slider.start, slider.end) == pytest.approx((2.69897, 5.69897), abs=1e-5)
    slider.value = 3.0
    assert state.paths == 1000
    assert isinstance(state.paths, int)
    assert slider.value_label == "1\u202f000"
    slider.value = slider.end
    assert state.paths == 500_000
    state.paths = 12_345
    assert state.paths == 12_345
    assert 10**slider.value == pytest.approx(12_345)
    slider = control(state, "epsilon")
    for value in (0.001, 0.0123, 0.5):
        state.epsilon = value
        assert state.epsilon == value
        assert 10**slider.value == pytest.approx(value, rel=0.05)


def test_a_dragged_slider_gives_the_number_that_it_shows():
    """The browser adds up steps in floating point; typed values keep all their digits."""
    state = State()
    slider = control(state, "sigma")
    for dragged, meant in ((10.199999999999996, 10.2), (3.5999999999999996, 3.6), (49.99999999999999, 50.0)):
        slider.value = dragged
        assert repr(state.sigma) == repr(meant)
    state.sigma = 10.199999999999996
    assert state.sigma == slider.value == 10.199999999999996


def test_a_control_without_an_explanation_is_refused():
    with pytest.raises(ValueError, match="silent has no doc"):
        control(State(), "silent")


def test_labels_may_be_given():
    widgets = controls(State(), ["sigma", "steps"], {"sigma": "σ"})
    assert [w.label for w in widgets.values()] == ["σ", "Steps"]


@pytest.mark.parametrize(("span", "expected"), [(49.0, 20.0), (8.0, 5.0), (0.2, 0.2), (1.0, 1.0), (99.9, 50.0)])
def test_round_down(span, expected):
    assert round_down(span) == pytest.approx(expected)


def test_whole_numbers_are_shown_in_groups_of_three():
    state = State()
    slider = control(state, "many")
    assert slider.value_label == "2\u202f000"
    slider.value = 1500
    assert state.many == 1500
    assert slider.value_label == "1\u202f500"
    assert slider.step == 50
