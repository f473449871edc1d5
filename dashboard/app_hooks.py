"""What the server does once, before the first visitor: load the heavy libraries, start on the home page's picture."""

from __future__ import annotations

import sys
from typing import Any


def on_server_loaded(server_context: Any) -> None:
    from dashboard.pages import home_picture

    sys.setswitchinterval(0.001)  # the loop that serves the pages waits less for threads that compute

    home_picture.field()
    home_picture.scene(with_field=False)
