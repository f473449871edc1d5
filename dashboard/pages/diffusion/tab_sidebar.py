"""The controls of a tab that runs the process of the tab *Play* in another way: most are shared, some are its own."""

from __future__ import annotations

from typing import Any

import panel_material_ui as pmui

from core.diffusion.trust import TrustCheck
from dashboard.pages.diffusion.outcome import Score
from dashboard.pages.diffusion.sidebar import Sidebar, light
from dashboard.pages.diffusion.state import DiffusionState
from dashboard.pages.diffusion.tab_state import ABSENT
from dashboard.shell import Shell


class TabSidebar(Sidebar):
    """The shared controls, but for ``absent``, with a card ``title`` of the tab's own controls on top."""

    def __init__(
        self, shell: Shell, state: DiffusionState, title: str, own: list[Any], absent: tuple[str, ...] = ABSENT
    ) -> None:
        self._own, self._title, self._absent = own, title, absent
        super().__init__(shell, state)

    def _cards(self) -> list[Any]:
        cards = super()._cards()
        hidden = [self.widgets[name] for name in self._absent]
        for card in cards:
            card.objects = [item for item in card.objects if not any(item is other for other in hidden)]
        card = pmui.Card(
            *self._own, title=self._title, collapsible=True, margin=(4, 6), sizing_mode="stretch_width",
            variant="outlined", title_variant="subtitle2",
        )  # fmt: skip
        return [cards[0], card, *cards[1:]]

    def tell(self, score: Score | None, check: TrustCheck | None = None) -> None:
        """Say where the Gaussian part of the score comes from, and whether the score is used outside its training
        or with a baseline that is extrapolated to another lattice."""
        if score is not None and (score.doubt or score.baseline):
            self.light.object = light("amber" if score.doubt else "grey", f"{score.doubt} {score.baseline}".strip())
        else:
            self.light.object = ""
