"""Links to the present state: long, short, with controls locked or hidden, and for embedding."""

from dashboard.share.panel import SharePanel

__all__ = ["SharePanel"]
