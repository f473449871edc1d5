"""Import on the page *Library*: where files are dropped, and what is said of raw fields."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import panel as pn
import param

from core.library.apart import import_apart
from core.library.intake import SUFFIXES, import_file, suffix_of
from core.limits import limits
from core.store import in_bytes
from dashboard.pages.library.drop_zone import DropZone
from dashboard.pages.library.state import optional_number
from dashboard.shell import Shell
from dashboard.upload import Uploads
from dashboard.widgets import controls

TEXT = "**Raw fields** (.npy, shape (n, L, L)) do not know their couplings. Give both, or leave both empty."


class RawFields(param.Parameterized):
    """What a person says of raw fields."""

    kappa = param.String("", doc="κ of the raw fields that are dropped; empty where unknown.")
    lam = param.String("", doc="λ of the raw fields that are dropped; empty where unknown.")
    independent = param.Boolean(False, doc="The configurations are independent draws, not one Markov chain.")


class ImportCard:
    """The parts of the card; ``refresh`` is called when a file has come in."""

    def __init__(self, shell: Shell, refresh: Callable[[], None]) -> None:
        self.fields = RawFields()
        labels = {"kappa": "κ", "lam": "λ", "independent": "Independent draws"}
        widgets = controls(self.fields, list(labels), labels)
        for name, widget in widgets.items():
            widget.css_classes = [f"control-import-{name}"]
        self.uploads = Uploads(shell, self._take, self._check)
        self.zone = DropZone(
            accept=",".join(SUFFIXES), largest=limits().upload_bytes, css_classes=["library-import"]
        )  # fmt: skip
        self.zone.param.watch(lambda _: refresh(), "done")
        text = pn.pane.Markdown(TEXT, margin=(0, 12), styles={"font-size": "13px"})
        self.parts: list[Any] = [self.zone, text, *widgets.values()]
        pn.state.onload(self._connect)

    def _connect(self) -> None:
        self.zone.address = self.uploads.address()

    def _check(self, file_name: str, size: int) -> None:
        suffix_of(file_name)
        if size > limits().upload_bytes:
            raise ValueError(
                f"The file has {in_bytes(size)}; this server takes up to {in_bytes(limits().upload_bytes)}, which its "
                "host sets with STOQLAB_LIMIT_UPLOAD_BYTES."
            )

    def _take(self, path: Path, file_name: str) -> str:
        """Called in a thread."""
        said: dict[str, Any] = {}
        if suffix_of(file_name) == ".npy":
            f = self.fields
            said = {"kappa": optional_number("κ", str(f.kappa)), "lam": optional_number("λ", str(f.lam))}
            said["independent"] = bool(f.independent)
        # The library that reads NetCDF can be brought down by a file; the readers of the others cannot.
        take = import_apart if suffix_of(file_name) == ".nc" else import_file
        return take(path, file_name=file_name, largest=limits().upload_bytes, **said).sentence
