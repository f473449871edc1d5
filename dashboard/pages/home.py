"""Home: what this is, in three sentences and one moving picture, with a door to each room."""

from __future__ import annotations

import html

import panel as pn

from dashboard import style
from dashboard.pages import ROOMS
from dashboard.pages.home_picture import field, scene
from dashboard.shell import Content, Shell, page_link
from dashboard.stage import Stage
from dashboard.story.steps import STEPS, link

TITLE = "A laboratory for diffusion and quantisation"
TEXT = f"""
<h1>{TITLE}</h1>
<p>A diffusion model dissolves data into noise and learns to undo it; stochastic quantisation lets noise settle into
the fluctuations of a quantum field. Both are one stochastic process with different drifts. Here you set the noise and
the couplings by hand, watch a law dissolve and re-form, and see its cumulants beside their exact values.</p>
"""


def build(shell: Shell) -> Content:
    words = pn.pane.HTML(stylesheets=[style.HOME_CSS], margin=0, styles={"flex": "1 1 320px", "max-width": "420px"})
    stage = Stage(
        playing=True,
        dark=shell.param.dark,
        label="Two peaks and a lattice field dissolve into noise and re-form",
        height=None,
        min_height=420,
        sizing_mode="stretch_both",
        styles={"flex": "3 1 480px"},
    )

    def write(*_: object) -> None:
        words.object = TEXT + door_to_the_story(shell.dark) + doors(shell.dark)

    shell.param.watch(write, "dark")
    write()
    ready = field()
    stage.show(scene(ready.done()))
    if not ready.done():
        ready.add_done_callback(lambda _: stage.show(scene(with_field=True)))
    frame = pn.FlexBox(
        words,
        stage,
        sizing_mode="stretch_both",
        align_items="stretch",
        gap="28px",
        margin=0,
        styles={"padding": "14px 12px 10px 20px"},
    )
    return Content(TITLE, main=[frame])


def door_to_the_story(dark: bool) -> str:
    """The way into the story, for who has never seen any of this."""
    address = html.escape(link(1, **({"theme": "dark"} if dark else {})))
    return (
        f'<a class="story" href="{address}"><b>Start the story</b>'
        f"<span>From noise to exactness in {len(STEPS)} steps, each with something to try.</span></a>"
    )


def doors(dark: bool) -> str:
    """A card for each room, with its one line of promise."""
    cards = "".join(
        f'<a href="{page_link(room.name, dark)}"><b>{html.escape(room.title)}</b>'
        f"<span>{html.escape(room.promise)}</span></a>"
        for room in ROOMS.values()
        if room.name != "home"
    )
    return f'<nav aria-label="Doors to the rooms">{cards}</nav>'
