"""Entry of ``panel serve dashboard``: runs once a session, so everything else lives in imported modules."""

from dashboard.shell import open_page

open_page()
