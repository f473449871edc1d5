"""A page with nothing but a curve editor and, as text, the points that the server has."""

import panel as pn

from dashboard.curve_editor import CurveEditor

editor = CurveEditor(width=300, sizing_mode="fixed")
points = pn.bind(lambda points: " ".join(f"{t}:{g}" for t, g in points), editor.param.points)
pn.Column(editor, pn.pane.Str(points, css_classes=["points"])).servable()
