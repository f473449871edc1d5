"""Whether a safetensors file from outside is a model of ours. What comes in is made anew from what was understood.

A model from outside is for use, not for going on with its training: the state of a training names files and may ask for
any amount of work.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.diffusion import checkpoint
from core.diffusion.field_model import FieldModel, FieldTrainingRecord
from core.diffusion.field_validation import Validation
from core.library.arrays import LARGEST_EXTENT, MOST_AXES
from core.noise import Noise

LARGEST = {"channels": 256, "hidden": 1024, "gate": 1024, "blocks": 16, "embedding": 1024}
"""Of the sizes of a network."""
MOST_SITES = 2**22
MOST_BASELINES, MOST_VALIDATIONS, MOST_BANDS, LONGEST = 1024, 5000, 64, 5000
TEXTS = ("theory", "data", "digest", "levels", "target", "device", "torch")


def checked_model(path: Path, name: str) -> FieldModel:
    """The model in a file, without its training state. ValueError with a sentence for anything else."""
    try:
        tensors, header = checkpoint.read(path)
        if header.get("kind") != "field":
            raise ValueError("it is a score of a toy target; the library holds models of lattice fields")
        _check_sizes(tensors, header)
        model = FieldModel.of({n: t for n, t in tensors.items() if not n.startswith("training.")}, header, path)
        known = FieldModel(model.network, model.baselines, _checked(model.record), name, model.tables)
        _try(known)
    except ValueError as error:
        raise ValueError(str(error).replace(f"{path} is", "it is").replace(str(path), path.name)) from error
    except (KeyError, TypeError, AttributeError, IndexError, RuntimeError, OverflowError) as error:
        raise ValueError(f"it is not a complete field model: {error}") from error
    return known


def _check_sizes(tensors: dict[str, torch.Tensor], header: dict[str, Any]) -> None:
    """Before anything is made from them: sizes that a small file could make gigabytes of."""
    for size, most in LARGEST.items():
        value = header["network"].get(size, 1)
        if not isinstance(value, int) or not 1 <= value <= most:
            raise ValueError(f"{size} of its network must be from 1 to {most}, got {str(value)[:20]}")
    baselines = header["baselines"]
    if not isinstance(baselines, list) or not 1 <= len(baselines) <= MOST_BASELINES:
        raise ValueError(f"it must have from 1 to {MOST_BASELINES} baselines")
    for i, baseline in enumerate(baselines):
        event = baseline["event"]
        if not isinstance(event, list) or not 1 <= len(event) <= MOST_AXES:
            raise ValueError(f"a lattice must have from 1 to {MOST_AXES} extents")
        if not all(isinstance(n, int) and 2 <= n <= LARGEST_EXTENT for n in event) or math.prod(event) > MOST_SITES:
            raise ValueError(f"the lattice of a baseline must have at most {MOST_SITES} sites")
        if tuple(tensors[f"baseline.{i}"].shape) != tuple(n // 2 + 1 for n in event):
            raise ValueError(f"baseline {i} has another shape than its lattice")
        for coupling in ("kappa", "lam"):
            if baseline[coupling] is not None and not math.isfinite(float(baseline[coupling])):
                raise ValueError(f"{coupling} of a baseline must be a finite number or unknown")
    for tensor_name, tensor in tensors.items():
        if tensor_name.startswith("magnetisation.") and (tensor.ndim != 2 or len(tensor) > MOST_VALIDATIONS):
            raise ValueError("a table of the magnetisation has another shape")


def _checked(record: FieldTrainingRecord) -> FieldTrainingRecord:
    """The record, its parts of the kinds that they should be; of files that it was trained on only the names."""
    for name in TEXTS:
        if not isinstance(getattr(record, name), str) or len(getattr(record, name)) > LONGEST:
            raise ValueError(f"{name} of its training record must be a text of at most {LONGEST} characters")
    numbers = [record.seconds, record.sigma_min, record.sigma_max, *(v for pair in record.couplings for v in pair)]
    if not all(math.isfinite(float(v)) for v in numbers) or any(len(pair) != 2 for pair in record.couplings):
        raise ValueError("its training record holds numbers that are not finite")
    if not 0 <= record.sigma_min < record.sigma_max:
        raise ValueError(f"its noise levels must rise, got {record.sigma_min:g} to {record.sigma_max:g}")
    if len(record.history) > MOST_VALIDATIONS or len(record.validation) > MOST_BANDS:
        raise ValueError("its training record is longer than any training")
    for point in record.history:
        _check_validation(Validation(**point))
    for band in record.validation:
        if not all(math.isfinite(float(band[name])) for name in ("low", "high", "loss", "baseline", "error")):
            raise ValueError("its validation holds numbers that are not finite")
        if not 0 < band["low"] < band["high"]:
            raise ValueError("the bands of its validation must rise")
    files = [re.split(r"[/\\]", str(file))[-1][:200] for file in record.source.get("files", [])][:100]
    source = {"kind": str(record.source.get("kind", ""))[:40], "files": files}
    small = {
        name: {str(k)[:60]: v for k, v in getattr(record, name).items() if isinstance(v, int | float | str | None)}
        for name in ("network", "config")
    }
    return replace(
        record, source=source, seed=int(record.seed), steps=int(record.steps), threads=int(record.threads),
        events=[[int(n) for n in event] for event in record.events], **small,
    )  # fmt: skip


def _check_validation(point: Validation) -> None:
    bands = len(point.loss)
    lists = (point.loss, point.baseline, point.error)
    if not 1 <= bands <= MOST_BANDS or len(point.edges) != bands + 1 or any(len(values) != bands for values in lists):
        raise ValueError("a validation of its training record has lists of different lengths")
    numbers = [point.step, point.seconds, *point.edges, *(v for values in lists for v in values)]
    if not all(math.isfinite(float(v)) for v in numbers) or point.edges[0] <= 0 or np.any(np.diff(point.edges) <= 0):
        raise ValueError("a validation of its training record holds numbers that cannot be")


def _try(model: FieldModel) -> None:
    """Use it once."""
    baseline = min(model.baselines, key=lambda b: math.prod(b.event))
    score = model.at(baseline.event, baseline.kappa, baseline.lam)
    sigma = math.sqrt(max(model.sigma_range[0], 1e-3) * min(model.sigma_range[1], 1e3))
    x = Noise(0, "check").normal(0, (2, *baseline.event), torch.float32)
    if not torch.isfinite(score.score(x, 1.0, sigma**2)).all():
        raise ValueError("its network gives numbers that are not finite")
