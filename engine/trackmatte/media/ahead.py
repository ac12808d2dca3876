"""Decoding in a background thread, a bounded number of frames ahead of the consumer."""

from __future__ import annotations

from collections.abc import Iterator
from queue import SimpleQueue
from threading import Event, Semaphore, Thread
from typing import TypeVar

from trackmatte.errors import UsageError

T = TypeVar("T")


class _Failed:
    """Carries an exception from the producer to the consumer."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class _Done:
    """Marks the end of the frames."""


def decode_ahead(frames: Iterator[T], depth: int = 4) -> Iterator[T]:
    """Yield what ``frames`` yields, taken from it in a background thread.

    The thread starts with the first ``next()`` and is joined, and ``frames`` closed, when the frames end,
    when they fail, or when the consumer closes this generator early.

    Parameters
    ----------
    frames : the source, used by the background thread alone from now on.
    depth : most frames decoded and not yet taken by the consumer, at least 1.

    Raises
    ------
    Whatever ``frames`` raises, at the place where it was raised.
    """
    if depth < 1:
        raise UsageError(f"depth is {depth}: it must be at least 1.")
    return _ahead(frames, depth)


def _ahead(frames: Iterator[T], depth: int) -> Iterator[T]:
    items: SimpleQueue[T | _Failed | type[_Done]] = SimpleQueue()
    room = Semaphore(depth)
    stop = Event()
    thread = Thread(target=_produce, args=(frames, items, room, stop), name="decode-ahead", daemon=True)
    thread.start()
    try:
        while True:
            item = items.get()
            if item is _Done:
                return
            if isinstance(item, _Failed):
                raise item.error
            room.release()
            yield item  # type: ignore[misc]
            del item
    finally:
        stop.set()
        room.release()
        thread.join()


def _produce(
    frames: Iterator[T], items: SimpleQueue[T | _Failed | type[_Done]], room: Semaphore, stop: Event
) -> None:
    try:
        while True:
            room.acquire()
            if stop.is_set():
                return
            try:
                item = next(frames)
            except StopIteration:
                return
            items.put(item)
            del item
    except BaseException as error:
        items.put(_Failed(error))
    finally:
        close = getattr(frames, "close", None)
        if close is not None:
            close()
        items.put(_Done)
