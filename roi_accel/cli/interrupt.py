"""Ctrl-C, SIGTERM, SIGHUP: unwind in order, so that children and files go; a second is at once."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal asked the run to end. No ``except Exception`` may swallow it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number
        self.message = "interrupted; nothing was written"


class _Handler:
    """What one run does at a signal: unwind, but never between a result's parts."""

    def __init__(self, heeded: Sequence[signal.Signals]) -> None:
        self._heeded = heeded
        self._is_writing = False
        self.is_done = False
        self.came: int | None = None

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        for each in self._heeded:
            signal.signal(each, signal.SIG_DFL)  # guard: signal-second
        self.came = number
        if self.is_done:
            raise SystemExit(0)  # All that is left is to tell people what the result says.
        if not self._is_writing:
            raise Interrupted(number)

    @contextmanager
    def writing(self) -> Iterator[None]:
        self._is_writing = True
        try:
            yield
            self.is_done = True
        finally:
            self._is_writing = False
            if self.came is not None and not self.is_done:
                raise Interrupted(self.came)


@contextmanager
def interruptible(*, ends_process: bool = False) -> Iterator[None]:
    """Turn the first signal into `Interrupted`; a second one has its default effect at once.

    Parameters
    ----------
    ends_process : bool
        Whether nothing but the end of the process follows. Once a result is in its place, a signal
        that comes so late is ignored, or the exit code would deny the result.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python delivers signals to the main thread only.
        return

    # A signal that whoever started us told us to ignore stays ignored: `nohup`, or a script's `&`.
    heeded = [each for each in _SIGNALS if signal.getsignal(each) != signal.SIG_IGN]
    handler = _Handler(heeded)
    previous = {each: signal.signal(each, handler) for each in heeded}
    try:
        yield
    except Exception as error:
        # Compiled code may wrap what our handler raised inside it in an error of its own.
        if handler.came is None or handler.is_done:  # guard: signal-in-compiled-code
            raise
        raise Interrupted(handler.came) from error
    finally:
        for each, before in previous.items():
            is_late = ends_process and handler.is_done  # guard: signal-late
            signal.signal(each, signal.SIG_IGN if is_late else before)


@contextmanager
def writing() -> Iterator[None]:
    """Let results take their places whatever the first signal says; after that they are done.

    A run that has put its result where it belongs has succeeded, and says so by its exit code.
    """
    handlers = (signal.getsignal(each) for each in _SIGNALS)
    handler = next((each for each in handlers if isinstance(each, _Handler)), None)
    with handler.writing() if handler else nullcontext():
        yield
