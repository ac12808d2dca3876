"""The weights folder and ``weights.json`` in it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from filelock import FileLock, Timeout
from platformdirs import user_data_path

from trackmatte.errors import OutputError
from trackmatte.files import write_bytes, write_error
from trackmatte.weights.table import Family

FOLDER_VARIABLE = "TRACKMATTE_WEIGHTS"
"""Environment variable that names another folder."""
FILE = "weights.json"
NAME_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9._+-]*$"
"""Of names and file names: nothing that leaves the folder or is hidden in it."""
_POLL = 0.25
"""Seconds between looks at a lock that another process holds."""


class OwnDoc(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What a user said about a file of their own."""

    name: Annotated[str, msgspec.Meta(pattern=NAME_PATTERN)]
    family: Family
    licence: str
    config: str | None = None
    """Path inside the sam2 package, or the name of a file in the folder."""


class Record(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One file of the folder."""

    size: int
    mtime_ns: int
    sha256: str
    """Of the file when it had this size and time."""
    original: str | None = None
    """Sum when it was added or fetched, where none is published."""
    own: OwnDoc | None = None


class Document(msgspec.Struct, forbid_unknown_fields=True):
    """The content of ``weights.json``."""

    format: Literal["trackmatte-weights"] = "trackmatte-weights"
    version: Literal[1] = 1
    files: dict[Annotated[str, msgspec.Meta(pattern=NAME_PATTERN)], Record] = {}


def folder() -> Path:
    """Return the folder of the weights, which need not exist yet."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    return user_data_path("trackmatte", appauthor=False) / "weights"


def read() -> tuple[Document, str]:
    """Return ``weights.json``, empty when missing or damaged, and what is wrong with it, or nothing."""
    path = folder() / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Document), ""
    except FileNotFoundError:
        return Document(), ""
    except (OSError, ValueError) as e:
        return Document(), str(e)


def update(change: Callable[[Document], None]) -> None:
    """Change ``weights.json``, one process at a time; a damaged one is set aside first, never overwritten.

    Raises
    ------
    OutputError : it cannot be written.
    """
    path = folder() / FILE
    with locked(path):
        document, problem = read()
        if problem:
            with suppress(FileNotFoundError):
                path.rename(_free_name(path))
        change(document)
        write_bytes(path, msgspec.json.format(msgspec.json.encode(document, order="sorted")) + b"\n")


def _free_name(path: Path) -> Path:
    aside = path.with_name(f"{path.name}.damaged")
    count = 1
    while aside.exists():
        count += 1
        aside = path.with_name(f"{path.name}.damaged-{count}")
    return aside


@contextmanager
def locked(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold ``path`` against other processes; the system frees it when this one dies.

    Parameters
    ----------
    waiting : called again and again while another process holds it.

    Raises
    ------
    OutputError : the folder cannot be written.
    """
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=_POLL, poll_interval=_POLL / 5)
            break
        except Timeout:
            waiting()
        except (OSError, NotImplementedError) as e:
            raise write_error(path, e if isinstance(e, OSError) else str(e)) from e
    try:
        yield
    finally:
        lock.release()


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file, reading all of it."""
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def digest(path: Path, *, fresh: bool = False) -> str:
    """Return the SHA-256 of a file of the folder; read only when it changed, or if ``fresh``.

    In a folder that cannot be written it is read every time.
    """
    stat = path.stat()
    record = read()[0].files.get(path.name)
    if record and not fresh and (record.size, record.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
        return record.sha256
    value = hash_file(path)
    with suppress(OutputError):
        remember(path, value)
    return value


def remember(path: Path, sha256: str, *, original: str | None = None, own: OwnDoc | None = None) -> None:
    """Record the sum of a file of the folder, keeping what is not given.

    Raises
    ------
    OutputError : ``weights.json`` cannot be written.
    """
    stat = path.stat()

    def change(document: Document) -> None:
        old = document.files.get(path.name)
        for file, other in list(document.files.items()):
            if own and other.own and other.own.name == own.name:
                del document.files[file]
        document.files[path.name] = Record(
            stat.st_size,
            stat.st_mtime_ns,
            sha256,
            original or (old.original if old else None),
            own or (old.own if old else None),
        )

    update(change)
