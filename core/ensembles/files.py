"""Ensembles in one NetCDF file each: fields with dims (chain, draw, x, y), and all that is known about their origin.

Variables: ``field`` (chain, draw, *lattice) float32; ``magnetisation``, ``phi_squared``, ``action`` (per site) and
``acceptance`` (chain, draw) float64. Attributes name theory, couplings, algorithm with its parameters, seed,
versions, acceptance, τ_int of |M| (in draws), seconds, warnings. Of Markov chains there are also start, thermalisation,
thinning and ``plan``, the plan as JSON, from which the file can be made again or gone on with. Ensembles that a
diffusion model generated (``core.ensembles.generated``) have their own attributes instead, and may have the variables
``log_weight`` and ``log_likelihood`` (chain, draw).
"""

from __future__ import annotations

import errno
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from core.ensembles.parts import SCALARS
from core.ensembles.plan import Plan, describe, theory_of
from core.theories.phi4 import Phi4

FORMAT = 1
BLOCK_BYTES = 2**26
"""What ``blocks`` holds at a time unless told otherwise."""
EXTRAS = ("log_weight", "log_likelihood")
"""What a generated ensemble may hold of each configuration besides ``SCALARS``."""
JSON = ("parameters", "versions", "warnings", "notes", "schedule", "correction", "check")
"""Attributes that hold dictionaries or lists, as JSON."""
_MARK = "stoqlab_ensemble"

Piece = tuple[int, int, np.ndarray]
"""First chain, first draw, and the fields (chains, draws, *event) of some configurations."""


