"""Where the time of a run goes: seconds per stage, and every span where a trace is wanted."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")

_END: Any = object()


@dataclass(frozen=True)
class Span:
    """One stretch of work.

    Attributes
    ----------
    name : str
        The stage's.
    track : str
        The thread's name, or the device's.
    start, seconds : float
        Since the stopwatch was started.
    frame : int or None
    """

    name: str
    track: str
    start: float
    seconds: float
    frame: int | None = None


@dataclass(frozen=True)
class Level:
    """How many frames waited in a queue from `time` on, in seconds since the start."""

    name: str
    time: float
    frames: int


class Stopwatch:
    """Adds up the time spent in named stages, which may lie inside one another, by any thread.

    The thread that makes it leads the run: its stages, with ``other`` for what lies between them,
    add up to the wall time. Those of other threads ran beside it.

    Parameters
    ----------
    is_traced : bool
        Whether to remember every span and every queue's level.
    """

    def __init__(self, *, is_traced: bool = False) -> None:
        self._started = time.perf_counter()
        self._leader = threading.get_ident()
        self._led: defaultdict[str, float] = defaultdict(float)
        self._beside: defaultdict[str, float] = defaultdict(float)
        self._lock = threading.Lock()
        self._local = threading.local()
        self._device_offset: float | None = None
        self.is_traced = is_traced
        self.spans: list[Span] = []
        self.levels: list[Level] = []

    @contextmanager
    def stage(self, name: str, frame: int | None = None) -> Iterator[None]:
        """Count the time inside the ``with`` for stage `name`, less that of stages inside it."""
        inner: list[float] = self._local.__dict__.setdefault("inner", [0.0])
        started = time.perf_counter()
        inner.append(0.0)
        try:
            yield
        finally:
            elapsed = time.perf_counter() - started
            seconds = self._led if threading.get_ident() == self._leader else self._beside
            with self._lock:
                seconds[name] += elapsed - inner.pop()
            inner[-1] += elapsed
            if self.is_traced:
                track = threading.current_thread().name
                self.spans.append(Span(name, track, started - self._started, elapsed, frame))

    def timed(self, name: str, items: Iterable[Item]) -> Iterator[Item]:
        """Yield `items`, counting the time that it takes to bring forth each for stage `name`."""
        iterator = iter(items)
        index = 0
        while True:
            with self.stage(name, index):
                item = next(iterator, _END)
            if item is _END:
                return
            yield item
            index += 1

    def level(self, name: str) -> Callable[[int], None] | None:
        """Return what is to be told how many frames wait in queue `name`; None without a trace."""
        if not self.is_traced:
            return None
        return lambda frames: self.levels.append(
            Level(name, time.perf_counter() - self._started, frames)
        )

    def device_span(self, name: str, device: str, start: int, stop: int) -> None:
        """Remember what a device did, in nanoseconds of its own clock.

        The two clocks are laid over one another where the host was quickest to see the end of a
        span: none ends after it is seen.
        """
        now = time.perf_counter() - self._started
        with self._lock:
            offset = now - stop * 1e-9
            if self._device_offset is not None:
                offset = min(offset, self._device_offset)
            self._device_offset = offset
            begin = start * 1e-9 + offset
        self.spans.append(Span(name, device, begin, (stop - start) * 1e-9))

    @property
    def seconds(self) -> float:
        """Wall time since the start."""
        return time.perf_counter() - self._started

    def report(self, frames: int) -> dict[str, object]:
        """Return the result's ``timing`` block for a run of so many frames."""
        total = self.seconds
        with self._lock:
            stages = {name: round(seconds, 6) for name, seconds in self._led.items()}
            beside = {name: round(seconds, 6) for name, seconds in self._beside.items()}
        stages["other"] = round(round(total, 6) - sum(stages.values()), 6)
        return {
            "seconds": round(total, 6),
            "frames_per_second": round(frames / total, 3),
            "stages": stages,
            "beside": beside,
        }


_MICROSECONDS = 1e6


def trace_json(stopwatch: Stopwatch) -> str:
    """Return the spans and levels of a traced stopwatch as one JSON document.

    Times are in microseconds. Each thread and each device is a track; each queue is a counter.
    """
    process = os.getpid()
    tracks = {
        track: number
        for number, track in enumerate(dict.fromkeys(span.track for span in stopwatch.spans), 1)
    }
    events: list[dict[str, Any]] = [
        {"name": "process_name", "ph": "M", "pid": process, "tid": 0, "args": {"name": "roi-accel"}}
    ]
    for track, number in tracks.items():
        common = {"ph": "M", "pid": process, "tid": number}
        events.append({"name": "thread_name", **common, "args": {"name": track}})
        events.append({"name": "thread_sort_index", **common, "args": {"sort_index": number}})
    events += [
        {
            "name": span.name,
            "cat": "stage",
            "ph": "X",
            "ts": round(span.start * _MICROSECONDS, 3),
            "dur": round(span.seconds * _MICROSECONDS, 3),
            "pid": process,
            "tid": tracks[span.track],
            "args": {} if span.frame is None else {"frame": span.frame},
        }
        for span in stopwatch.spans
    ]
    events += [
        {
            "name": f"queue: {level.name}",
            "cat": "queue",
            "ph": "C",
            "ts": round(level.time * _MICROSECONDS, 3),
            "pid": process,
            "tid": 0,
            "args": {"frames": level.frames},
        }
        for level in stopwatch.levels
    ]
    return json.dumps({"traceEvents": events, "displayTimeUnit": "ms"}, allow_nan=False) + "\n"
