"""Formulas as MathML, which browsers draw by themselves: no script, no font and no network is needed."""

from html import unescape

from latex2mathml.converter import convert
from sphinx.application import Sphinx


def _inline(self, node) -> None:
    self.body.append(convert(unescape(node.astext())))
    raise _skip()


def _display(self, node) -> None:
    self.body.append(
        f'<div class="math" style="overflow-y: hidden">{convert(unescape(node.astext()), display="block")}</div>'
    )
    raise _skip()


def _skip() -> Exception:
    from docutils.nodes import SkipNode

    return SkipNode()


def setup(app: Sphinx) -> dict:
    """Register as the way to write formulas in HTML."""
    app.add_html_math_renderer("mathml", (_inline, None), (_display, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True, "parallel_write_safe": True}
