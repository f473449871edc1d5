"""Markov chains on a known action: one file an algorithm."""
