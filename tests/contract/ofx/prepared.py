"""A session that is ready, for tests of the wire itself."""

from __future__ import annotations

import socket

from tests import ofx_wire as w

SESSION = "0f0e0d0c-0b0a-4908-8706-050403020100"
HI = {"protocol": 1, "plugin": "test", "host": "pytest", "pid": 1}
AT = {"offset": 0, "w": 16, "h": 8, "stride": 64, "depth": "float", "comps": 1, "premult": False}


def closed_with(sock: socket.socket) -> list[str]:
    """Return the codes that come until the other end closes."""
    return [body["code"] for kind, _, body, _ in w.rest(sock) if kind == w.ERROR]
