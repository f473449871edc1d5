"""A small plot of the noise strength g(t) whose points a person drags, adds and removes."""

from dashboard.curve_editor.component import CurveEditor

__all__ = ["CurveEditor"]
