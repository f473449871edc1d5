"""Everything that a person can set on the page *Field*; all of it is in the address bar."""

from __future__ import annotations

import param

from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_noise import noise_range, schedule_reaching
from core.schedule import Schedule
from core.theories.phi4 import Phi4
from dashboard.pages.process import ProcessState

PRESETS = {
    "Symmetric, κ = 0.21": 0.21,
    "Near-critical, κ = 0.27": 0.27,
    "Broken, κ = 0.40": 0.40,
}
LABELS = {
    "kappa": "κ",
    "lam": "λ",
    "L": "Lattice",
    "ensemble": "Ensemble",
    "configurations": "Configurations",
    "trajectories": "HMC trajectories",
    "fit_level": "Fit the noise to the field",
    "shown": "Configuration shown",
}
MADE_HERE = "Made on the spot"
SHOWN = 4
"""Configurations that travel to the browser."""


class FieldState(ProcessState):
    """Couplings, ensemble and process."""

    kappa = param.Number(
        0.27, bounds=(0.05, 0.5), step=0.005, doc="Hopping parameter: the field orders above κ ≈ 0.271 (λ = 0.022)."
    )
    lam = param.Number(0.022, bounds=(0.001, 0.2), step=0.001, doc="Self-coupling λ of the term λ φ⁴.")
    L = param.Selector(default=32, objects={"16 × 16": 16, "32 × 32": 32, "64 × 64": 64}, doc="Sites of the lattice.")
    ensemble = param.Selector(
        default="",
        objects={MADE_HERE: ""},
        check_on_set=False,
        doc="Configurations made on the spot, or an ensemble of the library with the couplings that it has.",
    )
    configurations = param.Integer(
        256, bounds=(32, 1024), doc="Independent Markov chains, one configuration from each; errors shrink as 1/√N."
    )
    trajectories = param.Integer(
        300, bounds=(60, 2000), doc="HMC trajectories before the ensemble is taken; more where the chains still drift."
    )
    fit_level = param.Boolean(
        True, doc="Choose the schedule's strength so that its noise ends at twice the field's largest mode."
    )
    shown = param.Integer(1, bounds=(1, SHOWN), doc="Which configuration of the ensemble is in the picture.")
    solver = param.Selector(
        default="heun", objects=ProcessState.param["solver"].names, doc=ProcessState.param["solver"].doc
    )
    grid = param.Selector(
        default="karras", objects=ProcessState.param["grid"].names, doc=ProcessState.param["grid"].doc
    )
    steps = param.Integer(100, bounds=(5, 1000), doc=ProcessState.param["steps"].doc)
    sigma = param.Number(25.0, bounds=(1.0, 1000.0), doc=ProcessState.param["sigma"].doc)
    paths = param.Integer(256, bounds=(16, 1024), doc="Configurations that are dissolved, and as many made from noise.")

    def theory(self) -> Phi4:
        """The theory at the present couplings; ValueError with a sentence where there is none."""
        return Phi4(int(self.L), float(self.kappa), float(self.lam))  # type: ignore[arg-type]

    def schedule_for(self, gaussian: FieldGaussianScore) -> Schedule:
        """The schedule set by hand, or the one whose noise suits the field."""
        if self.fit_level and self.schedule != "drawn":
            return schedule_reaching(str(self.schedule), noise_range(gaussian).high)
        return self.make_schedule()
