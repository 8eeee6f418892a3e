"""Write parity/golden.json and golden_maps.json from the reference backend and CPU provider.

    python scripts/record_golden.py

Only a change of the integer contract itself may change this file: a test compares the reference
backend with the contract taken literally, so that a mistake cannot be recorded as golden. The maps
change with the built-in network, and are those of a few formats, so that the file stays small.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import roi_accel
from roi_accel.checks.participants import CPU, find_providers
from roi_accel.inference.models import resolve
from roi_accel.options import DEFAULT_NETWORK
from roi_accel.parity.cases import GOLDEN_FILE, cases
from roi_accel.parity.record import GOLDEN_MAPS_FILE, pack_map

FOLDER = Path(__file__).resolve().parent.parent / "parity"
PATH = FOLDER / GOLDEN_FILE
MAPS_PATH = FOLDER / GOLDEN_MAPS_FILE
MAP_FORMATS = ("yuv420p", "yuv422p10le", "yuv444p16le")


def main() -> None:
    """Run the corpus and write its digests."""
    backend = roi_accel.get_backend("numpy")
    digests: dict[str, dict[str, str]] = {}
    for case in cases():
        with backend.open(case.plan) as session:
            digests |= case.run(session)
    PATH.write_text(json.dumps(digests, indent=1) + "\n", encoding="utf-8")
    print(f"{PATH}: {len(digests)} frames")
    maps = golden_maps()
    MAPS_PATH.write_text(json.dumps(maps, indent=1) + "\n", encoding="utf-8")
    print(f"{MAPS_PATH}: {', '.join(MAP_FORMATS)}")


def golden_maps() -> dict[str, dict[str, dict[str, object]]]:
    """Return the first frame's map of the chosen formats, as the CPU provider makes it."""
    model = resolve(DEFAULT_NETWORK)
    found: dict[str, dict[str, object]] = {}
    with ExitStack() as resources:
        (cpu,) = find_providers(model, resources, [CPU]).runners
        for case in cases():
            if not case.has_pictures or case.plan.pixel_format.name not in MAP_FORMATS:
                continue
            with roi_accel.get_backend("numpy").open(case.plan) as session:
                saliency = cpu.infer(session.preprocess(next(case.samples()).reference))
            height, width = saliency.shape
            found[case.name] = {"height": height, "width": width, "map": pack_map(saliency)}
    return {model.sha256: found}


if __name__ == "__main__":
    main()
