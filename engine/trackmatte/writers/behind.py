"""Writing in the background, with back-pressure."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Condition, Thread, get_native_id
from types import TracebackType

MILDER = 10
"""How much nicer writing is than the work beside it, which would lose its processor to it."""


class WriteBehind:
    """Runs write jobs in order on one thread; the caller waits while too much is pending.

    Parameters
    ----------
    depth : most jobs that are pending, the running one among them.
    limit : most bytes that they hold together; a single larger job runs alone.

    A job's error is raised in the caller at its next ``put``, ``flush`` or exit, once; jobs after a
    failed one are dropped, so nothing is written past a gap.
    """

    def __init__(self, depth: int = 4, limit: int = 256 << 20) -> None:
        self.depth, self.limit = depth, limit
        self._jobs: deque[tuple[Callable[[], object], int]] = deque()
        self._held = 0
        self._pending = 0
        self._ends = False
        self._error: BaseException | None = None
        self._failed = False
        self._changed = Condition()
        self._thread = Thread(target=self._run, name="trackmatte-write", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        if sys.platform == "linux":  # each thread has its own priority there, and those it starts have it too
            with suppress(OSError):
                nice = os.getpriority(os.PRIO_PROCESS, 0) + MILDER
                os.setpriority(os.PRIO_PROCESS, get_native_id(), nice)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._ends)
                if not self._jobs:
                    return
                job, size = self._jobs.popleft()
            try:
                if not self._failed:
                    job()
            except BaseException as e:
                self._error, self._failed = e, True
            del job  # with what it holds, before its room is given away
            with self._changed:
                self._pending -= 1
                self._held -= size
                self._changed.notify_all()

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _room(self, size: int) -> bool:
        return self._pending == 0 or (self._pending < self.depth and self._held + size <= self.limit)

    def put(self, job: Callable[[], object], size: int = 0) -> None:
        """Queue a write that holds ``size`` bytes; blocks while too much is pending."""
        self._raise()
        with self._changed:
            self._changed.wait_for(lambda: self._room(size))
            self._jobs.append((job, size))
            self._pending += 1
            self._held += size
            self._changed.notify_all()

    def flush(self) -> None:
        """Wait until everything queued is on disk."""
        with self._changed:
            self._changed.wait_for(lambda: self._pending == 0)
        self._raise()

    def __enter__(self) -> WriteBehind:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish what is queued and stop.

        A write error is raised unless an interruption is on its way; it comes before any other error, whose
        cause it is likely to be.
        """
        with self._changed:
            self._ends = True
            self._changed.notify_all()
        self._thread.join()
        if error is None or isinstance(error, Exception):
            self._raise()
