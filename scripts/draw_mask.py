"""Draw the pictures of docs/mask.md with the command that the page is about.

python -m pip install ".[cpu,report]" && python scripts/draw_mask.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from PIL import Image

from roi_accel.cli import main as command
from roi_accel.cli.demo import make_pair

WIDTH = 960
IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"


def main() -> None:
    """Write docs/images/mask.png and mask-sheet.png from the demo's reference."""
    with tempfile.TemporaryDirectory() as folder:
        reference, _ = make_pair(Path(folder))
        named = reference.rename(Path(folder) / "ref.mp4")
        for name, options in (("mask", []), ("mask-sheet", ["--sheet", "2x3"])):
            output = IMAGES / f"{name}.png"
            code = command(
                ["mask", "-r", str(named), "-o", str(output), "--overwrite", "--quiet", *options]
            )
            if code:
                raise SystemExit(code)
            _shrink(output)


def _shrink(path: Path) -> None:
    """Make a picture as small as a page needs it: the demo's noise hardly compresses."""
    with Image.open(path) as picture:
        width = min(picture.width, WIDTH)
        size = (width, round(picture.height * width / picture.width))
        small = picture.resize(size, Image.Resampling.LANCZOS).quantize(256, kmeans=4)
    small.save(path, optimize=True)


if __name__ == "__main__":
    main()
