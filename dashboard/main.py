"""Entry of ``panel serve dashboard``: runs once a session, so everything else lives in imported modules."""

import panel as pn

from dashboard.shell import open_page

pn.extension("mathjax")
open_page()
