"""What somebody asks for: an ensemble of so many configurations of a theory, by some algorithm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.noise import Noise
from core.samplers.algorithms import ALGORITHMS
from core.samplers.starts import STARTS
from core.theories.phi4 import Phi4

PROTOCOLS = ("published",)
PUBLISHED_TRAJECTORIES = 129
"""HMC trajectories of unit length between the hot start and the one configuration of each chain."""


@dataclass(frozen=True)
class EnsembleRequest:
    """An ensemble to make; None stands for a value to be found automatically (see ``make_plan``).

    ``configs`` configurations in all, so ``configs = chains · draws``: ``chains`` must divide them. ``therm`` steps
    of the algorithm (sweeps or trajectories) are dropped by each chain, and ``thin`` steps lie between two
    configurations it keeps. ``parameters`` are those of the algorithm, by the names in ``ALGORITHMS``. ``start`` is
    one of ``STARTS``, by default 'mixed'.

    ``protocol='published'`` stands for the recipe behind the published table (arXiv:2309.17082): HMC from independent
    N(0, 1) sites, 129 trajectories of unit length, one configuration a chain, no sign flip. Deep in the broken phase
    that is far from equilibrium.

    Raises ValueError for anything that does not fit, naming it.
    """

    theory: Phi4
    sampler: str
    configs: int
    chains: int | None = None
    therm: int | None = None
    thin: int | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    start: str | None = None
    protocol: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.sampler not in ALGORITHMS:
            raise ValueError(f"sampler must be one of {', '.join(ALGORITHMS)}, got {self.sampler!r}")
        for name, least in (("configs", 1), ("chains", 1), ("therm", 0), ("thin", 1)):
            _require_whole(name, getattr(self, name), least)
        if self.chains is not None and self.configs % self.chains:
            lower = self.configs - self.configs % self.chains
            near = " or ".join(str(n) for n in (lower, lower + self.chains) if n)
            raise ValueError(
                f"configs must be a multiple of chains, got {self.configs} configurations in {self.chains} chains; "
                f"ask for {near} of them, or leave the chains to be chosen"
            )
        known = ALGORITHMS[self.sampler].parameters
        for name in self.parameters:
            if name not in known:
                raise ValueError(f"{name!r} is no parameter of {self.sampler}, which takes {', '.join(known)}")
        if self.protocol is not None:
            self._check_protocol()
        start = self.start or ("hot" if self.protocol else "mixed")
        if start not in STARTS:
            raise ValueError(f"start must be one of {', '.join(STARTS)}, got {start!r}")
        object.__setattr__(self, "start", start)
        given = {name: value for name, value in self.parameters.items() if value is not None}
        object.__setattr__(self, "parameters", given)
        Noise(self.seed)

    def _check_protocol(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise ValueError(f"protocol must be one of {', '.join(PROTOCOLS)}, got {self.protocol!r}")
        if self.sampler != "hmc":
            raise ValueError(f"the published protocol is a recipe for hmc, got sampler {self.sampler!r}")
        for name in ("chains", "therm", "thin"):
            if getattr(self, name) is not None:
                raise ValueError(f"{name} is fixed by the published protocol, got {getattr(self, name)}")
        if self.start not in (None, "hot"):
            raise ValueError(f"the published protocol starts hot, got start {self.start!r}")
        if self.parameters.get("flip"):
            raise ValueError("the published protocol has no sign flip, got flip True")
        if self.parameters.get("n_steps") is not None and self.parameters.get("step_size") is not None:
            raise ValueError("trajectories of the published protocol have unit length: give step_size or n_steps")


def _require_whole(name: str, value: Any, least: int) -> None:
    if value is None and name != "configs":
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
