"""The command line."""

from trackmatte.cli.app import main

__all__ = ["main"]
