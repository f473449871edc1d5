"""Whether a NetCDF file from outside is an ensemble of ours, whole, and nothing else.

An HDF5 file can point to other files (external links, external and virtual data sets) and can hold, compressed, far
more than its size: nothing of that is taken.
"""

from __future__ import annotations

import math
from pathlib import Path

import h5py
import numpy as np

from core.ensembles.files import EXTRAS, open_ensemble
from core.ensembles.parts import SCALARS
from core.library.arrays import LARGEST_EXTENT, MOST_AXES
from core.statistics.measure import LARGEST_FIELD

MOST_ATTRIBUTES, LONGEST_ATTRIBUTE = 64, 2**17
TOLERANCE = 1e-4
"""Between the stored magnetisation, or action per site, and that of the stored field, relative to the field's size."""
AXES = ("chain", "draw", "x", "y", "z", "t")


def check_ensemble(path: Path) -> None:
    """ValueError with a sentence for a file that is not an ensemble of ours, whole and consistent."""
    try:
        with h5py.File(path, "r") as file:
            _check_layout(file, path.stat().st_size)
    except (OSError, RuntimeError, KeyError, TypeError) as error:
        raise ValueError("it is not an ensemble in NetCDF, or it is damaged or cut short") from error
    try:
        with open_ensemble(path) as reader:
            if len(reader.theory.event) > MOST_AXES or max(reader.theory.event) > LARGEST_EXTENT:
                raise ValueError(f"its lattice {reader.theory.event} is too large: {LARGEST_EXTENT} sites an axis")
            attributes = reader.attributes
            for name in ("acceptance", "tau_int", "seconds"):
                float(attributes[name])
            for name in ("warnings", "notes"):
                if not all(isinstance(sentence, str) for sentence in attributes[name]):
                    raise ValueError(f"its {name} are not sentences")
            scalars = reader.scalars()
            if any(values.shape != reader.stored for values in scalars.values()):
                raise ValueError("what it says of each configuration has another shape than the fields")
            for first in range(reader.stored[0]):
                fields = reader.read(first, first + 1, 0, reader.stored[1])[0].astype(np.float64)
                if not (np.abs(fields) <= LARGEST_FIELD).all():
                    raise ValueError(f"chain {first} holds numbers that are not finite, or beyond 10¹²")
                flat = fields.reshape(len(fields), -1)
                size = 1 + np.abs(flat).mean(axis=1)
                for name, own in (("magnetisation", flat.mean(axis=1)), ("phi_squared", (flat**2).mean(axis=1))):
                    if not (np.abs(scalars[name][first] - own) <= TOLERANCE * size**2).all():
                        raise ValueError(f"its {name} does not belong to its fields (chain {first})")
            if not np.isfinite(scalars["action"]).all():
                raise ValueError("its action holds numbers that are not finite")
    except (KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise ValueError(f"it is an ensemble that lacks something: {error}") from error
    except ValueError as error:
        raise ValueError(str(error).replace(f"{path} is", "it is").replace(str(path), path.name)) from error


def _check_layout(file: h5py.File, size: int) -> None:
    """Only the arrays that our ensembles have, stored plainly in the file itself."""
    known = {"field", *SCALARS, *EXTRAS, *AXES}
    for name in map(str, file):
        if name not in known or not isinstance(file.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"it holds {name[:40]!r}, which no ensemble of StoqLab has")
        found = file[name]
        if not isinstance(found, h5py.Dataset):
            raise ValueError(f"its {name!r} is not an array")
        if name in AXES:
            continue
        assert found.shape is not None
        if found.external or found.is_virtual or found.chunks or found.compression:
            raise ValueError(f"its {name!r} is not stored plainly in the file itself")
        wanted = np.dtype("<f4") if name == "field" else np.dtype("<f8")
        if found.dtype != wanted:
            raise ValueError(f"its {name!r} must be {wanted}, got {found.dtype}")
        if math.prod(found.shape) * wanted.itemsize > size:
            raise ValueError(f"it is cut short: its {name!r} of shape {found.shape} is larger than the file")
    missing = [name for name in ("field", *SCALARS) if name not in file]
    if missing:
        raise ValueError(f"it is a NetCDF file, but not an ensemble of StoqLab: it has no {missing[0]!r}")
    if len(file.attrs) > MOST_ATTRIBUTES:
        raise ValueError(f"it has {len(file.attrs)} attributes; an ensemble has at most {MOST_ATTRIBUTES}")
    for name in map(str, file.attrs):
        longest = max(file.attrs.get_id(name).get_storage_size(), len(str(file.attrs[name])))
        if longest > LONGEST_ATTRIBUTE:
            raise ValueError(f"its attribute {name[:40]!r} is longer than {LONGEST_ATTRIBUTE} bytes")
