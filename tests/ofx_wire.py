"""The plugin's end of the OFX wire in Python, and what a test needs to speak either end wrongly."""

from __future__ import annotations

import array
import fcntl
import json
import mmap
import os
import socket
import struct
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

HEADER = struct.Struct("<IHHII")
MAGIC, VERSION = 0x584D4D54, 1
HELLO, ERROR, OK, SLOTS, OPEN, PROMPTS, FRAME, TRACK = range(1, 9)
REFINE, PROGRESS, DONE, CANCEL, MATTE, STATUS, BYE = range(9, 16)
DEPTHS = {"uint8": "byte", "uint16": "short", "float16": "half", "float32": "float"}
F_ADD_SEALS = 1033
SEAL, SHRINK, GROW, WRITE = 1, 2, 4, 8


class WireError(Exception):
    """An ERROR that was answered."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


class Closed(Exception):  # noqa: N818
    """The other end has closed."""


def pack(kind: int, req: int, body: Any) -> bytes:
    """Return a message as bytes; ``body`` may be bytes that are no JSON."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HEADER.pack(MAGIC, VERSION, kind, req, len(text)) + text


def read(sock: socket.socket) -> tuple[int, int, dict[str, Any], list[int]]:
    """Return (type, req, JSON, descriptors) of the next message."""
    fds: list[int] = []
    magic, version, kind, req, length = HEADER.unpack(_exactly(sock, HEADER.size, fds))
    assert (magic, version) == (MAGIC, VERSION)
    return kind, req, json.loads(_exactly(sock, length, fds)), fds


def rest(sock: socket.socket) -> list[tuple[int, int, dict[str, Any], list[int]]]:
    """Return all messages that come until the other end closes."""
    found = []
    while True:
        try:
            found.append(read(sock))
        except Closed:
            return found


def _exactly(sock: socket.socket, count: int, fds: list[int]) -> bytes:
    data = b""
    while len(data) < count:
        try:
            part, found, _, _ = sock.recvmsg(count - len(data), socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC)
        except ConnectionError:
            raise Closed from None
        for _, _, raw in found:
            fds += array.array("i", raw)
        if not part:
            raise Closed
        data += part
    return data


