"""Batch scoring in Spark that holds every probability to account."""

__version__ = "0.1.0"
