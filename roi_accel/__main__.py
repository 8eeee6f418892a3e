"""`python -m roi_accel` is `roi-accel`, for where scripts are not on PATH."""

import sys

from roi_accel.cli import main

sys.exit(main())
