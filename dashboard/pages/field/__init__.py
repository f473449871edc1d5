"""The page *Field*: φ⁴ on a lattice, made on the spot, dissolved into noise and re-formed."""

from __future__ import annotations

from dashboard.pages.field.view import FieldView
from dashboard.shell import Content, Shell


def build(shell: Shell) -> Content:
    """The page's content for one session."""
    view = FieldView(shell)
    return Content("Field", view.sidebar, view.main)
