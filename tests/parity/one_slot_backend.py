"""A backend of another package as docs/adding-a-backend.md has it, with the network on its device.

Its sessions name no slots, so they are for one thread at a time, and note who enters them when.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from faulty_backend import InferringBackend, InferringSession

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roi_accel.backends.frame import Frame
    from roi_accel.backends.plan import Plan
    from roi_accel.backends.protocol import Alpha, Mask, ModelInput, RunNetwork


@dataclass
class Log:
    """What went on in all sessions.

    Attributes
    ----------
    calls : list of (str, int)
        Each call that came from outside the session: its name and thread.
    overlaps : list of str
        The calls during which another thread was inside.
    """

    calls: list[tuple[str, int]] = field(default_factory=list)
    overlaps: list[str] = field(default_factory=list)

    def count(self, name: str) -> int:
        return sum(each == name for each, _ in self.calls)


class OneSlotBackend(InferringBackend):
    name: ClassVar[str] = "one-slot"
    log: ClassVar[Log] = Log()

    def open(self, plan: Plan) -> OneSlotSession:
        return OneSlotSession(plan, self.log)


class OneSlotSession(InferringSession):
    def __init__(self, plan: Plan, log: Log) -> None:
        super().__init__(plan)
        self._log = log
        self._inside = threading.RLock()
        self._depth = 0

    @contextmanager
    def _entered(self, name: str) -> Iterator[None]:
        if not self._inside.acquire(blocking=False):
            self._log.overlaps.append(name)
            self._inside.acquire()
        try:
            if self._depth == 0:
                self._log.calls.append((name, threading.get_ident()))
                time.sleep(0.003)  # long enough for another thread to come by
            self._depth += 1
            yield
        finally:
            self._depth -= 1
            self._inside.release()

    def preprocess(self, reference: Frame) -> ModelInput:
        with self._entered("preprocess"):
            return super().preprocess(reference)

    def upsample(self, mask: Mask) -> Alpha:
        with self._entered("upsample"):
            return super().upsample(mask)

    def substitute(self, reference: Frame, distorted: Frame, mask: Mask) -> Frame:
        with self._entered("substitute"):
            return super().substitute(reference, distorted, mask)

    def infer(self, reference: Frame, run: RunNetwork) -> Mask:
        with self._entered("infer"):
            return super().infer(reference, run)
