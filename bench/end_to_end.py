"""What whole scores cost beside what nobody can do without, and how the cost grows.

    python -m roi_accel.bench.end_to_end --what ratio --sizes 1080p --depths 8

Every figure is a ratio of whole processes that start from the files, run in turns with the same
ffmpeg and as many threads:

ratio    `roi-accel score` / two plain VMAF runs, one after the other
plain    vmaf-roi-score's steps / `roi-accel score`, from raw files
shared   one `roi-accel score` with four distorted videos / four with one
memory   peak MiB of `roi-accel score`, VMAF's process not counted, per backend and length
growth   seconds of `roi-accel score` by frames, pixels and number of distorted videos
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from roi_accel._version import __version__
from roi_accel.backends.host import available_cores
from roi_accel.bench import commands
from roi_accel.bench.alternate import alternate, ratios
from roi_accel.bench.clips import Pair, as_raw, find_ffmpeg, make_pair
from roi_accel.bench.commands import Setting
from roi_accel.bench.machine import machine_facts
from roi_accel.bench.memory import peak_mib
from roi_accel.bench.run_goals import judge_runs
from roi_accel.bench.sizes import SIZES
from roi_accel.bench.timing import Spread
from roi_accel.devices.dispatch import backend_names, probe
from roi_accel.errors import RoiAccelError
from roi_accel.inference.models import resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roi_accel.scorers.ffmpeg import FfmpegScorer

    Row = dict[str, Any]

WHAT = ("ratio", "plain", "shared", "memory", "growth")
INPUTS = ("H.264", "raw")
GROWTH_FRAMES = (30, 60, 120, 240)
GROWTH_DISTORTED = (1, 2, 4, 8)
MEMORY_FRAMES = (1, 4)
"""Times the frames asked for: memory must not grow with a clip's length."""
SHARED = 4

_FEWER = {"720p": 1.0, "1080p": 1.0, "2160p": 0.4}
"""Share of the frames that are measured at a size, so that no row takes much longer than others."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print tables and write the JSON that is asked for."""
    options = _parse(arguments)
    try:
        scorer = find_ffmpeg(options.vmaf)
        report = _report(scorer, options)
        console = Console(highlight=False)
        for what in options.what:
            rows = _MEASURES[what](scorer, options)
            report[what] = rows
            console.print(_table(what, rows))
    except RoiAccelError as error:
        print(f"bench: {error}", file=sys.stderr)
        return error.exit_code
    report["goals"] = judge_runs(report)
    report["machine"]["load_after"] = os.getloadavg()[0]
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--what", nargs="+", choices=WHAT, default=["ratio"])
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["1080p"])
    parser.add_argument("--depths", nargs="+", type=int, choices=(8, 10), default=[8])
    parser.add_argument("--inputs", nargs="+", choices=INPUTS, default=["H.264"], help="of ratio")
    parser.add_argument("-r", "--reference", type=Path, help="default: a made one")
    parser.add_argument("-d", "--distorted", type=Path)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=available_cores())
    parser.add_argument("--saliency-models", nargs="+", default=["center-surround"])
    parser.add_argument("--saliency-size", default="256")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--vmaf", help="an ffmpeg with libvmaf")
    parser.add_argument("--json", type=Path, help="write the figures here")
    return parser.parse_args(arguments)


def _report(scorer: FfmpegScorer, options: argparse.Namespace) -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "roi_accel": __version__,
        "machine": machine_facts(),
        "scorer": scorer.version,
        "settings": {"threads": options.threads, "repeats": options.repeats},
    }


def measure_ratio(scorer: FfmpegScorer, options: argparse.Namespace) -> list[Row]:
    """Return a row per size, depth, input and network: a whole run over two plain VMAF runs."""
    rows = []
    for size, depth, kind in product(options.sizes, options.depths, options.inputs):
        with tempfile.TemporaryDirectory(prefix="roi-accel-bench-") as name:
            frames = max(2, round(options.frames * _FEWER[size]))
            pair = _pair(scorer, options, Path(name), frames, SIZES[size], depth, kind)
            for network in options.saliency_models:
                setting = _setting(scorer, options, frames, network)
                plain = commands.plain(setting, pair, pair.distorted[0])
                sides = {
                    "two plain runs": [plain, plain],
                    "whole run": [commands.ours(setting, pair, pair.distorted[:1])],
                }
                seconds = alternate(sides, Path(name), repeats=options.repeats)
                rows.append(
                    _row(size, depth, network, frames, pair)
                    | ratios(seconds, "whole run", "two plain runs")
                    | {"seconds": seconds, "timing": _result(Path(name))["timing"]}
                )
    return rows


def measure_plain(scorer: FfmpegScorer, options: argparse.Namespace) -> list[Row]:
    """Return how many times longer vmaf-roi-score's steps take than a whole run."""
    rows = []
    for network in options.saliency_models:
        with tempfile.TemporaryDirectory(prefix="roi-accel-bench-") as name:
            frames = options.frames
            made = make_pair(scorer, Path(name), frames, size=SIZES[options.sizes[0]])
            pair = as_raw(scorer, made)
            setting = _setting(scorer, options, frames, network)
            steps = commands.vmaf_roi_scores_way(setting, pair, resolve(network).path)
            sides = {
                "vmaf-roi-score's steps": [steps],
                "whole run": [commands.ours(setting, pair, pair.distorted[:1])],
            }
            seconds = alternate(sides, Path(name), repeats=options.repeats, warm_up=False)
            rows.append(
                _row(options.sizes[0], 8, network, frames, pair)
                | ratios(seconds, "vmaf-roi-score's steps", "whole run")
                | {"seconds": seconds}
            )
    return rows


