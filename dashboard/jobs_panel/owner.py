"""Whose a session is: a random id that the browser keeps, so that a tab that is opened again finds its own jobs.

It is a secret of that browser: whoever has it can cancel its jobs. No page ever sees that of another.
"""

from __future__ import annotations

import re
import secrets

import panel as pn

COOKIE = "stoqlab_owner"
_ID = re.compile(r"[0-9a-f]{32}")


def valid(text: object) -> bool:
    """Whether a text from the browser can be an id."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def browser_owner() -> str:
    """The id that the browser of the present session has kept, or a new one for it to keep."""
    kept = pn.state.cookies.get(COOKIE, "")
    return kept if valid(kept) else secrets.token_hex(16)
