"""The way in for OFX plugins, and a thread for each that came."""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path
from threading import Lock, Thread
from types import TracebackType
from typing import Protocol, Self

from trackmatte.server.engine import Engine
from trackmatte.server.ofx.connection import Connection, Shared
from trackmatte.server.ofx.door import SocketDoor
from trackmatte.server.ofx.runs import Runs
from trackmatte.server.ofx.sessions import Sessions, sessions_folder
from trackmatte.server.ofx.wire import Line

CONNECTIONS = 32
"""Taken at once; the newest beyond is closed."""
LEAVING = 5.0
"""Seconds that connections have to end when the engine does."""
log = logging.getLogger("trackmatte.server")


class Door(Protocol):
    """Where plugins come in."""

    def accept(self) -> Line | None:
        """Wait for a plugin of this user's; None once the door is to be closed.

        Raises
        ------
        OSError : one could not come in.
        """

    def shut(self) -> None:
        """Let `accept` return None, from another thread."""

    def close(self) -> None:
        """Give back what it holds; `accept` has returned."""


class Bridge:
    """Listens while it is entered. Where that cannot be, the engine serves all others without.

    Parameters
    ----------
    folder : the runtime folder, which no other user may enter.
    """

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._folder = folder
        self._shared = Shared(engine, Sessions(engine, sessions_folder()), Runs(engine))
        self._door: Door | None = None
        self._lock = Lock()
        self._open: dict[Line, Thread] = {}
        self._accepting: Thread | None = None

    def __enter__(self) -> Self:
        """Begin to listen."""
        try:
            door = _door(self._folder)
        except OSError as e:
            log.error("no OFX plugin can connect: %s", e)
            return self
        self._door = door
        self._accepting = Thread(target=self._accept, args=(door,), name="trackmatte ofx", daemon=True)
        self._accepting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the way in and all connections."""
        if self._door is None or self._accepting is None:
            return
        with self._lock:
            door, self._door = self._door, None
        door.shut()
        self._accepting.join(LEAVING)
        door.close()
        with self._lock:
            still = list(self._open.items())
        for line, _ in still:
            line.hang_up()
        end = time.monotonic() + LEAVING
        for _, thread in still:
            thread.join(max(0.0, end - time.monotonic()))

    def _accept(self, door: Door) -> None:
        while True:
            try:
                line = door.accept()
            except OSError as e:
                log.error("an OFX plugin could not connect (%s)", e)
                self._shared.engine.stopping.wait(0.2)  # no descriptors left: others may go
                continue
            if line is None:
                return
            self._take(line)

    def _take(self, line: Line) -> None:
        thread = Thread(target=self._serve, args=(line,), name="trackmatte ofx plugin", daemon=True)
        with self._lock:
            if self._door is None or len(self._open) >= CONNECTIONS:
                line.close()
                return
            self._open[line] = thread
            try:
                thread.start()
            except RuntimeError as e:
                log.error("an OFX plugin could not connect (%s)", e)
                del self._open[line]
                line.close()

    def _serve(self, line: Line) -> None:
        try:
            Connection(line, self._shared).serve()
        except Exception:
            log.exception("unforeseen")
        finally:
            with self._lock:
                del self._open[line]
            line.close()


def _door(folder: Path) -> Door:
    if sys.platform == "win32":
        from trackmatte.server.ofx.windows import PipeDoor

        return PipeDoor()
    return SocketDoor(folder)
