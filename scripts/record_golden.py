"""Write parity/golden.json from the reference backend.

    python scripts/record_golden.py

Only a change of the integer contract itself may change this file: a test compares the reference
backend with the contract taken literally, so that a mistake cannot be recorded as golden.
"""

from __future__ import annotations

import json
from pathlib import Path

import roi_accel
from roi_accel.parity.cases import cases
from roi_accel.parity.golden import GOLDEN_FILE

PATH = Path(__file__).resolve().parent.parent / "parity" / GOLDEN_FILE


def main() -> None:
    """Run the corpus and write its digests."""
    backend = roi_accel.get_backend("numpy")
    digests: dict[str, dict[str, str]] = {}
    for case in cases():
        with backend.open(case.plan) as session:
            digests |= case.run_all(session)
    PATH.write_text(json.dumps(digests, indent=1) + "\n", encoding="utf-8")
    print(f"{PATH}: {len(digests)} frames")


if __name__ == "__main__":
    main()
