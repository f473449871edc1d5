"""StoqLab's engine: diffusion processes and stochastic quantisation, without any user interface."""

__version__ = "0.1.0"
