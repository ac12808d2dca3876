"""Nuke's main thread: what may run there alone, and how others get there.

As Nuke's own executeInMain.py has it (public, Nuke 6 to 14): a callable that fails has its traceback printed
and gives None. Waiting for the main thread on the main thread never ends there; here it raises `Deadlock`.
"""

from __future__ import annotations

import queue
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

from .state import state


class Deadlock(BaseException):
    """Nuke would hang for ever; no handler of ordinary errors may hide it."""


class WrongThread(BaseException):
    """Nuke would crash, sometimes."""


class Queue:
    """What waits for the main thread."""

    def __init__(self) -> None:
        self.main = threading.get_ident()
        self.waiting: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()


def required(what: str) -> None:
    """Refuse to go on off the main thread."""
    if threading.get_ident() != state().queue.main:
        raise WrongThread(f"{what} was used off the main thread")


def executeInMainThread(call: Callable[..., Any], args: Any = (), kwargs: Any = {}) -> None:
    """Queue a call."""
    given = args if type(args) is tuple else (args,)

    def run() -> None:
        try:
            call(*given, **kwargs)
        except Exception:
            traceback.print_exc()

    state().queue.waiting.put(run)


def executeInMainThreadWithResult(
    call: Callable[..., Any],
    args: Any = (),
    kwargs: Any = {},
) -> Any:
    """Queue a call and wait for its result; None when it raises."""
    if threading.get_ident() == state().queue.main:
        raise Deadlock("executeInMainThreadWithResult was called on the main thread")
    given = args if type(args) is tuple else (args,)
    done, result = threading.Event(), []

    def run() -> None:
        try:
            result.append(call(*given, **kwargs))
        except Exception:
            traceback.print_exc()
        done.set()

    state().queue.waiting.put(run)
    done.wait()
    return result[0] if result else None


def pump(until: Callable[[], bool], seconds: float = 180.0) -> None:
    """Be the main thread's event loop until something is true."""
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, "it did not happen"
        try:
            state().queue.waiting.get(timeout=0.02)()
        except queue.Empty:
            continue
