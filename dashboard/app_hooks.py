"""What the server does once, before the first visitor: load the heavy libraries, start on the home page's picture."""

from __future__ import annotations

from typing import Any


def on_server_loaded(server_context: Any) -> None:
    from dashboard.pages import home_picture

    home_picture.field()
    home_picture.scene(with_field=False)
