"""Records for the history, from what a run leaves: a trainer, an ensemble's file, the points of a scan."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.history import Curves, Origin, Run, Table, Value, thinned

if TYPE_CHECKING:
    from core.diffusion.field_training import FieldTrainer
    from core.diffusion.field_validation import Validation
    from core.diffusion.training import Trainer
    from core.diffusion.training_messages import Table as Observables
    from core.samplers.scan import ScanPoint, ScanRequest


def training_run(trainer: FieldTrainer, name: str, by: Origin, table: Observables | None = None) -> Run:
    """The training of a lattice field, with the observables of network and held-out data where they were measured."""
    record, config = trainer.record, trainer.config
    size = {f"network {key}": value for key, value in record.network.items() if key != "conditioned"}
    settings: dict[str, Any] = {
        "data": record.data,
        "κ": _range([kappa for kappa, _ in record.couplings]),
        "λ": _range([lam for _, lam in record.couplings]),
        "lattice": ", ".join(_extents(event) for event in record.events),
        "target": record.target,
        "minutes asked for": config.minutes,
        "steps asked for": config.steps,
        **{key: value for key, value in record.config.items() if key not in ("minutes", "steps", "target")},
        **size,
        "σ̃ from": record.sigma_min,
        "σ̃ to": record.sigma_max,
        "device": record.device,
        "threads": record.threads,
    }
    results: dict[str, Value] = {"steps": (float(record.steps), None)}
    last = trainer.final or (trainer.history[-1] if trainer.history else None)
    if last is not None:
        results["loss above baseline, nats"] = (last.total, last.total_error)
    return Run(
        "training", name, by, record.seconds, settings, record.seed, trainer.model().digest,
        [Path(file).name for file in record.source.get("files", [])], results, _curves(trainer.history),
        None if table is None else _compared(table), list(trainer.source.warnings), trainer.finished,
    )  # fmt: skip


def _curves(history: list[Validation]) -> Curves | None:
    if not history:
        return None
    points = [history[i] for i in thinned(len(history))]
    lines = {"total": [point.total for point in points]}
    edges = points[0].edges
    for band, (low, high) in enumerate(itertools.pairwise(edges)):
        lines[f"σ̃ {low:.2g}–{high:.2g}"] = [point.excess[band] for point in points]
    return Curves("nats above the Gaussian baseline", [p.step for p in points], [p.seconds for p in points], lines)


def _compared(table: Observables) -> Table:
    caption = f"{table.couplings}; {table.configs} configurations of the network, {table.held_out} held out"
    columns = ["observable", "held-out data", "network", "deviation, σ"]
    return Table(caption, columns, [[row.name, row.data, row.network, row.sigma] for row in table.rows])


def toy_training_run(trainer: Trainer, name: str, by: Origin) -> Run:
    """The training of a score for one or two degrees of freedom."""
    from dataclasses import asdict

    points = [trainer.history[i] for i in thinned(len(trainer.history))]
    # The clock was not written down point by point; steps of one training take equally long.
    each = trainer.seconds / max(1, trainer.step)
    steps = [int(step) for step, _ in points]
    curves = Curves("loss", steps, [each * s for s in steps], {"loss": [loss for _, loss in points]})
    results: dict[str, Value] = {"steps": (float(trainer.step), None)}
    if points:
        results["loss"] = (points[-1][1], None)
    settings = {"target": trainer.target, **asdict(trainer.config), "device": trainer.device.type}
    return Run(
        "training", name, by, trainer.seconds, settings | {"threads": trainer.threads}, trainer.seed,
        results=results, curves=curves if points else None, complete=trainer.step >= trainer.config.steps,
    )  # fmt: skip


def ensemble_run(path: str | Path, by: Origin) -> Run:
    """The making of the ensemble in this file, by Markov chains or by a diffusion model.

    Raises ValueError or OSError where the file cannot be read.
    """
    from core.ensembles.files import open_ensemble
    from core.ensembles.generated import Origin as Generated
    from core.ensembles.library import at_a_glance

    path = Path(path)
    with open_ensemble(path) as reader:
        a, theory, found = reader.attributes, reader.theory, reader.scalars()
        chains, draws = reader.stored
        results: dict[str, Value] = dict(
            at_a_glance(found["magnetisation"], found["action"], theory.volume, reader.independent)
        )
        for name in ("acceptance", "tau_int", "ess"):
            if name in a and math.isfinite(float(a[name])):
                results[name] = (float(a[name]), None)
        settings: dict[str, Any] = {
            "theory": theory.name, "lattice": _extents(theory.event), "κ": theory.kappa, "λ": theory.lam,
            "configurations": chains * draws, "chains": chains,
        }  # fmt: skip
        origin, plan = Generated.of(reader), reader.plan
        if origin is None:
            settings |= {"algorithm": a["algorithm"], "start": a["start"], "thermalisation": a["therm"]}
            settings |= {"thinning": a["thin"], "protocol": a["protocol"], **a["parameters"]}
            complete = plan is None or chains * draws >= plan.configs
            return Run(
                "ensemble", path.stem, by, float(a["seconds"]), settings, int(a["seed"]), results=results,
                warnings=list(a["warnings"]), complete=complete,
            )  # fmt: skip
        names = ("model", "score", "baseline", "solver", "grid", "steps", "prior", "evaluations")
        settings |= {name: getattr(origin, name) for name in names}
        settings |= {"schedule": origin.schedule.get("name"), "correction": origin.correction["kind"]}
        return Run(
            "generation", path.stem, by, origin.seconds, settings, origin.seed, origin.digest, [origin.model], results,
            warnings=list(origin.warnings),
        )  # fmt: skip


def scan_run(
    request: ScanRequest, points: Iterable[ScanPoint] | Mapping[Any, ScanPoint], seconds: float, by: Origin
) -> Run:
    """A scan in κ, with its points as a table; it is complete where all points are there."""
    some = points.values() if isinstance(points, Mapping) else points
    found = sorted(some, key=lambda p: (p.L, p.kappa))
    rows = [
        [p.L, p.kappa, *((m.value, m.error) for m in (p.abs_m, p.chi, p.binder)), p.acceptance] for p in found
    ]  # fmt: skip
    low, high = min(request.kappas), max(request.kappas)
    settings: dict[str, Any] = {
        "κ": _range(request.kappas), "points": len(request.kappas), "λ": request.lam,
        "lattices": ", ".join(str(size) for size in request.sizes), "configurations a point": request.configurations,
        "algorithm": request.algorithm,
    }  # fmt: skip
    table = Table("Points of the scan", ["L", "κ", "⟨|M|⟩", "χ", "U_L", "acceptance"], rows)
    return Run(
        "scan", f"scan κ={low:g}-{high:g} λ={request.lam:g}", by, seconds, settings, request.seed, table=table,
        results={"points measured": (float(len(found)), None)},
        complete=len(found) == len(request.kappas) * len(request.sizes),
    )  # fmt: skip


def _range(values: Iterable[float | None]) -> str:
    known = sorted({value for value in values if value is not None})
    if not known:
        return "unknown"
    return f"{known[0]:g}" if len(known) == 1 else f"{known[0]:g} to {known[-1]:g}"


def _extents(shape: Iterable[int]) -> str:
    return " × ".join(str(n) for n in shape)
