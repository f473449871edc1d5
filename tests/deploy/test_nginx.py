"""Two processes behind nginx with the configuration that is shipped: every visitor stays with one of them."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.browser.conftest import browser  # noqa: F401  the fixture

ROOT = Path(__file__).parents[2]
VISITORS = 6
pytestmark = [pytest.mark.slow, pytest.mark.browser]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(url):
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.2)
    pytest.fail(f"nothing answers at {url}")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The address of nginx before two servers."""
    if shutil.which("nginx") is None:
        pytest.skip("nginx is missing: install it with `apt install nginx-light`")
    folder = tmp_path_factory.mktemp("nginx")
    front, *ports = free_port(), free_port(), free_port()
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    for there, here in (("8080", front), ("5006", ports[0]), ("5007", ports[1])):
        assert f"127.0.0.1:{there}" in text
        text = text.replace(f"127.0.0.1:{there}", f"127.0.0.1:{here}")
    text = re.sub(r"pid \S+;", f"pid {folder}/pid;", text)
    (folder / "nginx.conf").write_text(text)
    with ExitStack() as stack:
        commands = [
            [sys.executable, "-m", "panel", "serve", "dashboard", "--port", str(port), "--liveness",
             "--allow-websocket-origin", f"127.0.0.1:{front}"] for port in ports
        ]  # fmt: skip
        commands.append(["nginx", "-p", str(folder), "-c", "nginx.conf"])
        for i, command in enumerate(commands):
            log = stack.enter_context((folder / f"log {i}").open("w"))
            process = subprocess.Popen(
                command, cwd=ROOT, stdout=log, stderr=log, env=os.environ | {"PYTHONPATH": str(ROOT)}
            )
            stack.callback(process.wait, 60)
            stack.callback(process.terminate)
        for port in ports:
            wait_for(f"http://127.0.0.1:{port}/liveness")
        wait_for(f"http://127.0.0.1:{front}/liveness")
        yield f"http://127.0.0.1:{front}"


def test_visitors_are_spread_and_each_stays_with_one_process(browser, site):  # noqa: F811
    met = []
    for _ in range(VISITORS):
        context = browser.new_context()
        page, seen, complaints = context.new_page(), set(), []
        page.on("response", lambda r, seen=seen: seen.add(r.headers.get("x-stoqlab")))
        page.on("console", lambda m, to=complaints: m.type in ("error", "warning") and to.append(m.text))
        page.goto(f"{site}/dashboard?page=one&paths=2000&steps=60")
        page.locator(".stage-root[data-frames]").first.wait_for(timeout=60_000)  # the websocket works
        page.goto(f"{site}/dashboard?page=lattice&L=16")
        stage = page.locator(".stage-root[data-frames]").first
        stage.wait_for(timeout=60_000)
        first = int(stage.get_attribute("data-frames") or 0)
        until = time.monotonic() + 60
        while int(stage.get_attribute("data-frames") or 0) <= first:  # it moves
            assert time.monotonic() < until
            page.wait_for_timeout(100)
        assert not complaints
        assert len(seen - {None}) == 1, "a visitor met more than one process"
        met.append(next(iter(seen - {None})))
        context.close()
    assert len(set(met)) == 2, "all visitors met the same process"
