"""What is looked at while a network learns: fields that it makes, and their observables beside held-out data."""

from __future__ import annotations

import math

import torch

from core.contracts import ScoreModel, Tensor
from core.diffusion.field_generate import STEPS, baseline_of, generate_fields
from core.diffusion.field_noise import noise_range, schedule_reaching
from core.diffusion.training_messages import Pictures, Row, Table
from core.jobs import Token
from core.noise import Noise
from core.statistics.measure import TITLES, Measurement, measure
from core.theories.phi4 import Phi4

SHOWN = 8
"""Fields in a picture."""
CONFIGS = 384
"""Configurations behind a table: errors of 5 % on a variance."""
ROWS = ("abs_m", "chi", "binder", "phi2", "action", "kappa4_ratio", "kappa6_ratio", "schwinger_dyson")


class Watch:
    """Looks at networks for one theory, against ``held_out``: independent configurations (n, *event), or Markov chains
    (chains, draws, *event), whose correlations then count in the errors.

    The noise is the same at every look, so that what changes is the network. Raises ValueError for fewer than two
    configurations.
    """

    def __init__(self, theory: Phi4, held_out: Tensor, noise: Noise, configs: int = CONFIGS) -> None:
        self.theory, self.noise, self.configs = theory, noise, configs
        chained = held_out.ndim == theory.d + 2
        self._series = (held_out if chained else held_out[None]).float().cpu()
        self._independent = not chained
        self.held_out = self._series.swapaxes(0, 1).flatten(0, 1)  # of different chains first
        self._data: Measurement | None = None

    @property
    def couplings(self) -> str:
        """κ and λ in words."""
        return f"κ = {self.theory.kappa:g}, λ = {self.theory.lam:g}"

    def pictures(self, score: ScoreModel, step: int, token: Token) -> Pictures:
        """A few fields made with this score, and as many real ones."""
        made = self._made(score, SHOWN, token).numpy()
        return Pictures(step, made, self.held_out[:SHOWN].numpy(), self.couplings)

    def table(self, score: ScoreModel, step: int, token: Token) -> Table:
        """Observables of ``configs`` fields made with this score, without any correction, beside the held-out ones."""
        if self._data is None:
            self._data = measure(self.theory, [self._series.numpy()], self._independent)
        made = self._made(score, self.configs, token)
        data, network = self._data, measure(self.theory, [made[None].numpy()], independent=True)
        rows = []
        for name in ROWS:
            a, b = data.observables[name], network.observables[name]
            error = math.hypot(a.error, b.error)
            sigma = (b.value - a.value) / error if error > 0 else math.nan
            rows.append(Row(TITLES[name], (a.value, a.error), (b.value, b.error), sigma))
        return Table(step, self.configs, len(self.held_out), self.couplings, tuple(rows))

    def _made(self, score: ScoreModel, n: int, token: Token) -> Tensor:
        schedule = schedule_reaching("ve", noise_range(baseline_of(score)).high)
        with torch.inference_mode():
            return generate_fields(score, schedule, n, steps=STEPS, noise=self.noise.of("watch"), token=token)
