"""The targets by name: what the command line, the address bar and the menus offer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache

from core.theories.base import Target
from core.theories.curves import Curve
from core.theories.formula import Formula
from core.theories.mixture import GaussianMixture, three_peaks, two_peaks
from core.theories.potential import Quartic


def mixture(
    weights: tuple[float, ...] = (0.65, 0.35),
    means: tuple[float, ...] = (-0.8, 1.5),
    stds: tuple[float, ...] = (0.3, 0.5),
) -> GaussianMixture:
    """A Gaussian mixture; the default is asymmetric, with κ_3 and κ_5 different from zero."""
    return GaussianMixture(weights, means, stds)


def double_well(mu2: float = -1.0, g: float = 0.4) -> Quartic:
    """Quartic with two wells at x² = -6 μ²/g; raises ValueError unless μ² < 0."""
    if not mu2 < 0:
        raise ValueError(f"mu2 of a double well must be negative, got {mu2}")
    return Quartic(mu2, g, name="double-well")


def quartic(mu2: float = 1.0, g: float = 4.0) -> Quartic:
    """Quartic with either sign of μ²; the preset has one well."""
    return Quartic(mu2, g)


def formula(text: str = "x^2/2 + 2*cos(3*x)") -> Formula:
    """A potential typed as text; the preset has several wells."""
    return Formula(text)


def circle(thickness: float = 0.05) -> Curve:
    """Points on a circle, with a Gaussian thickness."""
    return Curve("circle", thickness)


def spiral(thickness: float = 0.05) -> Curve:
    """Points on a spiral, with a Gaussian thickness."""
    return Curve("spiral", thickness)


def line(thickness: float = 0.05) -> Curve:
    """Points on a straight line, with a Gaussian thickness."""
    return Curve("line", thickness)


_MAKERS: dict[str, Callable[..., Target]] = {
    "two-peak": two_peaks,
    "double-well": double_well,
    "quartic": quartic,
    "mixture": mixture,
    "three-peak": three_peaks,
    "formula": formula,
    "circle": circle,
    "spiral": spiral,
    "line": line,
}


class _Presets(Mapping[str, Target]):
    """Each target with its usual parameters, made when first asked for."""

    def __getitem__(self, name: str) -> Target:
        return _preset(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_MAKERS)

    def __len__(self) -> int:
        return len(_MAKERS)

    def __contains__(self, name: object) -> bool:
        return name in _MAKERS


@cache
def _preset(name: str) -> Target:
    return _MAKERS[name]()


PRESETS: Mapping[str, Target] = _Presets()
"""Every target by name, with its usual parameters."""


def make_target(name: str, **parameters) -> Target:
    """The target called ``name``; parameters that are left out keep the values of the preset.

    ``two-peak`` (mu, std), ``double-well`` and ``quartic`` (mu2, g), ``mixture`` (weights, means, stds; in the plane
    where the means are pairs), ``three-peak`` (radius, std), ``formula`` (text), ``circle``, ``spiral`` and ``line``
    (thickness). Raises ValueError for an unknown name, an unknown parameter or a parameter outside its range.
    """
    maker = _MAKERS.get(name)
    if maker is None:
        raise ValueError(f"target must be one of {', '.join(_MAKERS)}, got {name!r}")
    known = maker.__annotations__.keys() - {"return"}
    unknown = sorted(parameters.keys() - known)
    if unknown:
        raise ValueError(f"{name} has the parameters {', '.join(sorted(known))}, got {', '.join(unknown)}")
    return maker(**parameters)
