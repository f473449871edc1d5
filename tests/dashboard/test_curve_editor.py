"""The Python side of the curve editor: points in, points out, and what it refuses."""

import pytest

from core.schedule import Tabulated
from dashboard.curve_editor import CurveEditor


def test_it_begins_with_a_curve_that_a_schedule_accepts():
    editor = CurveEditor()
    times, values = zip(*editor.points, strict=True)
    assert Tabulated(times, values).g(1.0) == pytest.approx(10.0)
    assert editor.points == editor.initial


def test_points_from_the_browser_are_pairs_of_floats():
    editor = CurveEditor()
    seen = []
    editor.param.watch(lambda event: seen.append(event.new), "points")
    editor._process_events({"points": [[0, 1], [0.5, 2.5], [1, 20]]})
    assert seen == [[(0.0, 1.0), (0.5, 2.5), (1.0, 20.0)]]
    assert all(isinstance(v, float) for pair in editor.points for v in pair)


@pytest.mark.parametrize(
    ("points", "what"),
    [
        ([(0, 1)], "2 to 8"),
        ([(i / 8, 1.0) for i in range(9)], "2 to 8"),
        ([(0.1, 1), (1, 2)], "rise from 0 to 1"),
        ([(0, 1), (0.9, 2)], "rise from 0 to 1"),
        ([(0, 1), (0.5, 2), (0.5, 3), (1, 2)], "rise from 0 to 1"),
        ([(0, 1), (float("nan"), 2), (1, 2)], "rise from 0 to 1"),
        ([(0, 0.0), (1, 2)], "positive and finite"),
        ([(0, 1), (1, float("inf"))], "positive and finite"),
    ],
)
def test_bad_points_are_refused_in_a_sentence(points, what):
    with pytest.raises(ValueError, match=what):
        CurveEditor(points=points)
    with pytest.raises(ValueError, match=what):
        CurveEditor().points = points


@pytest.mark.parametrize("ylim", [(0.0, 1.0), (2.0, 1.0), (1.0, float("inf"))])
def test_a_logarithmic_axis_needs_positive_rising_limits(ylim):
    with pytest.raises(ValueError, match="ylim must be two positive rising numbers"):
        CurveEditor(ylim=ylim)
