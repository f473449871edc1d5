"""The page *Diffusion*: lattice fields dissolve into noise and re-form from it, with a score that is learned."""

from __future__ import annotations

from dashboard.pages.diffusion.view import DiffusionView
from dashboard.shell import Content, Shell


def build(shell: Shell) -> Content:
    """The page's content for one session."""
    view = DiffusionView(shell)
    return Content("Diffusion", view.sidebar, view.main)
