"""Tidemill's own code: the same package in every function, on a laptop and in the tests."""

__version__ = "0.4.0"
