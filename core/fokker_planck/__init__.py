"""Fokker–Planck equations on a grid: how the density itself moves, beside the particles that sample it."""

from core.fokker_planck.equations import solve_backward, solve_forward, solve_langevin
from core.fokker_planck.grid import NormalDensity, UniformDensity
from core.fokker_planck.solution import Solution

__all__ = ["NormalDensity", "Solution", "UniformDensity", "solve_backward", "solve_forward", "solve_langevin"]
