"""What a room brings to a comparison of two runs that are played: settings, runs, pictures and numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import param

from core.jobs import Token
from core.statistics.paired import Paired
from dashboard.pages.compare.axis import Axis
from dashboard.pages.compare.pair_scene import Side
from dashboard.stage import Panel

Relevant = Callable[[Any], bool]


class Settings(NamedTuple):
    """The controls of a room: ``sections`` of names in their order by title, ``labels``, and ``relevant``, which says
    of some whether the present state has any use for them."""

    sections: Mapping[str, Sequence[str]]
    labels: Mapping[str, str]
    relevant: Mapping[str, Relevant]

    @property
    def names(self) -> tuple[str, ...]:
        """All controls."""
        return tuple(name for names in self.sections.values() for name in names)


@dataclass(frozen=True, eq=False)
class Table:
    """Quantities of both runs: their names, the numbers, and a caption. Differences without meaning are left out:
    ``silent`` names them. ``early`` says that the runs are too short for the errors to be trusted."""

    names: tuple[str, ...]
    found: Paired
    caption: str
    silent: tuple[str, ...] = ()
    early: bool = False


class Kind(ABC):
    """A room. A run is whatever its ``runs`` give; the last one of a setting is what was asked for."""

    settings: ClassVar[Settings]
    label: ClassVar[str]
    note: ClassVar[str]

    @abstractmethod
    def make_state(self) -> param.Parameterized:
        """The settings of one run at their defaults."""

    @abstractmethod
    def order(self, state: Any, seed: int) -> Any:
        """What the settings ask for, apart from them; ValueError or OSError with a sentence where it cannot be."""

    @abstractmethod
    def key(self, order: Any) -> Hashable:
        """Equal for orders whose runs are equal."""

    @abstractmethod
    def runs(self, order: Any, token: Token) -> Iterator[Any]:
        """A quick run, where there can be one, and the one that was asked for; texts say what is under way."""

    @abstractmethod
    def last(self, run: Any) -> bool:
        """Whether it is the one that was asked for."""

    @abstractmethod
    def side(self, run: Any) -> Side:
        """The run as the room itself draws it."""

    @abstractmethod
    def pictures(self, a: Any, b: Any, sides: tuple[Side, Side], axis: Axis, shown: int) -> list[tuple[Panel, Panel]]:
        """What stands side by side."""

    @abstractmethod
    def curves(self, a: Any, b: Any) -> Sequence[str]:
        """The panels of the room's scene whose curves are laid over each other, four at most."""

    @abstractmethod
    def table(self, a: Any, b: Any, token: Token) -> Table:
        """Numbers at the end of both runs."""

    @abstractmethod
    def size(self, run: Any) -> str:
        """How large a run is, such as '20 000 paths'."""

    def warnings(self, run: Any) -> Sequence[str]:
        """Sentences about the run."""
        return ()
