"""Scores tiny clips thousands of times and shows that nothing is left behind and nothing changes.

Through the Python API in one process, through the command line in a process each, and one pair over
and over. Descriptors, threads, child processes and temporary files must end where they were after
warming up, memory must not grow, and results must be the same bytes but for their ``timing``.

    python scripts/soak.py --scores 2000 --commands 200 --repeats 50
"""

from __future__ import annotations

import argparse
import collections
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import roi_accel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WIDTH, HEIGHT, FRAMES = 64, 48, 3
SAMPLES = 100
"""How often the process is examined."""

WARM_SHARE = 0.25
"""The part of a soak that counts as warming up."""

MOST_KIB_PER_SCORE = 2.0
"""More than the noise of an allocator, less than the smallest thing a score could leak: a frame."""

MARK = "ROI_ACCEL_SOAK"
"""A variable of the commands' environment, by which whatever they leave running is known."""


@dataclass
class Samples:
    """What a process held, at several moments."""

    moments: list[int] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=lambda: collections.defaultdict(list))

    def add(self, moment: int, values: dict[str, float]) -> None:
        """Note what is held after `moment` scores."""
        self.moments.append(moment)
        for name, value in values.items():
            self.values[name].append(value)

    def warm(self, name: str) -> tuple[list[int], list[float]]:
        """Return the moments and values after warming up."""
        first = int(len(self.moments) * WARM_SHARE)
        return self.moments[first:], self.values[name][first:]

    def slope(self, name: str) -> float:
        """Return by how much a value grows per score, by least squares."""
        moments, values = self.warm(name)
        return float(np.polyfit(moments, values, 1)[0]) if len(moments) > 1 else 0.0

    def faults(self) -> list[str]:
        """Return what is not flat, in words."""
        found = []
        for name in self.values:
            _, values = self.warm(name)
            if name.endswith("KiB"):
                if self.slope(name) > MOST_KIB_PER_SCORE:
                    found.append(f"{name} grows by {self.slope(name):.2f} per score")
            elif values[-1] > values[0]:
                found.append(f"{name} grew from {values[0]:.0f} to {values[-1]:.0f}")
        return found

    def show(self, title: str) -> None:
        """Print the table."""
        print(f"\n{title}\n{'':22} {'first':>9} {'warm':>9} {'last':>9} {'slope per 1000':>15}")
        for name, values in self.values.items():
            _, warm = self.warm(name)
            print(
                f"{name:22} {values[0]:9.0f} {warm[0]:9.0f} {warm[-1]:9.0f} "
                f"{1000 * self.slope(name):15.2f}",
                flush=True,
            )


