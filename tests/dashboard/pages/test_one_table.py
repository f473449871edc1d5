"""The table and the figure at the end of a run: rows made by hand, whose deviations are known."""

from typing import Any

import holoviews as hv
import numpy as np
import pytest

from core.statistics.cumulants import Estimate
from dashboard.pages.one.deviations import ROOM, deviations
from dashboard.pages.one.table import Row, table_html
from dashboard.stage import colour

EXACT = np.array([0, 0, 1.0625, 0, -2, 0, 16, 0, -272])
ERROR = np.array([0, 0.01, 0.01, 0.02, 0.05, 0.1, 1.0, 5, 40])


def row(name: str, share: float, error: np.ndarray = ERROR) -> Row:
    """All cumulants ``share`` times the exact ones."""
    return Row(name, Estimate(share * EXACT, error))


def table(*rows: Row) -> list[str]:
    """The lines of the table below its head."""
    return table_html([Row("exact", Estimate(EXACT, np.zeros(9))), *rows], "caption").split("<tr>")[2:]


@pytest.mark.parametrize(("share", "unstable"), [(2.1, True), (50.0, True), (-0.1, True), (1.9, False), (0.5, False)])
def test_rows_of_an_unstable_integration_are_named(share, unstable):
    """More than the whole of κ₂ away: no statistics, whatever the errors are."""
    wide = np.full(9, 1e6)
    line = table(row("VP, exact score", share, wide))[1]
    assert ("VP, exact score: unstable, take more steps</th>" in line) == unstable
    assert line.count("class=far") == (4 if unstable else 0)


def test_the_name_of_a_row_is_text():
    assert "<b>" not in table(row("<b>bold</b>", 1.0))[1]


def parts(figure: hv.Overlay, kind: type) -> list[Any]:
    return [element for element in figure if isinstance(element, kind)]


def test_the_figure_shows_each_deviation_in_per_cent_with_its_error():
    rows = [row("data", 1.0), row("ten per cent above", 1.1), row("a fifth below", 0.8)]
    figure = deviations([Row("exact", Estimate(EXACT, np.zeros(9))), *rows], dark=False)
    points, bars = parts(figure, hv.Scatter), parts(figure, hv.ErrorBars)
    assert [p.label for p in points] == ["data", "ten per cent above", "a fifth below"]
    for drawn, bar, expected in zip(points, bars, (0.0, 10.0, -20.0), strict=True):
        # Per cent of the magnitude, along the sign: κ₄ = -2.2 lies ten per cent above -2.
        assert drawn.dimension_values(1) == pytest.approx(np.full(4, expected), abs=1e-9)
        assert bar.dimension_values(1) == pytest.approx(drawn.dimension_values(1))
        assert bar.dimension_values(2) == pytest.approx(100 * ERROR[[2, 4, 6, 8]] / np.abs(EXACT[[2, 4, 6, 8]]))
        assert bar.dimension_values(0) == pytest.approx(drawn.dimension_values(0))
    places = np.array([p.dimension_values(0) for p in points])
    assert (np.diff(places, axis=0) > 0).all()  # side by side, in the order of the table
    assert np.abs(places - np.arange(4)).max() < 0.5  # each with its own cumulant
    (zero,) = parts(figure, hv.HLine)
    assert zero.data == 0


def test_its_axis_is_symmetric_and_shows_every_point_with_its_error():
    rows = [row("data", 1.0), row("a fifth below", 0.8)]
    plot = hv.renderer("bokeh").get_plot(deviations([Row("exact", Estimate(EXACT, np.zeros(9))), *rows], dark=True))
    figure = plot.handles["plot"]
    farthest = 20 + 100 * 40 / 272  # κ₈ of the second row
    assert figure.y_range.end == -figure.y_range.start == pytest.approx(ROOM * farthest)
    assert (figure.x_range.start, figure.x_range.end) == (-0.5, 3.5)
    assert figure.xaxis[0].major_label_overrides == {0: "κ₂", 1: "κ₄", 2: "κ₆", 3: "κ₈"}


def test_an_unstable_row_does_not_hide_the_others():
    rows = [Row("exact", Estimate(EXACT, np.zeros(9))), row("data", 1.02), row("gone", 1e6)]
    low, high = limits(deviations(rows, dark=False))
    assert high == -low < 30
    assert limits(deviations([rows[0], rows[2]], dark=False))[1] > 1e7  # unless there is nothing else


def limits(figure: hv.Overlay) -> tuple[float, float]:
    return figure.opts.get("plot").kwargs["ylim"]


def test_odd_cumulants_appear_where_they_are_not_zero():
    skewed = EXACT + np.array([0, 0.3, 0, 0.5, 0, 1, 0, 3, 0])
    rows = [Row("exact", Estimate(skewed, np.zeros(9))), Row("data", Estimate(skewed * 1.01, ERROR))]
    (drawn,) = parts(deviations(rows, dark=False), hv.Scatter)
    assert drawn.dimension_values(1) == pytest.approx(np.ones(8))


def test_each_row_has_a_colour_of_the_theme():
    for dark in (False, True):
        rows = [Row("exact", Estimate(EXACT, np.zeros(9))), row("a", 1.0), row("b", 1.1)]
        inks = [p.opts.get("style").kwargs["color"] for p in parts(deviations(rows, dark), hv.Scatter)]
        assert inks == [colour("data", dark), colour("fp", dark)]
