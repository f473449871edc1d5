"""Controls that a link fixes or hides: for exercises, in which some settings are the teacher's.

A fixed parameter ignores every assignment, wherever it comes from (a control, a preset, a message of a browser that was
tampered with), so that nothing runs with another value and nothing has to be undone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Literal
from weakref import WeakKeyDictionary

import param

How = Literal["locked", "hidden"]
SENTENCE = "Set by the link."

_fixed: WeakKeyDictionary[param.Parameterized, dict[str, How]] = WeakKeyDictionary()
_labels: WeakKeyDictionary[param.Parameterized, dict[str, str]] = WeakKeyDictionary()
_reports: WeakKeyDictionary[param.Parameterized, Callable[[str], None]] = WeakKeyDictionary()


def lock(state: param.Parameterized, name: str, how: How, report: Callable[[str], None]) -> None:
    """Fix parameter ``name`` of ``state`` at its present value; ``report(name)`` is told when somebody tries another.
    Controls that are made for it afterwards are disabled or not shown."""
    _fixed.setdefault(state, {})[name] = how
    _reports[state] = report
    _fix(state, name)


def locked(state: param.Parameterized, name: str) -> How | None:
    """Whether and how the link fixes the parameter."""
    return _fixed.get(state, {}).get(name)


def label(state: param.Parameterized, name: str) -> str:
    """What the control of a parameter is called on the page; empty where it has none so far."""
    return _labels.get(state, {}).get(name, "")


def call(state: param.Parameterized, name: str, title: str) -> None:
    """What the control of a parameter is called."""
    _labels.setdefault(state, {})[name] = title


def apply(state: param.Parameterized, name: str, widget: Any) -> Any:
    """Disable or hide the control of a fixed parameter, for good: pages that switch it on again are not heard.
    Returns the control."""
    call(state, name, widget.label or str(state.param[name].label))
    how = locked(state, name)
    if how == "hidden":
        widget.visible = False
        _fix(widget, "visible")
    elif how == "locked":
        widget.disabled = True
        _fix(widget, "disabled")
        if "description" in widget.param:
            widget.description = f"{SENTENCE} {widget.description or ''}".strip()
    return widget


def tidy(cards: Iterable[Any]) -> None:
    """Take away the cards of which every control is hidden."""
    for card in cards:
        inside = list(getattr(card, "objects", ()))
        if inside and all(isinstance(item.param["visible"], _Fixed) for item in inside):
            card.visible = False
            _fix(card, "visible")


class _Fixed:
    """Marks parameters that keep their value."""

    __slots__ = ()


def _fix(owner: param.Parameterized, name: str) -> None:
    parameter: Any = owner.param[name]  # this owner's own copy
    if not isinstance(parameter, _Fixed):
        parameter.__class__ = _kept(type(parameter))


@cache
def _kept(kind: type[param.Parameter]) -> type[param.Parameter]:
    """The same kind of parameter, but for assignments, which do nothing."""

    def keep(self: Any, owner: Any, value: Any) -> None:
        report = _reports.get(owner)
        if report is not None and value != getattr(owner, self.name):
            report(self.name)

    return type(f"Fixed{kind.__name__}", (kind, _Fixed), {"__slots__": (), "__set__": keep})
