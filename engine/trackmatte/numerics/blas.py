"""Matrix products on one thread each.

The threads of OpenBLAS wait for each other within every product. Where other programs hold the cores, each of
thousands of small products waits for a thread that does not run: work of seconds takes minutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from threadpoolctl import threadpool_limits


class _Bound:
    """The whole process' limit: set by the first who enters and taken off by the last who leaves."""

    def __init__(self) -> None:
        self._lock, self._inside = Lock(), 0
        self._limits: threadpool_limits | None = None

    def enter(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._limits = threadpool_limits(1, user_api="blas")

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._limits is not None:
                self._limits.restore_original_limits()
                self._limits = None


_BOUND = _Bound()


@contextmanager
def single_blas() -> Iterator[None]:
    """Keep every matrix product of NumPy and SciPy to the thread that asks for it."""
    _BOUND.enter()
    try:
        yield
    finally:
        _BOUND.leave()
