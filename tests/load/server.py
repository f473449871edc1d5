"""A server of its own in another process, and what it takes of the machine."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlparse

ROOT = Path(__file__).parents[2]
PATIENCE = 90.0
"""Seconds that a server may take to start or to count."""


class Server:
    """``panel serve dashboard`` on a free port; or a running one of this computer, whose process is then not seen."""

    def __init__(self, url: str | None = None, lifetime: int = 120_000) -> None:
        """``lifetime`` is that of a session without a browser, in milliseconds. ValueError for another computer."""
        self.process: subprocess.Popen | None = None
        self.log = Path(os.devnull)
        if url is not None:
            if urlparse(url).hostname not in ("127.0.0.1", "localhost", "::1"):
                raise ValueError(f"url is {url}; only a server on this computer may be loaded")
            self.url = url.rstrip("/")
            return
        self._folder = tempfile.TemporaryDirectory(prefix="stoqlab-load-")
        folder = Path(self._folder.name)
        self.log, self._counts = folder / "log", folder / "counts"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = [
            sys.executable, "-m", "tests.load.served", str(self._counts), "dashboard", "--port", str(port),
            "--address", "127.0.0.1", "--unused-session-lifetime", str(lifetime),
            "--check-unused-sessions", str(min(lifetime, 2000)), "--log-level", "warning",
        ]  # fmt: skip
        environment = os.environ | {"PYTHONPATH": str(ROOT), "STOQLAB_HOME": str(folder / "home")}
        environment.pop("OMP_NUM_THREADS", None)  # as a person starts it
        with self.log.open("w") as out:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, env=environment)
        self._wait()

    def _wait(self) -> None:
        assert self.process is not None
        until = time.monotonic() + PATIENCE
        while True:
            with suppress(OSError), urllib.request.urlopen(f"{self.url}/static/js/bokeh.min.js", timeout=5):
                return
            if self.process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise RuntimeError(f"the server did not start:\n{self.log.read_text()}")
            time.sleep(0.1)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(PATIENCE)

    def complaints(self) -> list[str]:
        """Lines of the log that tell of errors."""
        return [line for line in self.log.read_text().splitlines() if "ERROR" in line or "Traceback" in line]

    def cpu(self) -> float:
        """Seconds of processor time so far."""
        if self.process is None:
            return float("nan")
        spent = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(spent[11]) + int(spent[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """Resident memory in MB."""
        if self.process is None:
            return float("nan")
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE") / 1e6

    def count(self) -> dict[str, float]:
        """Collect the garbage there, and what is left of sessions: the counts of `tests.load.served`."""
        if self.process is None:
            return {}
        lines = len(self._counts.read_text().splitlines()) if self._counts.exists() else 0
        self.process.send_signal(signal.SIGUSR1)
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            found = self._counts.read_text().splitlines() if self._counts.exists() else []
            if len(found) > lines:
                return json.loads(found[-1])
            time.sleep(0.1)
        raise RuntimeError("the server did not count")
