"""Load on a server of its own: `python -m tests.load --sessions 30 --seconds 60`, see `__main__`."""
