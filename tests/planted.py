"""Backends with one fault each, installed as another package's entry points would be."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_MODULE = """
import os
import numpy as np
from roi_accel.backends.frame import Frame
from roi_accel.backends.numpy_backend import NumpyBackend, NumpySession
from roi_accel.backends.protocol import DeviceStatus


class Session(NumpySession):
    def __init__(self, plan):
        super().__init__(plan)
        self.frames = 0

    def substitute(self, reference, distorted, mask):
        good = super().substitute(reference, distorted, mask)
        planes = [plane.copy() for plane in good.planes]
        plan, frame = self.plan, self.frames
        self.frames += 1
        {substitute}
        return Frame(tuple(planes), good.pixel_format)

    def upsample(self, mask):
        alpha = [plane.copy() for plane in super().upsample(mask)]
        {upsample}
        return tuple(alpha)

    def preprocess(self, reference):
        found = super().preprocess(reference).copy()
        {preprocess}
        return found


class Planted(NumpyBackend):
    name = "planted"

    def __init__(self, **keywords):
        {start}
        super().__init__(**keywords)

    @classmethod
    def probe(cls):
        {probe}
        return super().probe()

    def open(self, plan):
        {open}
        return Session(plan)


def close(self):
    {close}


Session.close = close
"""

FAULTS: dict[str, dict[str, str]] = {
    "none": {},
    "one pixel": {"substitute": "planes[2][-1, 0] ^= 1"},
    # A loop in blocks of 8 that forgets the rest of a row.
    "tail column": {
        "substitute": "if plan.width % 8: planes[0][:, -1] = reference.planes[0][:, -1]"
    },
    "16 bits": {"substitute": "if plan.pixel_format.bit_depth == 16: planes[1][0, 0] ^= 1"},
    "second frame": {"substitute": "if frame == 1: planes[0][2:3, 3:4] ^= 1"},
    "random": {"substitute": "planes[0][0, 0] = os.urandom(1)[0]"},
    "alpha": {"upsample": "alpha[1][0, -1] += 1"},
    "input": {"preprocess": "found[0, 1, 2, 3] = np.nextafter(found[0, 1, 2, 3], np.float32(9))"},
    "nan": {"preprocess": "found[0, 2, 0, 1] = np.nan"},
    "raises": {"substitute": "raise RuntimeError('the queue is lost')"},
    # Later than any frame of the self-test.
    "raises midway": {"substitute": "if frame == 4: raise RuntimeError('the queue is lost')"},
    "shape": {"substitute": "planes[1] = planes[1][:, 1:]"},
    "same memory": {
        "substitute": "self.__dict__.setdefault('kept', planes); "
        "[np.copyto(a, b) for a, b in zip(self.kept, planes)]; planes = self.kept"
    },
    "nothing": {"upsample": "return None"},
    "starts not": {"start": "raise RuntimeError('no driver')"},
    "opens not": {"open": "raise MemoryError('no room')"},
    "closes not": {"close": "raise OSError('device lost')"},
    "absent": {"probe": "return [DeviceStatus('no device', '', 'no such card', 'buy one')]"},
}


def install(folder: Path, fault: str) -> dict[str, str]:
    """Install backend ``planted`` with `fault`; return the environment in which it is found."""
    holes = dict.fromkeys(
        ("substitute", "upsample", "preprocess", "start", "probe", "open", "close"), "pass"
    )
    (folder / "planted_backend.py").write_text(_MODULE.format(**(holes | FAULTS[fault])))
    facts = folder / "planted_backend-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: planted_backend\nVersion: 1.0\n")
    target = "planted_backend:Planted"
    (facts / "entry_points.txt").write_text(f"[roi_accel.backends]\nplanted = {target}\n")
    return {"PYTHONPATH": str(folder)}
