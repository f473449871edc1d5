"""Everything that a person can set on the page *Diffusion*; all of it is in the address bar."""

from __future__ import annotations

import param

from core.diffusion.exponential import FIELD_SOLVERS
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_generate import GRID, SOLVER, STEPS
from core.diffusion.field_noise import noise_range, schedule_reaching
from core.diffusion.field_request import CORRECTIONS
from core.schedule import Schedule
from core.theories.phi4 import Phi4
from dashboard.pages.process import SOLVERS, ProcessState

TABS = {"Play": "play", "Train": "train", "Side by side": "beside", "Error budget": "budget"}
PRESETS = {
    "Symmetric, κ = 0.21": 0.21,
    "Near-critical, κ = 0.27": 0.27,
    "Broken, κ = 0.40": 0.40,
}
ALL_SOLVERS = {
    "Exponential, exact for the Gaussian part": "exponential",
    "Exponential, with noise (SDE)": "exponential-sde",
    **SOLVERS,
}
SCORES = {"Learned": "learned", "Gaussian baseline": "gaussian", "Exact (free field, λ = 0)": "exact"}
BASELINES = {
    "Of the model; refitted where it has none": "auto",
    "Refitted to the data": "refitted",
    "Of the model, extrapolated to the lattice": "extrapolated",
}
CORRECTED_BY = {
    "None": "none",
    "Steps of MALA": "mala",
    "Steps of HMC": "hmc",
    "Exact: path weights": "path",
    "Exact: Metropolis with log q": "metropolis",
}
VIEWS = {"Time axis": "clock", "Side by side at equal σ̃": "level"}
GROUPS = {
    "Cumulants": "cumulants",
    "Correlations": "correlations",
    "Histograms": "histograms",
    "Score": "score",
    "Action": "action",
    "Data": "data",
}
LABELS = {
    "kappa": "κ",
    "lam": "λ",
    "L": "Lattice",
    "model": "Model",
    "ensemble": "Ensemble",
    "configurations": "Configurations made",
    "sweeps": "Cluster updates before",
    "fit_level": "Fit the noise to the field",
    "correction_steps": "Steps of the correction",
    "paths": "Configurations",
    "steps": "Steps",
    "shown": "Fields shown",
}
BESIDE_KEYS = ("epsilon", "duration", "runs", "clock")
BUDGET_KEYS = ("budget_paths", "unit")
TRAIN_KEYS = {
    name: f"train_{name}"
    for name in (
        "data", "low", "high", "lam", "L", "preset", "target", "length", "minutes", "steps", "batch", "rate", "seed",
        "called",
    )
}  # fmt: skip
"""What the other tabs keep in the address, and under which key."""
MADE_HERE = "Made on the spot"
NO_MODEL = "None: Gaussian baseline only"
SHOWN = 9
"""Configurations that travel to the browser."""


class DiffusionState(ProcessState):
    """Couplings, data, model and process."""

    tab = param.Selector(default="play", objects=TABS)
    kappa = param.Number(
        0.27, bounds=(0.05, 0.5), step=0.005, doc="Hopping parameter: the field orders above κ ≈ 0.271 (λ = 0.022)."
    )
    lam = param.Number(
        0.022, bounds=(0.0, 0.2), step=0.001, doc="Self-coupling λ of the term λ φ⁴; 0 is the free field (κ < ¼)."
    )
    L = param.Selector(default=32, objects={"16 × 16": 16, "32 × 32": 32, "64 × 64": 64}, doc="Sites of the lattice.")
    model = param.Selector(
        default="",
        objects={NO_MODEL: ""},
        check_on_set=False,
        doc="The trained network. A conditioned one follows the sliders of κ and λ, the others know one pair.",
    )
    score = param.Selector(
        default="learned", objects=SCORES, doc="What drives the backward process: the network on top of its Gaussian "
        "baseline, that baseline alone, or, for the free field, the exact score.",
    )  # fmt: skip
    baseline = param.Selector(
        default="auto", objects=BASELINES, doc="The Gaussian part of the learned score: the one that the model brings "
        "(interpolated in κ and λ), or one refitted to the data here. On another lattice than that of the training the "
        "model's can be extrapolated, but the fields may then come out wrong.",
    )  # fmt: skip
    ensemble = param.Selector(
        default="",
        objects={MADE_HERE: ""},
        check_on_set=False,
        doc="Configurations made on the spot, or an ensemble of the library with the couplings that it has.",
    )
    configurations = param.Integer(
        256, bounds=(32, 1024), doc="Independent Markov chains, one configuration from each; errors shrink as 1/√N."
    )
    sweeps = param.Integer(
        100, bounds=(20, 2000), doc="Cluster updates before the data are taken; more where the chains still drift."
    )
    fit_level = param.Boolean(
        True, doc="Choose the schedule's strength so that its noise ends at twice the field's largest mode."
    )
    solver = param.Selector(default=SOLVER, objects=ALL_SOLVERS, doc=ProcessState.param["solver"].doc)
    grid = param.Selector(default=GRID, objects=ProcessState.param["grid"].names, doc=ProcessState.param["grid"].doc)
    steps = param.Integer(STEPS, bounds=(5, 1000), doc=ProcessState.param["steps"].doc)
    sigma = param.Number(25.0, bounds=(1.0, 1000.0), doc=ProcessState.param["sigma"].doc)
    paths = param.Integer(256, bounds=(16, 1024), doc="Configurations that are dissolved, and as many made from noise.")
    correction = param.Selector(
        default="none",
        objects=CORRECTED_BY,
        doc="A few steps of a Markov chain with the true action at the end, MALA or HMC: they leave its law as it is. "
        "Or Markov chains of whole proposals, exact however bad the score is: with the weights of backward paths, or "
        "with log q of the probability flow, which is quick for networks of the preset flow only.",
    )
    correction_steps = param.Integer(5, bounds=(1, 100), doc="How many of them.")
    view = param.Selector(default="clock", objects=VIEWS, doc="One time axis, or both directions at one noise level.")
    shown = param.Selector(
        default=1, objects={"1": 1, "2 × 2": 4, "3 × 3": SHOWN}, doc="Configurations that are in the picture."
    )
    group = param.Selector(default="cumulants", objects=GROUPS, doc="What is drawn beside the field.")

    def theory(self) -> Phi4:
        """The theory at the present couplings; ValueError with a sentence where there is none."""
        return Phi4(int(self.L), float(self.kappa), float(self.lam))  # type: ignore[arg-type]

    def schedule_for(self, gaussian: FieldGaussianScore) -> Schedule:
        """The schedule set by hand, or the one whose noise suits the field."""
        if self.fit_level and self.schedule != "drawn":
            return schedule_reaching(str(self.schedule), noise_range(gaussian).high)
        return self.make_schedule()


assert set(ALL_SOLVERS.values()) == set(FIELD_SOLVERS)
assert set(CORRECTIONS) == set(DiffusionState.param["correction"].objects)
