"""Every test of the dashboard starts from the library's default theme: a page without a session sets it globally."""

import panel as pn
import pytest


@pytest.fixture(autouse=True)
def _default_theme():
    yield
    pn.config.theme = "default"
