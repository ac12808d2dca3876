"""Get published weights from where they are published, or from a mirror."""

from __future__ import annotations

import os
from pathlib import Path

from trackmatte.errors import MissingPartError, OutputError, UsageError
from trackmatte.files import PARTIAL, write_error
from trackmatte.weights import store
from trackmatte.weights.download import DownloadError, Tell, download, length
from trackmatte.weights.local import get, missing, require
from trackmatte.weights.table import Weights

MIRROR_VARIABLE = "TRACKMATTE_WEIGHTS_MIRROR"
"""Environment variable: an address under which all files are, by their names, instead of their own."""


def fetch(name: str, *, progress: Tell | None = None) -> Path:
    """Download published weights unless they are there, and return their file.

    What a broken or killed download brought stays in a hidden partial file, and the next call goes on
    with it. The file appears under its name only when it is whole and its sum is right. Of several
    processes one fetches, under a lock the system frees when that process dies, and the others wait for it.

    Parameters
    ----------
    progress : called with the bytes that are there and the bytes to come to, None when not known; also
        while another process fetches.

    Raises
    ------
    UsageError : no weights are called so, or they are a user's own.
    MissingPartError : they cannot be had, or what came is not what is published.
    OutputError : they cannot be written.
    """
    w = get(name)
    tell = progress or (lambda _done, _total: None)
    target = store.folder() / w.file
    if target.exists():
        return require(name)
    url = _url(w)
    partial = target.with_name(f".{w.file}{PARTIAL}")
    with store.locked(target, waiting=lambda: tell(length(partial), w.size)):
        if not target.exists():
            try:
                _bring(w, url, partial, tell)
                _place(w, partial, target)
            except DownloadError as e:
                raise MissingPartError(_sentence(w, url, partial, str(e))) from e
            except OutputError:
                raise
            except OSError as e:
                raise write_error(target, e) from e
    return require(name)


def _url(w: Weights) -> str:
    mirror = os.environ.get(MIRROR_VARIABLE)
    if not w.url:
        raise UsageError(f"{w.name} is a user's own file, which nobody publishes; add it where it is")
    if mirror:
        return f"{mirror.rstrip('/')}/{w.file}"
    if not w.direct:
        raise MissingPartError(missing(w))
    return w.url


def _bring(w: Weights, url: str, partial: Path, tell: Tell) -> None:
    """Download until ``partial`` is what is published; one that an earlier run left wrong is begun anew once.

    Without a published sum nothing could prove that both halves are of one file, so none is taken up.
    """
    if w.sha256 is None:
        partial.unlink(missing_ok=True)
    resumed = length(partial) > 0
    download(url, partial, size=w.size, tell=tell)
    if w.sha256 in (None, store.hash_file(partial)):
        return
    partial.unlink()
    if resumed:
        _bring(w, url, partial, tell)
    else:
        raise DownloadError("what came is not the published file (its SHA-256 differs)")


def _place(w: Weights, partial: Path, target: Path) -> None:
    with partial.open("rb+") as f:
        os.fsync(f.fileno())
    sha256 = w.sha256 or store.hash_file(partial)
    partial.replace(target)
    store.remember(target, sha256, original=None if w.sha256 else sha256)


def _sentence(w: Weights, url: str, partial: Path, reason: str) -> str:
    kept = length(partial)
    again = f"run the same command again to go on after {kept / 1e6:.1f} MB" if kept else "try again later"
    source = f" from {w.url}" if url != w.url else ""
    return (
        f"cannot fetch {w.name} from {url}: {reason}; {again}, "
        f"or put {w.file}{source} into {store.folder()} by hand"
    )
