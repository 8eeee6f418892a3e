"""The cost of whole scores beside what nobody can do without, and how it grows.

    python -m roi_accel.bench.end_to_end --what ratio --sizes 1080p --depths 8

Every figure is a ratio of whole processes that start from the files, run in turns with the same
ffmpeg and number of threads:

ratio    `roi-accel score` / two plain VMAF runs, one after the other
plain    vmaf-roi-score's steps / `roi-accel score`, from raw files
shared   one `roi-accel score` with four distorted videos / four with one
gate     `roi-accel score` with the gate / without it
memory   peak MiB of `roi-accel score`, without VMAF's process, per backend and length
growth   seconds of `roi-accel score` by frames, pixels and number of distorted videos
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from roi_accel._version import __version__
from roi_accel.backends.host import available_cores
from roi_accel.bench import commands
from roi_accel.bench.commands import Pair, Setting, as_raw, find_ffmpeg, make_pair, ours
from roi_accel.bench.contender import ratios, spread, time_commands
from roi_accel.bench.goals import judge_runs
from roi_accel.bench.inputs import SIZES, machine_facts
from roi_accel.devices.dispatch import backend_names, probe
from roi_accel.errors import RoiAccelError
from roi_accel.inference.models import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from roi_accel.scorers.ffmpeg import FfmpegScorer

    Row = dict[str, Any]
    Sides = dict[str, list[list[str]]]

INPUTS = ("H.264", "raw")
GROWTH_FRAMES = (30, 60, 120, 240)
GROWTH_DISTORTED = (1, 2, 4, 8)
MEMORY_FRAMES = (1, 4)
"""Multiples of --frames: memory must not grow with a clip's length."""
SHARED = 4
_OF_THE_GATE = ("frames_checked", "gate_seconds")

_FEWER = {"720p": 1.0, "1080p": 1.0, "2160p": 0.4}
"""Share of the frames that are measured at a size, so that all rows take about as long."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print tables and write the JSON that is asked for."""
    options = _parse(arguments)
    try:
        scorer = find_ffmpeg(options.vmaf)
        report: dict[str, Any] = {
            "date": datetime.now(UTC).date().isoformat(),
            "roi_accel": __version__,
            "machine": machine_facts(),
            "scorer": scorer.version,
            "settings": {"threads": options.threads, "repeats": options.repeats},
        }
        bench = Bench(scorer, options)
        for what in options.what:
            measure, title, columns = _MEASURES[what]
            report[what] = measure(bench)
            Console(highlight=False).print(_table(report[what], title, columns))
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
    parser.add_argument("--what", nargs="+", choices=_MEASURES, default=["ratio"])
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["1080p"])
    parser.add_argument("--depths", nargs="+", type=int, choices=(8, 10), default=[8])
    parser.add_argument("--inputs", nargs="+", choices=INPUTS, default=["H.264"], help="of ratio")
    parser.add_argument("-r", "--reference", type=Path, help="default: a generated clip")
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


@dataclass(frozen=True)
class _Clip:
    """A pair to make."""

    size: str
    frames: int
    depth: int = 8
    distorted: int = 1
    is_raw: bool = False


def _ratio(setting: Setting, pair: Pair) -> Sides:
    plain = commands.plain(setting, pair, pair.distorted[0])
    return {"whole run": [ours(setting, pair, pair.distorted)], "two plain runs": [plain, plain]}


def _plain(setting: Setting, pair: Pair) -> Sides:
    network = resolve(setting.saliency_model).path
    return {
        "vmaf-roi-score's steps": [commands.vmaf_roi_scores_way(setting, pair, network)],
        "whole run": [ours(setting, pair, pair.distorted)],
    }


def _shared(setting: Setting, pair: Pair) -> Sides:
    return {
        "together": [ours(setting, pair, pair.distorted)],
        "one by one": [ours(setting, pair, (path,)) for path in pair.distorted],
    }


def _gate(setting: Setting, pair: Pair) -> Sides:
    return {
        "with the gate": [ours(setting, pair, pair.distorted)],
        "without": [ours(setting, pair, pair.distorted, "--gate", "off", "-o", "off.json")],
    }