def sealed(size: int, seals: int = SEAL | SHRINK | GROW) -> int:
    """Return a descriptor of shared memory with some seals."""
    fd = os.memfd_create("pixels", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    if seals:
        fcntl.fcntl(fd, F_ADD_SEALS, seals)
    return fd


def look_hash(rgb: np.ndarray) -> str:
    """Return the hash of the page on the wire, cell by cell and bit by bit."""
    h, w = rgb.shape[:2]
    luma = 0.2126 * rgb[..., 0].astype(float) + 0.7152 * rgb[..., 1] + 0.0722 * rgb[..., 2]
    cell = [
        [
            float(luma[r * h // 8 : max(r * h // 8 + 1, (r + 1) * h // 8),
                       c * w // 9 : max(c * w // 9 + 1, (c + 1) * w // 9)].mean())
            for c in range(9)
        ]
        for r in range(8)
    ]  # fmt: skip
    most = max(abs(v) for row in cell for v in row)
    value = 0
    for row in cell:
        for left, right in pairwise(row):
            value = value << 1 | (left > right + most / 1024)
    return f"{value:016x}"


class Plugin:
    """A plugin that does what it should; `sock` is there for one that does not."""

    def __init__(self, path: Path, *, hello: bool = True, size: int = 0, timeout: float = 60.0) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        self.sock.connect(os.fspath(path))
        self.req = 0
        self.memory: mmap.mmap | None = None
        try:
            if hello:
                self.ask(HELLO, {"protocol": 1, "plugin": "test", "host": "pytest", "pid": os.getpid()})
            if size:
                self.slots(size)
        except BaseException:
            self.close()
            raise

    def send(self, kind: int, body: Any, fds: tuple[int, ...] = ()) -> int:
        """Send a message and return its request number."""
        self.req += 1
        socket.send_fds(self.sock, [pack(kind, self.req, body)], fds) if fds else self.sock.sendall(
            pack(kind, self.req, body)
        )
        return self.req

    def answer(self) -> tuple[int, dict[str, Any]]:
        """Return (type, JSON) of the next message.

        Raises
        ------
        WireError : it is an ERROR.
        """
        kind, req, body, fds = read(self.sock)
        assert req == self.req
        assert not fds
        if kind == ERROR:
            raise WireError(body["code"], body["message"])
        return kind, body

    def ask(self, kind: int, body: Any, fds: tuple[int, ...] = ()) -> dict[str, Any]:
        """Send a request and return what is answered."""
        self.send(kind, body, fds)
        return self.answer()[1]

    def slots(self, size: int) -> None:
        """Share memory."""
        fd = sealed(size)
        memory = mmap.mmap(fd, size)
        try:
            self.ask(SLOTS, {"size": size}, (fd,))
        finally:
            os.close(fd)
        self.memory = memory

    def open(self, session: str, mode: str = "push", **more: Any) -> dict[str, Any]:
        """Open a session with the test's tracker and no refiner, unless others are named."""
        usual = {"path": "", "colour": "auto", "tracker": "fake", "refiner": "none"}
        return self.ask(OPEN, {"session": session, "mode": mode, **usual, **more})

    def prompts(self, session: str, points: Any = (), boxes: Any = ()) -> dict[str, Any]:
        """Send all prompts."""
        said = {"version": 1, "points": list(points), "boxes": list(boxes)}
        return self.ask(PROMPTS, {"session": session, "prompts": said})

    def frame(self, session: str, key: int, pixels: np.ndarray, *, offset: int = 0, pad: int = 0) -> bool:
        """Send (h, w, comps) pixels and return whether they were known."""
        assert self.memory is not None
        h, w, comps = pixels.shape
        stride = w * comps * pixels.itemsize + pad
        strides = stride, comps * pixels.itemsize, pixels.itemsize
        view: np.ndarray = np.ndarray((h, w, comps), pixels.dtype, self.memory, offset, strides)
        view[:] = pixels
        at = {"offset": offset, "w": w, "h": h, "stride": stride, "premult": False}
        at |= {"depth": DEPTHS[pixels.dtype.name], "comps": comps}
        asked = {"session": session, "key": key, "pixels": at, "hash": ""}
        return bool(self.ask(FRAME, asked)["known"])

    def run(
        self, kind: int, session: str, first: int, last: int, *, dir: str = "both",
        progress: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> dict[str, Any]:  # fmt: skip
        """Track or refine and return what DONE says."""
        self.send(kind, {"session": session, "from": first, "to": last, "dir": dir})
        return self.finish(progress)

    def finish(self, progress: Callable[[dict[str, Any]], None] = lambda _: None) -> dict[str, Any]:
        """Return what DONE says of the pass that runs."""
        while True:
            kind, body = self.answer()
            if kind == DONE:
                return body
            assert kind == PROGRESS
            progress(body)

    def cancel(self) -> None:
        """Cancel the pass that runs."""
        self.sock.sendall(pack(CANCEL, self.req, {}))

    def matte(
        self, session: str, key: int, size: tuple[int, int], look: str = ""
    ) -> tuple[dict[str, Any], Any]:
        """Return what is said of a matte, and (h, w) float32: NaN where nothing was put."""
        assert self.memory is not None
        w, h = size
        view: np.ndarray = np.ndarray((h, w), np.float32, self.memory)
        view[:] = np.nan
        at = {"offset": 0, "w": w, "h": h, "stride": w * 4, "depth": "float", "comps": 1, "premult": False}
        said = self.ask(MATTE, {"session": session, "key": key, "pixels": at, "hash": look})
        return said, view.copy()

    def status(self, session: str) -> dict[str, Any]:
        """Return where a session stands."""
        return self.ask(STATUS, {"session": session})

    def close(self) -> None:
        """Go without a word."""
        self.sock.close()
        if self.memory is not None:
            self.memory.close()
            self.memory = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
