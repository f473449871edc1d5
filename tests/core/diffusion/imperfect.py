"""Deliberately bad scores, and a small φ⁴ lattice in equilibrium to measure them against."""

from functools import cache

import numpy as np
import torch

from core.diffusion.field_gaussian import FieldGaussianScore
from core.noise import Noise
from core.samplers import hmc
from core.samplers.driver import record
from core.samplers.starts import mixed_start
from core.statistics.lattice import abs_magnetisation, phi_squared
from core.theories.phi4 import Phi4

SIGMAS = 4.5
OBSERVABLES = {
    "phi2": phi_squared,
    "abs M": abs_magnetisation,
    "phi4": lambda x: x.double().pow(4).flatten(1).mean(1),
}


class Faulty:
    """A score model with its score multiplied and shifted."""

    def __init__(self, model, factor=1.0, shift=0.0):
        self.model, self.factor, self.shift = model, factor, shift

    def score(self, x, f=1.0, xi=0.0):
        return self.factor * self.model.score(x, f, xi) + self.shift


class Small:
    """φ⁴ on 4 × 4 by long HMC: ``truth[name] = (mean, error)``, 2048 ``fields`` in equilibrium, Gaussian fit."""

    def __init__(self, kappa):
        self.theory = Phi4(4, kappa, 0.022)
        start = hmc.init(self.theory, mixed_start(self.theory, 2048, Noise(1), torch.float64), 0.15, flip=True)
        run = record(start, hmc.step, Noise(2), 250, OBSERVABLES, 150)
        found = {name: run.autocorrelation(name) for name in OBSERVABLES}
        self.truth = {name: (a.mean, a.mean_error) for name, a in found.items()}
        self.fields = run.state.x
        self.gaussian = FieldGaussianScore.fit(self.fields)


small = cache(Small)


def within(measured, truth, error=0.0):
    """Deviation from the truth in units of both errors."""
    return (measured.value - truth) / np.hypot(measured.error, error)
