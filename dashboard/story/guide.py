"""What a session shows of the story, and presenter mode: large type, and nothing but the picture and its controls."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import panel_material_ui as pmui
import param
from panel.custom import JSComponent

from dashboard.story.card import card_html
from dashboard.story.steps import CHOSEN, STEPS, number_of

if TYPE_CHECKING:
    from dashboard.shell import Shell

_HERE = Path(__file__).parent


class Guide(JSComponent):
    """Shows the card of the story, if there is one, takes the keys of story and presenter mode, and lays the page out
    for them: `guide.js` sets classes and custom properties on the document that the style of the frame goes by."""

    card = param.String("", doc="The card, as HTML; empty without a story.")
    present = param.Boolean(False, doc="Whether presenter mode is on.")
    left = param.Integer(0, doc="Counts how often somebody has left the story.")

    _esm = (_HERE / "guide.js").read_text(encoding="utf-8")
    _stylesheets = [(_HERE / "guide.css").read_text(encoding="utf-8")]  # noqa: RUF012


class Story:
    """Follows the address: ``story=3`` is a step on its page, ``present=1`` presenter mode."""

    def __init__(self, shell: Shell, page: str) -> None:
        self.shell, self.page = shell, page
        self.number = self._begin()
        self.guide = Guide(present=shell.present, margin=0, sizing_mode="stretch_width")
        self.guide.link(shell, present="present", bidirectional=True)
        self.guide.param.watch(self._leave, "left")
        self.button = pmui.Button(
            label="Present", css_classes=["control-present"], variant="text", size="small", margin=(0, 4),
            description="Large type, and only the picture with its controls (p).",
            sx={"color": "text.secondary", "fontSize": 14}, align="center",
        )  # fmt: skip
        self.button.on_click(self._present)
        shell.param.watch(self._draw, ["dark", "present"])
        self._draw()

    def _begin(self) -> int | None:
        """The step that the address names; a sentence where there is none."""
        text = self.shell.address.get("story")
        number = number_of(text)
        if number is not None and STEPS[number - 1].page == self.page:
            return number
        if text:
            self.shell.address.set("story", None)
            known = f"a step from 1 to {len(STEPS)}" if number is None else f"of the page {STEPS[number - 1].page}"
            self.shell.say(f"story = {text!r} in the address cannot be used: it must be {known}.", "warning")
        return None

    def _present(self, _: Any) -> None:
        self.shell.present = True

    def _leave(self, _: Any) -> None:
        """The room goes on as it is, without the card and with all of its panels."""
        self.number = None
        self.shell.address.set("story", None)
        self._draw()

    def _draw(self, *_: Any) -> None:
        shell = self.shell
        if self.number is None:
            self.guide.card = ""
            shell.areas = list(CHOSEN.get(self.page, ())) if shell.present else []
            return
        more = ({"theme": "dark"} if shell.dark else {}) | ({"present": "1"} if shell.present else {})
        self.guide.card = card_html(self.number, **more)
        shell.areas = list(STEPS[self.number - 1].areas)
