"""Everything that a person can set on the page *One degree of freedom*; all of it is in the address bar."""

from __future__ import annotations

import param

from core.theories.base import Target
from core.theories.registry import make_target
from dashboard.pages.process import ProcessState

TARGETS = {
    "Two peaks": "two-peak",
    "Quartic well, double well": "quartic",
    "Gaussian mixture": "mixture",
    "Typed potential": "formula",
}
PLANE_TARGETS = {"Three peaks": "three-peak", "Circle": "circle", "Spiral": "spiral", "Line": "line"}


def numbers(text: str, name: str) -> list[float]:
    """The numbers in ``-1, 0.5 2``; ValueError naming the field for anything else."""
    words = text.replace(",", " ").replace(";", " ").replace("−", "-").split()
    try:
        values = [float(w) for w in words]
    except ValueError:
        raise ValueError(f"{name}: {text!r} is not a list of numbers such as -1, 0.5, 2") from None
    if not 1 <= len(values) <= 12:
        raise ValueError(f"{name}: give 1 to 12 numbers, got {len(values)}")
    return values


class OneState(ProcessState):
    """The page's whole state: the process, the targets of its three tabs, and the Langevin chain."""

    tab = param.Selector(
        default="line", objects={"One dimension": "line", "The plane": "plane", "Langevin": "langevin"}
    )
    score = param.Selector(
        default="exact",
        objects={"Exact": "exact", "Gaussian": "gaussian", "Learned": "learned"},
        doc="The drift that undoes the noise: known exactly, from mean and variance alone, or learned from samples.",
    )
    target = param.Selector(
        default="two-peak", objects=TARGETS, doc="The distribution that is dissolved and re-formed."
    )
    means = param.String("-0.8, 1.5", doc="Centres of the Gaussian peaks.")
    stds = param.String("0.3, 0.5", doc="Widths of the Gaussian peaks, all positive.")
    weights = param.String("0.65, 0.35", doc="Weights of the Gaussian peaks; they are normalised.")
    mu2 = param.Number(-1.0, bounds=(-4.0, 4.0), doc="μ² of S = ½ μ² φ² + g φ⁴/4!: two wells if negative.")
    coupling = param.Number(0.4, bounds=(0.05, 6.0), doc="g of S = ½ μ² φ² + g φ⁴/4!: the self-interaction.")
    formula = param.String("x**4/4 - x**2", doc="A potential S(x); the law is exp(-S). Try cosh(x) - 2*cos(3*x).")
    moments = param.Boolean(False, doc="Show the moments μₙ instead of the cumulants κₙ.")

    plane_target = param.Selector(
        default="three-peak", objects=PLANE_TARGETS, doc="Peaks, or data on a curve in the plane."
    )
    thickness = param.Number(
        0.05, bounds=(0.01, 0.5), doc="Width of the data around the curve: small is close to a manifold."
    )

    epsilon = param.Number(
        0.05, bounds=(0.001, 0.5), doc="Langevin time step ε in Parisi–Wu time; its bias is of order ε."
    )
    therm = param.Integer(
        2000, bounds=(0, 20_000), step=50,
        doc="Steps that are thrown away before anything is measured; chains that must cross a barrier need many.",
    )  # fmt: skip
    noise_strength = param.Selector(
        default="constant",
        objects={"Constant g": "constant", "Growing g(t)": "growing", "Falling g(t)": "falling"},
        doc="A time-dependent noise strength changes the clock of the process and nothing else.",
    )
    metropolis = param.Boolean(
        False, doc="Accept or reject each step on the true action (MALA): no step-size bias left."
    )
    chains = param.Integer(400, bounds=(10, 5000), doc="Independent Langevin chains run side by side.")

    pace = param.Selector(
        default=20, objects=[1, 5, 20, 100], doc="How many steps the chain takes between two pictures."
    )

    def make_target(self) -> Target:
        """The one-dimensional target with its present parameters; ValueError with a sentence for bad ones."""
        if self.target == "mixture":
            means, stds, weights = (
                numbers(str(text), name)
                for text, name in ((self.means, "means"), (self.stds, "widths"), (self.weights, "weights"))
            )
            try:
                return make_target("mixture", means=means, stds=stds, weights=weights)
            except ValueError as problem:  # the page calls them widths
                raise ValueError(str(problem).replace("stds", "widths")) from None
        if self.target == "formula":
            return make_target("formula", text=str(self.formula))
        if self.target == "quartic":
            name = "double-well" if float(self.mu2) < 0 else "quartic"  # type: ignore[arg-type]
            return make_target(name, mu2=self.mu2, g=self.coupling)
        return make_target("two-peak")

    def make_plane_target(self) -> Target:
        """The two-dimensional target with its present parameters."""
        if self.plane_target == "three-peak":
            return make_target("three-peak")
        return make_target(str(self.plane_target), thickness=self.thickness)
