"""Home: what this is, in three sentences and one moving picture."""

from __future__ import annotations

import panel as pn

from dashboard.shell import Content, Shell


def build(shell: Shell) -> Content:
    return Content("Home", main=[pn.pane.Markdown("# StoqLab", margin=20)])
