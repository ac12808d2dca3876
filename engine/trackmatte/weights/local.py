"""What is in the weights folder, and whether it is whole."""

from __future__ import annotations

from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from trackmatte.errors import MissingPartError, OutputError, UsageError
from trackmatte.weights import store, table
from trackmatte.weights.table import SUFFIXES, Family, Weights, matching

Status = Literal["ok", "damaged", "missing", "unproven"]
"""``unproven``: no sum is published and none was recorded, so there was nothing to compare with until now."""


def known() -> list[Weights]:
    """Return the published weights, in order of preference within each family."""
    return list(table.KNOWN)


def own() -> list[Weights]:
    """Return the weights that users added themselves, by name; `find` tells whether their files are there."""
    found = []
    for file, record in store.read()[0].files.items():
        said = record.own
        if said is None:
            continue
        config = said.config
        if config and "/" not in config:
            config = str(store.folder() / config)
        found.append(
            Weights(
                name=said.name,
                file=file,
                size=record.size,
                sha256=record.original or record.sha256,
                licence=said.licence,
                commercial=None,
                url="",
                family=said.family,
                config=config,
                note="added by a user",
                direct=False,
            )
        )
    return sorted(found, key=lambda w: w.name)


def get(name: str) -> Weights:
    """Return the weights called ``name``; the file name will do.

    Raises
    ------
    UsageError : there are none.
    """
    for w in (*matching(name), *own()):
        if name in (w.name, w.file):
            return w
    names = [w.name for w in (*table.KNOWN, *own())]
    close = get_close_matches(name, names, 1)
    hint = f"did you mean {close[0]}?" if close else "see: trackmatte weights list"
    raise UsageError(f"no weights are called {name!r}; {hint}")


def find(name: str) -> Path | None:
    """Return the file of the weights if it is there with the size it should have; its bytes are not read."""
    try:
        w = get(name)
    except UsageError:
        return None
    path = store.folder() / w.file
    if not path.is_file() or (w.size is not None and path.stat().st_size != w.size):
        return None
    return path


def installed(family: Family | None = None) -> list[Weights]:
    """Return the weights that are there, the best first and users' own last.

    Parameters
    ----------
    family : only these, or None for all.
    """
    return [w for w in (*table.KNOWN, *own()) if family in (None, w.family) and find(w.name)]


def sha256(name: str) -> str:
    """Return the SHA-256 of an installed file, remembered until its size or time changes.

    Raises
    ------
    UsageError : no weights are called so.
    MissingPartError : they are not installed.
    """
    w = get(name)
    path = store.folder() / w.file
    if not path.is_file():
        raise MissingPartError(missing(w))
    return store.digest(path)


def require(name: str) -> Path:
    """Return the file of the weights, whole; the first call reads all of it.

    Raises
    ------
    UsageError : no weights are called so.
    MissingPartError : they are not installed, or damaged; the sentence says which file goes where.
    """
    w = get(name)
    path = store.folder() / w.file
    if find(name) and _expected(w) in (None, sha256(name)):
        return path
    raise MissingPartError(damaged(w) if path.exists() else missing(w))


def verify(name: str) -> Status:
    """Read the whole file and compare it with its published sum, or with what it was when it came.

    Raises
    ------
    UsageError : no weights are called so.
    """
    w = get(name)
    path = store.folder() / w.file
    if not path.is_file():
        return "missing"
    actual = store.digest(path, fresh=True)
    expected = _expected(w)
    if expected is None:
        with suppress(OutputError):
            store.remember(path, actual, original=actual)
        return "unproven"
    return "ok" if actual == expected else "damaged"


def _expected(w: Weights) -> str | None:
    if w.sha256:
        return w.sha256
    record = store.read()[0].files.get(w.file)
    return record.original if record else None


def missing(w: Weights) -> str:
    """Return the sentence for weights that are not there: which file, from where, into which folder."""
    if not w.url:
        return f"the weights {w.name} are gone: put {w.file} back into {store.folder()}"
    if w.direct:
        return (
            f"the weights {w.name} are not installed: run trackmatte weights fetch {w.name}, "
            f"or put {w.file} from {w.url} into {store.folder()}"
        )
    return (
        f"the weights {w.name} are not installed: download {w.file} from {w.url} with a browser, "
        f"then run trackmatte weights add {w.file} or put it into {store.folder()}"
    )


def damaged(w: Weights) -> str:
    """Return the sentence for a file that is there but is not what it should be."""
    path = store.folder() / w.file
    again = (
        f"run trackmatte weights fetch {w.name}" if w.direct else "add it again with trackmatte weights add"
    )
    return f"{path} is not the file it should be (damaged or another's): move it away, then {again}"


def notes() -> list[str]:
    """Return what needs the user's attention in the folder, one sentence each."""
    document, problem = store.read()
    found = []
    if problem:
        found.append(
            f"{store.folder() / store.FILE} is damaged ({problem}) and taken as empty; "
            "the next change sets it aside beside the new one"
        )
    files = store.folder().iterdir() if store.folder().is_dir() else ()
    for path in sorted(files):
        record = document.files.get(path.name)
        if path.suffix in SUFFIXES and not any(matching(path.name)) and not (record and record.own):
            found.append(f"nothing is known about {path}; to use it: trackmatte weights add {path}")
    return found
