"""Components that are told of changes on the page's own socket, see `channel`, where there is one."""

import json
import re
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import panel as pn
import param
from panel.custom import JSComponent

from dashboard.stage.colours import COLOURS, INK
from dashboard.stage.socket import channel_of

JS = Path(__file__).parent / "js"


def module(files: Iterable[Path]) -> str:
    """Files as one ES module: imports between them are dropped, only `render` stays exported."""
    parts = [f"const COLOURS = {json.dumps(dict(COLOURS))};", f"const INK = {json.dumps(dict(INK))};"]
    for file in files:
        text = re.sub(r"^import [^;]*;\n", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
        parts.append(re.sub(r"^export (?!function render\b)", "", text, flags=re.MULTILINE))
    return "\n".join(parts)


class Streamed(JSComponent):
    """A component with a name on the channel of its page; `follow` in `js/frames.js` is the other end."""

    stream = param.String("", doc="token/name of the part on the page's socket, empty where there is none.")

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._channel = channel_of(pn.state.curdoc)
        if self._channel is not None:
            self.stream = f"{self._channel.token}/{self._channel.name()}"

    @property
    def _name(self) -> str:
        return self.stream.partition("/")[2]

    @property
    def streams(self) -> bool:
        """Whether what is posted goes to the browser."""
        return self._channel is not None

    def post(self, content: Any, era: int = 0) -> None:
        """Send this next, from any thread; nothing happens without a channel."""
        if self._channel is not None:
            self._channel.post(self._name, content, era)

    def _handle_msg(self, data: Any) -> None:
        """{"ready": true} comes from a browser that cannot open the socket."""
        if "ready" in data:
            self._channel = None

    def together(self) -> AbstractContextManager[None]:
        """What is posted in the block by components of one page goes to the browser in one message."""
        return nullcontext() if self._channel is None else self._channel.together()


class LiveText(Streamed):
    """A few words of HTML that change often. Without a channel set ``object``, on the session's loop."""

    object = param.String("", doc="What is said without a channel.")

    _esm = module([JS / "block.js", JS / "frames.js", JS / "words.js"])
    _stylesheets = [":host { color: var(--mui-palette-text-primary, inherit); }"]  # noqa: RUF012
