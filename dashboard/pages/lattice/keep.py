"""The tab *Ensembles*: make configurations with the present couplings and algorithm, and what the library holds."""

from __future__ import annotations

import html
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import panel as pn
import panel_material_ui as pmui

from core.ensembles.command import command_line
from core.ensembles.library import Library
from core.ensembles.request import EnsembleRequest
from core.jobs import Token
from core.samplers.algorithms import find
from dashboard.live import Live, sentence
from dashboard.pages.lattice import making
from dashboard.pages.lattice.keep_form import NAMES, KeepSettings, name_for, request_of
from dashboard.pages.lattice.keep_one import OneEnsemble
from dashboard.pages.lattice.keep_texts import COLUMNS, RIGHT, finished, row, unfinished_row
from dashboard.pages.lattice.library_table import CommandLine, LibraryTable
from dashboard.pages.lattice.making import Making
from dashboard.pages.lattice.state import KEEP_KEYS, LABELS, OPTIONS, LatticeState
from dashboard.shell import Shell
from dashboard.widgets import controls

METHOD = tuple(name for name in OPTIONS if name != "flip")
"""Parameters of the algorithms that this tab shares with the live one; sign flips are its own."""
SHARED = ("kappa", "lam", "L", "algorithm", "auto_step", "step_size", *METHOD, "start", "seed")
TELL_EVERY = 0.3
"""Seconds between looks at what is being made."""
BY_PROTOCOL = ("chains", "therm", "thin", "flip")
"""What the published protocol fixes."""
PUBLISHED = (
    "<b>Not in equilibrium.</b> The published protocol leaves domain walls in the broken phase (arXiv:2309.17082): "
    "take it to reproduce published numbers, not for physics."
)


