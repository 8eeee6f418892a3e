"""`python -m roi_accel` is `roi-accel`, for where scripts are not on PATH."""

from roi_accel.cli import run

run()
