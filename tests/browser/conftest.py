"""Browser tests against the real server, in the system's Chromium.

The server is started once, as a person starts it. Every page is watched: a console error or warning, an error in a
script, a failed request, a request to another host or an error in the server's log fails the test that caused it.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlparse

import pytest

ROOT = Path(__file__).parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MISSING = (
    "Chromium is missing, so the browser tests are skipped: install it with `apt install chromium` "
    "(or `brew install chromium`, or `python -m playwright install chromium`)"
)
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
SIZE = {"width": 1280, "height": 720}
PATIENCE = 60  # seconds that a server may take to start on a busy machine


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            # two servers and two Chromiums, whatever the workers: more of them starve each other
            item.add_marker(pytest.mark.xdist_group(f"browser {sum(item.path.stem.encode()) % 2}"))


def pytest_terminal_summary(terminalreporter):
    if any(MISSING in str(report.longrepr) for report in terminalreporter.stats.get("skipped", [])):
        terminalreporter.write_line(MISSING, yellow=True)


@pytest.fixture(scope="package")
def browser():
    """One Chromium for all tests; skips, saying how to get it, where there is none."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = [path for path in map(shutil.which, NAMES) if path] + [playwright.chromium.executable_path]
        if not Path(found[0]).exists():
            pytest.skip(MISSING)
        browser = playwright.chromium.launch(executable_path=found[0], args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def server(browser, tmp_path_factory):
    """`panel serve dashboard` with the small applications of these tests beside it; gives its address and its log."""
    log = tmp_path_factory.mktemp("server") / "log"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    apps = ["dashboard", *sorted(str(path) for path in (Path(__file__).parent / "apps").glob("*.py"))]
    command = [sys.executable, "-m", "panel", "serve", *apps, "--port", str(port), "--address", "127.0.0.1"]
    with log.open("w") as out:
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, env=environment)
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + PATIENCE
        while True:
            with suppress(OSError), urllib.request.urlopen(f"{address}/static/js/bokeh.min.js", timeout=5):
                break
            if process.poll() is not None or time.monotonic() > until:
                pytest.fail(f"the server did not start:\n{log.read_text()}")
            time.sleep(0.1)
        yield address, log
    finally:
        process.terminate()
        process.wait(PATIENCE)


@pytest.fixture
def dashboard(server):
    """The address of the dashboard; append a query such as ?page=one."""
    return f"{server[0]}/dashboard"


@pytest.fixture
def page(browser, server):
    """A fresh browser page of 1280 × 720 that fails the test for anything that anyone complained about."""
    address, log = server
    context = browser.new_context(viewport=SIZE)
    page = context.new_page()
    page.set_default_timeout(20_000)
    complaints = []
    host = urlparse(address).netloc

    def requested(request):
        url = urlparse(request.url)
        if url.scheme not in ("data", "blob") and url.netloc != host:
            complaints.append(f"request to another host: {request.url}")

    def answered(response):
        if response.status >= 400:
            complaints.append(f"{response.status}: {response.url}")

    page.on("console", lambda m: m.type in ("error", "warning") and complaints.append(f"console {m.type}: {m.text}"))
    page.on("pageerror", lambda error: complaints.append(f"error in a script: {error}"))
    page.on("request", requested)
    page.on("response", answered)
    page.on("requestfailed", lambda r: complaints.append(f"failed request: {r.url} {r.failure}"))
    begin = log.stat().st_size
    yield page
    context.close()
    said = log.read_text()[begin:]
    complaints += [line for line in said.splitlines() if "ERROR" in line or "Traceback" in line or "WARNING" in line]
    assert not complaints, "\n".join(complaints) + "\n\nThe server said:\n" + said
