"""The equations that are being integrated, typeset with their present numbers."""

from __future__ import annotations

from core.schedule import Schedule
from core.theories.base import Target

STEPS = {
    "euler": r"x \leftarrow x + \left[\tfrac12 k x + g^2 s\right]\Delta\tau + g\sqrt{\Delta\tau}\,\eta",
    "heun": r"\text{Heun: the mean of the drift at both ends of the step, } + g\sqrt{\Delta\tau}\,\eta",
    "flow": r"\dot x = \tfrac12 k x + \tfrac12 g^2 s \quad\text{(probability flow, no noise)}",
    "ancestral": r"x_s = \frac{x_t + q\, s}{a} + \sqrt{\frac{\Xi_s q}{\Xi_t}}\,\eta,\quad a = f(t,s),\; "
    r"q = \Xi_t - a^2\Xi_s",
    "pc": r"\text{predictor step, then Langevin steps } x \leftarrow x + \epsilon s + \sqrt{2\epsilon}\,\eta",
}


def equations(target: Target, schedule: Schedule, solver: str) -> str:
    """Law, forward process and backward step as one aligned block of LaTeX."""
    damping = r"-\tfrac12 g^2 x" if schedule.preserving else ""
    g = schedule.latex()
    rows = [
        rf"\text{{law}} &\quad {target.latex()}",
        rf"\text{{forward}} &\quad \dot x = {damping} {'+' if damping else ''} g(t)\,\eta, \qquad g(t) = {g}",
        rf"\text{{backward}} &\quad {STEPS[solver]}, \qquad s = \partial_x \log P_t(x)",
    ]
    return r"$$\begin{aligned}" + r"\\[2pt]".join(rows) + r"\end{aligned}$$"
