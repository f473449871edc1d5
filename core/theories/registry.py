"""The targets by name: what the command line, the address bar and the menus offer."""

from __future__ import annotations

from collections.abc import Callable

from core.theories.base import Target
from core.theories.mixture import GaussianMixture, three_peaks, two_peaks


def mixture(
    weights: tuple[float, ...] = (0.65, 0.35),
    means: tuple[float, ...] = (-0.8, 1.5),
    stds: tuple[float, ...] = (0.3, 0.5),
) -> GaussianMixture:
    """A Gaussian mixture; the default is asymmetric, with κ_3 and κ_5 different from zero."""
    return GaussianMixture(weights, means, stds)


_MAKERS: dict[str, Callable[..., Target]] = {
    "two-peak": two_peaks,
    "mixture": mixture,
    "three-peak": three_peaks,
}

PRESETS: dict[str, Target] = {name: make() for name, make in _MAKERS.items()}
"""Every target by name, with its usual parameters."""


def make_target(name: str, **parameters) -> Target:
    """The target called ``name``; parameters that are left out keep the values of the preset.

    Raises ValueError for an unknown name, an unknown parameter or a parameter outside its range.
    """
    maker = _MAKERS.get(name)
    if maker is None:
        raise ValueError(f"target must be one of {', '.join(_MAKERS)}, got {name!r}")
    known = maker.__annotations__.keys() - {"return"}
    unknown = sorted(parameters.keys() - known)
    if unknown:
        raise ValueError(f"{name} has the parameters {', '.join(sorted(known))}, got {', '.join(unknown)}")
    return maker(**parameters)
