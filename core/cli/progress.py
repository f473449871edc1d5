"""The progress bar of the commands, on stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Show(Protocol):
    """Tells how far it is: ``done`` of ``total`` (None where unknown) of what ``what`` names.

    ``count`` stands for the two in words where the bar counts something else; ``note`` is what else there is to say.
    """

    def __call__(
        self, done: int, total: int | None, what: str | None = None, *, count: str | None = None, note: str = ""
    ) -> None: ...


@contextmanager
def progress_bar(what: str = "", *, done: int = 0, total: int | None = None, lines: bool = False) -> Iterator[Show]:
    """A bar with the count and the time left, gone at the end.

    Where stderr is no terminal there is none; with ``lines`` each new ``what`` is then a line of its own.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:<12}"), BarColumn(bar_width=30), TextColumn("{task.fields[count]}"),
        TimeRemainingColumn(), TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total, completed=done, count="", note="")
        said = what

        def show(
            done: int, total: int | None, what: str | None = None, *, count: str | None = None, note: str = ""
        ) -> None:
            nonlocal said
            words = said if what is None else what
            if lines and words != said and not console.is_terminal:
                console.print(f"{words} ({done}/{total or '?'})", highlight=False, soft_wrap=True)
            said = words
            count = f"{done}/{total or '?'}" if count is None else count
            bar.update(task, description=words, completed=done, total=total, count=count, note=note)

        yield show
