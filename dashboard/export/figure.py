"""A button in the toolbar of a Bokeh figure that saves it as SVG, beside the one that saves PNG."""

from __future__ import annotations

from typing import Any

_SAVE = """
export default async ({ figure }, obj, data, { index }) => {
  const blob = await index.find_one(figure).export("svg").to_blob()
  const link = document.createElement("a")
  link.href = URL.createObjectURL(blob)
  link.download = "stoqlab-figure.svg"
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 60000)
}
"""


def svg_button(plot: Any, element: Any) -> None:
    """A hook for HoloViews' ``opts(hooks=[…])``."""
    from bokeh.models import CustomAction, CustomJS

    figure = plot.state
    if not any(isinstance(tool, CustomAction) for tool in figure.tools):
        save = CustomJS(args={"figure": figure}, code=_SAVE)
        figure.add_tools(CustomAction(description="Save as SVG", icon="save", callback=save))
