"""The ensemble that was chosen from the library: what it is, and what can be done with it."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import urlencode

import panel as pn
import panel_material_ui as pmui

from core.ensembles.command import command_line, made_by
from core.ensembles.files import open_ensemble
from core.ensembles.library import Entry, Library
from core.ensembles.plan import Plan
from core.ensembles.request import EnsembleRequest
from core.jobs import Token
from core.statistics.format import thousands
from core.statistics.health import health_of
from core.statistics.measure import Measurement, measure
from dashboard import style
from dashboard.download import Downloads
from dashboard.live import Live, sentence
from dashboard.pages.lattice.health_card import HealthCard
from dashboard.pages.lattice.keep_texts import about, observables_html, warnings_html
from dashboard.pages.lattice.library_table import CommandLine
from dashboard.pages.lattice.making import under_way
from dashboard.shell import Shell

PIECE = 2**24
"""Bytes of fields that a measurement has in memory at a time."""
CSS = """
:host { font-size: 13.5px; line-height: 1.45; }
p { margin: 2px 0; }
.sides { display: flex; flex-wrap: wrap; gap: 0 48px; align-items: flex-start; }
.warnings { margin: 4px 0; padding-left: 18px; }
.links { display: flex; flex-wrap: wrap; gap: 8px; }
.links a { padding: 6px 10px; font-size: 12px; border: 1px solid currentColor; border-radius: 6px;
  text-decoration: none; color: var(--mui-palette-primary-main, #0072b5); font-weight: 500; }
.links a:focus-visible { outline: 2px solid currentColor; outline-offset: 1px; }
"""


class OneEnsemble:
    """Its facts, observables, download, command line, and the way to other pages or to the end."""

    def __init__(
        self, shell: Shell, library: Library, refresh: Callable[[], None], say: Callable[[str, str], None],
        go_on: Callable[[str, EnsembleRequest], None],
    ) -> None:  # fmt: skip
        self.shell, self.library, self._refresh, self._say, self._go_on = shell, library, refresh, say, go_on
        self.downloads = Downloads(shell)
        self.name = ""
        self.entry: Entry | None = None
        self.plan: Plan | None = None
        wide: dict[str, Any] = {"sizing_mode": "stretch_width", "stylesheets": [style.TABLE_CSS, CSS]}
        self.title = pn.pane.HTML("", margin=(8, 12, 0, 12), css_classes=["keep-about"], **wide)
        self.links = pn.pane.HTML("", margin=(7, 8, 4, 12), stylesheets=[CSS], css_classes=["keep-links"])
        self.report = pn.pane.HTML("", margin=(4, 12), css_classes=["keep-report"], **wide)
        self.command = CommandLine(what="Made by:", css_classes=["keep-made-by"])
        self.card = HealthCard(visible=False, well="Nothing wrong was found in this ensemble.")
        self.measuring = _button("Measure", "measure")
        self.going_on = _button("Go on", "resume")
        self.delete = _button("Delete …", "delete", color="error")
        self.sure = _button("Yes, delete", "sure", color="error", variant="contained", visible=False)
        self.keep = _button("Keep", "keep", visible=False)
        self.measuring.on_click(lambda _: self.measure())
        self.going_on.on_click(lambda _: self.plan and self._go_on(self.name, self.plan.request()))
        self.delete.on_click(lambda _: self._ask(True))
        self.keep.on_click(lambda _: self._ask(False))
        self.sure.on_click(lambda _: self.remove())
        buttons = pn.Row(
            self.links, self.measuring, self.going_on, self.delete, self.sure, self.keep,
            margin=0, sizing_mode="stretch_width",
        )  # fmt: skip
        self.place = pn.Column(
            self.title, buttons, self.command, self.card, self.report, margin=0, sizing_mode="stretch_width",
            visible=False,
        )  # fmt: skip
        self.main = [self.place]
        self.live = Live(self._deliver, self._fail)
        self._under_way = False
        self._shown: tuple[Any, ...] = ()
        shell.on_close(self.live.close)
        shell.on_leave(self.stop)

    def show(self, name: str) -> None:
        """Show the ensemble ``name``, or nothing for an empty name."""
        entry = next((e for e in self.library.list() if e.name == name), None) if name else None
        shown = (name, entry.modified if entry else None)
        if shown == self._shown:
            return
        self._shown, self.name, self.entry, self.plan = shown, name, entry, None
        self.stop()
        self.downloads.withdraw()
        with pn.io.hold():
            self.place.visible = bool(name)
            self.report.object, self.card.visible, self.command.text, self.links.object = "", False, "", ""
            self._ask(False)
            if name and entry is None:
                self._show_unfinished(name)
            elif entry is not None:
                self._show_file(entry)
            self.measuring.visible = entry is not None and not entry.problem

    def measure(self) -> None:
        """Measure all observables; a second call stops it."""
        if self._under_way:
            self.stop()
            self.report.object = "<p>Stopped.</p>"
            return
        if self.entry is not None:
            self._under_way = True
            self.measuring.label = "Stop"
            self.report.object = "<p>Measuring …</p>"
            self.live.submit(partial(self._measure, self.entry))

    def stop(self) -> None:
        """End a measurement that is under way."""
        self.live.cancel()
        self._under_way = False
        self.measuring.label = "Measure"

    def remove(self) -> None:
        """Delete it from the library."""
        if self.name in {one.name for one in under_way(self.library)}:
            self._say("error", f"“{self.name}” is being made: cancel that first.")
            self._ask(False)
            return
        try:
            if self.entry is None:
                self.library.discard(self.name)
            else:
                self.library.remove(self.name)
        except OSError as problem:
            self._say("error", f"“{self.name}” could not be deleted: {problem}")
            self._ask(False)
            return
        way_back = "; the page Library can bring it back" if self.entry is not None else ""
        self._say("info", f"“{self.name}” has been deleted{way_back}.")
        self._refresh()

    def _show_unfinished(self, name: str) -> None:
        self.plan = self.library.unfinished().get(name)
        self.title.object = f"<b>{html.escape(name)}</b><p>There is no file yet: the run has not come to its end.</p>"
        self.going_on.visible = self.plan is not None
        if self.plan is not None:
            self.command.text = command_line(self.plan.request(), self.library.path(name).name)

    def _show_file(self, entry: Entry) -> None:
        name = f"<b>{html.escape(entry.name)}</b>"
        self.going_on.visible = entry.n_configs < entry.planned
        try:
            with open_ensemble(entry.path) as reader:
                self.plan, facts = reader.plan, about(reader)
                self.command.text = made_by(reader)
        except (ValueError, OSError) as problem:
            self.title.object = f"{name}<p>{html.escape(sentence(problem))}</p>"
            return
        python = html.escape(f'open_ensemble(Library().path("{entry.name}"))', quote=False)
        where = f"<p>In Python, and so for training: <code>{python}</code> of core.ensembles.</p>"
        self.title.object = f"{name}<p>{facts}</p>{warnings_html(list(entry.warnings))}{where}"
        links = []
        if address := self.downloads.offer(entry.path):
            links.append(f'<a class="control-keep-download" href="{address}" download>Download NetCDF</a>')
        if len(entry.shape) == 2:
            query = {"page": "diffusion", "ensemble": entry.name} | ({"theme": "dark"} if self.shell.dark else {})
            links.append(
                f'<a class="control-keep-field" href="?{html.escape(urlencode(query))}">Use on page Diffusion</a>'
            )
        self.links.object = f'<div class="links">{"".join(links)}</div>'

    def _measure(self, entry: Entry, token: Token) -> Iterator[tuple[Entry, Measurement | None]]:
        yield entry, None  # what follows may be cancelled
        with open_ensemble(entry.path) as reader:
            done, total = 0, reader.draws

            def blocks() -> Iterator[Any]:
                nonlocal done
                for block in reader.blocks(max(1, PIECE // (4 * reader.chains * reader.theory.volume))):
                    yield block
                    done += block.shape[1]
                    self.live.soon(self._progress, entry, done * reader.chains, total * reader.chains)

            found = measure(reader.theory, blocks(), reader.independent, token)
        yield entry, found

    def _progress(self, entry: Entry, done: int, total: int) -> None:
        if self._under_way and entry is self.entry:
            self.report.object = f"<p>Measuring: {thousands(done)} of {thousands(total)} configurations …</p>"

    def _deliver(self, result: tuple[Entry, Measurement | None]) -> None:
        entry, found = result
        if entry is not self.entry or found is None or not self._under_way:
            return
        self.stop()
        checks = [
            check
            for check in health_of(found, entry.acceptance)
            if check.level != "grey" or check.name == "thermalised"
        ]
        with pn.io.hold():
            self.card.show_checks(checks)
            self.card.visible = bool(checks)
            new = [warning for warning in found.warnings if warning not in entry.warnings]
            self.report.object = warnings_html(new) + observables_html(found)

    def _ask(self, asking: bool) -> None:
        """Ask for a confirmation, or take the question back."""
        self.sure.visible = self.keep.visible = asking
        self.delete.visible = not asking

    def _fail(self, error: Exception) -> None:
        self.stop()
        self.report.object = f"<p>{html.escape(sentence(error))}</p>"


def _button(label: str, name: str, **look: Any) -> pmui.Button:
    look = {"variant": "outlined", "size": "small", "margin": (6, 4, 4, 4)} | look
    return pmui.Button(label=label, css_classes=[f"control-keep-{name}"], description=DOES[name], **look)


DOES = {
    "measure": "Compute all observables of this ensemble, with errors and autocorrelation times.",
    "resume": "Finish the run where it was interrupted, with the same chains.",
    "delete": "Delete this ensemble; asks once more.",
    "sure": "Delete it now.",
    "keep": "Do not delete it.",
}
