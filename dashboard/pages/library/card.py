"""The card of what was chosen: what it is, its numbers, where it comes from. Made off the loop of events."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from core.diffusion.field_validation import Validation
from core.diffusion.model_entry import ModelEntry, bands_of
from core.ensembles.command import made_by
from core.ensembles.files import open_ensemble
from core.ensembles.library import Entry
from core.history import Run, Table
from core.library.catalogue import Item, extents, span
from core.library.provenance import Facts, provenance
from core.statistics.format import MINUS, thousands, with_error
from dashboard.pages.diffusion.train_scene import loss_panel
from dashboard.pages.diffusion.train_texts import TARGETS, duration
from dashboard.pages.lattice.keep_texts import about, warnings_html
from dashboard.pages.library.compare import curves_scene
from dashboard.pages.library.rows import GLANCE, WORDS
from dashboard.stage import Scene

FAR = 3.0
"""Deviations of more than this many errors are coloured."""


@dataclass(frozen=True, eq=False)
class Card:
    """``head`` and ``numbers`` are HTML, ``origin`` is the provenance as a table; ``command`` makes the same again."""

    item: Item
    head: str
    numbers: str
    origin: str
    command: str = ""
    scene: Scene | None = None


def card(item: Item, items: Sequence[Item]) -> Card:
    """The card of an item, with what the runs among ``items`` know of it. Reads its file."""
    title = f"<h3>{html.escape(item.title)}</h3>"
    if item.problem:
        return Card(item, f"{title}<p class=problem>{html.escape(item.problem)}</p>", "", "")
    entry, command, scene = item.entry, "", None
    try:
        facts = provenance(item)
        if isinstance(entry, Entry):
            with open_ensemble(entry.path) as reader:
                text, command = about(reader), made_by(reader)
            head = f"<p>{text}</p>{warnings_html(list(entry.warnings))}"
            numbers = _glance(item)
        elif isinstance(entry, ModelEntry):
            head, numbers = _model(entry), _bands(entry) + _compared(facts, items)
            history = [Validation(**point) for point in entry.record.get("history", [])]
            if len(history) > 1:
                panel = loss_panel(history, float(entry.record.get("seconds", 0.0)))
                scene = Scene(positions=[0.0], panels=[panel])
        elif isinstance(entry, Run):
            head = f"<p>{_run(entry)}</p>{warnings_html(entry.warnings)}"
            numbers = _glance(item) + (table_html(entry.table) if entry.table is not None else "")
            scene = curves_scene([entry], "seconds") if entry.curves is not None else None
        else:
            head = (
                f"<p>{thousands(entry.configs)} fields on {extents(entry.shape)} whose couplings nobody has said. With "
                "κ and λ they become an ensemble: import the file again with both.</p>"
            )
            numbers = _glance(item)
    except (ValueError, OSError, KeyError, TypeError) as problem:
        return Card(item, f"{title}<p class=problem>{html.escape(str(problem))}</p>", "", "")
    return Card(item, f"{title}{head}", numbers, _facts(facts), command, scene)


def table_html(table: Table) -> str:
    """A table of results from a record; deviations beyond FAR errors are coloured."""
    head = "".join(f"<th scope=col>{html.escape(str(name))}</th>" for name in table.columns)
    body = []
    for row in table.rows:
        cells = [_cell(value, str(name)) for name, value in zip(table.columns, row, strict=False)]
        others = "".join(f"<td{far}>{text}</td>" for text, far in cells[1:])
        body.append(f"<tr><th scope=row>{cells[0][0]}</th>{others}</tr>")
    caption = html.escape(table.caption)
    top = f"<caption>{caption}</caption><thead><tr>{head}</tr></thead>"
    return f"<table class=pairs>{top}<tbody>{''.join(body)}</tbody></table>"


def _cell(value: Any, column: str) -> tuple[str, str]:
    if isinstance(value, list | tuple) and len(value) == 2:
        return with_error(value[0], value[1]), ""
    if isinstance(value, int | float) and "σ" in column:
        sign = MINUS if value < 0 else "+"
        return f"{sign}{abs(value):.1f} σ", " class=far" if abs(value) > FAR else ""
    if isinstance(value, float):
        return f"{value:.4g}", ""
    return "–" if value is None else html.escape(str(value)), ""


def _model(entry: ModelEntry) -> str:
    """Model card, in sentences."""
    if entry.kind != "field":
        return "<p>A score of a toy target; the page One degree of freedom uses it.</p>"
    record = entry.record
    lattices = ", ".join(extents(event) for event in entry.events)
    where = f"φ⁴ on {lattices}, κ = {span(entry.kappa)}, λ = {span(entry.lam)}" if record.get("theory") else lattices
    what = "It takes the couplings as an input." if entry.conditioned else "It knows this one theory."
    lines = [
        f"<b>Trained on</b> {where}. {html.escape(str(record.get('data', '')))} {what if entry.kappa else ''}",
        f"<b>Trust it</b> for σ̃ from {entry.sigma[0]:.3g} to {entry.sigma[1]:.3g}" if entry.sigma else "",
        f"<b>Training:</b> {thousands(int(record.get('steps', 0)))} steps in "
        f"{duration(float(record.get('seconds', 0.0)))} on {html.escape(str(record.get('device', '?')))}, "
        f"{html.escape(TARGETS.get(str(record.get('target')), str(record.get('target', ''))))}.",
        f"<b>Loss</b> above the Gaussian baseline: {with_error(*entry.excess)} nats over all noise levels; below 0 is "
        "better." if entry.excess else "",
    ]  # fmt: skip
    return "".join(f"<p>{line}</p>" for line in lines if line)


def _bands(entry: ModelEntry) -> str:
    if entry.kind != "field":
        return ""
    rows = [
        [
            f"{band['low']:.3g} to {band['high']:.3g}", f"{band['baseline']:.4f}", f"{band['loss']:.4f}",
            (band["loss"] - band["baseline"], band["error"]),
        ]
        for band in bands_of(entry.record)
    ]  # fmt: skip
    if not rows:
        return ""
    caption = "Held-out loss, nats per unit of log σ̃"
    return table_html(Table(caption, ["σ̃", "Gaussian baseline", "network", "difference"], rows))


def _compared(facts: Facts, items: Sequence[Item]) -> str:
    """The table data – network of the training that this network came out of, where that is in the history."""
    digest = dict(facts).get("checksum of the network")
    for item in items:
        run = item.entry
        if isinstance(run, Run) and run.kind == "training" and run.digest == digest and run.table is not None:
            return table_html(run.table)
    return ""


def _run(run: Run) -> str:
    how = "in the browser" if run.by == "browser" else "on the command line"
    words = {"training": "Training", "ensemble": "Markov chains", "generation": "Generation", "scan": "Scan in κ"}
    text = f"{words[run.kind]}, asked for {how}, {duration(run.seconds)} of computing"
    if run.seed is not None:
        text += f", seed {run.seed}"
    return html.escape(text + ("." if run.complete else "; stopped before its end."))


def _glance(item: Item) -> str:
    rows = [
        f"<tr><th scope=row>{html.escape(GLANCE.get(name, name))}</th><td>{with_error(*value)}</td></tr>"
        for name, value in item.glance.items()
        if value[0] is not None and math.isfinite(value[0])
    ]
    return f"<table class=pairs><tbody>{''.join(rows)}</tbody></table>" if rows else ""


def _facts(facts: Iterable[tuple[str, str]]) -> str:
    rows = "".join(
        f"<tr><th scope=row>{html.escape(name)}</th><td>{html.escape(text)}</td></tr>" for name, text in facts
    )
    return f"<details><summary>Provenance</summary><table class='pairs facts'><tbody>{rows}</tbody></table></details>"


def kind_words(item: Item) -> str:
    """“the ensemble …”, for sentences."""
    return f"{WORDS[item.kind]} “{item.title}”"
