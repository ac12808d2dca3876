"""Writing in the background, with back-pressure."""

from __future__ import annotations

from collections.abc import Callable
from queue import Queue
from threading import Thread
from types import TracebackType


class WriteBehind:
    """Runs write jobs in order on one thread; the caller waits when ``depth`` are pending.

    A job's error is raised in the caller at its next ``put``, ``flush`` or exit, once; jobs after a
    failed one are dropped, so nothing is written past a gap.
    """

    def __init__(self, depth: int = 4) -> None:
        self._jobs: Queue[Callable[[], object] | None] = Queue(maxsize=depth)
        self._error: BaseException | None = None
        self._failed = False
        self._thread = Thread(target=self._run, name="trackmatte-write", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                if not self._failed:
                    job()
            except BaseException as e:
                self._error, self._failed = e, True
            finally:
                self._jobs.task_done()
        self._jobs.task_done()

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def put(self, job: Callable[[], object]) -> None:
        """Queue a write; blocks while ``depth`` are pending."""
        self._raise()
        self._jobs.put(job)

    def flush(self) -> None:
        """Wait until everything queued is on disk."""
        self._jobs.join()
        self._raise()

    def __enter__(self) -> WriteBehind:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish what is queued and stop; a write error is raised unless another is on its way."""
        self._jobs.put(None)
        self._thread.join()
        if error is None:
            self._raise()
