"""The line above the pictures: what A and B are, in their colours, and the rooms that can be compared."""

from __future__ import annotations

import html
from collections.abc import Mapping

from dashboard.pages.compare.pair_scene import COLOURS
from dashboard.pages.compare.sides import Sides
from dashboard.pages.compare.state import ROOMS
from dashboard.shell import page_link
from dashboard.stage import colour

MOST = 3
"""Differences that are spelt out."""
ROOMS_CSS = """
nav { display: flex; flex-wrap: wrap; gap: 2px; font-size: 13px; }
a { padding: 6px 12px; color: var(--mui-palette-text-secondary); text-decoration: none;
  border-bottom: 2px solid transparent; }
a:hover { color: var(--mui-palette-text-primary); }
a:focus-visible { outline: 2px solid var(--mui-palette-primary-main); }
a[aria-current] { color: var(--mui-palette-primary-main); border-bottom-color: var(--mui-palette-primary-main);
  font-weight: 600; }
"""
SIDES_CSS = """
p { display: flex; flex-wrap: wrap; gap: 2px 22px; margin: 4px 0; font-size: 14px; }
b { display: inline-block; min-width: 1.5em; text-align: center; color: var(--mui-palette-background-paper);
  border-radius: 4px; margin-right: 6px; }
"""


def rooms_html(present: str, dark: bool) -> str:
    """Links to the rooms, like tabs."""
    links = []
    for title, name in ROOMS.items():
        mark = ' aria-current="page"' if name == present else ""
        links.append(f'<a href="{page_link("compare", dark)}&amp;room={name}"{mark}>{html.escape(title)}</a>')
    return f'<nav aria-label="What is compared">{"".join(links)}</nav>'


def sides_html(sides: Sides, labels: Mapping[str, str], dark: bool) -> str:
    """What each run is, by what differs."""
    names = sides.differing
    parts = []
    for which, side in (("a", sides.a), ("b", sides.b)):
        words = [f"{labels.get(n, side.param[n].label)}: {sides.title(n, side)}" for n in names[:MOST]]
        if len(names) > MOST:
            words.append(f"and {len(names) - MOST} more")
        text = "; ".join(words) or "the same settings"
        badge = f'<b style="background:{colour(COLOURS[which], dark)}">{which.upper()}</b>'
        parts.append(f"<span>{badge}{html.escape(text)}</span>")
    return f"<p>{''.join(parts)}</p>"
