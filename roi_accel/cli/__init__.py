"""The command line: options in, JSON on stdout, everything else on stderr."""

from roi_accel.cli.app import main, run

__all__ = ["main", "run"]
