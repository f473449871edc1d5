"""A scene: several panels on a grid, all on one play position."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from dashboard.stage.series import Series

if TYPE_CHECKING:
    from dashboard.stage.pack import Packed

Limits = tuple[float | None, float | None] | np.ndarray | None


@dataclass(frozen=True)
class Mark:
    """A play position worth knowing: drawn on the scrubber and as a thin line in clock panels."""

    position: float
    label: str
    tooltip: str = ""


@dataclass(frozen=True, eq=False)
class Panel:
    """One picture.

    id         name of its place in `Scene.areas`
    xlim, ylim (low, high), where either may be None for "from the data", or (frames, 2) for axes that move
    clock      the x axis is the play position: a line shows the present, a click or drag moves it
    symlog_y   linear within ± linthresh, logarithmic outside, for signed values that span decades
    note       small grey text beside the title
    aspect     "equal": one unit is as long on both axes
    hide_axes  no ticks, no labels: for fields
    """

    id: str
    series: Sequence[Series] = ()
    title: str = ""
    xlabel: str = ""
    ylabel: str = ""
    xlim: Limits = None
    ylim: Limits = None
    clock: bool = False
    log_y: bool = False
    symlog_y: bool = False
    linthresh: float = 1.0
    legend: bool = True
    note: str = ""
    aspect: str | None = None
    hide_axes: bool = False

    def check(self, frames: int) -> None:
        """Raise ValueError where something does not fit."""
        if not self.id.isidentifier():
            raise ValueError(f"panel id is {self.id!r}; it must be a plain name, as it stands in Scene.areas")
        if self.log_y and self.symlog_y:
            raise ValueError(f"panel {self.id!r}: log_y and symlog_y exclude each other")
        if self.symlog_y and not self.linthresh > 0:
            raise ValueError(f"panel {self.id!r}: linthresh is {self.linthresh}; it must be positive")
        if self.aspect not in (None, "equal"):
            raise ValueError(f"panel {self.id!r}: aspect is {self.aspect!r}; it must be None or 'equal'")
        for name in ("xlim", "ylim"):
            value = getattr(self, name)
            if isinstance(value, np.ndarray) and value.shape not in ((2,), (frames, 2)):
                raise ValueError(f"panel {self.id!r}: {name} has shape {value.shape}; it must be (2,) or ({frames}, 2)")
        for series in self.series:
            try:
                series.check(frames)
            except ValueError as problem:
                raise ValueError(f"panel {self.id!r}, {problem}") from None


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything a `Stage` shows.

    positions  (frames,), rising: the play position of each frame, e.g. 0 … 1 forward and 1 … 2 backward in time
    captions   one text a frame, or none, shown beside the controls
    ticks      (position, label) on the scrubber and on the axes of clock panels
    columns, rows, areas  CSS grid, e.g. "3fr 2fr", "2fr 1fr", ["density field", "paths field"]
    duration   seconds for one pass at speed 1
    smooth     interpolate lines, bars and points linearly between frames
    """

    positions: ArrayLike
    panels: Sequence[Panel]
    captions: Sequence[str] = ()
    marks: Sequence[Mark] = ()
    ticks: Sequence[tuple[float, str]] = ()
    columns: str = "1fr"
    rows: str = "1fr"
    areas: Sequence[str] = field(default_factory=list)
    duration: float = 8.0
    smooth: bool = False

    def __post_init__(self) -> None:
        positions = np.asarray(self.positions, np.float64)
        if positions.ndim != 1 or positions.size == 0 or not np.isfinite(positions).all():
            raise ValueError(f"positions has shape {positions.shape}; it must be a row of at least one finite number")
        if (np.diff(positions) <= 0).any():
            raise ValueError("positions must rise strictly from frame to frame")
        if self.captions and len(self.captions) != positions.size:
            raise ValueError(f"there are {len(self.captions)} captions for {positions.size} positions")
        if not self.duration > 0:
            raise ValueError(f"duration is {self.duration}; it must be a positive number of seconds")
        for panel in self.panels:
            panel.check(positions.size)
        names = [panel.id for panel in self.panels]
        if len(set(names)) != len(names):
            raise ValueError(f"two panels have the same id among {names}")
        placed = {name for row in self.grid for name in row.split()}
        if missing := set(names) - placed:
            raise ValueError(f"panels {sorted(missing)} have no place in areas {list(self.areas)}")

    @property
    def frames(self) -> int:
        return np.asarray(self.positions).size

    @property
    def start(self) -> float:
        """The first play position."""
        return float(np.asarray(self.positions)[0])

    @property
    def grid(self) -> list[str]:
        """The rows of the grid; without `areas` the panels stand side by side."""
        return list(self.areas) or [" ".join(panel.id for panel in self.panels)]

    @property
    def block(self) -> bytes:
        """The scene as one binary block (`dashboard.stage.pack`), made once and shared by all who show it."""
        return self._once("_block", lambda: b"".join(self.packed))

    @property
    def packed(self) -> "Packed":
        """The two parts of the block, made once."""
        from dashboard.stage.pack import pack

        return self._once("_packed", lambda: pack(self))

    def _once(self, name: str, make: Callable[[], Any]) -> Any:
        # Not functools.cached_property: up to Python 3.11 its lock is one for the scenes of all sessions.
        if name not in self.__dict__:
            self.__dict__[name] = make()
        return self.__dict__[name]
