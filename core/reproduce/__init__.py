"""What is seen on a page as a Python script and as a command line that make the same numbers."""

from core.reproduce.recipe import Recipe, stamp

__all__ = ["Recipe", "stamp"]
