"""What a panel can show. Each array is either fixed or moves with the play position.

An array that moves has one more axis in front, of length `frames` (the number of play positions of the scene).
NaN and infinite values leave a gap. Colours are roles (see `dashboard.stage.colours`) or CSS colours.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from dashboard.stage.colours import check_colour, palette


class Series:
    """Base of all series: `arrays` names the array fields and their number of axes when they do not move."""

    kind: ClassVar[str]
    arrays: ClassVar[dict[str, int]]
    still: ClassVar[tuple[str, ...]] = ()  # array fields that never move
    bare: ClassVar[tuple[str, ...]] = ()  # array fields that may be None

    def values(self, name: str) -> np.ndarray | None:
        value = getattr(self, name)
        return None if value is None else np.asarray(value)

    def moves(self, name: str) -> bool:
        value = self.values(name)
        return value is not None and value.ndim == self.arrays[name] + 1

    def check(self, frames: int) -> None:
        """Raise ValueError where an array has not the shape that its field must have."""
        lengths = {}
        for name, axes in self.arrays.items():
            value = self.values(name)
            if value is None:
                if name not in self.bare:
                    raise ValueError(f"{self.kind}: {name} is missing")
                continue
            moving = value.ndim == axes + 1 and name not in self.still
            if value.ndim != axes and not moving:
                raise ValueError(
                    f"{self.kind}: {name} has shape {value.shape}; it must have {axes} axes, "
                    f"or {axes + 1} with the frames first"
                )
            if moving and value.shape[0] != frames:
                raise ValueError(f"{self.kind}: {name} has {value.shape[0]} frames; the scene has {frames} positions")
            lengths[name] = value.shape[-1] if value.ndim else 1
        self._check_lengths(lengths)
        if color := getattr(self, "color", ""):
            check_colour(color)

    def _check_lengths(self, lengths: dict[str, int]) -> None:
        if len(set(lengths.values())) > 1:
            raise ValueError(f"{self.kind}: the arrays have different lengths, {lengths}; they must agree")


@dataclass(frozen=True, eq=False)
class Line(Series):
    """A curve y(x): x and y of shape (n,) or (frames, n)."""

    x: ArrayLike
    y: ArrayLike
    label: str = ""
    color: str = "exact"
    width: float = 2.0
    dash: bool = False
    opacity: float = 1.0
    kind: ClassVar[str] = "line"
    arrays: ClassVar[dict[str, int]] = {"x": 1, "y": 1}


@dataclass(frozen=True, eq=False)
class Band(Series):
    """The area between low(x) and high(x), each of shape (n,) or (frames, n)."""

    x: ArrayLike
    low: ArrayLike
    high: ArrayLike
    label: str = ""
    color: str = "exact"
    opacity: float = 0.2
    kind: ClassVar[str] = "band"
    arrays: ClassVar[dict[str, int]] = {"x": 1, "low": 1, "high": 1}


@dataclass(frozen=True, eq=False)
class Bars(Series):
    """A histogram: edges (n + 1,) or (frames, n + 1), heights (n,) or (frames, n)."""

    edges: ArrayLike
    heights: ArrayLike
    label: str = ""
    color: str = "data"
    opacity: float = 0.35
    kind: ClassVar[str] = "bars"
    arrays: ClassVar[dict[str, int]] = {"edges": 1, "heights": 1}

    def _check_lengths(self, lengths: dict[str, int]) -> None:
        if lengths["edges"] != lengths["heights"] + 1:
            raise ValueError(
                f"bars: there are {lengths['edges']} edges for {lengths['heights']} heights; one more edge is needed"
            )


@dataclass(frozen=True, eq=False)
class Points(Series):
    """Particles at x, y of shape (n,) or (frames, n); `size` is the diameter in pixels."""

    x: ArrayLike
    y: ArrayLike
    color: str = "data"
    size: float = 4.0
    label: str = ""
    opacity: float = 0.6
    kind: ClassVar[str] = "points"
    arrays: ClassVar[dict[str, int]] = {"x": 1, "y": 1}


@dataclass(frozen=True, eq=False)
class Bundle(Series):
    """Trajectories y (paths, n) over t (n,). In a clock panel the past is bright, the future faint."""

    t: ArrayLike
    y: ArrayLike
    color: str = "forward"
    opacity: float = 0.4
    label: str = ""
    kind: ClassVar[str] = "bundle"
    arrays: ClassVar[dict[str, int]] = {"t": 1, "y": 2}
    still: ClassVar[tuple[str, ...]] = ("t", "y")


@dataclass(frozen=True, eq=False)
class Image(Series):
    """A field as uint8 (h, w) or (frames, h, w); row 0 lies at the lower edge y0 of extent = (x0, x1, y0, y1).

    `limits`, (2,) or (frames, 2), are the values of 0 and 255, for the colour bar and the readout; None draws no bar.
    `palette` is "diverging" (for fields with a sign; let limits be symmetric), "sequential", "grey", "cyclic" or a
    name that colorcet knows.
    """

    data: ArrayLike
    extent: tuple[float, float, float, float]
    palette: str = "diverging"
    limits: ArrayLike | None = None
    label: str = ""
    pixelated: bool = True
    kind: ClassVar[str] = "image"
    arrays: ClassVar[dict[str, int]] = {"data": 2, "limits": 1}
    bare: ClassVar[tuple[str, ...]] = ("limits",)

    def check(self, frames: int) -> None:
        super().check(frames)
        data = self.values("data")
        if data is None or data.dtype != np.uint8:
            raise ValueError(f"image: data has dtype {data.dtype if data is not None else None}; it must be uint8")
        if len(self.extent) != 4:
            raise ValueError(f"image: extent is {self.extent}; it must be (x0, x1, y0, y1)")
        palette(self.palette)

    def _check_lengths(self, lengths: dict[str, int]) -> None:
        if lengths.get("limits", 2) != 2:
            raise ValueError(f"image: limits has {lengths['limits']} values; it must have 2, lowest and highest")


@dataclass(frozen=True, eq=False)
class Arrows(Series):
    """A vector field (u, v), each (n,) or (frames, n), at x, y of shape (n,).

    In every frame the longest arrow spans the distance between neighbouring arrows; the others are in proportion.
    """

    x: ArrayLike
    y: ArrayLike
    u: ArrayLike
    v: ArrayLike
    color: str = "muted"
    label: str = ""
    kind: ClassVar[str] = "arrows"
    arrays: ClassVar[dict[str, int]] = {"x": 1, "y": 1, "u": 1, "v": 1}
    still: ClassVar[tuple[str, ...]] = ("x", "y")


@dataclass(frozen=True, eq=False)
class Rule(Series):
    """A vertical line at x, or a horizontal one at y: a number or (frames,)."""

    x: ArrayLike | None = None
    y: ArrayLike | None = None
    label: str = ""
    color: str = "muted"
    dash: bool = True
    kind: ClassVar[str] = "rule"
    arrays: ClassVar[dict[str, int]] = {"x": 0, "y": 0}
    bare: ClassVar[tuple[str, ...]] = ("x", "y")

    def _check_lengths(self, lengths: dict[str, int]) -> None:
        if (self.x is None) == (self.y is None):
            raise ValueError("rule: give either x or y, not both and not neither")
