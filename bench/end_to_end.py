"""What a whole score costs, as a ratio to the two plain VMAF runs that nobody can do without.

    python -m roi_accel.bench.end_to_end -r ref.mp4 -d dist.mp4 --saliency-model student_v2

Both sides are whole processes that start from the files: twice `ffmpeg -lavfi libvmaf`, one run
after the other, against one `roi-accel score`, with the same ffmpeg and as many threads. They
alternate, so that a change in the machine's speed meets both.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roi_accel._version import __version__
from roi_accel.backends.host import available_cores
from roi_accel.errors import InputError, RoiAccelError
from roi_accel.vmaf import Scorer, find_scorer

if TYPE_CHECKING:
    from collections.abc import Sequence

_MADE_SIZE = "1920x1080"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table and write the JSON that is asked for."""
    options = _parse(arguments)
    try:
        scorer = find_scorer(options.vmaf)
        if scorer.kind != "ffmpeg":
            msg = f"{scorer.path} reads no video files, so there is nothing plain to compare with"
            raise InputError(msg, remedy="name an ffmpeg with libvmaf: --vmaf FFMPEG")
        with tempfile.TemporaryDirectory(prefix="roi-accel-bench-") as folder:
            reference, distorted = options.reference, options.distorted
            if reference is None or distorted is None:
                reference, distorted = make_pair(scorer, Path(folder), options.frames)
            report = measure(scorer, reference, distorted, options)
    except RoiAccelError as error:
        print(f"bench: {error}", file=sys.stderr)
        return error.exit_code
    print_table(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-r", "--reference", type=Path, help="default: a made one, 1080p")
    parser.add_argument("-d", "--distorted", type=Path)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=available_cores())
    parser.add_argument("--saliency-model", default="center-surround")
    parser.add_argument("--saliency-size", default="256")
    parser.add_argument("--vmaf", help="an ffmpeg with libvmaf")
    parser.add_argument("--json", type=Path, help="write the figures here")
    return parser.parse_args(arguments)


def make_pair(scorer: Scorer, folder: Path, frames: int) -> tuple[Path, Path]:
    """Make a 1080p test pattern with noise, and a copy encoded badly, both H.264."""
    reference, distorted = folder / "reference.mp4", folder / "distorted.mp4"
    source = f"testsrc2=size={_MADE_SIZE}:rate=25,noise=alls=12:allf=t,format=yuv420p"
    ffmpeg = [str(scorer.path), "-hide_banner", "-loglevel", "error", "-y"]
    encode = ["-c:v", "libx264", "-preset", "veryfast"]
    _run([*ffmpeg, "-f", "lavfi", "-i", source, "-frames:v", str(frames), *encode, "-crf", "12",
          reference.name], folder)  # fmt: skip
    _run([*ffmpeg, "-i", reference.name, *encode, "-crf", "36", distorted.name], folder)
    return reference, distorted


def measure(
    scorer: Scorer, reference: Path, distorted: Path, options: argparse.Namespace
) -> dict[str, Any]:
    """Return the seconds of each alternating run and their ratios, after one warm-up of each."""
    reference, distorted = reference.resolve(), distorted.resolve()
    with tempfile.TemporaryDirectory(prefix="roi-accel-bench-") as name:
        folder = Path(name)
        plain = _plain_command(scorer, reference, distorted, options)
        ours = _our_command(scorer, reference, distorted, options)
        seconds: dict[str, list[float]] = {"two_plain_vmaf_runs": [], "roi_accel_score": []}
        for repeat in range(options.repeats + 1):
            # Alternate which side goes first, too.
            sides = [("two_plain_vmaf_runs", (plain, plain)), ("roi_accel_score", (ours,))]
            for side, commands in sides if repeat % 2 else reversed(sides):
                started = time.perf_counter()
                for command in commands:
                    _run(command, folder)
                if repeat:
                    seconds[side].append(time.perf_counter() - started)
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "roi_accel": __version__,
        "system": f"{platform.system()} {platform.machine()}, {available_cores()} cores",
        "python": platform.python_version(),
        "scorer": scorer.version,
        "threads": options.threads,
        "video": result["provenance"]["reference"],
        "frames": len(result["frames"]),
        "mask": result["provenance"]["mask"],
        "seconds": seconds,
        "ratios": [
            ours / plain
            for plain, ours in zip(
                seconds["two_plain_vmaf_runs"], seconds["roi_accel_score"], strict=True
            )
        ],
        "stages_of_last_run": result["timing"]["stages"],
    }


def print_table(report: dict[str, Any]) -> None:
    """Print median and range of both sides and of their ratio."""
    video = report["video"]
    print(
        f"{video['width']}x{video['height']} {video['pixel_format']}, {report['frames']} frames, "
        f"{report['threads']} threads, mask {report['mask']['name']} at "
        f"{report['mask']['input_width']}x{report['mask']['input_height']}\n"
    )
    print("| what | median | min | max |")
    print("|---|---|---|---|")
    rows = [(name.replace("_", " ") + ", s", values) for name, values in report["seconds"].items()]
    for name, values in [*rows, ("ratio", report["ratios"])]:
        print(
            f"| {name} | {statistics.median(values):.2f} | {min(values):.2f} | {max(values):.2f} |"
        )


def _plain_command(
    scorer: Scorer, reference: Path, distorted: Path, options: argparse.Namespace
) -> list[str]:
    command = [str(scorer.path), "-hide_banner", "-nostdin", "-loglevel", "error"]
    command += ["-i", f"file:{distorted}", "-i", f"file:{reference}"]
    graph = f"libvmaf=log_fmt=json:log_path=plain.json:n_threads={options.threads}"
    return [*command, "-frames:v", str(options.frames), "-lavfi", graph, "-f", "null", "-"]


def _our_command(
    scorer: Scorer, reference: Path, distorted: Path, options: argparse.Namespace
) -> list[str]:
    command = [sys.executable, "-m", "roi_accel", "score", "--quiet", "--overwrite"]
    command += ["-r", str(reference), "-d", str(distorted), "-o", "result.json"]
    command += ["--vmaf", str(scorer.path), "--threads", str(options.threads)]
    command += ["--frame-count", str(options.frames)]
    command += ["--saliency-model", options.saliency_model]
    return [*command, "--saliency-size", options.saliency_size]


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)  # noqa: S603 - a list, no shell
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        msg = f"{Path(command[0]).name} failed: {said[-1] if said else done.returncode}"
        raise InputError(msg, remedy="try the command by hand: " + " ".join(command))


if __name__ == "__main__":
    sys.exit(main())
