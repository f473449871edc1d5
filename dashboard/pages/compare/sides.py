"""The settings of both runs: equal but for what a person has let differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import param

from dashboard.pages.compare.state import Preset


class Sides:
    """Two states ``a`` and ``b`` of one class, of which the parameters ``names`` are compared.

    What is not ``split`` is kept equal: B follows A. A parameter is split as soon as both have different values, from
    wherever they come, or when somebody asks for it, and stays so until it is joined.
    """

    def __init__(self, make: Callable[[], param.Parameterized], names: Sequence[str]) -> None:
        self.a, self.b, self.names = make(), make(), tuple(names)
        self.defaults = {name: getattr(self.a, name) for name in self.names}
        self._split: set[str] = set()
        self._listeners: list[Callable[[], None]] = []
        self._quiet = False
        self.a.param.watch(self._a_changed, list(self.names))
        self.b.param.watch(self._b_changed, list(self.names))

    @property
    def split(self) -> list[str]:
        """The parameters that may differ, in their order."""
        return [name for name in self.names if name in self._split]

    @property
    def differing(self) -> list[str]:
        """The parameters that do differ."""
        return [name for name in self.names if getattr(self.a, name) != getattr(self.b, name)]

    def watch(self, listener: Callable[[], None]) -> None:
        """Call ``listener()`` once after every change."""
        self._listeners.append(listener)

    def regroup(self) -> None:
        """Only what does differ is split."""
        with self._change():
            self._split.clear()

    def part(self, name: str) -> None:
        """Let both differ in a parameter from now on."""
        with self._change():
            self._split.add(name)

    def join(self, name: str) -> None:
        """B takes the value of A, and keeps to it."""
        with self._change():
            self._split.discard(name)
            setattr(self.b, name, getattr(self.a, name))

    def apply(self, preset: Preset) -> None:
        """Set what a preset says, and everything else to its default."""
        with self._change():
            self._split.clear()
            for side, own in ((self.a, preset.a), (self.b, preset.b)):
                side.param.update(**(self.defaults | dict(preset.both) | dict(own)))

    def fits(self, preset: Preset) -> bool:
        """Whether both are what a preset says."""
        return all(
            getattr(side, name) == value
            for side, own in ((self.a, preset.a), (self.b, preset.b))
            for name, value in (self.defaults | dict(preset.both) | dict(own)).items()
        )

    def title(self, name: str, side: param.Parameterized) -> str:
        """The value of a parameter in words."""
        value, parameter = getattr(side, name), side.param[name]
        if isinstance(parameter, param.Selector):
            return next((text for text, other in parameter.names.items() if other == value), str(value))
        if isinstance(value, bool):
            return "yes" if value else "no"
        return f"{value:g}" if isinstance(value, float) else str(value)

    def _a_changed(self, *events: Any) -> None:
        if self._quiet:
            return
        with self._change():
            for event in events:
                if event.name not in self._split:
                    setattr(self.b, event.name, event.new)

    def _b_changed(self, *_: Any) -> None:
        if not self._quiet:
            with self._change():
                pass

    @contextmanager
    def _change(self) -> Iterator[None]:
        self._quiet = True
        try:
            yield
        finally:
            self._quiet = False
            self._split.update(self.differing)
        for listener in self._listeners:
            listener()