class EnsembleReader:
    """An open ensemble, read piece by piece; close it, or use it in a ``with`` block.

    ``theory``; ``attributes`` of the file, none for a plain array; ``plan`` it was made by, None for arrays and for
    ensembles that a diffusion model generated; ``path``. ``chains`` and ``draws`` are Markov chains and the
    configurations of each. Where all configurations are ``independent`` they count as draws of a single chain.
    """

    def __init__(
        self, path: Path, theory: Phi4, attributes: dict[str, Any], plan: Plan | None, fields: Any, file: Any,
        independent: bool,
    ) -> None:  # fmt: skip
        self.path, self.theory, self.attributes, self.plan, self.independent = (
            path,
            theory,
            attributes,
            plan,
            independent,
        )
        self._fields, self._file = fields, file
        self.stored = (int(fields.shape[0]), int(fields.shape[1]))
        self.chains, self.draws = (1, self.stored[0] * self.stored[1]) if independent else self.stored

    @property
    def configs(self) -> int:
        """Number of configurations."""
        return self.chains * self.draws

    def blocks(self, size: int | None = None) -> Iterator[np.ndarray]:
        """All configurations in order, float32 arrays (chains, at most ``size`` draws, *event).

        Without ``size`` as many draws as fit into 64 MiB. Raises ValueError for numbers that are not finite or
        cannot be read.
        """
        if size is None:
            size = max(1, BLOCK_BYTES // (4 * self.chains * self.theory.volume))
        if size < 1:
            raise ValueError(f"size must be at least 1, got {size}")
        for first in range(0, self.draws, size):
            last = min(first + size, self.draws)
            if self.independent and self.stored[0] > 1:  # one draw of each chain
                block = self.read(first, last, 0, 1).swapaxes(0, 1)
            else:
                block = self.read(0, self.stored[0], first, last)
            if not np.isfinite(block).all():
                raise ValueError(f"{self.path} holds numbers that are not finite in its draws {first} to {last - 1}")
            yield block

    def read(self, first_chain: int, last_chain: int, first_draw: int, last_draw: int) -> np.ndarray:
        """Stored fields of these chains and draws, the last ones excluded, float32. ValueError if unreadable."""
        try:
            return np.asarray(self._fields[first_chain:last_chain, first_draw:last_draw], dtype=np.float32)
        except (OSError, RuntimeError) as error:
            raise ValueError(f"{self.path} is damaged ({error})") from error

    @property
    def caveats(self) -> tuple[list[str], list[str]]:
        """Warnings and notes, in sentences, that whoever made the ensemble gave it."""
        if self.plan is not None:
            return list(self.plan.warnings), list(self.plan.notes)
        return self.attributes.get("warnings", []), self.attributes.get("notes", [])

    def spread(self, n: int) -> np.ndarray:
        """At most ``n`` configurations (n, *event), float32, as far apart from each other as the chains have them.

        Raises ValueError for n below 1, and for numbers that are not finite or cannot be read.
        """
        if n < 1:
            raise ValueError(f"the number of configurations must be at least 1, got {n}")
        chains, draws = self.stored
        each = min(draws, -(-n // chains))
        wanted = np.arange(min(n, each * chains)) * (each * chains) // min(n, each * chains)
        kept = [self.read(0, chains, d, d + 1)[:, 0] for d in (np.arange(each) * draws // each).tolist()]
        fields = np.stack(kept, axis=1).reshape(-1, *self.theory.event)[wanted]
        if not np.isfinite(fields).all():
            raise ValueError(f"{self.path} holds numbers that are not finite")
        return fields

    def scalars(self) -> dict[str, np.ndarray]:
        """What is stored of each configuration beside the field, (chains, draws) float64; {} for a plain array."""
        if self._file is None:
            return {}
        names = [*SCALARS, *(name for name in EXTRAS if name in self._file.variables)]
        return {name: np.asarray(self._file.variables[name][...], dtype=float) for name in names}

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> EnsembleReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self.close()


def open_ensemble(
    path: str | Path,
    theory: Phi4 | Callable[[tuple[int, ...]], Phi4] | None = None,
    independent: bool = False,
) -> EnsembleReader:
    """Open an ensemble: a NetCDF file made here, or a ``.npy`` file of shape (N, *event).

    A ``.npy`` file is taken as one Markov chain, or with ``independent`` as independent draws. It does not know its
    couplings: ``theory`` is the theory, or a function that makes it for the shape of a configuration. Raises
    FileNotFoundError, IsADirectoryError, or ValueError for a file that is cut short, damaged or something else, and
    for a theory that is missing or of another shape.
    """
    path = Path(path)
    if is_folder(path):
        raise IsADirectoryError(f"{path} is a folder, not an ensemble")
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    if path.suffix == ".npy":
        return _open_array(path, theory, independent)
    return _open_netcdf(path)


def is_folder(path: Path) -> bool:
    """Whether there is a folder of this name; ValueError for a name that is too long for the system."""
    try:
        return path.is_dir()
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        name = max(path.parts, key=len)
        raise ValueError(f"the name of the file is too long, {len(name)} characters: {name[:40]}…") from None


def _open_array(path: Path, theory: Any, independent: bool) -> EnsembleReader:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # of a damaged header numpy's parser says SyntaxError, TokenError, TypeError and more
        raise ValueError(f"{path} is not a NumPy array of numbers, or it is damaged or cut short") from error
    if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
        raise ValueError(f"{path} must hold real numbers, got {array.dtype}")
    if array.ndim < 2 or len(array) == 0:
        raise ValueError(f"{path} must have the shape (configurations, *lattice), got {array.shape}")
    if theory is None:
        raise ValueError(f"{path} does not say what theory it belongs to: give its kappa and lambda")
    if not isinstance(theory, Phi4):
        theory = theory(array.shape[1:])
    if array.shape[1:] != theory.event:
        raise ValueError(f"{path} holds fields of shape {array.shape[1:]}, but the theory lives on {theory.event}")
    return EnsembleReader(path, theory, {}, None, array[None], None, independent)


def _open_netcdf(path: Path) -> EnsembleReader:
    import h5netcdf

    try:
        file = h5netcdf.File(path, "r")
    except (OSError, RuntimeError, ValueError, KeyError, AttributeError) as error:
        raise ValueError(f"{path} is not an ensemble in NetCDF, or it is damaged or cut short ({error})") from error
    try:
        attributes = {name: _plain(value) for name, value in file.attrs.items()}
        if attributes.get(_MARK) != FORMAT:
            found = attributes.get(_MARK)
            what = "not an ensemble of StoqLab" if found is None else f"of format {found}, this version reads {FORMAT}"
            raise ValueError(f"{path} is a NetCDF file, but {what}")
        for name in JSON:
            if name in attributes or name in ("parameters", "versions", "warnings", "notes"):
                attributes[name] = json.loads(attributes[name])
        plan = Plan.from_json(json.loads(attributes["plan"])) if "plan" in attributes else None
        theory = theory_of(attributes | {"name": attributes["theory"]}) if plan is None else plan.theory
        fields = file.variables["field"]
        chains, draws, *event = fields.shape
        if tuple(event) != theory.event or chains < 1 or draws < 1:
            raise ValueError(f"{path} is damaged: its fields have the shape {tuple(fields.shape)}")
        independent = draws == 1 if plan is not None else bool(attributes["independent"])
        return EnsembleReader(path, theory, attributes, plan, fields, file, independent)
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        file.close()
        raise ValueError(f"{path} is damaged: {error}") from error
    except ValueError:
        file.close()
        raise


def write_ensemble(
    path: Path, theory: Phi4, scalars: dict[str, np.ndarray], attributes: dict[str, Any], pieces: Iterable[Piece]
) -> None:
    """Write a new file at ``path``: ``scalars`` (chains, draws), and the fields from ``pieces`` that fill that shape.

    Pieces that stick out are cut. ``attributes`` are those that the theory does not imply. Raises OSError where the
    file cannot be written; it is then of no use.
    """
    import h5netcdf

    chains, draws = next(iter(scalars.values())).shape
    row = draws * theory.volume * 4
    # The HDF5 library may bring the process down after a write that failed. So the space is secured first, and the
    # bulk goes straight to the file, into the place that the library has set aside for it.
    _reserve(path, chains * row + sum(values.nbytes for values in scalars.values()) + 2**16)
    path.unlink()
    axes = ("chain", "draw", *_axes(theory.d))
    try:
        with h5netcdf.File(path, "w") as file:
            file.dimensions = dict(zip(axes, (chains, draws, *theory.event), strict=True))
            field = file.create_variable("field", axes, np.dtype("<f4"))
            field[(0,) * len(axes)] = 0.0  # sets the place aside
            offset = int(field._h5ds.id.get_offset())
            for name, values in scalars.items():
                file.create_variable(name, axes[:2], np.float64)[...] = values
            for name, value in (_common(theory) | attributes).items():
                file.attrs[name] = json.dumps(value) if isinstance(value, dict | list) else value
    except RuntimeError as error:  # the library's way to say that a write failed
        raise OSError(f"writing {path.name} failed ({error})") from error
    _reserve(path, offset + chains * row)
    with path.open("r+b", buffering=0) as raw:
        for first_chain, first_draw, fields in pieces:
            for chain, values in enumerate(fields[: chains - first_chain, : draws - first_draw], first_chain):
                raw.seek(offset + chain * row + first_draw * theory.volume * 4)
                _write_all(raw, memoryview(np.ascontiguousarray(values, dtype="<f4").tobytes()))


def _reserve(path: Path, size: int) -> None:
    """Make sure that a file of ``size`` bytes fits on the disk; OSError if not."""
    with path.open("ab") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)


def _write_all(raw: io.RawIOBase, data: memoryview) -> None:
    while data:
        data = data[raw.write(data) or 0 :]


def _common(theory: Phi4) -> dict[str, Any]:
    """What every ensemble says about itself."""
    from importlib.metadata import version

    from core import __version__

    about = describe(theory)
    return {
        _MARK: FORMAT,
        "theory": about["name"],
        "kappa": about["kappa"],
        "lam": about["lam"],
        "shape": np.array(about["shape"]),
        "versions": {"stoqlab": __version__, **{name: version(name) for name in ("numpy", "numba", "torch")}},
    }


def plan_attributes(plan: Plan) -> dict[str, Any]:
    """What an ensemble of Markov chains says about its plan."""
    return {
        "algorithm": plan.sampler,
        "parameters": dict(plan.parameters),
        "seed": np.int64(plan.seed),
        "start": plan.start,
        "protocol": plan.protocol or "",
        "therm": plan.therm,
        "thin": plan.thin,
        "unit": plan.algorithm.unit,
        "equilibrium": "not in equilibrium" if plan.protocol else "intended",
        "plan": json.dumps(plan.to_json()),
    }


def _axes(d: int) -> tuple[str, ...]:
    """Names of the lattice's dimensions."""
    return ("x", "y", "z", "t")[:d] if d <= 4 else tuple(f"x{i}" for i in range(1, d + 1))


def _plain(value: Any) -> Any:
    """An attribute as a Python number, string or list."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.item() if isinstance(value, np.generic) else value
