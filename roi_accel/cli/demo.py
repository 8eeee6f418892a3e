"""`roi-accel demo`: the main job on a pair that is made on the spot."""

from __future__ import annotations

import subprocess
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np

from roi_accel._util.files import check_output
from roi_accel.cli import _options as shared
from roi_accel.cli._options import option
from roi_accel.cli.console import frame_progress, print_note, print_summary, write_stdout
from roi_accel.errors import OutputError, ScorerError
from roi_accel.options import ScoreOptions
from roi_accel.results.result import to_json
from roi_accel.run.score import score_all
from roi_accel.scorers.ffmpeg import bundled_ffmpeg

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

WIDTH, HEIGHT, FRAMES, FRAMES_PER_SECOND = 640, 360, 48, 24

PAIR = ("reference.mp4", "distorted.mp4")
"""The names of the two videos."""

_LOSSLESS = ("-preset", "ultrafast", "-qp", "0")
_BAD = ("-preset", "veryfast", "-crf", "40")


def make_pair(folder: Path) -> tuple[Path, Path]:
    """Write ``reference.mp4`` and a badly encoded ``distorted.mp4`` into `folder`; return both.

    A striped, warm disc wanders over a gray-green texture: 48 frames of 640x360, H.264.

    Raises
    ------
    ScorerError
        There is no ffmpeg from imageio-ffmpeg, or it cannot encode.
    """
    reference, distorted = (folder / name for name in PAIR)
    frames = b"".join(frame.tobytes() for frame in _frames())
    _encode(frames, reference, _LOSSLESS)
    _encode(frames, distorted, _BAD)
    return reference, distorted


def _frames() -> Iterator[NDArray[np.uint8]]:
    """Yield the pictures as RGB, uint8[height, width, 3]."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    noise = np.random.default_rng(1).normal(0.0, 1.0, (HEIGHT, WIDTH)).astype(np.float32)
    texture = 110 + 14 * np.sin(x / 9 + y / 23) + 10 * np.sin(y / 5 - x / 31) + 7 * noise
    background = np.stack([texture * 0.92, texture, texture * 0.86], axis=-1)
    for number in range(FRAMES):
        turn = 2 * np.pi * number / FRAMES
        centre_x = WIDTH * (0.5 + 0.16 * np.cos(turn))
        centre_y = HEIGHT * (0.5 + 0.12 * np.sin(turn))
        dx, dy = x - centre_x, y - centre_y
        distance = np.hypot(dx, dy)
        stripes = 28 * np.sin((dx + dy) / 4)
        subject = np.stack([225 + stripes, 150 + stripes, 95 + stripes], axis=-1)
        inside = np.clip(80 - distance, 0, 1)[..., None]
        yield np.clip(background * (1 - inside) + subject * inside, 0, 255).astype(np.uint8)


def _encode(frames: bytes, path: Path, quality: tuple[str, ...]) -> None:
    ffmpeg = bundled_ffmpeg()
    if ffmpeg is None:
        msg = "the demo needs the ffmpeg of imageio-ffmpeg, which is not installed"
        raise ScorerError(msg, remedy='pip install "roi-accel[cpu]"')
    command = [ffmpeg, "-hide_banner", "-loglevel", "error", "-y"]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}"]
    command += ["-r", str(FRAMES_PER_SECOND), "-i", "pipe:0"]
    command += ["-vf", "scale=out_color_matrix=bt709:out_range=tv", "-pix_fmt", "yuv420p"]
    command += ["-colorspace", "bt709", "-color_range", "tv"]
    command += ["-c:v", "libx264", *quality, path.name]
    done = subprocess.run(  # noqa: S603 - a list, no shell
        command, input=frames, capture_output=True, cwd=path.parent, check=False
    )
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        msg = f"{ffmpeg} could not encode the demo's video: {said[-1] if said else 'no reason'}"
        raise ScorerError(msg, remedy="reinstall imageio-ffmpeg")


def demo(
    keep: Annotated[
        Path | None,
        option(
            shared.OUTPUT,
            "Keep the two videos in this folder.",
            metavar="FOLDER",
            show_default="a temporary one",
        ),
    ] = None,
    quiet: shared.Quiet = False,
    debug: shared.Debug = False,  # noqa: ARG001 - read by main, which catches what commands raise
) -> None:
    """Make a short pair, score it and show the result: no file, no network, no GPU needed.

    The two videos are gone afterwards, unless they are to be kept. Examples:

        roi-accel demo

        roi-accel demo --keep pair --quiet
    """
    with ExitStack() as resources:
        if keep is None:
            temporary = tempfile.TemporaryDirectory(prefix="roi-accel-demo-")
            folder = Path(resources.enter_context(temporary))
        else:
            folder = keep
            _make_folder(folder)
            _check_free(folder)
        reference, distorted = make_pair(folder)
        with frame_progress(show=False if quiet else None) as advance:
            results = score_all(reference, [distorted], ScoreOptions(), progress=advance)
    if keep is None:
        # The temporary folder is gone by now; its name would say nothing and differ every time.
        results = [replace(results[0], reference=reference.name, distorted=distorted.name)]
    write_stdout(to_json(results[0]))
    if quiet:
        return
    print_summary(results)
    if keep is not None:
        print_note(f"the two videos are in {folder}; score them again with other options:")
        print_note(f"  roi-accel score -r {reference} -d {distorted} --threshold 0.5")
    else:
        print_note("your own videos: roi-accel score -r REFERENCE -d DISTORTED")


def _check_free(folder: Path) -> None:
    try:
        for name in PAIR:
            check_output(folder / name, overwrite=False)
    except OutputError as error:
        raise OutputError(error.message, remedy="name another folder with --keep") from error


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"the folder {folder} cannot be made: {error.strerror}"
        raise OutputError(msg, remedy="name another with --keep") from error
