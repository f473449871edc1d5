"""The tab *Train*: a network learns the field while one watches; the training belongs to the server, not to the tab."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import panel as pn
import panel_material_ui as pmui

from core.diffusion.training_jobs import Job, trainings
from core.jobs import Token, request_pool
from dashboard import style
from dashboard.live import Live, sentence
from dashboard.pages.diffusion.state import TRAIN_KEYS
from dashboard.pages.diffusion.train_form import NAMES, OF_THE_SAMPLER, TrainSettings, choices, goes_on, request_of
from dashboard.pages.diffusion.train_scene import training_scene
from dashboard.pages.diffusion.train_texts import (
    DOES,
    EXPLANATION,
    about,
    others_words,
    progress_words,
    table_html,
    title_of,
)
from dashboard.shell import Shell
from dashboard.stage import Stage
from dashboard.widgets import control

HEIGHT = "max(400px, calc(100vh - 300px))"
SMALL = ":host { font-size: 13.5px; line-height: 1.45; }"


class TrainView:
    """One session's look at the server's trainings, and what it asks to be trained."""

    def __init__(self, shell: Shell, state: Any) -> None:
        self._shell = shell
        self.settings = settings = TrainSettings()
        settings.param["data"].objects = choices()
        shell.sync(settings, TRAIN_KEYS)
        self.widgets = {
            name: control(settings, name, label, css_classes=[f"control-train-{name}"]) for name, label in NAMES.items()
        }
        self.device = pn.pane.HTML(
            f"Runs on: {html.escape(shell.device)}", margin=(4, 14), styles={"font-size": "13px", "opacity": "0.8"}
        )
        self.start = _button("Train", "start", color="primary", variant="contained", margin=(10, 4, 4, 12))
        self.pause = _button("Pause", "pause")
        self.stop = _button("Stop", "stop")
        self.cancel = _button("Discard", "cancel", color="error")
        self.save = _button("Save as …", "save")
        self.save_name = pmui.TextInput(
            label="Name in the library", size="small", width=240, margin=(10, 4, 4, 8), visible=False,
            css_classes=["control-train-save-name"], description="Letters, digits, blanks and .,=+()_-",
        )  # fmt: skip
        self.save_now = _button("Save", "save-now", color="primary", visible=False)
        self.which = pmui.Select(
            label="Training",
            size="small",
            width=330,
            margin=(10, 8, 4, 8),
            visible=False,
            css_classes=["control-train-job"],
            description="Which of the trainings on this server is shown.",
        )
        text = {"font-size": "13.5px", "line-height": "1.4", "font-variant-numeric": "tabular-nums"}
        self.line = pn.pane.HTML("", css_classes=["train-progress"], margin=(6, 12, 0, 12), styles=text)
        self.bar = pmui.LinearProgress(value=0, margin=(4, 12), sizing_mode="stretch_width", visible=False)
        self.message = pmui.Alert(
            object="", severity="info", closeable=False, variant="outlined", margin=(4, 10), visible=False,
            css_classes=["train-message"], sizing_mode="stretch_width",
            sx={"py": 0, "& .MuiAlert-message": {"py": "2px"}},
        )  # fmt: skip
        self.stage = Stage(
            height=None, sizing_mode="stretch_both", controls=False, dark=shell.param.dark, margin=(0, 4),
            label="Loss by noise level, and fields of the network beside real ones",
        )  # fmt: skip
        self.picture = pn.FlexBox(
            self.stage, margin=0, sizing_mode="stretch_width", styles={"height": HEIGHT, "flex": "none"}, visible=False
        )
        side: dict[str, Any] = {"margin": (4, 14), "styles": {"flex": "1 1 400px", "min-width": "0"}}
        self.table = pn.pane.HTML("", css_classes=["train-table"], stylesheets=[style.TABLE_CSS], **side)
        self.text = pn.pane.Markdown("", css_classes=["train-about"], stylesheets=[SMALL], **side)
        self.result = pn.FlexBox(
            self.table, self.text, margin=0, sizing_mode="stretch_width", gap="0 28px", visible=False
        )  # fmt: skip
        self.explanation = pn.pane.Markdown(EXPLANATION, sizing_mode="stretch_width", margin=(4, 14))
        self.jobs = trainings()
        self.job: Job | None = None
        self.sidebar = self._sidebar()
        self.main = [self._layout()]
        self.live = Live(self._deliver, self._fail)
        self._open = False
        self._on_clicks()
        settings.param.watch(self._arrange, ["data", "length"])
        self.jobs.watch(self._notice)
        shell.on_close(self.close)
        self._arrange()
        self._show(None)

    def open(self) -> None:
        """The tab has come to the front: look at the training that runs, or at the last one."""
        self._open = True
        self._offer()
        every = self.jobs.jobs()
        running = [job for job in every if not job.over]
        self.follow(self.job or (running or every[-1:] or [None])[0])

    def rest(self) -> None:
        """The tab is hidden; what is trained goes on."""
        self._open = False

    def close(self) -> None:
        """The session has ended; what is trained goes on."""
        self.jobs.unwatch(self._notice)
        self.live.close()

    def begin(self) -> None:
        """Train what the form asks for."""
        try:
            job = self.jobs.start(request_of(self.settings), str(self.settings.called), self._shell.owner)
        except (ValueError, OSError) as problem:
            self.say("error", sentence(problem))
            return
        self.settings.param.update(called="", data="" if goes_on(self.settings) else self.settings.data)
        self.say("info", "")
        self.follow(job)

    def follow(self, job: Job | None) -> None:
        """Show this training from now on."""
        self.job = job
        self.save_name.visible = self.save_now.visible = False
        self._show(job)
        if job is not None:
            self._look(job)

    def say(self, severity: str, text: str) -> None:
        """Show a sentence above the picture; an empty one takes it away."""
        self.message.param.update(object=html.escape(text, quote=False), severity=severity, visible=bool(text))

    def _notice(self, job: Job) -> None:
        """Something has happened to a training; called from its thread."""
        if self._open:
            self._look(self.job or job)

    def _look(self, job: Job) -> None:
        with suppress(RuntimeError):  # the server goes down and takes no more work
            self.live.submit(partial(self._stages, job))

    def _stages(self, job: Job, token: Token) -> Iterator[Job]:
        """Draws a training as it is now. Of the requests that come meanwhile only the last is answered."""
        self.stage.push(training_scene(job))
        yield job

    def _deliver(self, job: Job) -> None:
        if self.job is None:  # somebody has begun the first one
            self.job = job
        if job is self.job:
            self._show(job)
            if job.over:
                self._offer()

    def _offer(self) -> None:
        """Bring what can be learned from up to date; files are read for it, off the session's loop."""

        def look() -> None:
            found = choices()
            self.live.soon(lambda: setattr(self.settings.param["data"], "objects", found))

        with suppress(RuntimeError):  # the server goes down and takes no more work
            request_pool().submit(look)

    def _show(self, job: Job | None) -> None:
        """Bring everything but the picture up to date."""
        with pn.io.hold():
            self._list()
            state = job.state if job else ""
            mine = job is not None and job.owner in ("", self._shell.owner)
            self.pause.param.update(
                label="Resume" if state == "paused" else "Pause",
                disabled=not mine or state not in ("training", "paused"),
            )
            self.stop.disabled = not mine or state not in ("training", "paused")
            self.cancel.disabled = job is None or not mine or job.over or state == "stopping"
            self.save.disabled = not (state in ("training", "paused") or (state == "finished"))
            self.bar.visible = job is not None and not job.over
            self.picture.visible = self.result.visible = job is not None and job.begun is not None
            if job is None:
                self.line.object = "Nothing has been trained since the server started. Choose on the left, press Train."
                return
            others = others_words([one for one in self.jobs.jobs() if one is not job and not one.over])
            self.line.object = "<br>".join(part for part in (progress_words(job, self.jobs.ahead(job)), others) if part)
            steps = job.progress.steps
            self.bar.param.update(
                value=round(100 * min(1.0, job.progress.step / steps)) if steps else 0,
                variant="determinate" if steps else "indeterminate",
            )
            self.table.object = table_html(job.table) if job.table else ""
            self.text.object = about(job.begun) if job.begun else ""

    def _list(self) -> None:
        every = self.jobs.jobs()
        self.which.param.update(
            options={title_of(job): job.id for job in reversed(every)},
            value=self.job.id if self.job else None,
            visible=len(every) > 1,
        )

    def _choose(self, event: Any) -> None:
        if event.new is not None and (self.job is None or event.new != self.job.id):
            try:
                self.follow(self.jobs.job(event.new))
            except KeyError:
                self.say("warning", "This training is no longer in the list.")
                self._list()

    def _on_clicks(self) -> None:
        self.start.on_click(lambda _: self.begin())
        self.pause.on_click(lambda _: self._do(lambda job: (job.resume if job.state == "paused" else job.pause)()))
        self.stop.on_click(lambda _: self._do(Job.stop))
        self.cancel.on_click(lambda _: self._do(Job.cancel))
        self.save.on_click(lambda _: self._ask())
        self.save_now.on_click(lambda _: self.keep(str(self.save_name.value or "")))
        self.which.param.watch(self._choose, "value")

    def _do(self, what: Callable[[Job], None]) -> None:
        if self.job is None:
            return
        try:
            what(self.job)
        except ValueError as problem:
            self.say("error", sentence(problem))
        self._show(self.job)

    def _ask(self) -> None:
        """Ask for the name under which to save, or take the question back."""
        asking = not self.save_name.visible
        if asking and self.job is not None:
            self.save_name.value = self.jobs.library.free_name(self.job.title)
        self.save_name.visible = self.save_now.visible = asking

    def keep(self, name: str) -> None:
        """Save the network as it is now in the library; the sentence comes when it is there."""
        if self.job is None:
            return
        job = self.job

        def write() -> None:
            try:
                step, path = job.progress.step, job.save(name.strip())
            except (ValueError, OSError) as problem:
                self.live.soon(self.say, "error", sentence(problem))
            else:
                self.live.soon(self._kept, f"“{path.stem}” is in the library of models, as it was after step {step}.")

        request_pool().submit(write)

    def _kept(self, text: str) -> None:
        self.save_name.visible = self.save_now.visible = False
        self.say("success", text)

    def _arrange(self, *_: Any) -> None:
        """Show the controls that the data and the length have."""
        begun = goes_on(self.settings)
        hidden = set(OF_THE_SAMPLER) if self.settings.data else set()
        hidden |= {"steps" if self.settings.length == "minutes" else "minutes"}
        with pn.io.hold():
            for name, widget in self.widgets.items():
                widget.visible = name == "data" or not (begun or name in hidden)
            self.start.label = "Go on" if begun else "Train"

    def _sidebar(self) -> list[Any]:
        w = self.widgets
        sections: dict[str, list[Any]] = {
            "Data": [w["data"], w["low"], w["high"], w["lam"], w["L"]],
            "Network": [w["preset"], w["target"], w["called"]],
            "Run": [w["length"], w["minutes"], w["steps"], w["batch"], w["rate"], w["seed"], self.device],
        }
        return [
            pmui.Card(
                *items, title=title, collapsible=True, margin=(4, 6), sizing_mode="stretch_width", variant="outlined",
                title_variant="subtitle2",
            )
            for title, items in sections.items()
        ]  # fmt: skip

    def _layout(self) -> Any:
        buttons = pn.FlexBox(
            self.start, self.pause, self.stop, self.cancel, self.save, self.save_name, self.save_now, self.which,
            margin=0, sizing_mode="stretch_width", align_items="flex-end",
        )  # fmt: skip
        return pn.Column(
            buttons, self.line, self.bar, self.message, self.picture, self.result, self.explanation,
            sizing_mode="stretch_width", margin=0,
        )  # fmt: skip

    def _fail(self, error: Exception) -> None:
        self.say("error", sentence(error))


def _button(label: str, name: str, **look: Any) -> pmui.Button:
    look = {"variant": "outlined", "size": "small", "margin": (10, 4, 4, 8)} | look
    return pmui.Button(label=label, css_classes=[f"control-train-{name}"], description=DOES[name], **look)
