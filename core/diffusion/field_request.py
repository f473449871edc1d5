"""What to generate with a diffusion model, and how: the request that the command line and the page both make."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

from core.diffusion.correction import CORRECTIONS as STEPS_OF_A_CHAIN
from core.diffusion.exponential import FIELD_SOLVERS
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_generate import GRID, SOLVER, STEPS
from core.diffusion.field_noise import noise_range, schedule_reaching
from core.diffusion.grids import GRIDS
from core.diffusion.prior import PRIORS
from core.diffusion.trust import CONFIGS
from core.ensembles.generated import CHAINS
from core.noise import Noise
from core.schedule import Schedule
from core.store import in_bytes

CORRECTIONS = ("none", *STEPS_OF_A_CHAIN, *CHAINS)
CORRECTION_STEPS = {"mala": 20, "hmc": 5}
"""Steps of the correction unless told otherwise."""
CHAIN_STEPS = {"path": 60, "metropolis": 64}
"""``steps`` of these unless told otherwise. Paths of φ⁴ at κ = 0.27, L = 32 with a trained network had an effective
sample size of 0.11, 0.29, 0.51 at 30, 60, 120 steps; a configuration independent of the last cost about as much at 30
as at 60. ``metropolis`` counts Runge–Kutta steps."""
MOST_CHAINS, FEWEST_DRAWS = 16, 64
"""Chains that are chosen automatically, and configurations that each should have at least."""
DROPPED = 0.1
"""Proposals that a chain takes before the first that is kept, as a part of those that follow."""


@dataclass(frozen=True)
class SampleRequest:
    """``configs`` configurations to generate, and how.

    ``schedule`` is one, or the name of one that is made to reach the level the field needs. ``correction_steps`` and
    ``step_size`` are those of ``mala`` and ``hmc`` (None: the usual number, tuned), ``chains`` those of ``path`` and
    ``metropolis``, a divisor of ``configs``. ``check`` paths go into the check that every result of no weights of its
    own carries, 0 for none. Raises ValueError for anything out of range, naming it.
    """

    configs: int
    schedule: Schedule | str = "ve"
    solver: str = SOLVER
    grid: str = GRID
    steps: int | None = None
    prior: str = "matched"
    correction: str = "none"
    correction_steps: int | None = None
    step_size: float | None = None
    chains: int | None = None
    check: int = CONFIGS
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (
            ("configs", 1), ("steps", 2), ("correction_steps", 1), ("chains", 1), ("check", 0),
        ):  # fmt: skip
            value = getattr(self, name)
            optional = name in ("steps", "correction_steps", "chains")
            if (value is None and not optional) or (
                value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least)
            ):
                raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
        for name, known in (
            ("solver", FIELD_SOLVERS), ("grid", GRIDS), ("prior", PRIORS), ("correction", CORRECTIONS),
        ):  # fmt: skip
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, got {getattr(self, name)!r}")
        if self.correction not in STEPS_OF_A_CHAIN and (self.correction_steps or self.step_size) is not None:
            raise ValueError(
                f"correction_steps and step_size belong to the corrections mala and hmc, got {self.correction!r}"
            )
        if self.step_size is not None and not (math.isfinite(self.step_size) and self.step_size > 0):
            raise ValueError(f"step_size must be a positive number, got {self.step_size}")
        if self.chains is not None and self.correction not in CHAINS:
            raise ValueError(f"chains belong to the corrections path and metropolis, got {self.correction!r}")
        if self.chains is not None and self.configs % self.chains:
            raise ValueError(f"chains must divide the {self.configs} configurations, got {self.chains}")
        if self.correction == "metropolis" and self.prior != "matched":
            raise ValueError(f"the correction metropolis starts from the matched prior, got prior {self.prior!r}")
        if self.correction == "metropolis" and self.grid != GRID:
            raise ValueError(f"the correction metropolis takes its steps on the {GRID} grid, got grid {self.grid!r}")
        if self.correction in CHAINS and self.solver != SOLVER:
            raise ValueError(f"the correction {self.correction} has an integrator of its own, got {self.solver!r}")
        Noise(self.seed)

    def schedule_for(self, gaussian: FieldGaussianScore) -> Schedule:
        """The schedule, made to reach the level that this field needs where only its name is given."""
        if isinstance(self.schedule, Schedule):
            return self.schedule
        return schedule_reaching(self.schedule, noise_range(gaussian).high)

    @property
    def count(self) -> int:
        """``steps``, or what is usual for the correction."""
        return self.steps or CHAIN_STEPS.get(self.correction, STEPS)

    @property
    def done_with(self) -> tuple[str, str]:
        """Integrator and grid that make the configurations: those of a chain's proposals are its own."""
        if self.correction == "metropolis":
            return "runge-kutta", GRID
        return ("ancestral" if self.correction == "path" else self.solver), self.grid

    def proposals(self) -> tuple[int, int, int]:
        """Chains, proposals that each takes before the first kept, and proposals in all."""
        chains = self.chains
        if chains is None:
            most = max(1, min(MOST_CHAINS, self.configs // FEWEST_DRAWS))
            chains = max(c for c in range(1, most + 1) if self.configs % c == 0)
        draws = self.configs // chains
        dropped = math.ceil(DROPPED * draws)
        return chains, dropped, chains * (draws + dropped)

    def require_memory(self, sites: int) -> None:
        """MemoryError for an ensemble that does not fit, before any time is spent on it."""
        if not hasattr(os, "sysconf"):
            return
        # Draws are held in single precision, twice while they are put together; proposals in double beside what is
        # kept.
        chains = self.correction in CHAINS
        numbers = self.proposals()[2] * 16 + self.configs * 12 if chains else self.configs * 8
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if numbers * sites > memory:
            raise MemoryError(
                f"{self.configs} configurations of {sites} sites take {in_bytes(numbers * sites)} of memory, this "
                f"computer has {in_bytes(memory)}; make several ensembles with seeds of their own"
            )
