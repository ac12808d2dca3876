"""Run the server: one per user, on loopback, until nobody needs it."""

from __future__ import annotations

import errno
import json
import os
import secrets
import signal
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn
from filelock import FileLock, Timeout

from trackmatte import __version__
from trackmatte.errors import OutputError, UsageError
from trackmatte.server.app import build
from trackmatte.server.engine import Engine
from trackmatte_client.protocol.operations import PROTOCOL
from trackmatte_client.protocol.places import (
    ENGINE_FILE,
    INSTALL_FILE,
    STARTER_VARIABLE,
    data_folder,
    runtime_folder,
)

HOST = "127.0.0.1"
IDLE = 900.0
"""Seconds without a request, a follower or a job after which the server ends."""
LOCK_FILE = "engine.lock"
LEAVING = 20.0
"""Seconds that an engine which is just ending may take to make room."""
GRACE = 3
"""Seconds that open connections have when the server ends."""


@dataclass(frozen=True)
class Running:
    """How to reach a running engine."""

    port: int
    token: str
    pid: int

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{HOST}:{self.port}"


def serve(*, port: int = 0, idle: float = IDLE, ready: Callable[[Running], None] = lambda _: None) -> None:
    """Serve until idle, told to stop, or interrupted.

    Parameters
    ----------
    port : 0 = the system chooses one.
    idle : seconds after which it ends by itself; 0 = never.
    ready : called once requests are taken.

    Raises
    ------
    UsageError : an engine is running already, or the port is taken.
    OutputError : the runtime folder cannot be used.
    """
    folder = private_folder()
    lock = _only_one(folder)
    try:
        with _bind(port) as listening:
            _serve(listening, folder, idle, ready)
    finally:
        lock.release()


def _only_one(folder: Path) -> FileLock:
    """Return the lock that makes this the user's only engine; one that is just ending is waited for.

    Raises
    ------
    UsageError : another one runs, which its file says, or does not end.
    """
    lock = FileLock(folder / LOCK_FILE)
    end = time.monotonic() + LEAVING
    while True:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if (folder / ENGINE_FILE).exists() or time.monotonic() > end:
                raise UsageError(_running_already()) from None
            time.sleep(0.05)
        else:
            return lock


class _Server(uvicorn.Server):
    """Lets the jobs end as soon as a signal comes, not when the last connection has closed."""

    def __init__(self, engine: Engine, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._engine = engine

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal."""
        self._engine.stopping.set()
        super().handle_exit(sig, frame)


def _serve(listening: socket.socket, folder: Path, idle: float, ready: Callable[[Running], None]) -> None:
    me = Running(listening.getsockname()[1], secrets.token_urlsafe(32), os.getpid())
    engine = Engine()
    server = _Server(
        engine,
        uvicorn.Config(
            build(engine, port=me.port, token=me.token),
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE,
        ),
    )
    watch = threading.Thread(target=_watch, args=(engine, server, idle), name="trackmatte idle", daemon=True)
    write_private(folder / ENGINE_FILE, _described(me))
    try:
        record_install()
        watch.start()
        ready(me)
        with _gentle_end(), _bridge(engine, folder):
            server.run(sockets=[listening])
    finally:
        (folder / ENGINE_FILE).unlink(missing_ok=True)
        engine.stopping.set()
        engine.close()


def _bridge(engine: Engine, folder: Path) -> AbstractContextManager[object]:
    """Return what serves OFX plugins."""
    from trackmatte.server.ofx import Bridge

    return Bridge(engine, folder)


@contextmanager
def _gentle_end() -> Iterator[None]:
    """Let SIGTERM end the process as Ctrl-C does, so that the frame in hand is finished."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _watch(engine: Engine, server: uvicorn.Server, idle: float) -> None:
    while not engine.stopping.wait(min(5.0, idle / 4) if idle else None):
        if engine.idle() >= idle:
            engine.stopping.set()
    for job in engine.jobs.all():
        job.cancel()
    server.should_exit = True


def _described(me: Running) -> bytes:
    said = {"port": me.port, "token": me.token, "pid": me.pid, "version": __version__, "protocol": PROTOCOL}
    said["starter"] = os.environ.get(STARTER_VARIABLE, "")
    return json.dumps(said).encode() + b"\n"


def running() -> Running | None:
    """Return the engine that runs now, or None."""
    folder = private_folder()
    lock = FileLock(folder / LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        try:
            said = json.loads((folder / ENGINE_FILE).read_bytes())
            return Running(int(said["port"]), str(said["token"]), int(said["pid"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
    lock.release()
    return None


def _running_already() -> str:
    found = running()
    where = f" at {found.url} (process {found.pid})" if found else ""
    return f"an engine is running already{where}; hosts find it by themselves, so there is nothing to start"


def record_install() -> Path:
    """Write down which Python has the engine, for hosts to find, and return the file."""
    path = data_folder() / INSTALL_FILE
    said = {"python": sys.executable, "version": __version__}
    write_private(path, json.dumps(said).encode() + b"\n")
    return path


def private_folder() -> Path:
    """Return the runtime folder, made if need be, which no other user may enter.

    On Windows it lies in the user's profile, which is closed to others by its access list.

    Raises
    ------
    OutputError : it cannot be made, or belongs to someone else.
    """
    folder = runtime_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if sys.platform != "win32":
            found = folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
                raise OutputError(
                    f"{folder} belongs to someone else; let TRACKMATTE_RUNTIME name a folder of your own"
                )
            if found.st_mode & 0o077:
                folder.chmod(0o700)
    except OSError as e:
        if isinstance(e, OutputError):
            raise
        raise OutputError(
            f"cannot use {folder}: {e.strerror or e}; let TRACKMATTE_RUNTIME name a folder of your own"
        ) from e
    return folder


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its user can read, whole or not at all.

    Raises
    ------
    OutputError : it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as f:
            f.write(data)
        temporary.replace(path)
    except OSError as e:
        temporary.unlink(missing_ok=True)
        raise OutputError(f"cannot write {path}: {e.strerror or e}; choose a folder you may write to") from e


def _bind(port: int) -> socket.socket:
    """Return a socket that takes connections."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen(128)
    except (OSError, OverflowError) as e:
        listening.close()
        taken = isinstance(e, OSError) and e.errno == errno.EADDRINUSE
        reason = "is taken" if taken else f"cannot be used ({e})"
        raise UsageError(f"port {port} {reason}; leave --port out and the system chooses a free one") from e
    return listening
