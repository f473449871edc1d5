"""What a page streams to its browser: one binary message a frame with all that is new, the newest of every part.

Layout of a message: header length as uint32 (little-endian), the header in JSON padded with blanks to a multiple of 8,
then the bytes of the parts, each a multiple of 8. The header is {"frame": number, "parts": [...]}; a part reads
{"to": name, "era": number} with either "value" (any JSON) or {"form", "new", "size"}: a scene, of ``size`` bytes, whole
(see `dashboard.stage.pack`) where ``new`` is true, else the values alone of the last whole one under that name.

The browser answers every message, once it is drawn, with its number as uint32. At most `CREDIT` are under way; what is
posted meanwhile takes the place of what waits under the same name, so that a slow viewer sees fewer pictures and never
old ones.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dashboard.stage.pack import Packed

CREDIT = 2  # messages that may be under way to the browser
ABSENCE = 6.0  # seconds of silence after which nobody is taken to watch

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
Wake = Callable[[Callable[[], None]], None]


class Channel:
    """The parts of one page, each under a name, and the browser that they go to. Safe for threads."""

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe(24)
        self._lock = threading.Lock()
        self._names = 0
        self._newest: dict[str, tuple[int, Any]] = {}
        self._waiting: set[str] = set()
        self._forms: dict[str, tuple[int, bytes]] = {}  # that the browser has got
        self._send: Callable[[bytes], None] | None = None
        self._wake: Wake | None = None
        self._leave: Callable[[], None] = lambda: None
        self._called = False
        self._held = 0
        self._sent = self._drawn = 0
        self._heard = time.monotonic()
        self._room = threading.Event()
        self._room.set()

    def name(self) -> str:
        """A name for another part."""
        with self._lock:
            self._names += 1
            return str(self._names)

    def post(self, name: str, content: Any, era: int = 0) -> None:
        """Send this next under the name: a `Packed` scene or a value for JSON; from any thread.

        ValueError for a value that JSON has no word for, such as nan.
        """
        if not isinstance(content, Packed):
            _encode(content)  # fails here, and not on the loop with the pictures of everything else
        with self._lock:
            self._newest[name] = era, content
            self._waiting.add(name)
        self._call()

    def forget(self, name: str) -> None:
        """What was last posted under the name is no longer true."""
        with self._lock:
            self._newest.pop(name, None)
            self._waiting.discard(name)

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is posted in the block goes into one message."""
        with self._lock:
            self._held += 1
        try:
            yield
        finally:
            with self._lock:
                self._held -= 1
            self._call()

    def attach(self, send: Callable[[bytes], None], wake: Wake, leave: Callable[[], None]) -> None:
        """A browser is there, in place of any other: it gets the newest of everything.

        ``send(message)`` and ``leave()``, which ends the connection, are called on the server's loop; ``wake(call)``
        hands a call over to it from any thread."""
        self.close()
        with self._lock:
            self._send, self._wake, self._leave, self._called = send, wake, leave, False
            self._forms.clear()
            self._drawn, self._heard = self._sent, time.monotonic()
            self._waiting = set(self._newest)
            self._room.set()
        self._call()

    def detach(self, send: Callable[[bytes], None]) -> None:
        """The browser behind ``send`` has gone."""
        with self._lock:
            if self._send == send:
                self._send = self._wake = None

    def close(self) -> None:
        """Let the browser go."""
        with self._lock:
            wake, self._send, self._wake = self._wake, None, None
        if wake is not None:
            wake(self._leave)

    def drawn(self, frame: int) -> None:
        """The browser has drawn the message of that number. ValueError where it was never sent."""
        with self._lock:
            if not 0 < frame <= self._sent:
                raise ValueError(f"frame {frame} was never sent")
            self._heard = time.monotonic()
            self._drawn = max(self._drawn, frame)
            self._room.set()
        self._pump()

    @property
    def connected(self) -> bool:
        """Whether a browser is there."""
        return self._send is not None

    @property
    def watched(self) -> bool:
        """Whether somebody looks: a browser is there and has drawn what it got, or was so a moment ago, or may still
        be about to connect for the first time."""
        lately = time.monotonic() - self._heard < ABSENCE
        return lately if self._send is None and not self._sent else self.connected and (self._all_drawn or lately)

    @property
    def _all_drawn(self) -> bool:
        return self._sent == self._drawn

    def wait(self, seconds: float) -> None:
        """Wait, at most so long, until what is posted would be under way at once. From a working thread only."""
        self._room.wait(seconds)

    def _call(self) -> None:
        """Let the loop look for what waits, unless it is about to."""
        with self._lock:
            wake = self._wake
            if wake is None or self._called or self._held or not self._waiting or self._sent - self._drawn >= CREDIT:
                return
            self._called = True
        wake(self._pump)

    def _pump(self) -> None:
        """On the loop: send what waits, if there is credit."""
        with self._lock:
            self._called = False
            send = self._send
            if send is None or self._held or not self._waiting or self._sent - self._drawn >= CREDIT:
                return
            self._sent += 1
            message = self._message()
            if self._sent - self._drawn >= CREDIT:
                self._room.clear()
        send(message)

    def _message(self) -> bytes:
        heads: list[dict[str, Any]] = []
        data: list[bytes] = []
        for name in sorted(self._waiting):
            era, content = self._newest[name]
            head: dict[str, Any] = {"to": name, "era": era}
            if isinstance(content, Packed):
                serial, form = self._forms.get(name, (0, b""))
                new = form != content.form
                if new:
                    serial += 1
                    self._forms[name] = serial, content.form
                    data.append(content.form)
                data.append(content.values)
                size = len(content.values) + (len(content.form) if new else 0)
                head |= {"form": serial, "new": new, "size": size}
            else:
                head["value"] = content
            heads.append(head)
        self._waiting.clear()
        text = _encode({"frame": self._sent, "parts": heads}).encode()
        text += b" " * (-(len(text) + 4) % 8)
        return b"".join([len(text).to_bytes(4, "little"), text, *data])


def parts(message: bytes) -> Iterator[tuple[dict[str, Any], bytes]]:
    """The parts of a message, each its head and its bytes: what the browser sees, for tests and clients."""
    length = int.from_bytes(message[:4], "little")
    offset = 4 + length
    for head in json.loads(message[4:offset])["parts"]:
        size = head.get("size", 0)
        yield head, message[offset : offset + size]
        offset += size
