"""Linked pictures on one play position, drawn in the browser from one binary block.

Describe what is to be seen with a `Scene` of `Panel`s and series, and hand it to a `Stage`:

    stage = Stage(height=560)
    stage.show(Scene(positions=t, panels=[Panel("density", series=[Line(x, p, label="exact")])]))
"""

from dashboard.stage.colours import ROLES, colour
from dashboard.stage.component import Stage
from dashboard.stage.scene import Mark, Panel, Scene
from dashboard.stage.series import Arrows, Band, Bars, Bundle, Image, Line, Points, Rule
from dashboard.stage.streamed import LiveText

__all__ = [
    "ROLES",
    "Arrows",
    "Band",
    "Bars",
    "Bundle",
    "Image",
    "Line",
    "LiveText",
    "Mark",
    "Panel",
    "Points",
    "Rule",
    "Scene",
    "Stage",
    "colour",
]
