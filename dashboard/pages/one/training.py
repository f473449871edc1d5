"""Learned scores of a page: the shipped ones, and those that are trained here while one watches the loss."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
import param

from core.diffusion.learned import LearnedScore, pretrained
from core.diffusion.training import Trainer, TrainingConfig
from core.history import keep
from core.history_records import toy_training_run
from core.jobs import Token
from core.theories.base import Target
from dashboard.live import Live
from dashboard.shell import Shell
from dashboard.stage import Line, Panel, Rule, Scene, Stage

SHOW_EVERY = 0.4  # seconds between pictures of the loss


class ScoreTraining(param.Parameterized):
    """*Train* for the present target: a thread of its own, live loss, stop; the result serves every schedule.

    ``target`` gives the target to train on; ``listeners`` are called on the session's loop when a model is ready.
    """

    training_steps = param.Integer(
        3000, bounds=(200, 20_000), doc="Training steps of 4096 samples each; the published quality takes 14 000."
    )

    def __init__(self, target: Callable[[], Target], seed: Callable[[], int], shell: Shell, **params: Any) -> None:
        super().__init__(**params)
        self._target, self._seed = target, seed
        self._models: dict[str, LearnedScore] = {}
        self._token: Token | None = None
        self._name = ""
        self._live = Live(lambda _: None, lambda _: None)
        self.listeners: list[Callable[[], None]] = []
        self.button = pmui.Button(
            label="Train", css_classes=["control-train"], color="primary", size="small", margin=(4, 12),
            sizing_mode="stretch_width",
            description="Learn the score of the present target from samples alone, by denoising score matching.",
        )  # fmt: skip
        self.stop = pmui.Button(
            label="Stop", css_classes=["control-stop-training"], variant="outlined", size="small", margin=(4, 12),
            visible=False, sizing_mode="stretch_width", description="Stop and keep what has been learned so far.",
        )  # fmt: skip
        self.progress = pmui.LinearProgress(
            value=0, variant="determinate", visible=False, margin=(2, 12), sizing_mode="stretch_width"
        )
        self.message = pmui.Typography("", variant="body2", margin=(2, 12), sizing_mode="stretch_width")
        self.loss = Stage(
            height=150, controls=False, dark=shell.param.dark, visible=False, margin=(2, 6), label="Training loss"
        )
        self.button.on_click(self._start)
        self.stop.on_click(lambda _: self.cancel())
        shell.on_close(self.close)
        shell.on_leave(self.cancel)

    @property
    def running(self) -> bool:
        return self._token is not None

    def model_for(self, target: Target) -> LearnedScore | None:
        """The score trained here on exactly this target, else the shipped one, else None."""
        return self._models.get(repr(target)) or pretrained(target)

    def cancel(self) -> None:
        """Stop after the present step; what has been learned is kept."""
        if self._token:
            self._token.cancel()

    def close(self) -> None:
        self.cancel()
        self._live.close()

    def describe(self) -> None:
        """Say whether there is a score for the present target."""
        if self.running:
            return
        try:
            model = self.model_for(self._target())
        except ValueError:
            model = None
        self.message.object = (
            f"Learned from {model.record.samples:,} samples in {model.record.steps:,} steps "
            f"({model.record.seconds:.0f} s), for σ̃ from {model.record.sigma_min:.2g} to {model.record.sigma_max:.2g}."
            if model
            else "No score has been learned for this target yet."
        ).replace(",", " ")

    def _start(self, _: Any = None) -> None:
        if self.running:
            return
        try:
            target = self._target()
        except ValueError as problem:
            self.message.object = str(problem)
            return
        self._token = Token()
        self.button.visible, self.stop.visible = False, True
        self.progress.param.update(visible=True, value=0)
        self.loss.visible = True
        self.message.object = "Drawing samples …"
        self._name = target.name
        arguments = (target, int(self.training_steps), self._seed(), self._token)  # type: ignore[arg-type]
        threading.Thread(target=self._train, args=arguments, daemon=True, name="stoqlab-training").start()

    def _train(self, target: Target, steps: int, seed: int, token: Token) -> None:
        try:
            trainer = Trainer(target, TrainingConfig.of(target.dim, steps=steps, samples=200_000), seed)
            floor = _floor(trainer)
            last = 0.0

            def look(step: int, loss: float, seconds: float) -> None:
                nonlocal last
                if time.monotonic() - last > SHOW_EVERY or step == steps:
                    last = time.monotonic()
                    self.loss.push(_loss_scene(np.array(trainer.history), floor))
                    self._live.soon(self._report, step, steps, loss, seconds)

            trainer.run(callback=look, token=token)
            if trainer.step:
                keep(lambda: toy_training_run(trainer, self._name, "browser"))
            self._live.soon(self._finish, target, trainer.score() if trainer.step else None, "")
        except Exception as error:
            self._live.soon(self._finish, target, None, str(error) or type(error).__name__)

    def _report(self, step: int, steps: int, loss: float, seconds: float) -> None:
        self.progress.value = round(100 * step / steps)
        left = seconds / step * (steps - step)
        self.message.object = (
            f"Learning {self._name}: step {step} of {steps}, loss {loss:.4f}, {seconds:.0f} s, about {left:.0f} s left"
        )

    def _finish(self, target: Target, model: LearnedScore | None, problem: str) -> None:
        self._token = None
        self.button.visible, self.stop.visible = True, False
        self.progress.visible = False
        if model is not None:
            self._models[repr(target)] = model
        self.describe()
        if problem:
            self.message.object = f"Training ended: {problem}"
        elif model is not None:
            for listener in self.listeners:
                listener()

    def panel(self) -> pn.Column:
        """The controls, for the sidebar."""
        return pn.Column(
            self.button, self.stop, self.progress, self.message, self.loss, margin=0, sizing_mode="stretch_width"
        )


def _floor(trainer: Trainer) -> float:
    """The Gaussian score's loss: where a network that learns nothing stays."""
    return 0.5 * trainer.normalisation.dim


def _loss_scene(history: np.ndarray, gaussian: float) -> Scene:
    return Scene(
        positions=[0.0],
        panels=[
            Panel(
                "loss",
                [
                    Line(history[:, 0], history[:, 1], "loss", "learned", width=1.8),
                    Rule(y=gaussian, label="Gaussian score", color="gauss"),
                ],
                title="Training loss",
                xlabel="step",
            )
        ],
        areas=["loss"],
    )
