"""Comparisons of lattice fields that dissolve and re-form: fields side by side, cumulants over each other."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from core.jobs import Token
from core.samplers.ensemble import Thermalisation
from core.statistics.format import thousands
from core.statistics.paired import FIELD, field_observables, paired
from dashboard.pages.compare.axis import Axis
from dashboard.pages.compare.kind import Kind, Settings, Table
from dashboard.pages.compare.pair_scene import Side
from dashboard.pages.diffusion import library, models
from dashboard.pages.diffusion.outcome import Outcome
from dashboard.pages.diffusion.rows import measured
from dashboard.pages.diffusion.scene import field_panel, largest_square, run_scene
from dashboard.pages.diffusion.shared_work import key_of
from dashboard.pages.diffusion.state import LABELS, DiffusionState
from dashboard.pages.diffusion.work import source, work
from dashboard.pages.process import LABELS as PROCESS_LABELS
from dashboard.stage import Panel

NAMES = ("κ₂", "κ₄", "κ₆", "κ₈", "⟨|M|⟩", "χ", "U_L", "⟨S⟩/V")
ACTION = "⟨S⟩/V"


class Fields(Kind):
    """Configurations of φ⁴."""

    settings: ClassVar[Settings] = Settings(
        {
            "Theory": ("kappa", "lam", "L"),
            "Score": ("model", "score", "baseline"),
            "Noise schedule": ("schedule", "fit_level", "sigma", "beta_min", "beta_max", "drawn", "keep_variance"),
            "Backward process": ("solver", "steps", "grid", "paths", "prior"),
            "Data": ("ensemble", "configurations", "sweeps"),
        },
        PROCESS_LABELS | LABELS | {"drawn": "Points t:g of the schedule"},
        {
            "fit_level": lambda s: s.schedule != "drawn",
            "sigma": lambda s: s.schedule in ("ve", "vp") and not s.fit_level,
            "beta_min": lambda s: s.schedule == "vp-linear",
            "beta_max": lambda s: s.schedule == "vp-linear" and not s.fit_level,
            "drawn": lambda s: s.schedule == "drawn",
            "keep_variance": lambda s: s.schedule == "drawn",
            "baseline": lambda s: bool(s.model) and s.score == "learned",
            **{
                name: lambda s: not s.ensemble
                for name in ("kappa", "lam", "L", "configurations", "sweeps")
            },
        },
    )  # fmt: skip
    label = "Two runs of lattice fields on one clock"
    note = (
        "Field i of A and field i of B have the same random numbers (same seed, same Philox counters): they differ by "
        "the settings alone. The error of B − A is that of such pairs. The colours of both have one scale, which "
        "follows the wider field."
    )

    def make_state(self) -> DiffusionState:
        state = DiffusionState()
        state.param["ensemble"].objects = library.choices()
        state.param["model"].objects = models.choices()
        state.model = models.default()
        return state

    def order(self, state: Any, seed: int) -> Any:
        copy = DiffusionState(**{name: getattr(state, name) for name in self.settings.names}, seed=seed)
        origin = source(copy)
        if copy.schedule == "drawn":
            copy.make_schedule()
        return copy, origin

    def key(self, order: Any) -> Hashable:
        return key_of(*order)

    def runs(self, order: Any, token: Token) -> Iterator[Outcome | str]:
        state, origin = order
        for event in work(state, origin, token):
            if isinstance(event, Thermalisation):
                yield f"cluster update {event.done} of {event.total}"
            elif isinstance(event, Outcome):
                yield event
                if event.last:
                    return

    def last(self, run: Outcome) -> bool:
        return run.last

    def side(self, run: Outcome) -> Side:
        return Side(run_scene(run, None, "clock", "cumulants", 1), run.schedule)

    def pictures(
        self, a: Outcome, b: Outcome, sides: tuple[Side, Side], axis: Axis, shown: int
    ) -> list[tuple[Panel, Panel]]:
        spreads, fields = [], []
        for run, leg in ((a, axis.a), (b, axis.b)):
            both = (run.run.forward, run.run.backward)
            every = np.concatenate([part.fields for part in both])
            spread = np.sqrt(np.concatenate([part.cumulants.value[:, 2] for part in both]))
            fields.append(every[leg.frames])
            spreads.append(spread[leg.frames])
        count = largest_square(min([shown, *(f.shape[1] for f in fields)]))
        common = np.maximum(*spreads)
        left, right = (
            field_panel(f"{which.lower()}_field", f"{which} · Field φ", every[:, :count], common)
            for which, every in zip("AB", fields, strict=True)
        )
        return [(left, right)]

    def curves(self, a: Outcome, b: Outcome) -> Sequence[str]:
        return "k2", "k4", "k6", "k8"

    def table(self, a: Outcome, b: Outcome, token: Token) -> Table:
        rows, functions = [], []
        for run in (a, b):
            series = measured(run.data.theory, run.run.generated, token).series
            rows.append(np.stack([series[name].ravel() for name in FIELD], axis=1))
            functions.append(field_observables(run.data.theory.volume))
        found = paired(functions[0], rows[0], functions[1], rows[1])
        same = (a.data.theory.kappa, a.data.theory.lam) == (b.data.theory.kappa, b.data.theory.lam)
        caption = f"What was made of noise. A: {self.size(a)}, B: {self.size(b)}."
        if not same:
            caption += " At other couplings the action is another quantity, and has no difference."
        return Table(NAMES, found, caption, () if same else (ACTION,))

    def size(self, run: Outcome) -> str:
        return f"{thousands(len(run.run.generated))} configurations"

    def warnings(self, run: Outcome) -> Sequence[str]:
        return [w for w in (run.data.warning, *run.run.warnings, run.score.doubt) if w]
