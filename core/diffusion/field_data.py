"""Where the configurations come from that a lattice field is learned from: files, here, or a live sampler.

A source holds one ``Law`` for each lattice and pair of couplings, and hands out batches by step number. What a batch
holds depends on the data, the noise and the step alone (and for a sampler on its state, which a checkpoint keeps), so
that a run that goes on is the same run.
"""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.diffusion.field_gaussian import FieldGaussianScore
from core.ensembles.files import open_ensemble
from core.noise import Noise
from core.theories.phi4 import Phi4

Tensor = torch.Tensor

HELD_OUT = 10
"""One configuration in so many is kept for validation."""
FEWEST_CHAINS = 10
"""Chains from which on whole chains are kept, so that what is held out is independent of what is learned."""
FEWEST = 20
"""Configurations below which there is nothing to learn from."""
FIT_NUMBERS = 2**26
"""Most field values that go into the fit of a baseline: 65 536 configurations of 32²."""


@dataclass(frozen=True, eq=False)
class Law:
    """One law to be learned: lattice, couplings, its Gaussian fitted to the training part, what is held out.

    ``kappa`` and ``lam`` are None where the action is not known. ``held_out`` (n, *event) float32 come from so many
    ``chains``, one chain after the other, or ``by_draw`` one draw of all chains after the other; 0 chains are
    independent draws. ``configs`` is the number of training configurations, 0 where they are endless.
    """

    event: tuple[int, ...]
    kappa: float | None
    lam: float | None
    gaussian: FieldGaussianScore
    held_out: Tensor
    configs: int = 0
    chains: int = 0
    by_draw: bool = False

    @property
    def series(self) -> Tensor:
        """What is held out as Markov chains (chains, draws, *event), or (n, *event) independent."""
        if not self.chains:
            return self.held_out
        if self.by_draw:
            return self.held_out.unflatten(0, (-1, self.chains)).swapaxes(0, 1)
        return self.held_out.unflatten(0, (self.chains, -1))

    @property
    def theory(self) -> Phi4 | None:
        """The theory, where the action is known."""
        return None if self.kappa is None or self.lam is None else Phi4(self.event, self.kappa, self.lam)


