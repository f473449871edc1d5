"""The page *Library*: ensembles, models and the history of runs."""

from __future__ import annotations

from dashboard.pages.library.view import LibraryView
from dashboard.shell import Content, Shell


def build(shell: Shell) -> Content:
    """The page's content for one session."""
    view = LibraryView(shell)
    return Content("Library", view.sidebar, view.main)
