"""The card of a step: what is seen, what to try, a question with its answer, and the way on."""

from __future__ import annotations

import html

from dashboard.story.steps import STEPS, link


def card_html(number: int, **more: str) -> str:
    """The card of a step, counted from 1; ``more`` are keys of the frame that its links carry along."""
    step = STEPS[number - 1]
    e = html.escape
    before = _way(number - 1, "prev", "← Previous", more)
    after = _way(number + 1, "next", "Next →", more)
    items = "".join(
        f'<li><a href="{e(link(n, **more))}"{_HERE if n == number else ""}>{e(other.title)}</a></li>'
        for n, other in enumerate(STEPS, 1)
    )
    return (
        f'<section aria-label="Story"><header><h2>{e(step.title)}</h2>'
        f'<nav aria-label="Steps of the story">{before}'
        f'<details class="steps"><summary title="All steps">{number} of {len(STEPS)}</summary>'
        f"<ol>{items}</ol></details>"
        f'{after}<button type="button" data-act="leave" title="Leave the story and stay in this room">Leave</button>'
        f'</nav></header><p class="text">{e(step.text)}</p><div class="tasks">'
        f'<p class="trial"><b>Try this.</b> {e(step.trial)}</p>'
        f'<details class="question"><summary>{e(step.question)}</summary><p>{e(step.answer)}</p></details>'
        f"</div></section>"
    )


_HERE = ' aria-current="step"'


def _way(number: int, rel: str, text: str, more: dict[str, str]) -> str:
    """A link to the step before or after; at the ends it leads nowhere."""
    if not 1 <= number <= len(STEPS):
        return f'<a class="{rel}" aria-disabled="true">{text}</a>'
    keys = "PageUp" if rel == "prev" else "PageDown"
    title = html.escape(f"{STEPS[number - 1].title} ({keys})")
    return f'<a class="{rel}" rel="{rel}" href="{html.escape(link(number, **more))}" title="{title}">{text}</a>'