class FieldSource(ABC):
    """Configurations by step number. ``laws`` are what they belong to, ``warnings`` sentences about them."""

    laws: tuple[Law, ...]
    warnings: tuple[str, ...] = ()

    def batch(self, step: int, n: int, noise: Noise) -> tuple[Tensor, Tensor]:
        """``n`` configurations for a step, (n, *event) float32, and the number of the law of each, (n,) int64.

        All have the lattice of a law that is drawn for the step; its laws share the batch evenly. A sampler must be
        asked for the steps in turn.
        """
        event = self.laws[int(noise.of("lattice").uniform(step, (1, 1)) * len(self.laws))].event
        of_event = torch.tensor([k for k, law in enumerate(self.laws) if law.event == event])
        shift = float(noise.of("law").uniform(step, (1, 1)))
        which = of_event[((torch.arange(n) + shift) / n * len(of_event)).long().clamp_(max=len(of_event) - 1)]
        return self._take(step, which, noise), which

    @property
    def events(self) -> tuple[tuple[int, ...], ...]:
        """The lattices, in the order in which they first appear."""
        return tuple(dict.fromkeys(law.event for law in self.laws))

    @property
    def known(self) -> bool:
        """Whether the action of every law is known."""
        return all(law.theory is not None for law in self.laws)

    @abstractmethod
    def fields(self, k: int, n: int) -> Tensor:
        """About ``n`` training configurations of law k, (·, *event) float32; batches stay what they were."""

    def magnetisations(self, k: int, n: int) -> np.ndarray:
        """The mean over the lattice of about ``n`` training configurations of law k, (·,) float64."""
        return _mean(self.fields(k, n))

    @property
    @abstractmethod
    def digest(self) -> str:
        """Checksum of all that decides what the batches hold, 16 hexadecimal digits."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Where the configurations come from, as JSON has it."""

    @abstractmethod
    def sentence(self) -> str:
        """The same in words."""

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What a checkpoint has to keep so that the next batches are the same: tensors and plain numbers."""
        return {}, {}

    @abstractmethod
    def _take(self, step: int, which: Tensor, noise: Noise) -> Tensor:
        """A configuration (n, *event) of each of the laws ``which`` (n,), in ascending order, of one lattice."""


class ArraySource(FieldSource):
    """Configurations that are held in memory, from arrays by law.

    ``names`` of files, and the ``couplings`` that were given for arrays, are kept for the record.
    ``ensembles`` are (kappa, lam, fields) with fields (chains, draws, *event) float32; those of one law are joined.
    The last tenth is held out, by chain where there are ten or more. Raises ValueError for fields that cannot be used,
    and for laws of which the action is known for some only.
    """

    def __init__(
        self, ensembles: Sequence[tuple[float | None, float | None, np.ndarray]], names: Sequence[str] = ()
    ) -> None:
        if not ensembles:
            raise ValueError("there must be at least one ensemble to learn from, got none")
        self.names = tuple(names)
        self.couplings: list[float] | None = None
        parts: dict[tuple[Any, ...], list[tuple[np.ndarray, np.ndarray]]] = {}
        for kappa, lam, fields in ensembles:
            parts.setdefault((tuple(fields.shape[2:]), kappa, lam), []).append(_split(fields))
        if len(parts) > 1 and any(key[1] is None or key[2] is None for key in parts):
            raise ValueError("ensembles of several couplings or lattices are learned together only if all are known")
        laws, self._data, digest = [], [], hashlib.sha256()
        for (event, kappa, lam), pairs in parts.items():
            train, held = (
                torch.from_numpy(np.concatenate([fields.reshape(-1, *event) for fields in some]))
                for some in zip(*pairs, strict=True)
            )
            # Chains of different lengths are taken as one long chain.
            lengths = {fields.shape[1] for _, fields in pairs}
            chains = len(held) // lengths.pop() if len(lengths) == 1 else 1
            digest.update(repr((event, kappa, lam, len(train), len(held))).encode())
            digest.update(train.numpy().data)
            digest.update(held.numpy().data)
            stride = math.ceil(train.numel() / FIT_NUMBERS)
            laws.append(Law(event, kappa, lam, FieldGaussianScore.fit(train[::stride]), held, len(train), chains))
            self._data.append(train)
        self.laws, self._digest = tuple(laws), digest.hexdigest()[:16]

    def fields(self, k: int, n: int) -> Tensor:
        return self._data[k][:: max(1, math.ceil(len(self._data[k]) / n))]

    @property
    def digest(self) -> str:
        return self._digest

    def describe(self) -> dict[str, Any]:
        laws = [
            {"shape": list(law.event), "kappa": law.kappa, "lam": law.lam, "configs": law.configs,
             "held_out": len(law.held_out)} for law in self.laws
        ]  # fmt: skip
        return {"kind": "files", "files": list(self.names), "arrays": self.couplings, "laws": laws}

    def sentence(self) -> str:
        configs, held = sum(law.configs for law in self.laws), sum(len(law.held_out) for law in self.laws)
        where = f" from {', '.join(Path(name).name for name in self.names)}" if self.names else ""
        return f"{configs} configurations{where}, and {held} more held out."

    def _take(self, step: int, which: Tensor, noise: Noise) -> Tensor:
        u = noise.of("row").uniform(step, (len(which), 1))[:, 0]
        laws, counts = torch.unique_consecutive(which, return_counts=True)
        taken = [
            self._data[k][(some * len(self._data[k])).long()]
            for k, some in zip(laws.tolist(), u.split(counts.tolist()), strict=True)
        ]
        return torch.cat(taken)


def open_files(paths: Sequence[str | Path], kappa: float | None = None, lam: float | None = None) -> ArraySource:
    """Ensemble files (``.nc``), which know their couplings, or arrays (``.npy``) of shape (N, *event), which do not.

    ``kappa`` and ``lam`` are those of the arrays; without them the action of an array is unknown. Raises ValueError for
    one coupling without the other, couplings given for ensembles that know theirs, and files that cannot be used;
    FileNotFoundError, IsADirectoryError.
    """
    if (kappa is None) != (lam is None):
        raise ValueError("give both couplings of an array, kappa and lambda, or neither")
    arrays = [Path(path).suffix == ".npy" for path in paths]
    if kappa is not None and not any(arrays):
        raise ValueError("an ensemble file knows its couplings; kappa and lambda are for arrays (.npy)")
    ensembles, warnings = [], []
    for path, array in zip(paths, arrays, strict=True):
        with open_ensemble(path, _theory(kappa, lam) if array else None) as reader:
            fields = reader.read(0, reader.stored[0], 0, reader.stored[1])
            if not np.isfinite(fields).all():
                raise ValueError(f"{path} holds numbers that are not finite")
            if fields.shape[0] * fields.shape[1] < FEWEST:
                raise ValueError(
                    f"{path} must hold at least {FEWEST} configurations, got {fields.shape[0] * fields.shape[1]}"
                )
            if not (np.ptp(fields.reshape(len(fields), fields.shape[1], -1), axis=(0, 1)) > 0).all():
                raise ValueError(
                    f"{path} holds sites that are the same in all configurations: nothing fluctuates there"
                )
            unknown = array and kappa is None
            ensembles.append((*((None, None) if unknown else (reader.theory.kappa, reader.theory.lam)), fields))
            warnings += [f"{Path(path).name}: {sentence}" for sentence in reader.attributes.get("warnings", [])]
    source = ArraySource(ensembles, [str(path) for path in paths])
    source.warnings = tuple(warnings)
    source.couplings = None if kappa is None or lam is None else [kappa, lam]
    return source


def _theory(kappa: float | None, lam: float | None) -> Callable[[tuple[int, ...]], Phi4]:
    """What an array is read as: where its couplings are unknown, any theory of its shape will do."""
    known = (0.0, 0.0) if kappa is None or lam is None else (kappa, lam)
    return lambda shape: Phi4(tuple(int(n) for n in shape), *known)


def _split(fields: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Training and held-out configurations, each (chains, draws, *event), of fields (chains, draws, *event)."""
    chains, draws = fields.shape[:2]
    if chains * draws < FEWEST:
        raise ValueError(f"an ensemble must hold at least {FEWEST} configurations, got {chains * draws}")
    if chains >= FEWEST_CHAINS:
        cut = chains - chains // HELD_OUT
        train, held = fields[:cut], fields[cut:]
    else:
        cut = draws - max(1, draws // HELD_OUT)
        train, held = fields[:, :cut], fields[:, cut:]
    return tuple(np.ascontiguousarray(part, dtype=np.float32) for part in (train, held))  # type: ignore[return-value]


def _mean(fields: Tensor) -> np.ndarray:
    return fields.double().flatten(1).mean(1).cpu().numpy()
