"""Everything that a person can set on the page *Lattice*; all of it is in the address bar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import param

from core.limits import limits
from core.theories.phi4 import Phi4

TABS = {"Live": "live", "Race": "race", "Scan": "scan", "Ensembles": "keep"}
ALGORITHMS = {
    "Hybrid Monte Carlo": "hmc",
    "Langevin": "langevin",
    "Metropolis-adjusted Langevin": "mala",
    "Local Metropolis": "metropolis",
    "Cluster": "cluster",
}
GROUPS = {"History": "history", "Distribution": "distribution", "Correlation": "correlation", "Averages": "averages"}
BRUSHES = {"Paint +": "plus", "Paint −": "minus", "Hot spot": "hot", "Flip": "flip"}
PALETTES = {
    "Blue–white–red": "diverging",
    "Blue–white–green": "CET_D13",
    "Blue–black–yellow": "CET_D6",
}
STARTS = {"Mixed, half + and half −": "mixed", "Hot, every site N(0, 1)": "hot", "Cold, all +": "cold"}
LABELS = {
    "kappa": "κ",
    "lam": "λ",
    "L": "Lattice",
    "chain_count": "Chains",
    "auto_step": "Step size by itself",
    "step_size": "Step size",
    "flip": "Global sign flips",
    "fourier": "Fourier acceleration",
    "kind": "Cluster update",
    "integrator": "Integrator",
    "overrelaxation": "Overrelaxation sweeps",
    "shown": "Chains shown",
    "speed": "Speed",
    "brush": "Pointer",
    "radius": "Brush radius",
}
OPTIONS = ("flip", "fourier", "kind", "integrator", "overrelaxation")
"""Parameters of the algorithms beside the step size that the page offers, each where the algorithm has it."""
RACE_KEYS = {"entries": "race_entries"}
SCAN_KEYS = {name: f"scan_{name}" for name in ("low", "high", "points", "configurations", "algorithm", "sizes")}
KEEP_KEYS = {
    name: f"keep_{name}" for name in ("called", "configurations", "protocol", "flip", "chains", "therm", "thin")
}
"""What the other tabs keep in the address, and under which key. That an ensemble of the same name is to be replaced is
not among it: no link should prepare that."""
STATISTICS_SITES = 2**18
"""Most sites of all chains together, unless more chains than that are shown."""


SIDES = (16, 32, 64, 128, 256, 512, 1024, 2048)
"""Lattices that are offered, as far as the server's limit allows."""


@dataclass(frozen=True)
class Preset:
    """Couplings, a start, and one sentence on what to look for."""

    title: str
    kappa: float
    lam: float
    start: str
    sentence: str


PRESETS: dict[str, Preset] = {
    "symmetric": Preset(
        "Symmetric, κ = 0.21", 0.21, 0.022, "mixed",
        "Watch how small the patches are: a few sites across, M stays near 0, and the past is forgotten within a few "
        "updates.",
    ),
    "critical": Preset(
        "Near-critical, κ = 0.27", 0.27, 0.022, "mixed",
        "Watch patches of every size come and go, and M wander slowly between both signs: large structures live long, "
        "so τ_int is large and independent configurations are few.",
    ),
    "broken": Preset(
        "Broken, κ = 0.40", 0.40, 0.022, "mixed",
        "Half the chains settle at plus, half at minus, and none ever crosses: paint a patch of the other sign and see "
        "it shrink from its edge until it is gone.",
    ),
    "deep": Preset(
        "Deep in the broken phase, κ = 0.50", 0.50, 0.022, "mixed",
        "The field sits in one of two minima and hardly moves: the two peaks of the site histogram are narrow and far "
        "apart.",
    ),
    "published": Preset(
        "Published table, κ = 0.40, hot start", 0.40, 0.022, "hot",
        "Not in equilibrium: from a hot start, domains of both signs grow and meet in walls that can span the lattice "
        "and stay for very long; published cumulants (arXiv:2309.17082) were taken with such walls in the fields.",
    ),
    "free": Preset(
        "Free field, κ = 0.20, λ = 0", 0.20, 0.0, "mixed",
        "Without interaction everything is known: the points of G(r) must lie on the exact curve, and κ₄, κ₆ and κ₈ "
        "vanish within their errors.",
    ),
}  # fmt: skip


