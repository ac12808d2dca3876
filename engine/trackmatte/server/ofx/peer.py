"""Who is at the other end of a local socket."""

from __future__ import annotations

import os
import socket
import struct
import sys

SOL_LOCAL, LOCAL_PEERCRED = 0, 1
"""Of macOS; its `struct xucred` begins with a version and the effective user id."""


def is_same_user(sock: socket.socket) -> bool:
    """Whether the process at the other end of a Unix socket belongs to this process's user."""
    try:
        if sys.platform == "darwin":
            version, user = struct.unpack_from("=II", sock.getsockopt(SOL_LOCAL, LOCAL_PEERCRED, 76))
            return (version, user) == (0, os.geteuid())
        peer = struct.Struct("=iII")
        user = peer.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, peer.size))[1]
    except (OSError, struct.error):
        return False
    return bool(user == os.geteuid())
