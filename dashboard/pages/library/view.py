"""The page's views: filters and import at the side; the table, the card of the chosen row, and runs compared."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlencode

import panel as pn
import panel_material_ui as pmui

from core.ensembles.library import Entry
from core.history import History, Run
from core.jobs import Token
from core.library import catalogue
from core.library.catalogue import Gone, Item
from core.store import in_bytes
from dashboard import style
from dashboard.download import Downloads
from dashboard.live import Live, sentence
from dashboard.pages.lattice.library_table import CommandLine, LibraryTable
from dashboard.pages.library.card import Card, card, kind_words
from dashboard.pages.library.compare import curves_scene, left_out, settings_html
from dashboard.pages.library.importing import ImportCard
from dashboard.pages.library.rows import COLUMNS, RIGHT, gone_row, row
from dashboard.pages.library.state import FILTERS, LABELS, MOST_COMPARED, LibraryState
from dashboard.shell import Shell
from dashboard.stage import Stage
from dashboard.widgets import control, controls

CSS = """
:host { font-size: 13.5px; line-height: 1.45; }
h3 { font-size: 16px; margin: 2px 0 6px; }
p { margin: 2px 0 6px; max-width: 90ch; }
.links { display: flex; flex-wrap: wrap; gap: 8px; }
.links a { padding: 6px 10px; font-size: 12px; border: 1px solid currentColor; border-radius: 6px;
  text-decoration: none; color: var(--mui-palette-primary-main, #0072b5); font-weight: 500; }
.links a:focus-visible { outline: 2px solid currentColor; outline-offset: 1px; }
.warnings { margin: 4px 0; padding-left: 18px; }
.problem, .differs th { color: var(--mui-palette-error-main, #c62828); }
.differs td { font-weight: 600; }
.compared thead:nth-of-type(2) th { padding-top: 10px; }
.compared td { white-space: normal; max-width: 42ch; vertical-align: top; }
.facts td { white-space: normal; overflow-wrap: anywhere; max-width: 80ch; }
summary { cursor: pointer; font-weight: 600; padding: 4px 0; }
"""
TABLE = """
.frame { max-height: max(220px, 42vh); }
td:nth-child(9) { white-space: normal; min-width: 150px; }
"""
"""Of the table: tall, and its numbers at a glance may be on two lines."""


@dataclass(frozen=True, eq=False)
class _Listing:
    items: list[Item]
    gone: list[Gone]
    size: int


class LibraryView:
    """One session's view of the library."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.state = shell, LibraryState()
        self.items: dict[str, Item] = {}
        self.gone: list[Gone] = []
        self.undo_key = ""
        self._size = 0
        self.listing = Live(self._listed, self._fail)
        self.reading = Live(self._show_card, self._fail)
        self.working = Live(self._done, self._fail)
        self.downloads = Downloads(shell)
        shell.sync(self.state, [name for name in self.state.param if name != "name"])
        self._build(shell)
        self.state.param.watch(lambda *_: self._draw(), list(FILTERS))
        self.state.param.watch(lambda *_: self._choose(), "chosen")
        self.state.param.watch(lambda *_: self._compare(), ["compared", "abscissa"])
        self.table.param.watch(lambda event: self.state.param.update(chosen=event.new), "selected")
        self.table.param.watch(lambda event: self._mark(event.new), "marked")
        for live in (self.listing, self.reading, self.working):
            shell.on_close(live.close)
        self.refresh()

    def refresh(self) -> None:
        """Read the library again, off the loop."""
        self.listing.submit(_read)

    def remove(self) -> None:
        """Move the chosen thing into the trash."""
        item = self.items.get(str(self.state.chosen))
        if item is not None and not item.fixed:
            self.working.submit(partial(_remove, item))

    def restore(self, key: str) -> None:
        """Bring something back."""
        if key:
            self.working.submit(partial(_restore, key))

    def say(self, severity: str, text: str, undo: str = "") -> None:
        """Show a sentence above the table, with a way back where there is one."""
        self.undo_key = undo
        self.message.param.update(object=html.escape(text, quote=False), severity=severity, visible=bool(text))
        self.undo.visible = bool(undo)

    def _build(self, shell: Shell) -> None:
        self.widgets = controls(self.state, FILTERS, LABELS)
        over = control(self.state, "abscissa", LABELS["abscissa"], sizing_mode=None, width=190)
        self.table = LibraryTable(
            columns=COLUMNS, right=RIGHT, css_classes=["library-table"], marking="Compare", stylesheets=[TABLE]
        )
        self.message = pmui.Alert(
            object="", severity="info", closeable=False, variant="outlined", margin=(4, 10), visible=False,
            css_classes=["library-message"], sizing_mode="stretch_width",
            sx={"py": 0, "& .MuiAlert-message": {"py": "2px"}},
        )  # fmt: skip
        self.undo = _button("Undo", "undo", "Bring back what was just deleted.", visible=False, variant="contained")
        self.delete = _button("Delete", "delete", "Move it into the trash; it can come back.", color="error")
        self.back = _button("Restore", "restore", "Bring it back into the library.", color="primary")
        again = _button(
            "Look again", "refresh", "Other people and the command line may have added things.", margin=(4, 12)
        )
        wide: dict[str, Any] = {"sizing_mode": "stretch_width", "stylesheets": [style.TABLE_CSS, CSS]}
        self.head = pn.pane.HTML("", margin=(6, 12, 0, 12), css_classes=["library-card"], **wide)
        self.links = pn.pane.HTML("", margin=(7, 8, 4, 12), stylesheets=[CSS], css_classes=["library-links"])
        self.command = CommandLine(what="Made by:", css_classes=["library-command"])
        self.numbers = pn.pane.HTML(
            "", margin=(4, 12), stylesheets=[style.TABLE_CSS, CSS], styles={"flex": "1 1 440px", "overflow-x": "auto"}
        )
        self.stage = self._stage("Loss of the training")
        self.origin = pn.pane.HTML("", margin=(0, 12), css_classes=["library-origin"], **wide)
        self.place = pn.Column(
            self.head,
            pn.Row(self.links, self.delete, self.back, margin=0, sizing_mode="stretch_width"),
            self.command,
            pn.FlexBox(self.numbers, self.stage, margin=0, sizing_mode="stretch_width", gap="0 20px"),
            self.origin, margin=0, sizing_mode="stretch_width", visible=False,
        )  # fmt: skip
        self.settings = pn.pane.HTML("", margin=(4, 12), css_classes=["library-compared"], **wide)
        self.curves = self._stage("Losses of the compared runs")
        self.compared = pn.Column(
            pn.Row(
                pn.pane.HTML("<h3>Runs compared</h3>", stylesheets=[CSS], margin=(8, 12)), over,
                margin=0, sizing_mode="stretch_width",
            ),
            pn.FlexBox(self.curves, margin=0, sizing_mode="stretch_width"), self.settings,
            margin=0, sizing_mode="stretch_width", visible=False, css_classes=["library-comparison"],
        )  # fmt: skip
        self.taking = ImportCard(shell, self.refresh)
        self.undo.on_click(lambda _: self.restore(self.undo_key))
        self.delete.on_click(lambda _: self.remove())
        self.back.on_click(lambda _: self.restore(str(self.state.chosen).removeprefix("deleted/")))
        again.on_click(lambda _: self.refresh())
        look = {
            "collapsible": True, "margin": (4, 6), "sizing_mode": "stretch_width", "variant": "outlined",
            "title_variant": "subtitle2",
        }  # fmt: skip
        self.sidebar: list[Any] = [
            pmui.Card(*[*(self.widgets[name] for name in FILTERS), again], title="Search", **look),
            pmui.Card(*self.taking.parts, title="Import", **look),
        ]
        top = pn.Row(self.message, self.undo, margin=0, sizing_mode="stretch_width")
        self.main: list[Any] = [
            pn.Column(top, self.table, self.place, self.compared, sizing_mode="stretch_width", margin=0)
        ]

    def _stage(self, label: str) -> Stage:
        return Stage(
            height=300, controls=False, dark=self.shell.param.dark, margin=(4, 8), label=label, visible=False,
            sizing_mode="stretch_width", styles={"flex": "1 1 440px", "min-width": "0"},
        )  # fmt: skip

    def _listed(self, found: _Listing) -> None:
        self.items, self.gone, self._size = {item.key: item for item in found.items}, found.gone, found.size
        origins = sorted({item.origin for item in found.items if item.origin})
        self.state.param["origin"].objects = {"Anything": ""} | {name: name for name in origins}
        with pn.io.hold():
            self._draw()
            self._choose()
            self._compare()

    def _draw(self) -> None:
        """The table, as the filters have it."""
        if self.state.kind == "deleted":
            titles = {item.name: item.title for item in self.items.values()}
            words = str(self.state.text).lower().split()
            rows = [gone_row(one, titles) for one in self.gone if all(w in one.name.lower() for w in words)]
            caption = f"{len(rows)} in the trash, which keeps the last 20 of a kind, for 30 days."
        else:
            try:
                wanted = self.state.wanted()
            except ValueError as problem:
                self.say("error", sentence(problem))
                return
            rows = [row(item) for item in self.items.values() if wanted.fits(item)]
            some = f"{len(rows)} of {len(self.items)}" if len(rows) < len(self.items) else f"{len(rows)}"
            caption = f"{some} entries, {in_bytes(self._size)} in all."
            if not rows:
                caption = "Nothing in the library fits. Change the search, or import a file."
        self.table.param.update(rows=rows, caption=caption, selected=str(self.state.chosen))
        if list(self.table.marked) != list(self.state.compared):
            self.table.marked = list(self.state.compared)

    def _choose(self) -> None:
        key = str(self.state.chosen)
        if self.table.selected != key:
            self.table.selected = key
        item, is_gone = self.items.get(key), key.startswith("deleted/")
        trashed = next((one for one in self.gone if f"deleted/{one.key}" == key), None)
        with pn.io.hold():
            self.place.visible = item is not None or trashed is not None
            self.delete.visible = item is not None and not item.fixed
            self.back.visible = trashed is not None and is_gone
            if item is None:
                self._clear()
                self.head.object = f"<h3>{html.escape(trashed.name)}</h3>" if trashed else ""
        if item is not None:
            self.reading.submit(partial(_card, item, list(self.items.values())))

    def _clear(self) -> None:
        self.head.object = self.numbers.object = self.origin.object = self.links.object = self.command.text = ""
        self.stage.visible = False
        self.downloads.withdraw()

    def _show_card(self, found: Card) -> None:
        if found.item.key != self.state.chosen:
            return
        with pn.io.hold():
            self._clear()
            self.head.object, self.numbers.object, self.origin.object = found.head, found.numbers, found.origin
            self.command.text = found.command
            self.links.object = self._links(found.item)
            if found.scene is not None:
                self.stage.show(found.scene)
            self.stage.visible = found.scene is not None

    def _links(self, item: Item) -> str:
        links = []
        path = item.path or History().path(item.name)
        if address := self.downloads.offer(path):
            what = {".nc": "NetCDF", ".npy": "NumPy file", ".safetensors": "model", ".json": "record"}[path.suffix]
            links.append(f'<a class="control-library-download" href="{address}" download>Download {what}</a>')
        theme = {"theme": "dark"} if self.shell.dark else {}
        entry = item.entry
        if isinstance(entry, Entry) and not item.problem and len(entry.shape) == 2:
            links.append(_link("Use on page Diffusion", {"page": "diffusion", "ensemble": item.name} | theme))
            if item.kappa and item.lam and entry.shape[0] == entry.shape[1]:
                there = {"page": "lattice", "kappa": item.kappa[0], "lam": item.lam[0], "L": entry.shape[0]}
                links.append(_link("Same theory on page Lattice", there | theme))
        if item.kind == "model" and not item.problem:
            name = item.name if item.fixed else f"library:{item.name}"
            there = {"page": "diffusion", "model": name}
            if item.kappa:
                there["kappa"] = f"{(item.kappa[0] + item.kappa[1]) / 2:g}"
            links.append(_link("Use on page Diffusion", there | theme))
        return f'<div class="links">{"".join(links)}</div>' if links else ""

    def _mark(self, marked: list[str]) -> None:
        kept = [key for key in marked if key in self.items][-MOST_COMPARED:]
        if len(marked) > MOST_COMPARED:
            self.say("info", f"{MOST_COMPARED} runs at a time: the one that was ticked first has made way.")
        if kept != marked:
            self.table.marked = kept
        if kept != list(self.state.compared):
            self.state.compared = kept

    def _compare(self) -> None:
        keys = [str(key) for key in self.state.compared][:MOST_COMPARED]  # type: ignore[union-attr]
        runs = [item.entry for key in keys if (item := self.items.get(key)) and isinstance(item.entry, Run)]
        with pn.io.hold():
            self.compared.visible = bool(runs)
            if not runs:
                return
            scene = curves_scene(runs, str(self.state.abscissa))
            if scene is not None:
                self.curves.show(scene)
            self.curves.visible = scene is not None
            without = left_out(runs)
            names = ", ".join(f"“{html.escape(name)}”" for name in without)
            note = f"<p>Without a curve in the picture: {names}.</p>" if without and scene is not None else ""
            self.settings.object = note + settings_html(runs)

    def _done(self, outcome: tuple[str, str, str, str]) -> None:
        """Something was deleted or has come back: sentence, key for undo, key of the row to choose."""
        severity, text, undo, chosen = outcome
        with pn.io.hold():
            self.say(severity, text, undo)
            self.state.chosen = chosen
        self.refresh()

    def _fail(self, error: Exception) -> None:
        self.say("error", sentence(error))


def _read(token: Token) -> Iterator[_Listing]:
    items = catalogue.catalogue()
    yield _Listing(items, catalogue.deleted(), sum(item.bytes for item in items if not item.fixed))


def _card(item: Item, items: list[Item], token: Token) -> Iterator[Card]:
    yield card(item, items)


def _remove(item: Item, token: Token) -> Iterator[tuple[str, str, str, str]]:
    try:
        undo = catalogue.remove(item.key)
    except (ValueError, OSError) as problem:
        yield "error", f"The {kind_words(item)} could not be deleted: {problem}", "", item.key
    else:
        yield "info", f"The {kind_words(item)} is in the trash.", undo, ""


def _restore(key: str, token: Token) -> Iterator[tuple[str, str, str, str]]:
    try:
        back = catalogue.restore(key)
    except (ValueError, OSError) as problem:
        yield "error", sentence(problem), "", ""
    else:
        kind, _, name = back.partition(":")
        yield "success", "It is back." if kind == "run" else f"“{name}” is back.", "", back


def _link(text: str, query: dict[str, Any]) -> str:
    return f'<a href="?{html.escape(urlencode(query))}">{html.escape(text)}</a>'


def _button(label: str, name: str, description: str, **look: Any) -> pmui.Button:
    look = {"variant": "outlined", "size": "small", "margin": (6, 4, 4, 4)} | look
    return pmui.Button(label=label, description=description, css_classes=[f"control-library-{name}"], **look)
