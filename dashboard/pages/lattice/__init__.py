"""The page *Lattice*: φ⁴ in two dimensions, sampled while one watches and steers."""

from __future__ import annotations

from dashboard.pages.lattice.view import LatticeView
from dashboard.shell import Content, Shell


def build(shell: Shell) -> Content:
    """The page's content for one session."""
    view = LatticeView(shell)
    return Content("Lattice", view.sidebar, view.main)
