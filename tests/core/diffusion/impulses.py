"""Noise made of unit impulses, with which the response of a linear integrator is read off without statistics."""

import torch


class Impulses:
    """Path 1 + i feels a unit kick at step i of the main stream, path 1 + steps + i at step i of any other stream;
    path 0 feels none. A linear solver's result is then x_T's image plus one response coefficient for every kick."""

    def __init__(self, steps: int, other: bool = False) -> None:
        self.steps, self.other = steps, other

    def of(self, stream: str) -> "Impulses":
        return Impulses(self.steps, other=True)

    def normal(self, step, shape, dtype=torch.float64, device="cpu"):
        kick = torch.zeros(shape, dtype=dtype, device=device)
        kick[1 + step + (self.steps if self.other else 0)] = 1.0
        return kick


def response(solver, score, schedule, times, start_mean: float, start_variance: float) -> tuple[float, float]:
    """Exact mean and variance of a linear solver's result from a start of this mean and variance."""
    steps = len(times) - 1
    x = torch.full((2 + 2 * steps, 1), start_mean, dtype=torch.float64)
    x[-1] += 1.0
    y = solver(x, score, schedule, times, Impulses(steps))[:, 0]
    deviation = y[1:] - y[0]
    gain = deviation[-1]
    return float(y[0]), float(gain**2 * start_variance + (deviation[:-1] ** 2).sum())
