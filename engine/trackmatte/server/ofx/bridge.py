"""The socket for OFX plugins: who may connect, and a thread for each that did."""

from __future__ import annotations

import logging
import os
import select
import socket
import time
from contextlib import suppress
from pathlib import Path
from threading import Lock, Thread
from types import TracebackType
from typing import Self

from trackmatte.server.engine import Engine
from trackmatte.server.ofx.connection import Connection, Shared
from trackmatte.server.ofx.peer import is_same_user
from trackmatte.server.ofx.runs import Runs
from trackmatte.server.ofx.sessions import Sessions, sessions_folder
from trackmatte.server.ofx.wire import Line

SOCKET = "ofx.sock"
CONNECTIONS = 32
"""Taken at once; the newest beyond is closed."""
LEAVING = 5.0
"""Seconds that connections have to end when the engine does."""
log = logging.getLogger("trackmatte.server")


class Bridge:
    """Listens while it is entered. Where no socket can be had, the engine serves all others without.

    Parameters
    ----------
    folder : the runtime folder, which no other user may enter.
    """

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._path = folder / SOCKET
        self._shared = Shared(engine, Sessions(engine, sessions_folder()), Runs(engine))
        self._listening: socket.socket | None = None
        self._lock = Lock()
        self._open: dict[socket.socket, Thread] = {}
        self._accepting: Thread | None = None

    def __enter__(self) -> Self:
        """Begin to listen."""
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._path.unlink(missing_ok=True)
            listening.bind(os.fspath(self._path))
            self._path.chmod(0o600)
            listening.listen(CONNECTIONS)
        except OSError as e:
            listening.close()
            log.error("no OFX plugin can connect: %s cannot be a socket (%s)", self._path, e)
            return self
        self._listening = listening
        self._wake, woken = socket.socketpair()
        self._accepting = Thread(
            target=self._accept, args=(listening, woken), name="trackmatte ofx", daemon=True
        )
        self._accepting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the socket and all connections."""
        if self._listening is None or self._accepting is None:
            return
        with self._lock:
            listening, self._listening = self._listening, None
        self._wake.close()
        self._accepting.join(LEAVING)
        listening.close()
        self._path.unlink(missing_ok=True)
        with self._lock:
            still = list(self._open.items())
        for sock, _ in still:
            _hang_up(sock)
        end = time.monotonic() + LEAVING
        for _, thread in still:
            thread.join(max(0.0, end - time.monotonic()))

    def _accept(self, listening: socket.socket, woken: socket.socket) -> None:
        poll = select.poll()
        poll.register(listening, select.POLLIN)
        poll.register(woken, select.POLLIN)
        with woken:
            while True:
                poll.poll()
                if self._listening is None:
                    return
                try:
                    sock, _ = listening.accept()
                except OSError as e:
                    log.error("an OFX plugin could not connect (%s)", e)
                    self._shared.engine.stopping.wait(0.2)  # no descriptors left: others may go
                    continue
                self._take(sock)

    def _take(self, sock: socket.socket) -> None:
        thread = Thread(target=self._serve, args=(sock,), name="trackmatte ofx plugin", daemon=True)
        with self._lock:
            if self._listening is None or len(self._open) >= CONNECTIONS or not is_same_user(sock):
                sock.close()
                return
            self._open[sock] = thread
            try:
                thread.start()
            except RuntimeError as e:
                log.error("an OFX plugin could not connect (%s)", e)
                del self._open[sock]
                sock.close()

    def _serve(self, sock: socket.socket) -> None:
        try:
            Connection(Line(sock), self._shared).serve()
        except Exception:
            log.exception("unforeseen")
        finally:
            with self._lock:
                del self._open[sock]
            sock.close()


def _hang_up(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
