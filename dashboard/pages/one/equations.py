"""The equations that are being integrated, typeset with their present numbers."""

from __future__ import annotations

from typing import Any

from core.schedule import Schedule


def equations(theory: Any, schedule: Schedule, solver: str) -> str:
    """Law (``theory.latex()``), forward process and backward step as one aligned block of LaTeX."""
    damped = schedule.preserving
    damping = r"-\tfrac12 g^2 x + " if damped else ""
    forward = rf"\dot x = {damping}g(t)\,\eta,\qquad g(t) = {schedule.latex()}"
    pull = r"\tfrac12 g^2 x + " if damped else ""
    steps = {
        "euler": rf"x \leftarrow x + \left[{pull}g^2 s\right]\Delta\tau + g\sqrt{{\Delta\tau}}\,\eta",
        "heun": rf"x' = {pull}g^2 s + g\,\eta \quad\text{{(Heun: drift averaged over both ends of a step)}}",
        "flow": rf"x' = {pull}\tfrac12 g^2 s \quad\text{{(probability flow, no noise)}}",
        "ancestral": r"x_s = \frac{x_t + q\, s}{a} + \sqrt{\frac{\Xi_s q}{\Xi_t}}\,\eta,\quad a = f(t,s),\;"
        r" q = \Xi_t - a^2\Xi_s",
        "pc": r"\text{ancestral step, then Langevin steps } x \leftarrow x + \epsilon s + \sqrt{2\epsilon}\,\eta",
        "multistep": r"x_s = \frac{x_t + (1 - e^{-h})(f\hat x_0 - x_t)}{a},\quad \hat x_0 \text{ from two steps},\;"
        r" e^{-h} = a\sqrt{\Xi_s/\Xi_t}",
        "exponential": r"x_s = \frac{x_t + (1 - e^{-h})(f\mu - x_t)}{a}\ \text{in each mode},\quad"
        r" f\mu = x + V s,\; V = f^2 G_p + \Xi,\; e^{2h} = \frac{V_t}{a^2 V_s}",
        "exponential-sde": r"x_s = \frac{x_t + (1 - e^{-2h})(f\mu - x_t)}{a} + \sqrt{\frac{V_s \Xi_{t,s}}{V_t}}\,\eta"
        r"\ \text{in each mode},\quad f\mu = x + V s,\; V = f^2 G_p + \Xi,\; e^{2h} = \frac{V_t}{a^2 V_s}",
    }
    rows = [
        rf"\text{{law}} &\quad {theory.latex()}",
        rf"\text{{forward}} &\quad {forward}",
        rf"\text{{backward}} &\quad {steps[solver]}, \qquad s = \partial_x \log P_t(x)",
    ]
    return r"$$\begin{aligned}" + r"\\[2pt]".join(rows) + r"\end{aligned}$$"
