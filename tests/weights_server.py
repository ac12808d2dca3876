"""A web server on this machine that serves files well, or badly on purpose."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TINY, SMALL, MAM = "sam2.1_hiera_tiny", "sam2.1_hiera_small", "mam_vitb"
DATA, SMALL_DATA = os.urandom(400_000), os.urandom(1000)
"""What stands for the files of the first two."""


class Server(ThreadingHTTPServer):
    """Serves ``files`` by name; what it was asked is in ``asked`` as (name, Range or "")."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.ranges = True
        """Whether it can serve a part."""
        self.cuts: list[int] = []
        """For each of the next answers: after how many bytes the connection breaks."""
        self.gate: threading.Event | None = None
        """Answers wait for it half-way."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing about clients that went away."""

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Serve a file or a part of it."""
        name, asked = self.path.strip("/"), self.headers.get("Range", "")
        self.server.asked.append((name, asked))
        data = self.server.files.get(name)
        if data is None:
            self.send_error(404)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.server.ranges else 0
        if start and start >= len(data):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        body = data[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = self.server.cuts.pop(0) if self.server.cuts else len(body)
        self.wfile.write(body[: min(cut, len(body) // 2)])
        if self.server.gate:
            self.server.gate.wait(20)
        self.wfile.write(body[min(cut, len(body) // 2) : cut])


@contextmanager
def serving() -> Iterator[Server]:
    """Run a server in a thread."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def leftovers(folder: Path) -> list[str]:
    """Return the names of files in the folder that are neither weights nor locks nor the record."""
    return sorted(
        f.name
        for f in folder.iterdir()
        if f.suffix not in (".pt", ".pth", ".lock", ".yaml") and f.name != "weights.json"
    )


def place(folder: Path, file: str, data: bytes) -> Path:
    """Put a file into a folder and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file).write_bytes(data)
    return folder / file
