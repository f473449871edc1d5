"""A live sampler as a source: endless fresh configurations at one or many couplings, no ensemble stored.

Every coupling has a pool of chains of the cluster algorithm, thermalised first. A batch takes chains in turn; once all
of a pool have been used, they move on by a few steps, which happens in the background while the present ones are in
use. The state of the pools is all that is needed to go on to the same bits.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from core.diffusion.field_data import FieldSource, Law
from core.diffusion.field_gaussian import FieldGaussianScore
from core.ensembles.chains import advance, begin
from core.ensembles.equilibration import equilibrate
from core.jobs import Token, request_pool
from core.noise import Noise
from core.samplers.algorithms import automatic
from core.theories.phi4 import Phi4

Tensor = torch.Tensor

NODES, LAM_NODES = 21, 5
"""Couplings κ and λ that a range is sampled at."""
FIT = 4096
"""Configurations that a baseline is fitted to, at least."""
MOST_THIN = 12
"""Most steps between them."""
POOL, FEWEST_IN_POOL = 2048, 32
"""Chains in all, and in each pool at least."""
HELD_OUT, HELD_CHAINS = 1024, 16
"""Configurations held out in all (of each law at least 32), and the chains of each law that they come from."""
MOVES = 2
"""Steps by which a pool moves on when all its chains have been used."""
PILOTS, PILOT_CHAINS, PILOT_STEPS = 17, 32, 64
"""Couplings, chains and steps (of thermalisation, and again of measurement) that the nodes of a range rest on."""

Report = Callable[[int, int], None]
"""``report(done, total)`` while the pools are thermalised, in couplings."""


@dataclass(frozen=True)
class LiveRequest:
    """φ⁴ on square or other two-dimensional ``lattices`` at all pairs of ``kappas`` and ``lams``.

    Raises ValueError for nothing to sample and for couplings and lattices that the theory or the sampler cannot take.
    """

    lattices: tuple[tuple[int, ...], ...]
    kappas: tuple[float, ...]
    lams: tuple[float, ...]
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("lattices", "kappas", "lams"):
            values = getattr(self, name)
            if not values or len(set(values)) != len(values):
                raise ValueError(f"{name} must hold at least one value, and none twice, got {values}")
        for event in self.lattices:
            if any(extent % 2 for extent in event):
                raise ValueError(f"the live sampler needs even extents, got {' × '.join(map(str, event))}")
        Noise(self.seed)
        _ = self.theories

    @property
    def theories(self) -> tuple[Phi4, ...]:
        """All that is sampled: lattice by lattice, λ by λ, κ by κ."""
        return tuple(Phi4(event, kappa, lam) for event in self.lattices for lam in self.lams for kappa in self.kappas)

    @classmethod
    def of_json(cls, data: dict[str, Any]) -> LiveRequest:
        """From the dictionary that ``asdict`` and JSON make of one."""
        return cls(tuple(tuple(e) for e in data["lattices"]), tuple(data["kappas"]), tuple(data["lams"]), data["seed"])

    @classmethod
    def over(
        cls, lattices: Sequence[tuple[int, ...]], kappas: Sequence[float], lams: Sequence[float], seed: int = 0
    ) -> LiveRequest:
        """Couplings as a person gives them: one value, two as the ends of a range, or three and more as they are.

        A range of κ is sampled at 21 nodes, denser where the field changes fast (see ``kappa_nodes``), one of λ at
        five equidistant ones.
        """
        if len(lams) == 2 and not lams[0] < lams[1]:
            raise ValueError(f"a range of lambda must rise, got {lams[0]:g} to {lams[1]:g}")
        lam_values = tuple(float(x) for x in (np.linspace(lams[0], lams[1], LAM_NODES) if len(lams) == 2 else lams))
        kappa_values = tuple(float(x) for x in kappas)
        if len(kappa_values) == 2:
            cls(tuple(lattices), kappa_values, lam_values, seed)  # bad ends are refused before any work
            middle = lam_values[len(lam_values) // 2]
            kappa_values = kappa_nodes(lattices[0], *kappa_values, middle, Noise(seed, "nodes"))
        return cls(tuple(lattices), kappa_values, lam_values, seed)


def kappa_nodes(
    event: tuple[int, ...], low: float, high: float, lam: float, noise: Noise, count: int = NODES
) -> tuple[float, ...]:
    """``count`` values of κ from ``low`` to ``high``, half of them spread evenly and half evenly in log⟨M²⟩.

    So they are densest around the critical point, wherever it is. ⟨M²⟩ comes from short pilot chains. Raises ValueError
    unless low < high.
    """
    if not low < high:
        raise ValueError(f"a range of kappa must rise, got {low:g} to {high:g}")
    kappas, log_m2 = np.linspace(low, high, PILOTS), np.empty(PILOTS)
    for i, kappa in enumerate(kappas):
        theory, own = Phi4(event, float(kappa), lam), noise.of(f"pilot {i}")
        parameters, sums = automatic("cluster", theory, own), np.zeros(PILOT_CHAINS)
        x = begin(theory, "mixed", PILOT_CHAINS, own, False)
        x, _ = advance(theory, "cluster", parameters, x, 0, PILOT_STEPS, own)

        def keep(k: int, first: int, x: Tensor, sums: np.ndarray = sums) -> None:
            sums[first : first + len(x)] += x.double().flatten(1).mean(1).square().numpy()

        advance(theory, "cluster", parameters, x, PILOT_STEPS, 1, own, PILOT_STEPS, keep)
        log_m2[i] = math.log(sums.mean() / PILOT_STEPS)
    rise = np.maximum.accumulate(log_m2)
    even = (kappas - low) / (high - low)
    position = (even + (rise - rise[0]) / max(rise[-1] - rise[0], 1e-300)) / 2 if rise[-1] > rise[0] else even
    return tuple(round(float(k), 6) for k in np.interp(np.linspace(0, 1, count), position, kappas))


class LiveSource(FieldSource):
    """Chains of the cluster algorithm at every coupling of a request.

    The set-up thermalises the chains, fits the baselines (to 4096 configurations of each law at least) and sets aside
    what is held out, from chains of its own; with ``state``, as ``state()`` gave it, it goes on from there. Chain i of
    a law is the same whatever else is sampled. Raises what the samplers raise, Cancelled once ``token`` is.
    """

    def __init__(
        self,
        request: LiveRequest,
        state: tuple[dict[str, Tensor], dict[str, Any]] | None = None,
        report: Report | None = None,
        token: Token | None = None,
    ) -> None:
        self.request = request
        theories, laws, self._pools, warnings = request.theories, [], [], []
        for k, theory in enumerate(theories):
            if report is not None:
                report(k, len(theories))
            if state is not None:
                law, pool = _restored(theory, _noise(theory, request.seed), state, k)
            else:
                law, pool, found = _prepared(theory, _noise(theory, request.seed), len(theories), token)
                warnings += [f"κ = {theory.kappa:g}, λ = {theory.lam:g}: {sentence}" for sentence in found]
            laws.append(law)
            self._pools.append(pool)
        self.laws, self.warnings = tuple(laws), tuple(state[1]["warnings"] if state is not None else warnings)
        if report is not None:
            report(len(theories), len(theories))

    def fields(self, k: int, n: int) -> Tensor:
        return self._pools[k].ahead(n)

    def magnetisations(self, k: int, n: int) -> np.ndarray:
        return self._pools[k].magnetisations_ahead(n)

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.describe()).encode()).hexdigest()[:16]

    def describe(self) -> dict[str, Any]:
        return {"kind": "live", "request": asdict(self.request), "pool": [len(p.fields) for p in self._pools]}

    def sentence(self) -> str:
        kappas, lams = sorted(self.request.kappas), sorted(self.request.lams)
        spans = [
            f"{name} = {values[0]:g}" + (f" to {values[-1]:g} ({len(values)} values)" if len(values) > 1 else "")
            for name, values in (("κ", kappas), ("λ", lams))
        ]
        lattices = ", ".join(" × ".join(map(str, event)) for event in self.request.lattices)
        chains = sum(len(pool.fields) for pool in self._pools)
        return f"Fresh configurations from {chains} chains of the cluster algorithm: {lattices}, {', '.join(spans)}."

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        tensors: dict[str, Tensor] = {}
        for k, (law, pool) in enumerate(zip(self.laws, self._pools, strict=True)):
            tensors[f"fields.{k}"], tensors[f"held_out.{k}"] = pool.fields, law.held_out
            tensors[f"connected.{k}"] = torch.from_numpy(law.gaussian.connected)
        numbers = {
            "pools": [[p.count, p.used, p.parameters] for p in self._pools],
            "m": [law.gaussian.m for law in self.laws],
            "warnings": list(self.warnings),
        }
        return tensors, numbers

    def _take(self, step: int, which: Tensor, noise: Noise) -> Tensor:
        laws, counts = torch.unique_consecutive(which, return_counts=True)
        return torch.cat([self._pools[k].take(n) for k, n in zip(laws.tolist(), counts.tolist(), strict=True)])


class _Pool:
    """Chains at ``fields`` (chains, *event) after ``count`` steps, the first ``used`` of which have been handed out."""

    def __init__(
        self, theory: Phi4, parameters: dict[str, Any], noise: Noise, fields: Tensor, count: int, used: int = 0
    ) -> None:
        self.theory, self.parameters, self.noise = theory, parameters, noise
        self.fields, self.count, self.used = fields, count, used
        self._next: Future[Tensor] | None = None

    def take(self, n: int) -> Tensor:
        """The next ``n`` configurations."""
        taken = []
        while n > 0:
            if self.used == len(self.fields):
                self._turn()
            if self._next is None:
                self._next = request_pool().submit(self._moved)
            some = self.fields[self.used : self.used + n]
            self.used += len(some)
            n -= len(some)
            taken.append(some)
        return torch.cat(taken)

    def ahead(self, n: int) -> Tensor:
        """At least ``n`` configurations that the chains will come to, if they are not there yet."""
        return torch.cat(list(self._ahead(n)))

    def magnetisations_ahead(self, n: int) -> np.ndarray:
        """The mean over the lattice of the same, float64."""
        return torch.cat([x.double().flatten(1).mean(1) for x in self._ahead(n)]).numpy()

    def _ahead(self, n: int) -> Iterator[Tensor]:
        x = self.fields
        yield x
        for turn in range(1, math.ceil(n / len(x))):
            x, _ = advance(
                self.theory, "cluster", self.parameters, x, self.count + MOVES * (turn - 1), MOVES, self.noise
            )
            yield x

    def _turn(self) -> None:
        self.fields = self._moved() if self._next is None else self._next.result()
        self.count, self.used, self._next = self.count + MOVES, 0, None

    def _moved(self) -> Tensor:
        return advance(self.theory, "cluster", self.parameters, self.fields, self.count, MOVES, self.noise)[0]


def _prepared(theory: Phi4, noise: Noise, laws: int, token: Token | None) -> tuple[Law, _Pool, tuple[str, ...]]:
    """A law with its pool, in equilibrium, and warnings."""
    parameters = automatic("cluster", theory, noise)
    found = equilibrate(theory, "cluster", parameters, "mixed", noise, token)
    thin = min(MOST_THIN, max(1, math.ceil(found.tau)))
    pool, draws = max(FEWEST_IN_POOL, POOL // laws), 0

    def run(chains: int, draws: int, own: Noise) -> tuple[Tensor, Tensor]:
        """Configurations (draws · chains, *event) after thermalisation, and the last of each chain."""
        x = begin(theory, "mixed", chains, own, False)
        x, _ = advance(theory, "cluster", parameters, x, 0, found.steps, own, token=token)
        fields = torch.empty(draws, *x.shape)

        def keep(k: int, first: int, x: Tensor) -> None:
            fields[k, first : first + len(x)] = x

        x, _ = advance(theory, "cluster", parameters, x, found.steps, thin, own, draws, keep, token=token)
        return fields.flatten(0, 1), x

    draws = math.ceil(FIT / pool)
    fields, x = run(pool, draws, noise)
    held, _ = run(HELD_CHAINS, math.ceil(max(2 * HELD_CHAINS, HELD_OUT // laws) / HELD_CHAINS), noise.of("held out"))
    law = Law(theory.event, theory.kappa, theory.lam, FieldGaussianScore.fit(fields), held, 0, HELD_CHAINS, True)
    return law, _Pool(theory, parameters, noise, x, found.steps + draws * thin), found.warnings


def _restored(theory: Phi4, noise: Noise, state: tuple[dict[str, Tensor], dict[str, Any]], k: int) -> tuple[Law, _Pool]:
    tensors, numbers = state
    count, used, parameters = numbers["pools"][k]
    gaussian = FieldGaussianScore(tensors[f"connected.{k}"].numpy(), numbers["m"][k])
    law = Law(theory.event, theory.kappa, theory.lam, gaussian, tensors[f"held_out.{k}"], 0, HELD_CHAINS, True)
    return law, _Pool(theory, parameters, noise, tensors[f"fields.{k}"], count, used)


def _noise(theory: Phi4, seed: int) -> Noise:
    shape = "x".join(map(str, theory.event))
    return Noise(seed, f"live {shape} {theory.kappa!r} {theory.lam!r}")