class KeepView:
    """One session's view of the library, and what it asks to be made."""

    def __init__(self, shell: Shell, state: LatticeState) -> None:
        self.state, self.settings = state, KeepSettings()
        self.library, self._shell = Library(), shell
        shell.sync(self.settings, KEEP_KEYS)
        self.shared = controls(state, list(SHARED), LABELS)
        self.widgets = controls(self.settings, list(NAMES), NAMES)
        small: dict[str, Any] = {"size": "small", "margin": (6, 4, 4, 8)}
        self.make = pmui.Button(
            label="Make ensemble", css_classes=["control-keep-make"], color="primary",
            description="Run the chains and write the configurations into the library.", **small,
        )  # fmt: skip
        self.cancel = pmui.Button(
            label="Cancel", css_classes=["control-keep-cancel"], variant="outlined", disabled=True,
            description="Stop here; the run can be taken up again later.", **small,
        )  # fmt: skip
        text = {"font-size": "13.5px", "line-height": "1.4", "font-variant-numeric": "tabular-nums"}
        self.line = pn.pane.HTML("", css_classes=["keep-progress"], margin=(11, 8), styles=text)
        self.bar = pmui.LinearProgress(value=0, margin=(0, 12), sizing_mode="stretch_width", visible=False)
        self.message = pmui.Alert(
            object="", severity="info", closeable=False, variant="outlined", margin=(4, 10), visible=False,
            css_classes=["keep-message"], sizing_mode="stretch_width",
            sx={"py": 0, "& .MuiAlert-message": {"py": "2px"}},
        )  # fmt: skip
        self.published = pn.pane.HTML(PUBLISHED, visible=False, margin=(0, 14), styles=text)
        self.command = CommandLine(what="Same run in a terminal:", css_classes=["keep-command"])
        self.table = LibraryTable(columns=COLUMNS, right=RIGHT, css_classes=["keep-table"])
        self.one = OneEnsemble(shell, self.library, self.refresh, self.say, self._go_on)
        self.sidebar = self._sidebar()
        self.main = [self._layout()]
        self.live = Live(self._deliver, self._fail)
        self.made: Making | None = None
        self._open = False
        self.make.on_click(lambda _: self.begin())
        self.cancel.on_click(lambda _: self.made and self.made.cancel())
        self.table.param.watch(self._choose, "selected")
        state.param.watch(self._changed, list(SHARED))
        self.settings.param.watch(self._changed, list(NAMES))
        shell.on_close(self.live.close)
        self._arrange()

    def open(self) -> None:
        """The tab has come to the front."""
        self._open = True
        self._changed()
        self.refresh()
        own = [one for one in making.under_way(self.library) if one.owner == self._shell.owner]
        if self.made is None and own:
            self._follow(own[0])

    def rest(self) -> None:
        """The tab is hidden; what is being made goes on."""
        self._open = False

    def begin(self) -> None:
        """Make what the form asks for."""
        try:
            request = request_of(self.state, self.settings)
            name = name_for(self.library, request, str(self.settings.called))
            how = {str(self.settings.taken): True} if self.settings.taken != "refuse" else {}
            self._start(name, request, **how)
        except (ValueError, OSError) as problem:
            self.say("error", sentence(problem))

    def refresh(self, select: str | None = None) -> None:
        """Bring the table up to date, and choose a row where one is named."""
        try:
            entries, unfinished = self.library.list(), self.library.unfinished()
        except OSError as problem:
            self.say("error", f"The library cannot be read: {problem}")
            return
        running = {one.name for one in making.under_way(self.library)}
        rows = [unfinished_row(name, plan, name in running) for name, plan in unfinished.items()]
        rows += [row(entry) for entry in entries]
        names = {r["name"] for r in rows}
        total = making.in_bytes(sum(entry.bytes for entry in entries))
        caption = f"{len(entries)} ensemble{'s' * (len(entries) != 1)}, {total}, in {self.library.folder}"
        chosen = select if select is not None else str(self.table.selected)
        with pn.io.hold():
            self.table.param.update(
                rows=rows, selected=chosen if chosen in names else "",
                caption=caption if rows else "The library is empty: make an ensemble, and it is listed here.",
            )  # fmt: skip
            self.one.show(str(self.table.selected))

    def say(self, severity: str, text: str) -> None:
        """Show a sentence above the table; an empty one takes it away."""
        self.message.param.update(object=html.escape(text, quote=False), severity=severity, visible=bool(text))

    def _start(self, name: str, request: EnsembleRequest, **how: bool) -> None:
        if self.made is not None:
            raise ValueError(f"{self.made.name!r} is still being made here: wait for it, or cancel it")
        self.say("info", "")
        self._follow(making.make(self.library, name, request, owner=self._shell.owner, **how))

    def _go_on(self, name: str, request: EnsembleRequest) -> None:
        """Take up a run that was interrupted."""
        try:
            self._start(name, request, resume=True)
        except (ValueError, OSError) as problem:
            self.say("error", sentence(problem))

    def _follow(self, made: Making) -> None:
        self.made = made
        self._busy(True)
        self._tell(made)
        self.live.submit(partial(self._watch, made))

    def _watch(self, made: Making, token: Token) -> Iterator[Making]:
        """Yields it again and again, the last time once it has ended."""
        yield made
        while made.running:
            token.check()
            time.sleep(TELL_EVERY)
            if made.running:
                yield made
        with suppress(OSError):
            self.library.list()  # reads the new file here, off the loop
        yield made

    def _deliver(self, made: Making) -> None:
        if made is not self.made:
            return
        if made.running:
            self._tell(made)
            if made.name not in {r["name"] for r in self.table.rows}:
                self.refresh()
            return
        self.made = None
        self._busy(False)
        if made.result is not None:
            self.say(*finished(made.name, made.result, made.request.configs))
        elif isinstance(made.error, FileExistsError):
            words = "Choose another name, or what to do under “If the name is taken”."
            self.say("error", f"The name {made.name!r} is taken. {words}")
        elif made.error is not None:
            self.say("error", sentence(made.error))
        self.refresh(made.name)

    def _tell(self, made: Making) -> None:
        with pn.io.hold():
            self.line.object = f"<b>{made.name}</b>: {made.words()}"
            self.bar.value = round(100 * made.fraction)

    def _busy(self, busy: bool) -> None:
        with pn.io.hold():
            self.make.disabled = busy
            self.cancel.disabled = not busy
            self.bar.visible = busy
            if not busy:
                self._changed()

    def _choose(self, event: Any) -> None:
        self.one.show(str(event.new))

    def _changed(self, *_: Any) -> None:
        """The form has changed: what it would make, and the command line for it."""
        if not self._open:
            return
        self._arrange()
        if self.made is not None:
            return
        try:
            request = request_of(self.state, self.settings)
            name = name_for(self.library, request, str(self.settings.called))
            path = self.library.path(name)
        except (ValueError, OSError) as problem:
            self.line.object, self.command.text = html.escape(sentence(problem), quote=False), ""
            return
        self.line.object = f"“{name}”: about {making.in_bytes(making.size_of(request))} on disk."
        self.command.text = command_line(request, path.name)

    def _arrange(self) -> None:
        """Show the controls that the algorithm and the protocol have."""
        protocol = bool(self.settings.protocol)
        has = set(find(str(self.state.algorithm)).parameters)
        with pn.io.hold():
            for name in METHOD:
                self.shared[name].visible = name in has and not protocol
            self.shared["step_size"].visible = not self.state.auto_step
            self.shared["algorithm"].disabled = self.shared["start"].disabled = protocol
            for name in BY_PROTOCOL:
                self.widgets[name].disabled = protocol
            self.widgets["flip"].visible = "flip" in has
            self.published.visible = protocol

    def _sidebar(self) -> list[Any]:
        s, w = self.shared, self.widgets
        sections: dict[str, list[Any]] = {
            "Theory": [s["kappa"], s["lam"], s["L"]],
            "Ensemble": [w["called"], w["configurations"], w["protocol"], self.published, w["taken"]],
            "Algorithm": [s["algorithm"], s["auto_step"], s["step_size"], *(s[name] for name in METHOD), w["flip"]],
            "Chains": [s["start"], w["chains"], w["therm"], w["thin"], s["seed"]],
        }
        return [
            pmui.Card(
                *items, title=title, collapsible=True, margin=(4, 6), sizing_mode="stretch_width", variant="outlined",
                title_variant="subtitle2",
            )
            for title, items in sections.items()
        ]  # fmt: skip

    def _layout(self) -> Any:
        return pn.Column(
            pn.Row(self.make, self.cancel, self.line, margin=0, sizing_mode="stretch_width"),
            self.bar, self.command, self.message, self.table, *self.one.main,
            sizing_mode="stretch_width", margin=0,
        )  # fmt: skip

    def _fail(self, error: Exception) -> None:
        self.say("error", sentence(error))
