"""The controls that every forward and backward process has: schedule, solver and their like."""

from __future__ import annotations

import param

from core.diffusion.grids import GRIDS
from core.limits import limits
from core.schedule import Cosine, LinearVP, Schedule, Tabulated, make_schedule

SCHEDULES = {
    "Variance expanding (VE)": "ve",
    "Variance preserving (VP, DDPM)": "vp",
    "VP, linear β": "vp-linear",
    "Cosine": "cosine",
    "Drawn by hand": "drawn",
}
SOLVERS = {
    "Euler–Maruyama": "euler",
    "Stochastic Heun": "heun",
    "Probability flow (Heun)": "flow",
    "Ancestral (DDPM)": "ancestral",
    "Predictor–corrector": "pc",
    "Multistep exponential (DPM-Solver++)": "multistep",
}
LABELS = {
    "sigma": "σ",
    "beta_min": "β at t = 0",
    "beta_max": "β at t = T",
    "keep_variance": "Preserve the variance (k = g²)",
    "grid": "Time grid",
}
SCHEDULE_CONTROLS = ("schedule", "sigma", "beta_min", "beta_max", "drawn", "keep_variance")
BACKWARD_CONTROLS = ("solver", "grid", "steps", "paths", "prior", "seed")


def points(text: str) -> list[tuple[float, float]]:
    """The points (t, g) in ``0:1 0.5:3 1:10``; ValueError for anything else."""
    try:
        return [(float(t), float(g)) for t, g in (word.split(":") for word in text.replace(",", " ").split())]
    except ValueError:
        raise ValueError(f"drawn schedule: {text!r} is not a list of points t:g such as 0:1 0.5:3 1:10") from None


class ProcessState(param.Parameterized):
    """Schedule, solver and prior: what the forward and backward process of any system needs."""

    schedule = param.Selector(
        default="ve", objects=SCHEDULES, doc="How fast noise is added, and whether the field is damped meanwhile."
    )
    sigma = param.Number(10.0, bounds=(1.0, 50.0), doc="Base of g = σᵗ: the noise strength grows from 1 to σ.")
    beta_min = param.Number(0.1, bounds=(0.01, 5.0), doc="g² at the start of the linear-β schedule.")
    beta_max = param.Number(20.0, bounds=(1.0, 40.0), doc="g² at the end of the linear-β schedule.")
    drawn = param.String("0:1 0.25:1.8 0.5:3.2 0.75:5.6 1:10", doc="The drawn noise strength g(t): drag the points.")
    keep_variance = param.Boolean(
        False, doc="Damp the field with k = g² so that its variance stays finite (VP); without it k = 0 (VE)."
    )
    solver = param.Selector(default="euler", objects=SOLVERS, doc="How the backward process is stepped in time.")
    grid = param.Selector(
        default="uniform",
        objects={
            "Uniform in t": "uniform",
            "Uniform in log t": "log",
            "Uniform in variance": "variance",
            "Karras": "karras",
            "Uniform in log σ̃": "log-sigma",
        },
        doc=(
            "Where the time steps lie: equal in t, in log t, in the noise variance, in σ̃ by Karras's choice, or in the "
            "logarithm of σ̃, coarser where it is small against the data."
        ),
    )
    steps = param.Integer(400, bounds=(5, 2000), doc="Number of time steps of the backward process.")
    paths = param.Integer(
        min(20_000, limits().paths),
        bounds=(min(500, limits().paths), limits().paths),
        doc="Number of independent paths; the error bands shrink as 1/√paths.",
    )
    prior = param.Selector(
        default="matched",
        objects={"Matched Gaussian": "matched", "N(0, Ξ), as in the papers": "noise"},
        doc="Where the backward process starts: the law where the forward one ends, or pure noise as in the papers.",
    )
    seed = param.Integer(0, bounds=(0, 2**31 - 1), doc="The same seed gives the same paths, however many there are.")

    def make_schedule(self) -> Schedule:
        """The schedule with its present parameters; ValueError with a sentence for a bad drawn one."""
        if self.schedule == "drawn":
            drawn = points(str(self.drawn))
            return Tabulated(tuple(t for t, _ in drawn), tuple(g for _, g in drawn), bool(self.keep_variance))
        if self.schedule == "vp-linear":
            return LinearVP(float(self.beta_min), float(self.beta_max))  # type: ignore[arg-type]
        if self.schedule == "cosine":
            return Cosine()
        return make_schedule(str(self.schedule), float(self.sigma))  # type: ignore[arg-type]


assert set(ProcessState.param["grid"].objects) == set(GRIDS)
