"""Stages that run at once: threads joined by bounded queues, whose order never depends on timing.

Decoding, masking and feeding release the GIL while they work, so threads are enough; and a queue's
depth bounds the memory, whatever the clip's length.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

Item = TypeVar("Item")
Result = TypeVar("Result")

_POLL_SECONDS = 0.1
"""How often a thread that waits for room looks whether anybody still wants its items."""


def prefetch(
    items: Iterable[Item],
    depth: int,
    *,
    name: str = "prefetch",
    watch: Callable[[int], None] | None = None,
) -> Generator[Item, None, None]:
    """Yield `items` in their order, which a thread of its own brings forth up to `depth` ahead.

    What `items` raises is raised here, after the items before it. When the generator is closed, or
    ends, the thread has ended too and `items` is closed if it can be.

    Parameters
    ----------
    items : iterable
        Used by the thread alone.
    depth : int
        Items that may wait, at least 1.
    name : str
        The thread's.
    watch : callable, optional
        Told how many items wait, whenever that has changed.
    """
    thread = _Thread(items, depth, name, watch)
    try:
        yield from thread
    finally:
        thread.stop()


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int, *, name: str = "worker"
) -> Generator[Result, None, None]:
    """Yield ``function(item)`` for each of `items` in their order.

    Parameters
    ----------
    function : callable
    items : iterable
    workers : int
        How many run at a time; with one, in the caller's thread.
    name : str
        Prefix of the threads' names.
    """
    if workers == 1:
        for item in items:
            yield function(item)
        return
    under_way: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix=name) as pool:
        try:
            for future in _submit_all(pool, function, items):
                under_way.append(future)
                if len(under_way) == workers:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()


def _submit_all(
    pool: ThreadPoolExecutor, function: Callable[[Item], Result], items: Iterable[Item]
) -> Iterator[Future[Result]]:
    """Yield a future per item, and one more for what `items` raises, so that it has its turn."""
    try:
        for item in items:
            yield pool.submit(function, item)
    except Exception as error:  # noqa: BLE001 - raised again by the future
        failed: Future[Result] = Future()
        failed.set_exception(error)
        yield failed


def batched(
    items: Iterable[Item], size: int, *, counted: Callable[[Item], bool] = lambda _: True
) -> Iterator[list[Item]]:
    """Yield `items` in lists that end with the `size`-th item that is counted, and what is left.

    What `items` raises is raised after the items before it, so that an earlier item's own error is
    the one that is seen, whatever `size` is.
    """
    batch: list[Item] = []
    count = 0
    try:
        for item in items:
            batch.append(item)
            count += counted(item)
            if count == size:
                yield batch
                batch, count = [], 0
    except Exception:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def mark_last(items: Iterable[Item]) -> Iterator[tuple[Item, bool]]:
    """Yield each of `items` and whether it is the last, which takes one more to be known."""
    waiting: list[Item] = []
    for item in items:
        if waiting:
            yield waiting.pop(), False
        waiting.append(item)
    if waiting:
        yield waiting.pop(), True


class _End:
    """Comes after the last item, with what was raised instead of another, if anything."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class _Thread(Generic[Item]):
    def __init__(
        self, items: Iterable[Item], depth: int, name: str, watch: Callable[[int], None] | None
    ) -> None:
        self._items = items
        self._watch = watch
        self._queue: queue.Queue[Item | _End] = queue.Queue(depth)
        self._is_unwanted = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Item]:
        while not isinstance(item := self._queue.get(), _End):
            self._tell()
            yield item
        if item.error is not None:
            raise item.error

    def stop(self) -> None:
        """Let the thread end, and wait for it."""
        self._is_unwanted.set()
        self._thread.join()

    def _run(self) -> None:
        end = _End()
        try:
            for item in self._items:
                if not self._put(item):
                    break
        except BaseException as error:  # noqa: BLE001 - raised again where the items are used
            end = _End(error)
        finally:
            close = getattr(self._items, "close", None)
            if close is not None:
                with contextlib.suppress(Exception):
                    close()
        self._put(end)

    def _put(self, item: Item | _End) -> bool:
        """Queue `item`; return whether it is still wanted."""
        while not self._is_unwanted.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(item, timeout=_POLL_SECONDS)
                self._tell()
                return True
        return False

    def _tell(self) -> None:
        if self._watch is not None:
            self._watch(self._queue.qsize())