class LatticeState(param.Parameterized):
    """Couplings, algorithm and view."""

    tab = param.Selector(default="live", objects=TABS)
    kappa = param.Number(
        0.27, bounds=(0.0, 0.6), step=0.005, doc="Hopping parameter: the field orders above κ ≈ 0.271 (λ = 0.022)."
    )
    lam = param.Number(
        0.022, bounds=(0.0, 0.2), step=0.001, doc="Self-coupling λ of the term λ φ⁴; 0 is the free field."
    )
    L = param.Selector(
        default=64,
        objects={f"{n} × {n}": n for n in SIDES if n <= max(64, limits().lattice_side)},
        doc="Sites of the lattice.",
    )
    algorithm = param.Selector(default="hmc", objects=ALGORITHMS, doc="How the chains move.")
    auto_step = param.Boolean(True, doc="Tune the step size for the present couplings on pilot chains.")
    step_size = param.Number(0.1, bounds=(0.001, 4.0), doc="Step size of the algorithm: the larger, the bolder.")
    flip = param.Boolean(False, doc="After each update φ → −φ with probability ½: exact, and a symmetry of the theory.")
    fourier = param.Boolean(False, doc="Long waves move faster than short ones; the law stays the same.")
    kind = param.Selector(
        default="wolff",
        objects={"Wolff": "wolff", "Swendsen–Wang": "swendsen-wang"},
        doc="Flip one cluster, or each of all clusters with probability ½.",
    )
    integrator = param.Selector(
        default="leapfrog", objects={"Leapfrog": "leapfrog", "Omelyan": "omelyan"}, doc="Of the molecular dynamics."
    )
    overrelaxation = param.Integer(0, bounds=(0, 10), doc="Sweeps at constant action after each Metropolis sweep.")
    start = param.Selector(default="mixed", objects=STARTS, doc="How the chains begin.")
    seed = param.Integer(0, bounds=(0, 2**31 - 1), doc="The same seed and the same actions give the same chains.")
    chain_count = param.Integer(
        16, bounds=(1, 1024), doc="Chains that run side by side, as many as fit into 262 144 sites: 64 at 64 × 64."
    )
    shown = param.Selector(
        default=1,
        objects={"1": 1, "2 × 2": 4, "3 × 3": 9, "4 × 4": 16},
        doc="How many of the chains are in the picture.",
    )
    palette = param.Selector(default="diverging", objects=PALETTES, doc="Colours of the field, symmetric about 0.")
    speed = param.Selector(
        default=25,
        objects={
            "2 updates a second": 2,
            "10 a second": 10,
            "25 a second": 25,
            "100 a second": 100,
            "As fast as it can": 10_000,
        },
        doc="How often all chains are updated; a large lattice may not keep up.",
    )
    group = param.Selector(default="history", objects=GROUPS, doc="Which observables are drawn beside the field.")
    brush = param.Selector(default="plus", objects=BRUSHES, doc="What the pointer does to the field.")
    radius = param.Number(0.08, bounds=(0.02, 0.25), doc="Radius of the brush as a fraction of the lattice.")

    def theory(self) -> Phi4:
        """The theory at the present couplings; ValueError with a sentence where there is none, and for more sites than
        a visitor may ask for (`core.limits`)."""
        limits().check("lattice_side", int(self.L))  # type: ignore[arg-type]
        limits().check("lattice_sites", self.chains * int(self.L) ** 2)  # type: ignore[arg-type]
        return Phi4(int(self.L), float(self.kappa), float(self.lam))  # type: ignore[arg-type]

    @property
    def preset(self) -> str:
        """Name of the preset that has these couplings and this start, else empty."""
        now = (float(self.kappa), float(self.lam), self.start)  # type: ignore[arg-type]
        return next((name for name, p in PRESETS.items() if (p.kappa, p.lam, p.start) == now), "")

    @property
    def chains(self) -> int:
        """Chains that run: as many as are asked for, fewer on large lattices, and never fewer than are shown."""
        fitting = STATISTICS_SITES // int(self.L) ** 2  # type: ignore[arg-type]
        return max(int(self.shown), min(int(self.chain_count), max(1, fitting)))  # type: ignore[arg-type]

    def given(self, names: set[str]) -> dict[str, Any]:
        """The algorithm's parameters that a person has set, of those called ``names``."""
        chosen = {name: getattr(self, name) for name in OPTIONS if name in names}
        return chosen if self.auto_step else chosen | {"step_size": float(self.step_size)}  # type: ignore[arg-type]
