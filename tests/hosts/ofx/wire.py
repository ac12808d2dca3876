"""An engine for the tests that does as it is told, also wrong things: docs/protocol-ofx.md written anew."""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

MAGIC = 0x584D4D54
HELLO, ERROR, OK, SLOTS, OPEN, PROMPTS, FRAME, TRACK, REFINE, PROGRESS, DONE, CANCEL, MATTE, STATUS, BYE = (
    range(1, 16)
)
SEALS = 1033 + 1, 0x0001 | 0x0002 | 0x0004
"""F_GET_SEALS, and SEAL | SHRINK | GROW."""
DTYPES = {"byte": np.uint8, "short": np.uint16, "half": np.float16, "float": np.float32}
Matte = Callable[[int, int, int], np.ndarray]


def pack(
    kind: int, req: int, said: object, *, magic: int = MAGIC, version: int = 1, length: int | None = None
) -> bytes:
    """Return a message; `said` may be bytes, which are then sent as they are."""
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    return struct.pack("<IHHII", magic, version, kind, req, len(body) if length is None else length) + body


class Gone(Exception):  # noqa: N818
    """The plug-in closed the line."""


class Line:
    """One connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.memory: mmap.mmap | None = None
        self.seals = 0
        self.running: int | None = None

    def read(self, size: int) -> bytes:
        """Read so many bytes, and the descriptor that may come with them."""
        have = b""
        while len(have) < size:
            part, fds, _, _ = socket.recv_fds(self.sock, size - len(have), 4)
            if not part:
                raise Gone
            for fd in fds:
                self.seals = fcntl.fcntl(fd, SEALS[0])
                self.memory = mmap.mmap(fd, os.fstat(fd).st_size)
                os.close(fd)
            have += part
        return have

    def receive(self) -> tuple[int, int, dict[str, Any]]:
        """Read a message: type, request, what it says."""
        magic, version, kind, req, length = struct.unpack("<IHHII", self.read(16))
        assert (magic, version) == (MAGIC, 1)
        assert length <= 65536
        said = json.loads(self.read(length))
        assert isinstance(said, dict)
        return kind, req, said

    def send(self, kind: int, req: int, said: object, **more: Any) -> None:
        """Write a message."""
        self.sock.sendall(pack(kind, req, said, **more))

    def pixels(self, said: dict[str, Any]) -> np.ndarray:
        """Return the shared pixels that a descriptor names, (H, W, C), rows from the top."""
        assert self.memory is not None
        dtype = np.dtype(DTYPES[said["depth"]])
        assert said["offset"] % 16 == 0
        size = said["stride"] * (said["h"] - 1) + said["w"] * said["comps"] * dtype.itemsize
        assert said["offset"] + size <= len(self.memory)
        return np.ndarray(
            (said["h"], said["w"], said["comps"]),
            dtype,
            self.memory,
            said["offset"],
            (said["stride"], said["comps"] * dtype.itemsize, dtype.itemsize),
        )


class FakeEngine:
    """Listens where the plug-in looks; `on` replaces what it does for a type of message."""

    def __init__(self, runtime: Path, *, pid: int = 4242) -> None:
        self.runtime = runtime
        self.pid = pid
        self.on: dict[int, Callable[[Line, int, dict[str, Any]], None]] = {}
        self.matte: Matte = lambda _key, w, h: np.full((h, w), 0.5, np.float32)
        self.reply: dict[str, Any] = {"state": "hit", "stale": False, "note": ""}
        self.said: list[tuple[int, dict[str, Any]]] = []
        self.frames: dict[int, np.ndarray] = {}
        self.lines = self.now = self.most = 0
        self.lock = threading.Lock()
        self.released = threading.Event()
        runtime.mkdir(mode=0o700, exist_ok=True)
        self.path = runtime / "ofx.sock"
        self.path.unlink(missing_ok=True)
        self.listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listening.bind(str(self.path))
        self.path.chmod(0o600)
        self.listening.listen(64)
        self.open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> FakeEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """End as a killed process does: all lines break off, the socket's file stays."""
        self.released.set()
        with suppress(OSError):
            self.listening.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self.listening.close()
        with self.lock:
            for sock in self.open:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def heard(self, kind: int) -> list[dict[str, Any]]:
        """Return what came in messages of a type."""
        with self.lock:
            return [said for k, said in self.said if k == kind]

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self.listening.accept()
            except OSError:
                return
            with self.lock:
                self.open.append(sock)
                self.lines += 1
                self.now += 1
                self.most = max(self.most, self.now)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        line = Line(sock)
        try:
            while True:
                kind, req, said = line.receive()
                with self.lock:
                    self.said.append((kind, said))
                if kind in self.on:
                    self.on[kind](line, req, said)
                else:
                    self.usual(line, req, said, kind)
        except (Gone, OSError):
            sock.close()
        finally:
            with self.lock:
                self.now -= 1

    def usual(self, line: Line, req: int, said: dict[str, Any], kind: int) -> None:
        """Answer as an engine should."""
        if kind == HELLO:
            line.send(HELLO, req, {"protocol": 1, "engine": "0.1.0", "pid": self.pid})
        elif kind in (OPEN, PROMPTS, STATUS):
            line.send(STATUS, req, self.status(said["session"]))
        elif kind == SLOTS:
            line.send(OK, req, {})
        elif kind == FRAME:
            self.frames[said["key"]] = line.pixels(said["pixels"]).copy()
            line.send(OK, req, {"known": False})
        elif kind in (TRACK, REFINE):
            self.work(line, req, said, kind)
        elif kind == MATTE:
            at = said["pixels"]
            if self.reply["state"] == "hit":
                line.pixels(at)[:, :, 0] = self.matte(said["key"], at["w"], at["h"])
            line.send(OK, req, self.reply)

    def status(self, session: str) -> dict[str, Any]:
        """Return a STATUS."""
        keys = sorted(self.frames) or [0]
        return {
            "session": session, "state": "empty", "tracked": 0, "matted": 0, "stale": 0,
            "first": keys[0], "last": keys[-1], "rate": 24.0, "note": "",
        }  # fmt: skip

    def work(self, line: Line, req: int, said: dict[str, Any], kind: int) -> None:
        """Pretend to work through a range."""
        count = said["to"] - said["from"] + 1
        for i in range(count):
            progress = {"stage": "track", "done": i + 1, "of": count, "frame": said["from"] + i, "note": ""}
            line.send(PROGRESS, req, progress)
        line.send(
            DONE, req, {"frames": count, "doubtful": [said["from"]] if kind == TRACK else [], "note": ""}
        )
