"""The card *Noise schedule*: a preset with its parameters, or a curve drawn by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import param

from dashboard import locks
from dashboard.curve_editor import CurveEditor
from dashboard.curve_editor.component import check_points
from dashboard.pages.process import ProcessState, points
from dashboard.shell import Shell


class ScheduleEditor:
    """Shows g(t) of the present schedule and, where it is drawn by hand, lets one drag it.

    The drawn curve lives in ``state.drawn`` as text (so that the address can hold it); editor and text are kept equal.
    """

    def __init__(self, state: ProcessState, shell: Shell, widgets: dict[str, Any]) -> None:
        self.state, self.widgets = state, widgets
        self.editor = CurveEditor(dark=shell.param.dark, name="drawn")
        try:
            given = points(str(state.drawn))
            check_points(given)
            self.editor.points = given
        except ValueError as problem:
            shell.say(f"The drawn schedule in the address cannot be used: {problem}", "warning")
            state.drawn = state.param["drawn"].default
        locks.call(state, "drawn", "Drawn schedule")
        self.editor.param.watch(self._drawn, "points")
        state.param.watch(self.arrange, ["schedule", "sigma", "beta_min", "beta_max"])
        self.arrange()

    def items(self) -> list[Any]:
        """The card's contents in order."""
        w = self.widgets
        return [w["schedule"], w["sigma"], w["beta_min"], w["beta_max"], self.editor, w["keep_variance"]]

    def _drawn(self, event: param.parameterized.Event) -> None:
        self.state.drawn = " ".join(f"{t:.4g}:{g:.4g}" for t, g in event.new)

    def arrange(self, *_: Any) -> None:
        """Show what the present schedule has."""
        state, w = self.state, self.widgets
        drawn = state.schedule == "drawn"
        w["sigma"].visible = state.schedule in ("ve", "vp")
        w["beta_min"].visible = w["beta_max"].visible = state.schedule == "vp-linear"
        w["keep_variance"].visible = drawn
        self.editor.editable = drawn and not locks.locked(state, "drawn")
        if not self.editor.editable:
            schedule = state.make_schedule()
            t = np.linspace(0, schedule.t_max, 60)
            g = np.clip(schedule.g(t), 1e-2, 1e3)
            self.editor.curve = [(float(a), float(b)) for a, b in zip(t, g, strict=True)]
