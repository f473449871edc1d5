"""Home: what this is, in three sentences and one moving picture, with a door to each room."""

from __future__ import annotations

import html

import panel as pn

from dashboard import style
from dashboard.pages import ROOMS
from dashboard.pages.home_picture import scene
from dashboard.shell import Content, Shell, page_link
from dashboard.stage import Stage

TEXT = """
<h1>A laboratory for diffusion and quantisation</h1>
<p>A diffusion model dissolves data into noise and learns to undo it; stochastic quantisation lets noise settle into
the fluctuations of a quantum field. They are the same stochastic process, run with different drifts. Here you set the
noise and the couplings by hand, watch a law dissolve and re-form, and see every cumulant beside its exact value.</p>
"""


def build(shell: Shell) -> Content:
    words = pn.pane.HTML(stylesheets=[style.HOME_CSS], margin=0, styles={"flex": "1 1 340px", "max-width": "460px"})

    def write(*_: object) -> None:
        words.object = TEXT + doors(shell.dark)

    write()
    shell.param.watch(write, "dark")
    stage = Stage(
        playing=True,
        dark=shell.param.dark,
        label="Two peaks dissolve into noise and re-form",
        sizing_mode="stretch_both",
        min_height=420,
        styles={"flex": "3 1 480px"},
    )
    stage.show(scene())
    return Content(
        "A laboratory for diffusion and quantisation",
        main=[
            pn.FlexBox(
                words,
                stage,
                sizing_mode="stretch_both",
                align_items="stretch",
                gap="28px",
                margin=0,
                styles={"padding": "18px 24px"},
            )
        ],
    )


def doors(dark: bool) -> str:
    """A card for each room, with its one line of promise."""
    cards = "".join(
        f'<a href="{page_link(room.name, dark)}"><b>{html.escape(room.title)}</b>'
        f"<span>{html.escape(room.promise)}</span></a>"
        for room in ROOMS.values()
        if room.name != "home"
    )
    return f'<nav aria-label="Rooms">{cards}</nav>'
