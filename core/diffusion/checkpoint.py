"""Learned scores on disk: one safetensors file, its record as JSON in the header, so that it moves around whole.

Tensors: ``network.*`` are the averaged weights, all that is needed to use the score. A file that training goes on
from holds ``training.*`` besides (present weights and the optimiser's moments); its random numbers need no state,
because they are addressed by seed and step. Nothing is pickled.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from core.contracts import Tensor
from core.store import atomic_path

FORMAT = 1
_KEY = "stoqlab.score"
_MOMENTS = ("exp_avg", "exp_avg_sq")


def write(path: str | Path, tensors: dict[str, Tensor], record: dict[str, Any], force: bool = False) -> None:
    """Write tensors and record to one file, whole or not at all.

    Raises FileExistsError if the file exists and ``force`` is not set.
    """
    header = {_KEY: json.dumps({"format": FORMAT, **record}, allow_nan=False)}
    contiguous = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    with atomic_path(path, force) as temporary:
        temporary.write_bytes(save(contiguous, metadata=header))  # save_file would make it unreadable for others


def training_tensors(network: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """``training.*`` of a file: the present weights and Adam's moments of them."""
    tensors = {}
    for name, weight in network.named_parameters():
        tensors[f"training.weight.{name}"] = weight
        state = optimiser.state.get(weight, {})
        tensors |= {f"training.{key}.{name}": state[key] for key in _MOMENTS if key in state}
    return tensors


def restore_training(
    tensors: dict[str, Tensor], network: nn.Module, optimiser: torch.optim.Optimizer, step: int
) -> None:
    """Put what ``training_tensors`` gave after ``step`` steps into a network and its optimiser, on their device."""
    with torch.no_grad():
        for name, weight in network.named_parameters():
            weight.copy_(tensors[f"training.weight.{name}"])
            if f"training.exp_avg.{name}" in tensors:
                optimiser.state[weight] = {
                    "step": torch.tensor(float(step), device=weight.device),
                    **{key: tensors[f"training.{key}.{name}"].to(weight.device) for key in _MOMENTS},
                }


def read(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the record of a file made by ``write``.

    Raises FileNotFoundError, or ValueError if the file is damaged, is something else, comes from a newer version, or
    holds numbers that are not finite.
    """
    path = Path(path)
    with _opened(path) as file:
        record = _record(file, path)
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{path} is damaged: {name} holds numbers that are not finite")
    return tensors, record


def read_record(path: str | Path) -> dict[str, Any]:
    """The record alone, which stands at the head of the file. Raises what ``read`` raises, but for the tensors."""
    with _opened(Path(path)) as file:
        return _record(file, Path(path))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        raise ValueError(f"{path} is not a learned score, or it is damaged or cut short ({error})") from error


def _record(file: Any, path: Path) -> dict[str, Any]:
    metadata = file.metadata() or {}
    if _KEY not in metadata:
        raise ValueError(f"{path} is a safetensors file, but not a learned score of StoqLab")
    record = json.loads(metadata[_KEY])
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        found = record.get("format") if isinstance(record, dict) else record
        raise ValueError(f"{path} has format {found!r}, but this version reads format {FORMAT}")
    return record
