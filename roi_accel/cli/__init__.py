"""The command line: options in, JSON on stdout, everything else on stderr."""

from roi_accel.cli.app import main

__all__ = ["main"]
