"""Ctrl-C, SIGTERM, SIGHUP: unwind in order, so that children and files go; a second is at once."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Never

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal asked the run to end. No ``except Exception`` may swallow it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn the first signal into `Interrupted`; a second one has its default effect at once."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python delivers signals to the main thread only.
        return

    def handle(number: int, _frame: FrameType | None) -> Never:
        for each in heeded:
            signal.signal(each, signal.SIG_DFL)
        raise Interrupted(number)

    # A signal that whoever started us told us to ignore stays ignored: `nohup`, or a script's `&`.
    heeded = [each for each in _SIGNALS if signal.getsignal(each) != signal.SIG_IGN]
    previous = {each: signal.signal(each, handle) for each in heeded}
    try:
        yield
    finally:
        for each, handler in previous.items():
            signal.signal(each, handler)