def main() -> int:
    """Run the soaks that are asked for; 1 if something leaks or a result changes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scores", type=int, default=2000, help="through the Python API")
    parser.add_argument("--commands", type=int, default=200, help="through the command line")
    parser.add_argument("--repeats", type=int, default=50, help="of one pair, compared")
    arguments = parser.parse_args()
    faults: list[str] = []
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        temporary = Path(folder) / "temporary"
        temporary.mkdir()
        os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)
        pair = write_pair(Path(folder))
        if arguments.repeats:
            faults += repeat(pair, arguments.repeats)
        if arguments.scores:
            faults += soak_api(pair, arguments.scores, temporary)
        if arguments.commands:
            faults += soak_commands(pair, arguments.commands, temporary)
    for fault in faults:
        print(f"NOT FLAT: {fault}")
    return 1 if faults else 0


def write_pair(folder: Path) -> tuple[Path, Path]:
    """Write two Y4M files, the second with coarse samples, and return them."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    header = f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F25:1 Ip C420jpeg\n".encode()
    chroma = bytes([128]) * (WIDTH * HEIGHT // 2)
    paths = (folder / "reference.y4m", folder / "distorted.y4m")
    for path, step in zip(paths, (1, 24), strict=True):
        content = header
        for number in range(FRAMES):
            luma = (127 + 90 * np.sin(x / 5 + number / 3) * np.cos(y / 7)).astype(np.uint8)
            content += b"FRAME\n" + (luma // step * step).tobytes() + chroma
        path.write_bytes(content)
    return paths


def ways(pair: tuple[Path, Path]) -> list[Callable[[], object]]:
    """Return ways to score the pair: each source of masks, each backend here, and failures."""
    reference, distorted = pair
    missing = reference.with_name("missing.y4m")
    cut = reference.with_name("cut.y4m")
    cut.write_bytes(distorted.read_bytes()[:-100])
    no_network = reference.with_name("no.onnx")
    no_network.write_bytes(b"\x08\x08no network")
    options: list[dict[str, Any]] = [{"roi": "8,8,24,24"}, {"synthetic_mask": 1.0}]
    for backend in ("numpy", "numba", "opencl"):
        try:
            roi_accel.get_backend(backend)
        except roi_accel.RoiAccelError:
            continue
        options.append({"saliency_size": 64, "backend": backend})

    def scoring(chosen: dict[str, Any]) -> Callable[[], object]:
        return lambda: roi_accel.score(reference, distorted, **chosen)

    def failing(path: Path, chosen: dict[str, Any]) -> Callable[[], object]:
        def fail() -> None:
            try:
                roi_accel.score(reference, path, **chosen)
            except roi_accel.RoiAccelError:
                return
            sys.exit(f"{path} was scored, which cannot be scored")

        return fail

    return [
        *map(scoring, options),
        failing(missing, {}),
        failing(cut, {}),
        failing(distorted, {"saliency_model": no_network}),
        failing(distorted, {"model": "version=none"}),
    ]


def soak_api(pair: tuple[Path, Path], count: int, temporary: Path) -> list[str]:
    """Score `count` times in this process; return what is not flat."""
    turns = ways(pair)
    samples = Samples()
    started = time.monotonic()
    for number in range(count):
        turns[number % len(turns)]()
        # Whole rounds only: each way leaves its own objects to the garbage collector.
        if number % len(turns) == len(turns) - 1 and (
            number * SAMPLES // count != (number - len(turns)) * SAMPLES // count
        ):
            gc.collect()
            samples.add(number + 1, held(temporary))
    samples.show(f"{count} scores in one process, {time.monotonic() - started:.0f} s")
    return samples.faults()


def held(temporary: Path) -> dict[str, float]:
    """Return what this process holds now."""
    status = dict(
        line.split(":", 1)
        for line in Path("/proc/self/status").read_text("utf-8").splitlines()
        if ":" in line
    )
    children = [
        child
        for task in Path("/proc/self/task").iterdir()
        for child in (task / "children").read_text("ascii").split()
    ]
    return {
        "descriptors": len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - names alone
        "threads": int(status["Threads"]),
        "child processes": len(children),
        "temporary files": sum(1 for _ in temporary.rglob("*")),
        "resident KiB": int(status["VmRSS"].split()[0]),
    }


def soak_commands(pair: tuple[Path, Path], count: int, temporary: Path) -> list[str]:
    """Score `count` times, each in a process of its own; return what is not flat."""
    command = [str(Path(sys.executable).with_name("roi-accel")), "score", "--no-progress"]
    command += ["-r", str(pair[0]), "-d", str(pair[1]), "--saliency-size", "64"]
    environment = {**os.environ, MARK: str(os.getpid())}
    samples, seen = Samples(), set()
    started = time.monotonic()
    for number in range(count):
        process = subprocess.Popen(  # noqa: S603 - our own command
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        output = process.stdout.read() if process.stdout else b""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.stdout:
            process.stdout.close()
        if process.returncode:
            return [f"command {number} ended with {process.returncode}"]
        seen.add(without_timing(output.decode()))
        samples.add(
            number + 1,
            {
                "processes left": len(marked(environment[MARK])),
                "temporary files": sum(1 for _ in temporary.rglob("*")),
                "peak KiB": usage.ru_maxrss,
                "different results": len(seen),
            },
        )
    samples.show(f"{count} commands, {time.monotonic() - started:.0f} s")
    return samples.faults()


def marked(mark: str) -> list[str]:
    """Return the processes whose environment holds our mark."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        try:
            variables = (process / "environ").read_bytes().split(b"\0")
        except OSError:  # another user's, or gone meanwhile
            continue
        if wanted in variables:
            found.append(process.name)
    return found


def repeat(pair: tuple[Path, Path], count: int) -> list[str]:
    """Score one pair `count` times with each backend; return what differs."""
    faults = []
    for backend in ("numpy", "numba", "opencl"):
        try:
            roi_accel.get_backend(backend)
        except roi_accel.RoiAccelError as error:
            print(f"{backend}: not here: {error}")
            continue
        results = [
            without_timing(roi_accel.score(*pair, saliency_size=64, backend=backend).to_json())
            for _ in range(count)
        ]
        different = len(set(results))
        print(f"{backend}: {count} runs gave {different} result(s) but for timing", flush=True)
        if different != 1:
            faults.append(f"{backend} gave {different} results: {first_difference(results)}")
    return faults


def without_timing(text: str) -> str:
    """Return a result's JSON without what tells seconds."""
    content = json.loads(text)
    del content["timing"]
    return json.dumps(content)


def first_difference(results: Sequence[str]) -> str:
    """Return the surroundings of the first character in which two results differ."""
    other = next(each for each in results if each != results[0])
    pairs = zip(results[0], other, strict=False)
    at = next((i for i, (a, b) in enumerate(pairs) if a != b), min(map(len, (results[0], other))))
    return f"{results[0][at - 60 : at + 20]!r} and {other[at - 60 : at + 20]!r}"


if __name__ == "__main__":
    sys.exit(main())
