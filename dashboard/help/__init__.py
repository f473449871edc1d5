"""Help: the keys, the definitions, the tour, and definitions under the pointer."""

from dashboard.help.component import Help

__all__ = ["Help"]
