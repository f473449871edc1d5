"""Ensembles of lattice fields: planned, generated, kept on disk and listed in a library."""
