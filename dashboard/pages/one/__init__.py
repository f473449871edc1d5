"""The page *One degree of freedom*: one variable, or two, dissolved and re-formed; and the same law by Langevin."""

from __future__ import annotations

from dashboard.pages.one.view import OneView
from dashboard.shell import Content, Shell


def build(shell: Shell) -> Content:
    """The page's content for one session."""
    view = OneView(shell)
    return Content("One degree of freedom", view.sidebar, view.main)
