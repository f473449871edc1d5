"""A client of its own process, which a test can stop in the middle: opens a page as a browser does, and waits.

    python absent_client.py http://127.0.0.1:5006/app?page=one

prints ``ready`` once the server knows that the page is loaded, and answers pings until its input ends.
"""

import asyncio
import json
import re
import sys
import urllib.request

from tornado.websocket import WebSocketClientConnection, websocket_connect

READY = {
    "kind": "MessageSent",
    "msg_type": "bokeh_event",
    "msg_data": {"type": "event", "name": "document_ready", "values": {"type": "map", "entries": []}},
}


async def answer(socket: WebSocketClientConnection, kind: str) -> None:
    """Read until the header of a message of that kind; an error if the server closes the socket instead."""
    while True:
        said = await socket.read_message()
        if said is None:
            raise ConnectionError(f"the server closed the connection before {kind}")
        if json.loads(said).get("msgtype") == kind:
            return


async def stay(address: str) -> None:
    html = urllib.request.urlopen(address).read().decode()
    found = re.search(r'"token":"([^"]+)"', html)
    assert found is not None
    socket = await websocket_connect(
        address.replace("http", "ws", 1).partition("?")[0] + "/ws", subprotocols=["bokeh", found.group(1)]
    )
    await answer(socket, "ACK")  # the server listens from now on
    for part in ({"msgid": "1", "msgtype": "PATCH-DOC"}, {}, {"events": [READY]}):
        await socket.write_message(json.dumps(part))
    await answer(socket, "OK")
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    socket.close()


asyncio.run(stay(sys.argv[1]))
