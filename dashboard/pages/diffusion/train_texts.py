"""What the tab *Train* says of a training in words and tables."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

from core.diffusion.training_jobs import Job
from core.diffusion.training_messages import Begun, Table
from core.statistics.format import MINUS, thousands, with_error
from dashboard.definitions import explained

FAR = 3.0
"""Deviations of more than this many errors are coloured."""
TARGETS = {
    "tsm": "learned from samples and the known action (target score matching)",
    "dsm": "learned from samples alone (denoising score matching)",
}
WORDS = {
    "waiting": "waits", "preparing": "is prepared", "training": "is trained", "paused": "is paused",
    "stopping": "stops", "finished": "finished", "failed": "failed", "cancelled": "cancelled",
}  # fmt: skip


def title_of(job: Job) -> str:
    """For a list of trainings."""
    return f"{job.title} ({WORDS[job.state]})"


def progress_words(job: Job, ahead: Sequence[Job]) -> str:
    """One line on how far it is; HTML."""
    p = job.progress
    steps = f" of {thousands(p.steps)}" if p.steps else ""
    at = f"step {thousands(p.step)}{steps}, {duration(p.seconds)}"
    match job.state:
        case "waiting":
            names = ", ".join(f"“{html.escape(one.title)}”" for one in ahead)
            words = f"waits until {names} has ended: one network is trained at a time."
        case "preparing":
            done, total = job.preparing.done, job.preparing.total
            words = "starts its process and takes the first configurations …"
            if total > 1:
                words = f"thermalises the chains of the sampler: {done} of {total} couplings."
        case "training":
            left = job.left
            words = f"{at}; about {duration(left)} left." if left is not None else f"{at}."
        case "paused":
            words = f"paused at {at}."
        case "stopping":
            words = f"stops at {at}, and writes the network …"
        case "failed":
            words = html.escape(job.error)
        case _:
            words = html.escape(job.why) or at
    return f"<b>{html.escape(job.title)}</b>: {words}"


def others_words(others: Sequence[Job]) -> str:
    """One line on the other trainings that have not ended; HTML, empty where there is none."""
    if not others:
        return ""
    names = ", ".join(f"<b>{html.escape(one.title)}</b> ({WORDS[one.state]})" for one in others)
    return f"Besides: {names}. Choose which one is shown under “Training”; the list of jobs at the top has yours."


def about(begun: Begun) -> str:
    """What is trained: data, noise levels, network, device; Markdown."""
    return (
        f"**Data.** {begun.data} **Noise.** {begun.levels} **Network.** {thousands(begun.parameters)} parameters, "
        f"{TARGETS[begun.target]}; {begun.device}."
    )


def table_html(table: Table) -> str:
    """The observables as a table; deviations beyond FAR errors are coloured."""
    body = []
    for row in table.rows:
        sign = MINUS if row.sigma < 0 else "+"
        far = " class=far" if abs(row.sigma) > FAR else ""
        sigma = f"{sign}{abs(row.sigma):.1f} σ" if math.isfinite(row.sigma) else "–"
        body.append(
            f"<tr><th scope=row>{html.escape(row.name)}</th><td>{with_error(*row.data)}</td>"
            f"<td>{with_error(*row.network)}</td><td{far}>{sigma}</td></tr>"
        )
    caption = (
        f"{table.couplings}. {thousands(table.configs)} configurations of the network after {thousands(table.step)} "
        f"steps, uncorrected, from the same noise each time; {thousands(table.held_out)} held out, taken as "
        f"independent. Coloured: more than {FAR:g} errors."
    )
    head = explained(
        "<tr><th></th><th scope=col>held-out data</th><th scope=col>network</th><th scope=col>deviation</th></tr>"
    )
    return (
        f"<table class=pairs><caption>{html.escape(caption)}</caption><thead>{head}</thead>"
        f"<tbody>{''.join(body)}</tbody></table>"
    )


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, rounded up to what a person wants to know."""
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    return f"{math.ceil(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


DOES = {
    "start": "Train a network on the server, with the settings on the left.",
    "pause": "Hold the training, or let it go on.",
    "stop": "End the training here and keep the network.",
    "cancel": "End the training and throw the network away.",
    "save": "Write the network into the library under a name.",
    "save-now": "Write it now.",
}

EXPLANATION = """
**What to look for.** The loss is ½ E|D − T|²/σ̃² for each unit of log σ̃, on configurations that the network has never
seen, minus what the Gaussian denoiser reaches, which knows the two-point function alone. 0 is therefore a network
that has learned nothing yet; everything below it is interaction. Twice the distance to the best possible denoiser,
added up over log σ̃, is the relative entropy between true and learned backward process, so one nat at one noise level
costs as much as one nat at another.

The training runs on the server: close the tab, and it goes on; open the page again, in any browser, and it is here.
Every minute the network is written to the library of models, and it can be used on the other tabs from there.
"""
