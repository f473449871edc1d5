"""A trained field network with all that belongs to it: baselines, couplings, range of trust, record, file.

A ``FieldModel`` is what a checkpoint holds. Bound to one lattice and one pair of couplings by ``at`` it is a
``FieldScore`` (``core.diffusion.field_score``), the score under every schedule.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import asdict, fields
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import core
from core.contracts import Tensor
from core.diffusion import checkpoint
from core.diffusion.field_baseline import Baseline, between, on_lattice
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_magnetisation import MagnetisationTable, mixed
from core.diffusion.field_network import FieldNetwork, NetworkConfig
from core.diffusion.field_record import FieldTrainingRecord

if TYPE_CHECKING:
    from core.diffusion.field_score import FieldScore

MODELS = Path(core.__file__).parent.parent / "assets" / "models"
"""Where the shipped checkpoints lie."""
_KIND = "field"
_TOLERANCE = 1e-9  # within which couplings are the same


class FieldModel:
    """Network (averaged weights), the ``baselines`` it was trained with, its ``record`` and ``name``.

    ``tables`` set right what it says of the magnetisation, one for each baseline, or none at all.
    """

    def __init__(
        self,
        network: FieldNetwork,
        baselines: list[Baseline],
        record: FieldTrainingRecord,
        name: str = "",
        tables: Sequence[MagnetisationTable] = (),
    ) -> None:
        if not baselines:
            raise ValueError("a field model needs at least one baseline, got none")
        if len(tables) not in (0, len(baselines)):
            raise ValueError(f"there must be a table for each of {len(baselines)} baselines, got {len(tables)}")
        self.tables = list(tables)
        self.network = copy.deepcopy(network).to("cpu", torch.float32).requires_grad_(False).eval()
        self.baselines, self.record, self.name = list(baselines), record, name

    @property
    def conditioned(self) -> bool:
        """Whether the couplings are an input of the network."""
        return self.network.config.conditioned

    @property
    def theory(self) -> str:
        """``phi4``, or empty where the action is unknown."""
        return self.record.theory

    @property
    def event(self) -> tuple[int, ...]:
        """The (first) lattice of the training."""
        return self.baselines[0].event

    @property
    def kappa_range(self) -> tuple[float, float] | None:
        """Smallest and largest κ of the training, None where unknown."""
        return _range([b.kappa for b in self.baselines])

    @property
    def lam_range(self) -> tuple[float, float] | None:
        """Smallest and largest λ of the training, None where unknown."""
        return _range([b.lam for b in self.baselines])

    @property
    def sigma_range(self) -> tuple[float, float]:
        """The trained levels σ̃."""
        return self.record.sigma_min, self.record.sigma_max

    @cached_property
    def digest(self) -> str:
        """Checksum of the weights and baselines, 16 hexadecimal digits."""
        total = hashlib.sha256()
        for tensor in self._tensors().values():
            total.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return total.hexdigest()[:16]

    def trusts(self, kappa: float | None = None, lam: float | None = None) -> str:
        """Empty for couplings that it was trained at, or between; else a sentence that says so."""
        for name, value, known in (("κ", kappa, self.kappa_range), ("λ", lam, self.lam_range)):
            if value is None or known is None:
                continue
            low, high = known
            if not low - _TOLERANCE <= value <= high + _TOLERANCE:
                trained = f"at {name} = {low:g}" if low == high else f"for {name} from {low:g} to {high:g}"
                return f"The network was trained {trained}; at {name} = {value:g} it guesses."
        return ""

    def at(
        self,
        event: tuple[int, ...] | None = None,
        kappa: float | None = None,
        lam: float | None = None,
        gaussian: FieldGaussianScore | None = None,
    ) -> FieldScore:
        """The score for one lattice (that of the training by default) and one pair of couplings.

        ``gaussian`` is a baseline fitted there, for instance to a short run. Without it the baseline of the training
        is taken where there is one, interpolated in the couplings of a conditioned model, and extrapolated to another
        lattice. Raises ValueError for couplings that are missing, or outside the training without a ``gaussian``.
        """
        from core.diffusion.field_score import FieldScore

        if not self.conditioned:
            first = self.baselines[0]
            if gaussian is None:
                for name, given, own in (("kappa", kappa, first.kappa), ("lam", lam, first.lam)):
                    if given is not None and own is not None and abs(given - own) > _TOLERANCE:
                        raise ValueError(f"{name} must be {own:g}, at which this model was trained, got {given:g}")
            kappa, lam = first.kappa if kappa is None else kappa, first.lam if lam is None else lam
        elif self.kappa_range and self.lam_range:
            for name, given, (low, high) in (("kappa", kappa, self.kappa_range), ("lam", lam, self.lam_range)):
                if given is None and low != high:
                    raise ValueError(f"{name} must be given for a conditioned model, from {low:g} to {high:g}")
            kappa = self.kappa_range[0] if kappa is None else kappa
            lam = self.lam_range[0] if lam is None else lam
        event = self.event if event is None else tuple(event)
        if gaussian is not None:
            if gaussian.event != event:
                raise ValueError(f"gaussian must live on the lattice {event}, got {gaussian.event}")
            return FieldScore(self, Baseline(gaussian, kappa, lam, "refitted"), self._table(gaussian, kappa, lam))
        baseline = self._baseline(event, kappa, lam)
        return FieldScore(self, baseline, self._table(baseline.gaussian, kappa, lam))

    def _table(self, gaussian: FieldGaussianScore, kappa: float | None, lam: float | None) -> MagnetisationTable | None:
        """That of the couplings, between the nearest in κ and λ; None on other lattices, and outside."""
        near = [(b, t) for b, t in zip(self.baselines, self.tables, strict=False) if b.event == gaussian.event]
        if not near:
            return None
        if not self.conditioned:
            own = near[0][0]
            return near[0][1] if kappa is None or (_same(own.kappa, kappa) and _same(own.lam, lam)) else None
        if self.trusts(kappa, lam):
            return None
        shares = [_share(b.kappa, kappa, [o.kappa for o, _ in near]) * _share(b.lam, lam, [o.lam for o, _ in near])
                  for b, _ in near]  # fmt: skip
        chosen = [(t, w) for (_, t), w in zip(near, shares, strict=True) if w > 0]
        if len(chosen) == 1:
            return chosen[0][0]
        return mixed([t for t, _ in chosen], [w for _, w in chosen], gaussian)

    def _baseline(self, event: tuple[int, ...], kappa: float | None, lam: float | None) -> Baseline:
        events = {b.event for b in self.baselines}
        near = event if event in events else max(events, key=lambda e: (len(e) == len(event), np.prod(e)))
        on = [b for b in self.baselines if b.event == near]
        if not self.conditioned or kappa is None or lam is None:
            found = on[0]
        else:
            same = [b for b in on if _same(b.kappa, kappa) and _same(b.lam, lam)]
            found = same[0] if same else between(on, kappa, lam)
        if near == event:
            return found
        return Baseline(on_lattice(found.gaussian, event), found.kappa, found.lam, "extrapolated")

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"network.{name}": t for name, t in self.network.state_dict().items()}
        for i, baseline in enumerate(self.baselines):
            tensors[f"baseline.{i}"] = torch.from_numpy(_octant(baseline.gaussian.connected))
        for i, table in enumerate(self.tables):
            tensors[f"magnetisation.{i}"] = torch.from_numpy(np.column_stack([table.levels, table.coefficients]))
        return tensors

    def contents(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and record of a file that holds this model."""
        given = [
            {"event": list(b.event), "m": b.gaussian.m, "kappa": b.kappa, "lam": b.lam} for b in self.baselines
        ]  # fmt: skip
        header = {
            "kind": _KIND, "network": asdict(self.network.config), "baselines": given, "training": asdict(self.record),
        }  # fmt: skip
        return self._tensors(), header

    def save(self, path: str | Path, force: bool = False) -> None:
        """Write to one safetensors file. Raises FileExistsError if it exists and ``force`` is not set."""
        checkpoint.write(path, *self.contents(), force=force)

    @classmethod
    def load(cls, path: str | Path) -> FieldModel:
        """Read what ``save`` wrote, or a trainer's checkpoint.

        Raises FileNotFoundError, or ValueError for a damaged or foreign file.
        """
        tensors, header = checkpoint.read(path)
        return cls.of(tensors, header, Path(path))

    @classmethod
    def of(cls, tensors: dict[str, Tensor], header: dict[str, Any], path: Path) -> FieldModel:
        """From the contents of a file. Raises ValueError if they are not those of a field model."""
        if header.get("kind") != _KIND:
            raise ValueError(f"{path} holds a score of a toy target, not of a lattice field")
        try:
            network = FieldNetwork(NetworkConfig(**({"magnetised": False} | header["network"])))
            weights = {n.removeprefix("network."): t for n, t in tensors.items() if n.startswith("network.")}
            network.load_state_dict(weights)
            baselines = [
                Baseline(
                    FieldGaussianScore(_unfolded(tensors[f"baseline.{i}"].numpy(), tuple(b["event"])), b["m"]),
                    b["kappa"],
                    b["lam"],
                )
                for i, b in enumerate(header["baselines"])
            ]
            known = {f.name for f in fields(FieldTrainingRecord)}
            record = FieldTrainingRecord(**{k: v for k, v in header["training"].items() if k in known})
            given = [
                tensors[f"magnetisation.{i}"].numpy() for i in range(len(baselines)) if "magnetisation.0" in tensors
            ]
            tables = [MagnetisationTable(rows[:, 0], rows[:, 1:]) for rows in given]
            return cls(network, baselines, record, path.stem, tables)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"{path} is not a complete field model: {error}") from error


