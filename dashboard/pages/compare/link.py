"""The way from a room to a comparison: its present state becomes A, and B begins as the same."""

from __future__ import annotations

from importlib import import_module

import param
from panel.custom import JSComponent

from dashboard.pages.compare.view import KINDS


class CompareLink(JSComponent):
    """A button that opens the page Compare; the state is read from the address when it is pressed."""

    room = param.String(doc="The room of the comparison.")
    names = param.List(doc="Keys of the present address that are taken along for both runs.")

    _esm = """
    export function render({ model }) {
      const button = document.createElement('button')
      button.type = 'button'
      button.textContent = 'Compare with…'
      button.title = 'Keep this state as A and see another one beside it, with the same noise.'
      button.addEventListener('click', () => {
        const here = new URLSearchParams(location.search)
        const there = new URLSearchParams({ page: 'compare', room: model.room, preset: 'same' })
        for (const key of ['theme', 'seed']) if (here.has(key)) there.set(key, here.get(key))
        for (const name of model.names) {
          if (!here.has(name)) continue
          there.set(`a.${name}`, here.get(name))
          there.set(`b.${name}`, here.get(name))
        }
        location.search = there
      })
      return button
    }
    """
    _stylesheets = [  # noqa: RUF012
        """
        button { width: 100%; padding: 7px 10px; border: 1px solid var(--mui-palette-divider); border-radius: 6px;
          background: none; color: var(--mui-palette-primary-main); font: inherit; font-size: 13px; cursor: pointer; }
        button:hover { border-color: var(--mui-palette-primary-main); }
        button:focus-visible { outline: 2px solid var(--mui-palette-primary-main); }
        """
    ]

    def follow(self, room: str) -> None:
        """Lead to this room from now on; hidden where it cannot be compared."""
        known = room in (*KINDS, "chains")
        if known:
            module = import_module(f"{__package__}.{room}")
            settings = module.SETTINGS if room == "chains" else getattr(module, KINDS[room]).settings
            self.param.update(room=room, names=list(settings.names))
        self.visible = known


def compare_link(room: str) -> CompareLink:
    """The button for the sidebar of a room."""
    link = CompareLink(margin=(6, 12, 10, 12), sizing_mode="stretch_width", css_classes=["control-compare-with"])
    link.follow(room)
    return link
