"""Two small components of the tab of ensembles: a table to choose a row from, and a command line to copy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import param
from panel.custom import JSComponent

_HERE = Path(__file__).parent


class LibraryTable(JSComponent):
    """Rows of texts; the person chooses one of them, ``selected`` by its name, empty for none.

    A row is ``{"name", "cells", "note", "title", "level"}``: a cell for each of ``columns`` but the second, which has
    the note with its tooltip, coloured by its level (green, amber, red). Rows with ``"markable": True`` have a box at
    their beginning that puts their names into ``marked``, under the heading ``marking``.
    """

    rows = param.List(default=[], doc="What is listed.")
    columns = param.List(default=[], doc="Headings; the second is that of the notes.")
    right = param.List(default=[], doc="Numbers of the columns that are aligned to the right.")
    caption = param.String("", doc="A sentence below.")
    selected = param.String("", doc="Name of the chosen row.")
    marking = param.String("", doc="Heading of the boxes; without one there are none.")
    marked = param.List(default=[], doc="Names of the rows whose boxes are ticked, in the order of ticking.")

    _esm = _HERE / "library_table.js"
    _stylesheets = [(_HERE / "library_table.css").read_text(encoding="utf-8")]  # noqa: RUF012

    def __init__(self, **params: Any) -> None:
        super().__init__(**{"sizing_mode": "stretch_width", "margin": (4, 10)} | params)


class CommandLine(JSComponent):
    """A line of text with a button that copies it."""

    text = param.String("", doc="The line.")
    what = param.String("", doc="What it does, before it.")

    _esm = """
    export function render({ model }) {
      const root = document.createElement('div')
      root.className = 'command'
      const what = document.createElement('span'), code = document.createElement('code')
      const button = document.createElement('button')
      button.type = 'button'
      root.append(what, code, button)
      const show = () => {
        what.textContent = model.what
        code.textContent = model.text
        button.textContent = 'Copy'
        root.hidden = !model.text
      }
      // Browsers have no clipboard for pages of a plain http server elsewhere: there a selection is copied.
      const copied = async () => {
        if (navigator.clipboard) { await navigator.clipboard.writeText(model.text); return true }
        getSelection().selectAllChildren(code)
        return document.execCommand('copy')
      }
      button.addEventListener('click', async () => {
        button.textContent = await copied().catch(() => false) ? 'Copied' : 'Select and copy by hand'
        setTimeout(() => { button.textContent = 'Copy' }, 1500)
      })
      model.on('text', show)
      model.on('what', show)
      show()
      return root
    }
    """
    _stylesheets = [  # noqa: RUF012
        """
    .command { display: flex; align-items: center; gap: 8px; font: 13px/1.4 system-ui, -apple-system, sans-serif;
      color: var(--mui-palette-text-secondary, #5c646e); }
    .command[hidden] { display: none; }
    span { flex: none; }
    code { flex: 0 1 auto; min-width: 0; overflow-x: auto; white-space: nowrap; padding: 4px 8px; border-radius: 6px;
      font: 12.5px/1.4 ui-monospace, 'SF Mono', 'Liberation Mono', 'DejaVu Sans Mono', monospace;
      background: var(--mui-palette-background-paper, #fff); color: var(--mui-palette-text-primary, #1d2126);
      border: 1px solid var(--mui-palette-divider, #e1e2df); }
    button { flex: none; height: 28px; padding: 0 10px; font: inherit; cursor: pointer; border-radius: 6px;
      color: var(--mui-palette-primary-main, #0072b5); background: none; border: 1px solid currentColor; }
    button:focus-visible { outline: 2px solid currentColor; outline-offset: 1px; }
    """
    ]

    def __init__(self, **params: Any) -> None:
        super().__init__(**{"sizing_mode": "stretch_width", "margin": (4, 12)} | params)
