"""A run's timeline in the Trace Event format, which Perfetto and Chrome's about:tracing open.

The format: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from roi_accel._util.timing import Stopwatch

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
