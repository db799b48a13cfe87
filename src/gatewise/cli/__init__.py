"""The command line: one file a verb, each a thin layer over the Python functions."""

from gatewise.cli.app import main

__all__ = ["main"]
