"""Controls for the parameters of a page's state: labelled, explained and found by stable names.

Each control carries the CSS class ``control-NAME`` of its parameter, shows its parameter's ``doc`` as a tooltip, is
disabled or hidden where the link says so, and delivers while it is dragged; whoever listens keeps only the newest
request.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import panel_material_ui as pmui
import param

from dashboard import locks

LOGARITHMIC = 100
"""A slider whose bounds differ by at least this factor is logarithmic."""
TYPED = 1e6
"""Whole numbers with a wider range than this are typed, not dragged."""
PATIENCE = 5
"""Milliseconds for which changes from the browser are collected; panel's 50 are a third of what an answer may take."""

_LOOK: dict[str, Any] = {"sizing_mode": "stretch_width", "width": None, "size": "small", "margin": (4, 12)}


def controls(
    state: param.Parameterized, names: Iterable[str], labels: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """A control for each named parameter, by name; ``labels`` replaces the labels made from the names."""
    return {name: control(state, name, (labels or {}).get(name)) for name in names}


def control(state: param.Parameterized, name: str, label: str | None = None, **options: Any) -> Any:
    """The control for one parameter of ``state``, linked both ways.

    Numbers with bounds become sliders (logarithmic for wide positive ranges), names become a menu, yes or no a switch,
    the rest a text field. ``options`` go to the widget. Raises ValueError for a parameter without ``doc``.
    """
    parameter = state.param[name]
    if not parameter.doc:
        raise ValueError(f"parameter {name} has no doc to explain its control")
    options = {
        **_LOOK,
        "css_classes": [f"control-{name}"],
        "label": label or parameter.label,
        "description": _sentence(parameter.doc),
    } | options
    if isinstance(parameter, param.Boolean):
        options.pop("size")
        widget = pmui.Switch.from_param(parameter, **options)
    elif isinstance(parameter, param.Number):
        widget = _number(state, parameter, options)
    elif isinstance(parameter, param.Selector):
        widget = pmui.Select.from_param(parameter, **options)
    else:
        widget = pmui.TextInput.from_param(parameter, **options)
    setattr(widget, "_debounce", PATIENCE)  # noqa: B010  a class attribute of panel, here for our controls alone
    return locks.apply(state, name, widget)


def switch(state: param.Parameterized, name: str, **options: Any) -> Any:
    """The choices of one parameter as a row of buttons, without a label; ``options`` go to the widget."""
    parameter = state.param[name]
    if not parameter.doc:
        raise ValueError(f"parameter {name} has no doc to explain its control")
    look: dict[str, Any] = {
        "css_classes": [f"control-{name}"],
        "size": "small",
        "margin": (4, 6),
        "label": "",
        "description": _sentence(parameter.doc),
        "color": "primary",
        "sx": {"& .MuiToggleButton-root": {"whiteSpace": "nowrap", "py": "4px", "fontSize": "0.8125rem"}},
    }
    return locks.apply(state, name, pmui.RadioButtonGroup.from_param(parameter, **look | options))


def choices(state: param.Parameterized, name: str, label: str, **options: Any) -> Any:
    """Boxes to tick, one for each choice of a list; ``options`` go to the widget."""
    parameter = state.param[name]
    look: dict[str, Any] = {
        "label": label,
        "css_classes": [f"control-{name}"],
        "description": _sentence(parameter.doc or ""),
        "margin": (4, 12),
        "sizing_mode": "stretch_width",
    }
    return locks.apply(state, name, pmui.CheckBoxGroup.from_param(parameter, **look | options))


def _number(state: param.Parameterized, parameter: Any, options: dict[str, Any]) -> Any:
    whole = isinstance(parameter, param.Integer)
    low, high = parameter.get_soft_bounds()
    if low is None or high is None or (whole and high - low > TYPED):
        if whole:
            return pmui.IntInput.from_param(parameter, **options)
        typed = pmui.FloatInput(value=getattr(state, str(parameter.name)), start=low, end=high, **options)
        _link(typed, state, parameter, to=lambda value: value, back=lambda value: _shortest(value, low, high))
        return typed
    if low > 0 and high / low >= LOGARITHMIC:
        return _logarithmic(state, parameter, low, high, options)
    if whole:
        label = _text(getattr(state, str(parameter.name)))
        slider = pmui.IntSlider.from_param(parameter, **{"step": parameter.step or 1, "value_label": label, **options})
        state.param.watch(lambda event: slider.param.update(value_label=_text(event.new)), str(parameter.name))
        return slider
    slider = pmui.FloatSlider(
        start=low, end=high, step=parameter.step or round_down(high - low) / 500, value=getattr(state, parameter.name),
        **{"format": "0[.]000", **options},
    )  # fmt: skip
    _link(slider, state, parameter, to=float, back=lambda value: _shortest(value, low, high))
    return slider


def _shortest(value: float | None, low: float | None, high: float | None) -> float | None:
    """The number that was meant, within the bounds. The browser adds up steps: 10.2 comes as 10.199999999999996."""
    if value is None:
        return None
    meant = float(f"{value:.10g}")
    return min(meant if high is None else high, max(meant if low is None else low, meant))


def _logarithmic(
    state: param.Parameterized, parameter: Any, low: float, high: float, options: dict[str, Any]
) -> pmui.FloatSlider:
    value = getattr(state, parameter.name)
    slider = pmui.FloatSlider(
        start=math.log10(low),
        end=math.log10(high),
        step=0.01,
        value=math.log10(value),
        value_label=_text(value),
        **options,
    )
    kind: Any = int if isinstance(parameter, param.Integer) else float

    def back(position: float) -> float:
        return kind(min(high, max(low, float(f"{10**position:.2g}"))))

    _link(slider, state, parameter, to=math.log10, back=back)
    state.param.watch(lambda event: slider.param.update(value_label=_text(event.new)), str(parameter.name))
    return slider


def _link(
    slider: pmui.FloatSlider | pmui.FloatInput,
    state: param.Parameterized,
    parameter: Any,
    to: Callable[[float], float],
    back: Callable[[float], float | None],
) -> None:
    """Keep a slider at ``to(value)`` and the value at ``back(position)``; what is dragged is not moved while it is."""
    name, linking = str(parameter.name), False

    def dragged(event: Any) -> None:
        nonlocal linking
        if linking:
            return
        linking = True
        try:
            setattr(state, name, back(event.new))
        finally:
            linking = False

    def changed(event: Any) -> None:
        nonlocal linking
        if not linking:
            linking = True
            slider.value = to(event.new)
            linking = False

    slider.param.watch(dragged, "value")
    state.param.watch(changed, name)


def _text(value: float) -> str:
    return f"{value:,}".replace(",", "\u202f") if isinstance(value, int) else f"{value:.3g}"


def round_down(span: float) -> float:
    """The largest of 1, 2, 5 times a power of ten that is not above ``span``."""
    power = 10.0 ** math.floor(math.log10(span))
    return power * max(m for m in (1, 2, 5) if m * power <= span * (1 + 1e-12))


def _sentence(doc: str) -> str:
    return " ".join(doc.split())
