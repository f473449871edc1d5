"""What the help says: the keys, and the steps of the tour."""

from __future__ import annotations

KEYS: list[tuple[str, str]] = [
    ("Space", "Play or pause the picture that has the focus or is under the pointer."),
    ("← →", "One frame back or on; with Shift ten."),
    ("Home, r", "Back to the start."),
    ("Tab", "To the next control; the arrows then move sliders, tabs and choices."),
    ("?", "This help."),
    ("p", "Presenter mode: only the picture, in large type; Esc leaves it."),
    ("Page Up, Page Down", "The step before or after, in the story."),
]

STEPS: list[dict[str, str]] = [
    {
        "find": "nav[aria-label=Rooms]",
        "title": "Rooms",
        "text": "Each room is a small laboratory: one variable, the lattice, the diffusion of fields.",
    },
    {
        "find": ".sidebar, aside, [class*=MuiDrawer-paper]",
        "title": "Controls",
        "text": "Everything that can be set. Rest on a label and it says what it does; "
        "the picture follows while you drag.",
    },
    {
        "find": ".stage-root",
        "title": "The picture",
        "text": "Rest the pointer on a curve to read values, on a title for its definition. "
        "Click a legend entry to hide it.",
    },
    {
        "find": ".stage-controls:not([hidden])",
        "title": "Time",
        "text": "Play, pause, and drag through time. Space plays, the arrows go frame by frame.",
    },
    {
        "find": "button.opener.share",
        "title": "Share",
        "text": "The address holds the whole state. Here you get a short link, lock controls for an exercise, or embed "
        "the picture.",
    },
    {
        "find": "button.opener.ask",
        "title": "Help",
        "text": "Keys, definitions, and this tour again. The key ? opens it.",
    },
]
"""``find`` is looked for through all shadow roots; a step whose object is not on the page is left out."""
