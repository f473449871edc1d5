"""The stage: a Panel component that plays a `Scene` in the browser."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import param
from panel.io.state import set_curdoc
from panel.models.esm import DataEvent

from dashboard.stage.channel import ABSENCE, CREDIT
from dashboard.stage.messages import check_message, stroke
from dashboard.stage.scene import Scene
from dashboard.stage.streamed import JS, Streamed, module

if TYPE_CHECKING:
    from core.reproduce import Recipe

_HERE = Path(__file__).parent
_FILES = (
    "format", "ticks", "theme", "block", "frames", "scale", "axes", "header", "curves", "particles", "image",
    "layers", "readout", "panel", "brush", "grid", "scrubber", "controls", "keyboard", "player", "recorder",
    "sheet", "gif", "film", "export", "stage",
)  # fmt: skip

Painter = Callable[[list[tuple[float, float]], bool], None]

PATIENCE = 2.0  # seconds after which an unacknowledged scene counts as lost
PROBE = 8.0  # seconds after which one that seems absent gets a picture all the same: the last one may have been lost


class Stage(Streamed):
    """Linked pictures on one play position, with controls; see `Scene` for what is shown.

    `show` replaces the scene, `push` streams scenes from a running computation. While it plays, the browser works
    alone: `position` is the browser's only after a pause, a step or the end of a scrub; setting it moves the picture.
    """

    position = param.Number(0.0, doc="Play position, in the units of Scene.positions.")
    playing = param.Boolean(False, doc="Whether the scene plays; ignored at first where reduced motion is preferred.")
    speed = param.Number(1.0, bounds=(0, None), inclusive_bounds=(False, True), doc="Factor on the pace of the scene.")
    loop = param.Boolean(True, doc="Whether play starts again at the end.")
    controls = param.Boolean(True, doc="Whether buttons are shown.")  # pyright: ignore[reportAssignmentType]
    dark = param.Boolean(False, doc="Light figures on dark paper.")
    error = param.String("", doc="A sentence shown over the picture, which stays, dimmed.")
    busy = param.Boolean(False, doc="Shows that the picture is being refined.")
    status = param.String("", doc="A few words beside the controls, such as 'preview · 2 000 paths'.")
    label = param.String("Animated figure", doc="What a screen reader calls the stage.")
    paintable = param.String("", doc="Id of the panel that the pointer paints on; empty for none.")
    brush_radius = param.Number(0.0, bounds=(0, None), doc="Radius of the circle under the pointer there, data units.")
    areas = param.List(
        [], item_type=str, doc="Rows of panel ids, as of Scene.areas, shown instead of all, where there are any."
    )
    block = param.Bytes(b"", doc="The scene, packed.")
    rewinds = param.Integer(0, doc="Counts the scenes that start from the first position.")
    reproducible = param.Boolean(False, doc="Whether there is a script that makes the same picture; see `reproduces`.")
    era = param.Integer(0, doc="Counts the scenes shown; what is streamed belongs to the last one of then.")

    _esm = module(JS / f"{name}.js" for name in _FILES)
    _stylesheets = [(_HERE / name).read_text(encoding="utf-8") for name in ("stage.css", "export.css")]  # noqa: RUF012

    def __init__(self, **params: Any) -> None:
        super().__init__(**{"height": 560, "sizing_mode": "stretch_width", **params})
        self.scene: Scene | None = None
        self._lock = threading.Lock()
        self._painters: list[Painter] = []
        self.recipe: Callable[[], Recipe | None] | None = None
        self.saving = threading.Lock()  # one file at a time, see `dashboard.export`
        self._waiting: Scene | None = None
        self._streamed: Scene | None = None
        self._sent = 0
        self._acknowledged = 0
        self._last_sent = 0.0
        self._heard = time.monotonic()
        self._form = b""  # of the scene with the number _formed, which every view has got
        self._formed = 0
        self._room = threading.Event()
        self._room.set()

    def show(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, scene: Scene, keep_position: bool = True
    ) -> None:
        """Replace the scene; the play position is kept, or set to the first one."""
        with self._lock:
            self.scene, self._waiting, self._streamed, self._form = scene, None, None, b""
            if self._channel is not None:
                self._channel.forget(self._name)
        changes: dict[str, Any] = {"block": scene.block, "error": "", "era": self.era + 1}
        if not keep_position:
            changes |= {"rewinds": self.rewinds + 1, "position": scene.start}
        self.param.update(**changes)

    def push(self, scene: Scene) -> None:
        """Show the newest scene of a running computation, at its last position; may be called from any thread.

        At most two scenes are under way; while the browser is busy with them, a newer scene takes the place of the
        one that waits, so that a slow viewer sees fewer pictures and never old ones.
        """
        scene.packed  # noqa: B018  packed here, in the caller's thread
        with self._lock:
            self.scene = self._waiting = self._streamed = scene
            self.post(scene.packed, self.era)
        self._pump()

    def wait(self, seconds: float) -> None:
        """Wait, at most so long, until a scene that is pushed would be under way at once: a computation whose pictures
        nobody could see in time leaves the processor to others. From a working thread only."""
        (self._room if self._channel is None else self._channel).wait(seconds)

    def on_paint(self, callback: Painter) -> None:
        """Call `callback(points, begins)` while somebody paints on the panel named `paintable`.

        `points` are (x, y) in data units of that panel, y upwards, all since the last call, at most thirty calls a
        second, on the session's loop. `begins` is True where they start a stroke (also where one comes back into the
        plot), so that they are not to be joined to the points before.
        """
        self._painters.append(callback)

    def reproduces(self, recipe: Callable[[], "Recipe | None"]) -> None:
        """Offer a script and a command line for what is shown: `recipe()` gives them, None while there are none. It is
        called in a working thread."""
        self.recipe, self.reproducible = recipe, True

    def send(self, message: dict[str, Any]) -> None:
        """Send a message to the browser, from any thread."""
        self._send_msg(message)

    @property
    def watched(self) -> bool:
        """Whether streamed scenes are being drawn; False once the browser owes an answer for long (a closed or hidden
        tab), but for one picture every PROBE seconds. A computation that only feeds the picture can rest meanwhile."""
        if self._channel is not None:
            return self._channel.watched
        now = time.monotonic()
        answered = self._sent == self._acknowledged or now - self._heard < ABSENCE
        return answered or now - self._last_sent > PROBE

    def _pump(self) -> None:
        with self._lock:
            if self._channel is not None:
                return
            lost = time.monotonic() - self._last_sent > PATIENCE
            if self._waiting is None or (self._sent - self._acknowledged >= CREDIT and not lost):
                return
            scene, self._waiting = self._waiting, None
            if lost:
                self._acknowledged, self._form = self._sent, b""
            self._sent += 1
            serial, self._last_sent = self._sent, time.monotonic()
            self._tell_room()
            form, values = scene.packed
            if form == self._form:
                message = {"values": values, "form": self._formed}
            else:
                self._form, self._formed = form, serial
                message = {"scene": scene.block}
        self._send_msg(message | {"serial": serial})

    def _tell_room(self) -> None:
        if self._sent - self._acknowledged < CREDIT:
            self._room.set()
        else:
            self._room.clear()

    def _server_event(self, doc: Any, event: Any) -> None:
        # Answers to pictures come many times a second. Panel would put down for each, in flags that all sessions share,
        # that the server is busy, and then that it is not: as much work as the picture itself.
        if isinstance(event, DataEvent) and isinstance(event.data, dict) and "drawn" in event.data:
            with set_curdoc(doc):
                self._handle_msg(event.data)
        else:
            super()._server_event(doc, event)

    def _handle_msg(self, data: Any) -> None:
        """From the browser: {"drawn": serial} after a streamed scene, {"ready": true} from a view that needs a whole
        one, as a message, {"paint": [[x, y], …], "begins": bool} from the brush, {"export": number, …} for a file."""
        data = check_message(data)
        if "paint" in data:
            points = stroke(data)
            for painter in self._painters:
                painter(points, data["begins"])
            return
        if "export" in data:
            from dashboard.export.answer import answer

            answer(self, data)
            return
        with self._lock:
            self._heard, self._channel = time.monotonic(), None  # whoever writes here has no other socket
            if "drawn" in data:
                self._acknowledged = max(self._acknowledged, data["drawn"])
            elif "ready" in data and self._streamed is not None:
                self._acknowledged, self._waiting = self._sent, self._waiting or self._streamed
                self._form = b""
            self._tell_room()
        self._pump()
