"""Files for the browser: offered under an address nobody can guess, sent in pieces, gone with the session."""

import asyncio

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPClientError
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application

from dashboard import download
from dashboard.download import ROUTE, Downloads
from dashboard.shell import Shell


@pytest.fixture
def get(monkeypatch):
    """``get(address)`` asks a server that has nothing but the route."""
    application = Application()
    monkeypatch.setattr(download, "application", lambda: application)

    def ask(address, pieces=None):
        async def once():
            socket, port = bind_unused_port()
            server = HTTPServer(application)
            server.add_socket(socket)
            try:
                return await AsyncHTTPClient().fetch(
                    f"http://127.0.0.1:{port}/{address}",
                    streaming_callback=pieces.append if pieces is not None else None,
                )
            finally:
                server.stop()

        return asyncio.run(once())

    return ask


@pytest.fixture
def shell():
    made = Shell("")
    yield made
    made.close()


def test_a_file_comes_whole_in_pieces_with_its_name(get, shell, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "PIECE", 1000)
    data = bytes(range(256)) * 40
    path = tmp_path / "κ=0.27 L=32.nc"
    path.write_bytes(data)
    pieces = []
    answer = get(Downloads(shell).offer(path), pieces)
    assert b"".join(pieces) == data
    assert len(pieces) > 5
    assert answer.headers["Content-Length"] == str(len(data))
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''%CE%BA%3D0.27%20L%3D32.nc"


def test_only_what_is_offered_is_there_and_only_for_the_session(get, shell, tmp_path):
    path = tmp_path / "a.nc"
    path.write_bytes(b"1")
    downloads = Downloads(shell)
    address = downloads.offer(path)
    assert len(address) > len(ROUTE) + 30
    assert get(address).body == b"1"
    for wrong in (f"{ROUTE}/x", f"{ROUTE}/", f"{address}x", f"{ROUTE}/../a.nc"):
        with pytest.raises(HTTPClientError, match="404"):
            get(wrong)
    path.unlink()
    with pytest.raises(HTTPClientError, match="404"):
        get(address)
    path.write_bytes(b"2")
    assert get(address).body == b"2"
    shell.close()
    with pytest.raises(HTTPClientError, match="404"):
        get(address)


def test_without_a_server_nothing_is_offered(shell, tmp_path):
    assert Downloads(shell).offer(tmp_path / "a.nc") == ""
    assert not download._offered
