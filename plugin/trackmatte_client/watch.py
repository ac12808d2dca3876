"""Notices an engine that is there and does not answer, while something waits for it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from .errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .client import Client

EVERY = 2.0
"""Seconds between two questions."""
ANSWER = 3.0
"""Seconds that an answer may take; it takes milliseconds, beside the longest work too."""
MISSES = 2
"""Answers in a row that must stay out: one alone may be a machine that swaps."""


class Watch:
    """Asks an engine who it is, every few seconds, from `__enter__` to `__exit__`.

    An engine that froze is known after `EVERY` + `MISSES` * `ANSWER` seconds at most. It may come back:
    nothing is broken off here. One that is gone is no matter of this class: whoever waits for it learns that.

    Parameters
    ----------
    changed : called on a thread with True once the engine does not answer, with False once it does again.
    """

    def __init__(self, client: Client, changed: Callable[[bool], None]) -> None:
        self.silent = False
        """Whether it does not answer."""
        self._client, self._changed = client, changed
        self._ended = threading.Event()

    def __enter__(self) -> Watch:
        threading.Thread(target=self._run, name="trackmatte watch", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()

    def _run(self) -> None:
        missed = 0
        while not self._ended.wait(0 if 0 < missed < MISSES else EVERY):
            missed = missed + 1 if self._misses() else 0
            silent = missed >= MISSES
            if silent != self.silent and not self._ended.is_set():
                self.silent = silent
                self._changed(silent)

    def _misses(self) -> bool:
        try:
            self._client.hello(ANSWER)
        except EngineError as e:
            return e.code == "timeout"
        return False
