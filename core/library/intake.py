"""Files from outside into the library: checked, made safe, never over anything that is there.

``.npy`` are raw fields (n, *lattice): with κ and λ they become an ensemble, without they stay an array. ``.nc`` are
ensembles made by StoqLab, ``.safetensors`` its models. What is refused is refused with a sentence.
"""

from __future__ import annotations

import hashlib
import math
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from core.shelf import safe_name
from core.store import in_bytes

LARGEST = 2**30
"""Bytes of a file that is taken, unless told otherwise."""
SUFFIXES = (".nc", ".npy", ".safetensors")
ALGORITHM = "imported"
"""What ensembles made from raw fields have as ``algorithm``."""
PIECE = 2**22


@dataclass(frozen=True)
class Imported:
    """What has come in: its ``kind``, its ``name`` in the library, and a ``sentence`` about it."""

    kind: Literal["ensemble", "array", "model"]
    name: str
    sentence: str


def suffix_of(file_name: str) -> str:
    """The suffix that says what a file is. ValueError with a sentence for one that is not taken."""
    suffix = Path(file_name).suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(
            f"the library takes {', '.join(SUFFIXES[:-1])} and {SUFFIXES[-1]} files, got {_short(file_name)!r}"
        )
    return suffix


def import_file(
    path: str | Path,
    file_name: str | None = None,
    name: str = "",
    kappa: float | None = None,
    lam: float | None = None,
    independent: bool = False,
    largest: float = LARGEST,
) -> Imported:
    """Take a file into the user's library, under a name made from its own unless ``name`` is given.

    An ensemble's file is opened by the HDF5 library, which a file can be made to crash: see ``core.library.apart``.
    ``file_name`` is what the file was called where it comes from. ``kappa`` and ``lam`` belong to raw fields, and say
    of what theory they are; ``independent`` that they are independent draws and not one Markov chain. Raises
    ValueError with a sentence for anything that is not taken, and FileNotFoundError.
    """
    path = Path(path)
    file_name = path.name if file_name is None else file_name
    suffix = suffix_of(file_name)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    size = path.stat().st_size
    if size > largest:
        raise ValueError(f"{_short(file_name)!r} has {in_bytes(size)}; files of up to {in_bytes(largest)} are taken")
    if suffix != ".npy" and (kappa is not None or lam is not None or independent):
        raise ValueError("κ, λ and “independent” are for raw fields (.npy); other files know their own")
    if (kappa is None) != (lam is None):
        raise ValueError("κ and λ must be given both, or none of them")
    wanted = name.strip() or safe_name(file_name)
    take = {".nc": _ensemble, ".safetensors": _model}.get(suffix)
    try:
        if take is not None:
            return take(path, wanted)
        if kappa is None or lam is None:
            return _array(path, wanted)
        return _fields(path, wanted, _short(file_name), kappa, lam, independent)
    except ValueError as error:
        raise ValueError(f"{_short(file_name)!r} was not taken: {error}") from error


def _ensemble(path: Path, wanted: str) -> Imported:
    from core.ensembles.library import Library
    from core.library.check_ensemble import check_ensemble

    library = Library()
    with library.newcomer(wanted) as new:
        shutil.copyfile(path, new.temporary)
        check_ensemble(new.temporary)  # of the copy, which nobody else can change meanwhile
    assert new.path is not None
    entry = library[new.path.stem]
    return Imported("ensemble", entry.name, f"“{entry.name}”: {entry.n_configs} configurations.")


def _model(path: Path, wanted: str) -> Imported:
    from core.diffusion.model_library import ModelLibrary
    from core.library.check_model import checked_model

    model = checked_model(path, wanted)
    with ModelLibrary().newcomer(wanted) as new:
        model.save(new.temporary)
    assert new.path is not None
    words = f"“{new.path.stem}”: a model for use; what it takes to go on with its training was left out."
    return Imported("model", new.path.stem, words)


def _array(path: Path, wanted: str) -> Imported:
    from core.library.arrays import ArrayLibrary, magnetisations, open_fields

    array = open_fields(path)
    magnetisations(array)
    with ArrayLibrary().newcomer(wanted) as new, new.temporary.open("wb") as file:
        np.save(file, array)
    assert new.path is not None
    return Imported("array", new.path.stem, f"“{new.path.stem}”: {len(array)} configurations of unknown couplings.")


def _fields(path: Path, wanted: str, file_name: str, kappa: float, lam: float, independent: bool) -> Imported:
    """An ensemble from raw fields: one chain of all configurations."""
    import torch

    from core.ensembles.files import write_ensemble
    from core.ensembles.library import Library
    from core.ensembles.summary import tau_of_abs_m
    from core.library.arrays import magnetisations, open_fields
    from core.theories.phi4 import Phi4

    for symbol, value in (("κ", kappa), ("λ", lam)):
        if not math.isfinite(value):
            raise ValueError(f"{symbol} must be a finite number, got {value}")
    array = open_fields(path)
    theory = Phi4(tuple(array.shape[1:]), kappa, lam)
    m = magnetisations(array)
    squares, actions = np.empty((2, len(array)))
    for first, block in _blocks(array):
        x = torch.from_numpy(block)
        squares[first : first + len(block)] = x.double().square().flatten(1).mean(1)
        actions[first : first + len(block)] = theory.action(x) / theory.volume
    scalars = {"magnetisation": m, "phi_squared": squares, "action": actions, "acceptance": np.full(len(m), math.nan)}
    tau = None if independent else tau_of_abs_m(m[None])
    when = time.strftime("%d %B %Y")
    attributes = {
        "algorithm": ALGORITHM,
        "parameters": {"file": file_name, "sha256": _checksum(path), "dtype": str(array.dtype)},
        "equilibrium": "not known",
        "independent": int(independent),
        "acceptance": math.nan,
        "tau_int": math.nan if tau is None else tau,
        "seconds": 0.0,
        "warnings": [],
        "notes": [f"imported from {file_name} on {when}, where κ = {kappa:g} and λ = {lam:g} were given by hand."],
    }
    with Library().newcomer(wanted) as new:
        pieces = ((0, first, block[None]) for first, block in _blocks(array))
        write_ensemble(new.temporary, theory, {k: v[None] for k, v in scalars.items()}, attributes, pieces)
    assert new.path is not None
    return Imported("ensemble", new.path.stem, f"“{new.path.stem}”: {len(array)} configurations.")


def _blocks(array: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Number of the first configuration, and some configurations as float32."""
    size = max(1, PIECE // math.prod(array.shape[1:]))
    for first in range(0, len(array), size):
        yield first, np.ascontiguousarray(array[first : first + size], dtype=np.float32)


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _short(file_name: str) -> str:
    """A file name from outside, fit for a sentence."""
    name = "".join(c if c.isprintable() else "�" for c in file_name.replace("\\", "/").rpartition("/")[2])
    return name if len(name) <= 80 else f"{name[:60]}…{name[-15:]}"
