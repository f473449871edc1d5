"""The texts of the tab of ensembles: rows of the library, what is known of one ensemble, its observables."""

from __future__ import annotations

import html
import math
import time
from collections.abc import Mapping
from typing import Any

from core.ensembles.files import EnsembleReader
from core.ensembles.generated import Origin
from core.ensembles.library import Entry
from core.ensembles.make import Result
from core.ensembles.plan import Plan
from core.samplers.algorithms import find
from core.statistics.format import thousands, with_error
from core.statistics.measure import TITLES, Measurement
from dashboard.definitions import explained
from dashboard.pages.lattice.making import in_bytes
from dashboard.pages.lattice.numbers import updates

COLUMNS = ["Name", "State", "Lattice", "κ, λ", "Algorithm", "Configs", "Accepted", "⟨|M|⟩", "Size", "Made"]
RIGHT = [5, 6, 7, 8]
"""Columns of numbers."""


def row(entry: Entry) -> dict[str, Any]:
    """One ensemble of the library for `LibraryTable`."""
    made = time.strftime("%d %b %H:%M", time.localtime(entry.modified))
    size = in_bytes(entry.bytes)
    if entry.problem:
        cells = [entry.name, *[""] * 6, size, made]
        return {"name": entry.name, "cells": cells, "note": "not readable", "title": entry.problem, "level": "red"}
    cells = [
        entry.name, _extents(entry.shape), f"{entry.kappa:g}, {entry.lam:g}", entry.sampler, thousands(entry.n_configs),
        "–" if entry.acceptance is None else f"{entry.acceptance:.2f}",
        "–" if entry.abs_m is None else with_error(*entry.abs_m), size, made,
    ]  # fmt: skip
    note, level = "complete", "green"
    if entry.equilibrium == "not in equilibrium" or any("not in equilibrium" in w.lower() for w in entry.warnings):
        note, level = "not in equilibrium", "red"
    elif entry.warnings:
        count = len(entry.warnings)
        note, level = f"{count} warning{'s' * (count > 1)}", "amber"
    elif entry.n_configs < entry.planned:
        note, level = f"{thousands(entry.planned)} were planned", "amber"
    return {"name": entry.name, "cells": cells, "note": note, "title": " ".join(entry.warnings), "level": level}


def unfinished_row(name: str, plan: Plan, running: bool) -> dict[str, Any]:
    """One that has no file yet."""
    theory = plan.theory
    cells = [name, _extents(theory.event), f"{theory.kappa:g}, {theory.lam:g}", plan.sampler]
    cells += [f"0 of {thousands(plan.configs)}", "", "", "", ""]
    note = "being made" if running else "interrupted"
    return {"name": name, "cells": cells, "note": note, "title": "", "level": "green" if running else "amber"}


def about(reader: EnsembleReader) -> str:
    """What a file says about its origin, in sentences for HTML."""
    a, theory = reader.attributes, reader.theory
    parts = [f"φ⁴ on {_extents(theory.event)}, κ = {theory.kappa:g}, λ = {theory.lam:g}."]
    parts += _generated(reader) if reader.plan is None else _sampled(reader, reader.plan)
    tau = float(a["tau_int"])
    if math.isfinite(tau):
        parts.append(f"τ_int of |M| is {tau:.2g} configurations.")
    parts.append(f"{float(a['seconds']):.3g} s of computing.")
    parts += [sentence[:1].upper() + sentence[1:] for sentence in a["notes"]]
    return html.escape(" ".join(parts))


def _sampled(reader: EnsembleReader, plan: Plan) -> list[str]:
    """What is known of Markov chains."""
    unit = updates(plan.sampler)
    return [
        f"{_chains(reader)}, {thousands(plan.therm)} {unit} of thermalisation from the {plan.start} start, "
        f"{thousands(plan.thin)} {unit if plan.thin > 1 else find(plan.sampler).unit} from one configuration to the "
        "next.",
        f"{find(plan.sampler).title}, {_parameters(plan.parameters)}, seed {plan.seed}.",
    ]


def _generated(reader: EnsembleReader) -> list[str]:
    """What is known of the work of a diffusion model, or of raw fields."""
    origin = Origin.of(reader)
    what = f"{thousands(reader.configs)} independent configurations" if reader.independent else _chains(reader)
    if origin is None:  # raw fields that were imported
        return [f"{what}."]
    parts = [f"{what}, seed {origin.seed}.", origin.sentence()]
    if math.isfinite(origin.ess):
        parts.append(f"Effective sample size {origin.ess:.2g} of 1.")
    return parts


def _chains(reader: EnsembleReader) -> str:
    chains, draws = reader.stored
    return f"{thousands(chains)} chain{'s' * (chains > 1)} of {thousands(draws)} configuration{'s' * (draws > 1)}"


def warnings_html(warnings: list[str]) -> str:
    """Warnings as a list, each once; empty for none."""
    items = "".join(f"<li>{html.escape(w[:1].upper() + w[1:])}</li>" for w in dict.fromkeys(warnings))
    return f"<ul class=warnings>{items}</ul>" if items else ""


def finished(name: str, result: Result, planned: int) -> tuple[str, str]:
    """(severity, sentence) at the end of a making."""
    if result.n_configs == 0:
        return (
            "info",
            f"Cancelled before the first configurations of “{name}” were complete; “Go on” takes it up again.",
        )
    if not result.complete:
        done = f"{thousands(result.n_configs)} of {thousands(planned)}"
        return "info", f"Cancelled; {done} configurations are kept as “{name}”, and “Go on” takes them up again."
    severity = "warning" if result.warnings else "success"
    more = " Mind its warnings below." if result.warnings else ""
    return severity, f"“{name}” is in the library: {thousands(result.n_configs)} configurations.{more}"


def observables_html(found: Measurement) -> str:
    """All observables with errors and autocorrelation times, as tables side by side."""
    names = list(found.observables)
    half = -(-len(names) // 2)
    tables = "".join(_table(found, some) for some in (names[:half], names[half:]))
    notes = html.escape(" ".join(found.notes))
    return f"<div class=sides>{tables}</div><p>{notes} τ_int is in configurations of a chain.</p>"


def _table(found: Measurement, names: list[str]) -> str:
    rows = "".join(
        f"<tr><th scope=row>{html.escape(TITLES[name])}</th><td>{with_error(m.value, m.error)}</td>"
        f"<td>{with_error(m.tau_int, m.tau_int_error)}</td></tr>"
        for name, m in ((name, found.observables[name]) for name in names)
    )
    head = explained("<tr><th></th><th scope=col>value</th><th scope=col>τ_int</th></tr>")
    return f"<table class=pairs><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _extents(shape: tuple[int, ...]) -> str:
    return " × ".join(str(n) for n in shape)


def _parameters(parameters: Mapping[str, Any]) -> str:
    words = []
    for name, value in parameters.items():
        title = name.replace("_", " ")
        if isinstance(value, bool):
            words += [title] if value else []
        elif name == "n_steps":
            words.append(f"{value} steps")
        else:
            words.append(f"{title} {value:.4g}" if isinstance(value, float) else f"{title} {value}")
    return ", ".join(words)