class Bench:
    """The measurements, each a list of rows for JSON; `scorer` makes clips and scores all sides."""

    def __init__(self, scorer: FfmpegScorer, options: argparse.Namespace) -> None:
        self._scorer = scorer
        self._options = options
        self._clip = _Clip(options.sizes[0], options.frames)
        self._networks: list[str] = options.saliency_models
        self._network = self._networks[0]

    def ratio(self) -> list[Row]:
        """Return a row per size, depth, input and network."""
        options, rows = self._options, []
        for size, depth, kind in product(options.sizes, options.depths, options.inputs):
            frames = max(2, round(options.frames * _FEWER[size]))
            clip = _Clip(size, frames, depth, is_raw=kind == "raw")
            for network in self._networks:
                row, result = self._compare(clip, network, _ratio)
                rows.append(row | {"timing": result["timing"]})
        return rows

    def plain(self) -> list[Row]:
        """Return a row per network."""
        clip = replace(self._clip, is_raw=True)
        return [self._compare(clip, it, _plain, warm_up=False)[0] for it in self._networks]

    def shared(self) -> list[Row]:
        """Return a row per network."""
        clip = replace(self._clip, distorted=SHARED)
        return [self._compare(clip, network, _shared)[0] for network in self._networks]

    def gate(self) -> list[Row]:
        """Return one row, with the seconds of one run in the gate and how many frames it checked.

        The self-test comes before the run, checked frames beside it.
        """
        row, gated = self._compare(self._clip, self._network, _gate)
        parts = (gated["timing"]["stages"], gated["timing"]["beside"])
        seconds = sum(part.get("gate", 0.0) for part in parts)
        checked = gated["parity"]["frames_checked"]
        return [row | {"gate_seconds": seconds, "frames_checked": checked}]

    def memory(self) -> list[Row]:
        """Return a row per length and backend that works here."""
        names = [self._options.backend]
        if names == ["auto"]:
            names = [n for n in backend_names() if any(d.state == "ready" for d in probe(n))]
        rows = []
        for times in MEMORY_FRAMES:
            clip = replace(self._clip, frames=times * self._options.frames)
            with self._prepared(clip, self._network) as (setting, pair, folder):
                for name in names:
                    command = ours(replace(setting, backend=name), pair, pair.distorted)
                    peak = spread([commands.peak_mib(command, folder)])
                    rows.append(_row(clip, self._network, pair) | {"backend": name} | peak)
        return rows

    def growth(self) -> list[Row]:
        """Return a row per number of frames, size and number of distorted videos."""
        base = _Clip("1080p", self._options.frames)
        clips = [replace(base, frames=frames) for frames in GROWTH_FRAMES]
        clips += [replace(base, size=size) for size in SIZES]
        clips += [replace(base, distorted=count) for count in GROWTH_DISTORTED]
        rows = []
        for clip in dict.fromkeys(clips):
            with self._prepared(clip, self._network) as (setting, pair, folder):
                sides = {"whole run": [ours(setting, pair, pair.distorted)]}
                seconds = time_commands(sides, folder, rounds=self._options.repeats)
            figures = {"distorted": clip.distorted, "seconds": seconds}
            rows.append(_row(clip, self._network, pair) | figures | spread(seconds["whole run"]))
        return rows

    def _compare(
        self,
        clip: _Clip,
        network: str,
        sides_of: Callable[[Setting, Pair], Sides],
        *,
        warm_up: bool = True,
    ) -> tuple[Row, dict[str, Any]]:
        """Return the first side's time / the second's, and the last result of `roi-accel score`."""
        with self._prepared(clip, network) as (setting, pair, folder):
            sides = sides_of(setting, pair)
            repeats = self._options.repeats
            seconds = time_commands(sides, folder, rounds=repeats, warm_up=warm_up)
            last = json.loads((folder / commands.RESULT).read_text("utf-8"))
        over, under = sides
        row = _row(clip, network, pair) | ratios(seconds, over, under) | {"seconds": seconds}
        return row, last

    @contextmanager
    def _prepared(self, clip: _Clip, network: str) -> Iterator[tuple[Setting, Pair, Path]]:
        """Make a clip, or take the given one, in a folder that the commands run in."""
        options = self._options
        path = Path(network)
        setting = Setting(
            ffmpeg=self._scorer.path,
            threads=options.threads,
            frames=clip.frames,
            saliency_model=str(path.resolve()) if path.exists() else network,
            saliency_size=options.saliency_size,
            backend=options.backend,
        )
        size = SIZES[clip.size]
        with tempfile.TemporaryDirectory(prefix="roi-accel-bench-") as name:
            folder = Path(name)
            if options.reference and options.distorted:
                distorted = (options.distorted.resolve(),)
                pair = Pair(options.reference.resolve(), distorted, *size, "yuv420p")
            else:
                pair = make_pair(
                    self._scorer,
                    folder,
                    clip.frames,
                    size=size,
                    bit_depth=clip.depth,
                    distorted=clip.distorted,
                )
                pair = as_raw(self._scorer, pair) if clip.is_raw else pair
            yield setting, pair, folder


def _row(clip: _Clip, network: str, pair: Pair) -> Row:
    return {
        "size": clip.size,
        "bit_depth": clip.depth,
        "network": Path(network).stem.removeprefix("saliency_"),
        "frames": clip.frames,
        "input": "raw" if pair.is_raw else "H.264",
    }


_MEASURES: dict[str, tuple[Callable[[Bench], list[Row]], str, tuple[str, ...]]] = {
    "ratio": (Bench.ratio, "roi-accel score / two plain VMAF runs", ()),
    "plain": (Bench.plain, "vmaf-roi-score's steps / roi-accel score", ()),
    "shared": (Bench.shared, f"{SHARED} distorted videos together / one by one", ()),
    "gate": (Bench.gate, "roi-accel score with the gate / without", _OF_THE_GATE),
    "memory": (Bench.memory, "peak MiB of roi-accel score, without VMAF's process", ("backend",)),
    "growth": (Bench.growth, "seconds of roi-accel score", ("distorted",)),
}
"""Each measurement, the title of its table and the columns that no other table has."""


def _table(rows: list[Row], title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    columns = ("size", "bit_depth", "input", "network", "frames", *columns)
    for heading in (*columns, "median", "min", "max"):
        table.add_column(heading.replace("_", " "))
    for row in rows:
        figures = (f"{row[name]:.2f}" for name in ("median", "min", "max"))
        table.add_row(*(str(row[name]) for name in columns), *figures)
    return table


if __name__ == "__main__":
    sys.exit(main())
