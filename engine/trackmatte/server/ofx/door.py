"""The Unix socket on which OFX plugins come in."""

from __future__ import annotations

import os
import select
import socket
from pathlib import Path

from trackmatte.server.ofx.peer import is_same_user
from trackmatte.server.ofx.wire import Line

SOCKET = "ofx.sock"
WAITING = 32
"""Plugins that may wait to be taken in."""


class SocketDoor:
    """Listens in a folder that no other user may enter.

    Raises
    ------
    OSError : no socket can be had there.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / SOCKET
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._path.unlink(missing_ok=True)
            self._listening.bind(os.fspath(self._path))
            self._path.chmod(0o600)
            self._listening.listen(WAITING)
            self._wake, self._woken = socket.socketpair()
        except OSError as e:
            self._listening.close()
            raise OSError(f"{self._path} cannot be a socket ({e})") from None
        self._shut = False

    def accept(self) -> Line | None:
        """Wait for a plugin of this user's; None once the door is to be closed.

        Raises
        ------
        OSError : one could not come in.
        """
        poll = select.poll()
        poll.register(self._listening, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        while True:
            poll.poll()
            if self._shut:
                return None
            sock, _ = self._listening.accept()
            if is_same_user(sock):
                return Line(sock)
            sock.close()

    def shut(self) -> None:
        """Let `accept` return None, from another thread."""
        self._shut = True
        self._wake.close()

    def close(self) -> None:
        """Give back what it holds; `accept` has returned."""
        self._listening.close()
        self._woken.close()
        self._path.unlink(missing_ok=True)