def measure_shared(scorer: FfmpegScorer, options: argparse.Namespace) -> list[Row]:
    """Return one run with several distorted videos over as many runs with one each."""
    rows = []
    for network in options.saliency_models:
        with tempfile.TemporaryDirectory(prefix="roi-accel-bench-") as name:
            frames = options.frames
            pair = make_pair(
                scorer, Path(name), frames, size=SIZES[options.sizes[0]], distorted=SHARED
            )
            setting = _setting(scorer, options, frames, network)
            sides = {
                "together": [commands.ours(setting, pair, pair.distorted)],
                "one by one": [commands.ours(setting, pair, (each,)) for each in pair.distorted],
            }
            seconds = alternate(sides, Path(name), repeats=options.repeats)
            rows.append(
                _row(options.sizes[0], 8, network, frames, pair)
                | ratios(seconds, "together", "one by one")
                | {"seconds": seconds}
            )
    return rows


def measure_memory(scorer: FfmpegScorer, options: argparse.Namespace) -> list[Row]:
    """Return the peak memory per backend that works here, for a short and a longer clip."""
    size, network = options.sizes[0], options.saliency_models[0]
    names = [options.backend]
    if options.backend == "auto":
        names = [
            name for name in backend_names() if any(each.state == "ready" for each in probe(name))
        ]
    rows = []
    for times in MEMORY_FRAMES:
        with tempfile.TemporaryDirectory(prefix="roi-accel-bench-") as name:
            frames = times * options.frames
            pair = make_pair(scorer, Path(name), frames, size=SIZES[size])
            setting = _setting(scorer, options, frames, network)
            for backend in names:
                command = commands.ours(replace(setting, backend=backend), pair, pair.distorted[:1])
                peak = peak_mib(command, Path(name))
                rows.append(
                    _row(size, 8, network, frames, pair)
                    | {"backend": backend, "median": peak, "min": peak, "max": peak}
                )
    return rows


def measure_growth(scorer: FfmpegScorer, options: argparse.Namespace) -> list[Row]:
    """Return the seconds of whole runs as frames, pixels and distorted videos grow one by one."""
    network, rows = options.saliency_models[0], []
    base = (options.frames, "1080p", 1)
    points = [(frames, "1080p", 1) for frames in GROWTH_FRAMES]
    points += [(options.frames, size, 1) for size in SIZES]
    points += [(options.frames, "1080p", count) for count in GROWTH_DISTORTED]
    for frames, size, distorted in dict.fromkeys([*points, base]):
        with tempfile.TemporaryDirectory(prefix="roi-accel-bench-") as name:
            pair = make_pair(scorer, Path(name), frames, size=SIZES[size], distorted=distorted)
            setting = _setting(scorer, options, frames, network)
            command = commands.ours(setting, pair, pair.distorted)
            seconds = alternate({"run": [command]}, Path(name), repeats=options.repeats)["run"]
            rows.append(
                _row(size, 8, network, frames, pair)
                | {"distorted": distorted, "seconds": {"whole run": seconds}}
                | Spread.of(seconds).to_dict()
            )
    return rows


_MEASURES = {
    "ratio": measure_ratio,
    "plain": measure_plain,
    "shared": measure_shared,
    "memory": measure_memory,
    "growth": measure_growth,
}


def _pair(
    scorer: FfmpegScorer,
    options: argparse.Namespace,
    folder: Path,
    frames: int,
    size: tuple[int, int],
    depth: int,
    kind: str,
) -> Pair:
    if options.reference and options.distorted:
        given = (options.reference.resolve(), options.distorted.resolve())
        return Pair(given[0], (given[1],), *size, "yuv420p")
    pair = make_pair(scorer, folder, frames, size=size, bit_depth=depth)
    return as_raw(scorer, pair) if kind == "raw" else pair


def _setting(
    scorer: FfmpegScorer, options: argparse.Namespace, frames: int, network: str
) -> Setting:
    # Commands run in a folder of their own.
    path = Path(network)
    return Setting(
        scorer=scorer,
        threads=options.threads,
        frames=frames,
        saliency_model=str(path.resolve()) if path.exists() else network,
        saliency_size=options.saliency_size,
        backend=options.backend,
    )


def _row(size: str, depth: int, network: str, frames: int, pair: Pair) -> Row:
    return {
        "size": size,
        "bit_depth": depth,
        "network": Path(network).stem.removeprefix("saliency_"),
        "frames": frames,
        "input": "raw" if pair.is_raw else "H.264",
    }


def _result(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / commands.RESULT).read_text("utf-8"))
    return found


_TITLES = {
    "ratio": "roi-accel score / two plain VMAF runs",
    "plain": "vmaf-roi-score's steps / roi-accel score",
    "shared": f"{SHARED} distorted videos together / one by one",
    "memory": "peak MiB of roi-accel score, VMAF's process not counted",
    "growth": "seconds of roi-accel score",
}


def _table(what: str, rows: list[Row]) -> Table:
    table = Table(title=_TITLES[what], title_justify="left")
    columns = ["size", "bit_depth", "input", "network", "frames"]
    columns += {"growth": ["distorted"], "memory": ["backend"]}.get(what, [])
    for heading in (*columns, "median", "min", "max"):
        table.add_column(heading.replace("_", " "))
    for row in rows:
        figures = (f"{row[name]:.2f}" for name in ("median", "min", "max"))
        table.add_row(*(str(row[name]) for name in columns), *figures)
    return table


if __name__ == "__main__":
    sys.exit(main())
