"""What the server does once, before the first visitor: load the heavy libraries, start on the first pictures."""

from __future__ import annotations

import gc
import logging
import sys
import traceback
from typing import Any

from bokeh.settings import settings
from tornado.ioloop import PeriodicCallback
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError

from dashboard.stage.socket import add_route

add_route()  # here, because these hooks are loaded before the server is made


def on_server_loaded(server_context: Any) -> None:
    import torch

    from core.jobs import request_pool
    from core.limits import limits
    from dashboard.jobs_panel import tell_all
    from dashboard.pages import home_picture
    from dashboard.shell import notice_absence

    limits()  # a mistake there is to stop the server, not a visitor
    settings.perform_error_diagnostics = False  # hints for authors of callbacks: a sixth of the making of a page
    torch.set_num_threads(1)  # sessions are the parallelism; the threads of torch's teams wait for each other, spinning
    sys.setswitchinterval(0.0002)  # the loop that serves the pages waits less for threads that compute

    PeriodicCallback(lambda: notice_absence(server_context.sessions), 1000).start()
    PeriodicCallback(tell_all, 1000).start()
    for name in ("asyncio", "bokeh.server.views.ws", "tornado.application"):
        logging.getLogger(name).addFilter(_worth_a_line)

    home_picture.field()
    home_picture.scene(with_field=False)
    request_pool().submit(_first_fields)
    request_pool().submit(_keep_what_is_loaded, server_context)


def _keep_what_is_loaded(server_context: Any) -> None:
    """Take the half a million objects of the libraries out of the search for garbage, which would stop all pictures
    for half a second; and search less often, for a page alone makes twenty thousand."""
    import dashboard.pages.lattice.live
    import dashboard.pages.one  # noqa: F401

    if not server_context.sessions:
        gc.collect()
        gc.freeze()
    gc.set_threshold(20_000, 20, 10)


def _first_fields() -> None:
    """What the page Diffusion begins with, so that its picture moves as soon as somebody opens it."""
    from dashboard import faults

    try:
        import dashboard.pages.diffusion.play
        import dashboard.pages.diffusion.view  # noqa: F401  two seconds' worth of modules
        from dashboard.pages.diffusion import models
        from dashboard.pages.diffusion.shared_work import prepare
        from dashboard.pages.diffusion.state import DiffusionState

        prepare(DiffusionState(model=models.default()))
    except Exception as error:
        faults.log.error("the first picture of the page Diffusion could not be made", exc_info=error)


def _worth_a_line(record: logging.LogRecord) -> bool:
    """A tab that is closed while a message is on its way to it is no event: keep it out of the log."""
    error = record.exc_info[1] if record.exc_info else None
    gone = isinstance(error, WebSocketClosedError | StreamClosedError) or _closed_before_its_session(error)
    return not gone and "connection was closed" not in record.getMessage()


def _closed_before_its_session(error: BaseException | None) -> bool:
    """Bokeh asserts that a connection has its session when it is closed, which one of a tab left at once has not."""
    if not isinstance(error, AssertionError) or error.__traceback__ is None:
        return False
    *_, last = traceback.walk_tb(error.__traceback__)
    return last[0].f_globals.get("__name__") == "bokeh.server.connection"
