"""`roi-accel demo`: the main job on a pair that is made on the spot."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from roi_accel._util.files import check_output
from roi_accel.cli import _options as shared
from roi_accel.cli._options import option
from roi_accel.cli.console import frame_progress, print_note, print_summary, write_stdout
from roi_accel.demo import PAIR, make_pair
from roi_accel.errors import OutputError
from roi_accel.options import ScoreOptions
from roi_accel.results.result import to_json
from roi_accel.run.score import score_all


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
