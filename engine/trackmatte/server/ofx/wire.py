"""Messages on a stream: a header, JSON, and with some a descriptor of shared memory."""

from __future__ import annotations

import array
import os
import select
import socket
import struct
import time
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec

from trackmatte.server.ofx.messages import ASKED, Kind

HEADER = struct.Struct("<IHHII")
MAGIC, VERSION = 0x584D4D54, 1
LONGEST = 65536
"""Bytes of JSON."""
REST = 10.0
"""Seconds for the rest of a message that has begun, and for a plugin to take an answer."""
FDS = 4
"""Descriptors taken in at once at most; the system closes what is above."""
ANCILLARY = socket.CMSG_SPACE(FDS * array.array("i").itemsize) if hasattr(socket, "CMSG_SPACE") else 0
CLOEXEC: int = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
READ, WRITE = 0x001, 0x004
"""POLLIN and POLLOUT, which Windows does not have."""


class Malformed(Exception):  # noqa: N818
    """What came is no message; the connection ends."""


class Gone(Exception):  # noqa: N818
    """The other end has closed, or no longer takes or sends anything."""


@dataclass
class Message:
    """One message of the plugin; its descriptors are the receiver's to close."""

    kind: Kind
    req: int
    body: msgspec.Struct
    fds: list[int] = field(default_factory=list)

    def close(self) -> None:
        """Close what came with it."""
        while self.fds:
            os.close(self.fds.pop())


def pack(kind: Kind, req: int, body: msgspec.Struct | dict[str, object]) -> bytes:
    """Return a message as bytes."""
    text = msgspec.json.encode(body)
    return HEADER.pack(MAGIC, VERSION, kind, req, len(text)) + text


class Line:
    """One connection, over a Unix socket; one thread reads, and the same one writes."""

    brings_descriptors = True
    """Whether memory comes as a descriptor, and not by its name."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        sock.setblocking(False)
        self.req = 0
        """The request that was read last."""

    def wait(self, seconds: float | None) -> bool:
        """Wait until something can be read, or the other end has closed; return whether it is so."""
        return bool(self._poll(READ, seconds))

    def receive(self, seconds: float | None) -> Message:
        """Return the next message.

        Parameters
        ----------
        seconds : to wait for its first byte; None = as long as it takes.

        Raises
        ------
        Malformed : it is none.
        Gone : the other end has closed, or sent nothing in that time, or half a message.
        """
        if not self.wait(seconds):
            raise Gone("nothing came")
        fds: list[int] = []
        try:
            return self._message(fds, time.monotonic() + REST)
        except BaseException:
            for fd in fds:
                os.close(fd)
            raise

    def _message(self, fds: list[int], end: float) -> Message:
        head = self._exactly(1, fds, end)
        first = len(fds)
        head += self._exactly(HEADER.size - 1, fds, end)
        magic, version, number, req, length = HEADER.unpack(head)
        if magic != MAGIC or version != VERSION:
            raise Malformed("this is no message of this version")
        self.req = req
        if length > LONGEST:
            raise Malformed(f"a message of {length} bytes is longer than {LONGEST}")
        try:
            kind = Kind(number)
            shape = ASKED[kind]
        except (ValueError, KeyError):
            raise Malformed(f"there is no request of type {number}") from None
        text = self._exactly(length, fds, end)
        if len(fds) != first or len(fds) != (kind is Kind.SLOTS and self.brings_descriptors):
            raise Malformed("a message of this type comes with another number of descriptors")
        try:
            body = msgspec.json.decode(text, type=shape)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
            raise Malformed(f"this is no {kind.name}: {e}") from None
        return Message(kind, req, body, fds)

    def _exactly(self, count: int, fds: list[int], end: float) -> bytes:
        data = bytearray()
        while len(data) < count:
            part, ancillary, flags = self._some(count - len(data))
            for level, kind, raw in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    got = array.array("i")
                    got.frombytes(raw[: len(raw) - len(raw) % got.itemsize])
                    fds.extend(got)
            if flags & socket.MSG_CTRUNC or len(fds) > 1:
                raise Malformed("too many descriptors came")
            if part is not None:
                if not part:
                    raise Gone("closed")
                data += part
            elif not self._poll(READ, end - time.monotonic()):
                raise Gone("half a message came")
        return bytes(data)

    def _some(self, count: int) -> tuple[bytes | None, list[tuple[int, int, bytes]], int]:
        try:
            part, ancillary, flags, _ = self._sock.recvmsg(count, ANCILLARY, CLOEXEC)
        except (BlockingIOError, InterruptedError):
            return None, [], 0
        except OSError as e:
            raise Gone(str(e)) from None
        return part, ancillary, flags

    def send(self, kind: Kind, body: msgspec.Struct) -> None:
        """Send an answer to the request read last.

        Raises
        ------
        Gone : the other end does not take it.
        """
        data = memoryview(pack(kind, self.req, body))
        end = time.monotonic() + REST
        while data:
            data = data[self._put(data, end) :]

    def _put(self, data: memoryview, end: float) -> int:
        """Send some of it, and return how much."""
        try:
            return self._sock.send(data, getattr(socket, "MSG_NOSIGNAL", 0))
        except (BlockingIOError, InterruptedError):
            if not self._poll(WRITE, end - time.monotonic()):
                raise Gone("it takes no answer") from None
        except OSError as e:
            raise Gone(str(e)) from None
        return 0

    def ready_to_send(self) -> bool:
        """Whether the other end takes something at once."""
        return bool(self._poll(WRITE, 0))

    def _poll(self, what: int, seconds: float | None) -> int:
        poll = select.poll()
        try:
            poll.register(self._sock, what)
            found = poll.poll(None if seconds is None else max(0.0, seconds) * 1000)
        except (OSError, ValueError) as e:
            raise Gone(str(e)) from None
        return found[0][1] if found else 0

    def hang_up(self) -> None:
        """End the connection from another thread: the one that serves it finds the other end gone."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        self._sock.close()
