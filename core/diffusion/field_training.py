"""Training of the network of a lattice field, on files or on a live sampler.

The loss is ``∫ d log σ̃ ½ E|D - T|²/σ̃²`` in nats (``core.diffusion.field_loss``), estimated with noise levels from
``core.diffusion.field_levels``. Everything random is addressed by seed and step, so a run that was stopped, saved and
loaded goes on to the same bits as one that was not, given the same device and number of threads. With a limit in
minutes the number of steps, and with it the course of the learning rate, is fixed after a few timed steps and is part
of the run from then on.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from core.contracts import Tensor
from core.devices import cores
from core.diffusion import checkpoint
from core.diffusion.field_config import FieldTrainingConfig
from core.diffusion.field_data import FieldSource, open_files
from core.diffusion.field_live import LiveRequest, LiveSource
from core.diffusion.field_magnetisation import FEWEST, FIELDS, MEASURED, MagnetisationTable, fitted
from core.diffusion.field_model import FieldModel, FieldTrainingRecord
from core.diffusion.field_network import NetworkConfig
from core.diffusion.field_steps import FieldSteps
from core.diffusion.field_validation import Validation
from core.jobs import Token, torch_threads

FINALLY_VALIDATED = 512
"""The same at the end."""
STRETCH = 0.25
"""Seconds after which a stretch of steps ends and is reported."""
FIRST_TIMED, TIMED = 5, 25
"""Steps that are timed, from the first to the second, where the limit is in minutes."""
OVERTIME = 1.1
"""Part of the minutes after which a run ends, should the steps have become slower."""
SHARE_OF_VALIDATION = 0.05
"""Part of the minutes that is left for validation and checkpoints."""


class TrainingProgress(NamedTuple):
    """``step`` of ``steps`` (None while unknown), ``seconds`` of training, mean ``loss`` of the steps since the last
    report (in nats, ∫ d log σ̃), the last ``validation`` and whether it is ``new``."""

    step: int
    steps: int | None
    seconds: float
    loss: float
    validation: Validation | None
    new: bool


ProgressCallback = Callable[[TrainingProgress], None]


class FieldTrainer(FieldSteps):
    """Trains a network on a source. ``network`` is a preset's name or a size; it is conditioned on the couplings where
    the source has several.

    ``seed`` fixes weights and noise. Raises ValueError for a target that needs an unknown action, several laws of
    unknown couplings, and options that the device does not have.
    """

    def __init__(
        self,
        source: FieldSource,
        config: FieldTrainingConfig,
        network: str | NetworkConfig = "small",
        seed: int = 0,
        device: str = "auto",
        threads: int | None = None,
    ) -> None:
        super().__init__(source, config, network, seed, device, threads)
        self.history: list[Validation] = []
        self.final: Validation | None = None
        self.ended = ""
        self.tables: list[MagnetisationTable] = []
        self._timer = 0.0
        self._best: dict[str, Tensor] = {}

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do: all steps are done, or it was stopped for good (see ``ended``)."""
        return bool(self.ended) or (self.steps is not None and self.step >= self.steps)

    def run(
        self,
        steps: int | None = None,
        callback: ProgressCallback | None = None,
        token: Token | None = None,
        checkpoint: str | Path | None = None,
        every: float = 2.0,
    ) -> int:
        """Train on to the end, or by ``steps``.

        Stops after the present step when ``token`` is cancelled. Writes (and
        overwrites) ``checkpoint`` every so many minutes and when it stops. ``callback`` is called a few times a
        second. Returns the step number reached. Raises ArithmeticError if training diverges.
        """
        last, first = math.inf if steps is None else self.step + steps, self.seconds
        saved = time.perf_counter()
        with torch_threads(self.threads):
            while not self.finished and self.step < last and not (token and token.cancelled):
                if self.config.minutes and self.seconds - first > OVERTIME * 60 * self.config.minutes:
                    break
                loss = self._stretch(last)
                if new := self._due():
                    self._keep(self.validate())
                if self.finished:
                    self.final = self.validate(FINALLY_VALIDATED)
                    self._set_magnetisation_right()
                if callback:
                    found = self.history[-1] if self.history else None
                    callback(TrainingProgress(self.step, self.steps, self.seconds, loss, found, new))
                if checkpoint is not None and time.perf_counter() - saved > 60 * every:
                    self.save(checkpoint, force=True)
                    saved = time.perf_counter()
        if checkpoint is not None:
            self.save(checkpoint, force=True)
        return self.step

    def _stretch(self, last: float) -> float:
        """Steps up to the next that something follows, for a fraction of a second at most; their mean loss."""
        begun, losses = time.perf_counter(), []
        while not losses or (
            self.step < last
            and not self._due()
            and self.step not in (FIRST_TIMED, TIMED)
            and time.perf_counter() - begun < STRETCH
        ):
            losses.append(self._advance())
        loss = float(torch.stack(losses).mean())  # waits for the device
        self.seconds += time.perf_counter() - begun
        if not math.isfinite(loss):
            raise ArithmeticError(
                f"training diverged at step {self.step}; try a smaller rate than {self.config.rate:g}"
            )
        self._plan()
        return loss

    def _plan(self) -> None:
        """Fix the number of steps of a run that is limited in time."""
        if self.steps is not None or self.config.minutes is None:
            return
        if self.step == FIRST_TIMED:
            self._timer = self.seconds
        elif self.step >= TIMED:
            each = max((self.seconds - self._timer) / (self.step - FIRST_TIMED), 1e-9)
            left = 60 * self.config.minutes * (1 - SHARE_OF_VALIDATION) - self.seconds
            self.steps = self.step + max(0, math.floor(left / each))

    def _due(self) -> bool:
        """Whether a validation follows this step: at 10, 20, 40, … and, once their number is known, a hundred times."""
        if self.step == self.steps or (self.step % 10 == 0 and (self.step // 10).bit_count() == 1):
            return True
        return self.steps is not None and self.step % max(20, self.steps // 100) == 0

    def _keep(self, validation: Validation) -> None:
        """Add to the history, and stop if there was no better one for too long."""
        self.history.append(validation)
        if not self.config.patience:
            return
        best = min(range(len(self.history)), key=lambda i: self.history[i].total)
        if best == len(self.history) - 1:
            self._best = {name: p.detach().cpu().clone() for name, p in self._average.named_parameters()}
        elif len(self.history) - 1 - best >= self.config.patience:
            self._average.load_state_dict(self._best)
            found = f"the best of {len(self.history)} validations was after {self.history[best].step} steps"
            self.ended = f"Stopped early: {found}."

    def validate(self, configs: int | None = None) -> Validation:
        """The averaged network on held-out data, by band; about ``configs`` in each, with the same noise every time."""
        validator = self._validator if configs is None else self._make_validator(configs)
        with torch_threads(self.threads):
            return validator(self._average, self.step, self.seconds)

    def model(self, name: str = "") -> FieldModel:
        """The model as learned so far (averaged weights; the best ones after an early stop), a copy."""
        return FieldModel(self._average, self.baselines, self.record, name, self.tables)

    def _set_magnetisation_right(self) -> None:
        """Fit the tables of the finished network (``core.diffusion.field_magnetisation``)."""
        self.tables, model = [], self.model()
        configs, noise = max(FEWEST, self.config.calibration // len(self.baselines)), self._noise.of("magnetisation")
        tables = []
        for k, baseline in enumerate(self.baselines):
            m = self.source.magnetisations(k, MEASURED * configs)
            tables.append(fitted(model, baseline, self.source.fields(k, FIELDS), m, configs, noise.of(str(k))))
        self.tables = tables

    @property
    def record(self) -> FieldTrainingRecord:
        """Where the model comes from, as of now."""
        laws = self.source.laws
        return FieldTrainingRecord(
            theory="phi4" if self.source.known else "",
            couplings=[[law.kappa, law.lam] for law in laws if law.kappa is not None and law.lam is not None],
            events=[list(event) for event in self.source.events],
            data=self.source.sentence(),
            digest=self.source.digest,
            source=self.source.describe(),
            seed=self.seed,
            steps=self.step,
            seconds=self.seconds,
            sigma_min=self.levels.low,
            sigma_max=self.levels.high,
            levels=self.levels_sentence,
            target=self.target,
            network=asdict(self.network_config),
            config=asdict(self.config),
            threads=self.threads,
            device=self.device.type,
            torch=torch.__version__,
            history=[v.to_json() for v in self.history],
            validation=[] if self.final is None else self.final.by_band(),
        )

    def save(self, path: str | Path, force: bool = False) -> None:
        """Write the model with all that is needed to go on training. FileExistsError without ``force``."""
        tensors, header = self.model().contents()
        tensors |= checkpoint.training_tensors(self._network, self._optimiser)
        tensors |= {f"training.best.{name}": weight for name, weight in self._best.items()}
        found, numbers = self.source.state()
        tensors |= {f"training.source.{name}": tensor for name, tensor in found.items()}
        state = {
            "source": numbers,
            "steps": self.steps,
            "timer": self._timer,
            "typical": None if self._typical is None else float(self._typical),
            "shares": list(self.levels.shares),
            "ended": self.ended,
            "final": None if self.final is None else self.final.to_json(),
        }
        checkpoint.write(path, tensors, header | {"trainer": state}, force)

    @classmethod
    def load(
        cls, path: str | Path, source: FieldSource | None = None, device: str = "auto", threads: int | None = None
    ) -> FieldTrainer:
        """Go on with a saved run; ``threads`` as before unless given.

        Files are read again from where they were, unless a ``source`` with the same data is given; a live sampler goes
        on from its state. Raises ValueError if the file holds no training state, or the data are not the same.
        """
        path = Path(path)
        tensors, header = checkpoint.read(path)
        model = FieldModel.of(tensors, header, path)
        record = model.record
        if "trainer" not in header:
            raise ValueError(f"{path} holds a model but no training state, so training cannot go on from it")
        state = header["trainer"]
        if record.source["kind"] == "live":
            request = LiveRequest.of_json(record.source["request"])
            source = LiveSource(request, (_named(tensors, "training.source."), state["source"]))
        elif source is None:
            known = record.source["arrays"]
            source = open_files(record.source["files"], *(known or (None, None)))
        if source.digest != record.digest:
            raise ValueError(f"the data differ from those that {path} was trained on")
        trainer = cls(
            source, FieldTrainingConfig(**record.config), NetworkConfig(**record.network), record.seed, device,
            min(record.threads, cores()) if threads is None else threads,
        )  # fmt: skip
        trainer._restore(record, state, tensors, model.tables)
        return trainer

    def _restore(
        self, record: FieldTrainingRecord, state: dict[str, Any], tensors: dict[str, Tensor],
        tables: list[MagnetisationTable],
    ) -> None:  # fmt: skip
        self.step, self.steps, self.seconds = record.steps, state["steps"], record.seconds
        self.history = [Validation(**v) for v in record.history]
        self.ended, self._timer, self._best = state["ended"], state["timer"], _named(tensors, "training.best.")
        self.final = None if state["final"] is None else Validation(**state["final"])
        self.levels = replace(self.levels, shares=tuple(state["shares"]))
        if state["typical"] is not None:
            self._typical = torch.tensor(state["typical"], device=self.device)
        self._average.load_state_dict(_named(tensors, "network."))
        self.tables = tables
        checkpoint.restore_training(tensors, self._network, self._optimiser, self.step)


def _named(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Those whose names begin so, under the rest of their names."""
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