def shipped() -> dict[str, Path]:
    """The checkpoints that come with StoqLab, by their names."""
    return {path.stem: path for path in sorted(MODELS.glob("phi4_*.safetensors"))}


@lru_cache(maxsize=16)
def _load(path: Path, modified: float) -> FieldModel:
    return FieldModel.load(path)


def load_cached(path: str | Path) -> FieldModel:
    """The model in this file, read once for all who ask until the file changes."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    return _load(path, path.stat().st_mtime)


def _octant(g: np.ndarray) -> np.ndarray:
    """What reflections leave of an even function of the momenta, float32."""
    return np.ascontiguousarray(g[tuple(slice(n // 2 + 1) for n in g.shape)]).astype(np.float32)


def _unfolded(octant: np.ndarray, event: tuple[int, ...]) -> np.ndarray:
    g = octant.astype(np.float64)
    for axis, n in enumerate(event):
        index = np.arange(n)
        g = np.take(g, np.minimum(index, n - index), axis=axis)
    return g


def _range(values: list[float | None]) -> tuple[float, float] | None:
    known = [v for v in values if v is not None]
    return (min(known), max(known)) if known else None


def _share(node: float | None, at: float | None, nodes: Sequence[float | None]) -> float:
    """Weight of a node in the linear interpolation between the two nodes beside ``at``."""
    known = sorted({n for n in nodes if n is not None})
    return float(np.interp(at or 0.0, known, [float(n == node) for n in known]))


def _same(a: float | None, b: float | None) -> bool:
    return a is not None and b is not None and abs(a - b) < _TOLERANCE
