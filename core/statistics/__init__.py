"""Estimators with honest errors."""
