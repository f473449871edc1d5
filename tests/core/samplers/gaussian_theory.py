"""The one system on which every sampler can be solved by hand: S = ½ ω x²."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Oscillator:
    omega: float = 2.0
    event: tuple[int, ...] = (1,)

    def action(self, x: torch.Tensor) -> torch.Tensor:
        return self.omega / 2 * x.double().square().flatten(1).sum(1)

    def force(self, x: torch.Tensor) -> torch.Tensor:
        return -self.omega * x
