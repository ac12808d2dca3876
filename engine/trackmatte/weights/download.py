"""Fetch one file over HTTP into a partial file that a later run goes on with."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # loaded when something is downloaded, as it takes longer than the rest together
    import requests

CHUNK = 1 << 16
"""Bytes written at a time; what a broken connection loses at most."""
TIMEOUT = (10.0, 60.0)
"""Seconds to connect, and to wait for the next byte."""
RETRIES = 20
"""How often a broken connection is taken up again, as long as each one brought something."""
PAUSE = 1.0
"""Seconds before that."""

Tell = Callable[[int, int | None], None]
"""Called with the bytes that are there and the bytes to come to, None when the server does not say."""


class DownloadError(Exception):
    """The reason why a download stopped, as half a sentence; the partial file is kept unless it is wrong."""


class _BrokenError(DownloadError):
    """The connection failed; another attempt may go on."""


def download(url: str, partial: Path, *, size: int | None, tell: Tell) -> None:
    """Bring ``partial`` to its full length, going on where it ends if the server can.

    Parameters
    ----------
    size : bytes the file must have, or None when not known.

    Raises
    ------
    DownloadError : it did not come, or something else came.
    OSError : ``partial`` cannot be written.
    """
    for attempt in range(RETRIES + 1):
        before = length(partial)
        try:
            _stream(url, partial, size, tell)
            return
        except _BrokenError:
            if length(partial) <= before or attempt == RETRIES:
                raise
            time.sleep(PAUSE)


def length(path: Path) -> int:
    """Return the size of a file in bytes, 0 when there is none."""
    return path.stat().st_size if path.exists() else 0


def _stream(url: str, partial: Path, size: int | None, tell: Tell) -> None:
    import requests

    have = length(partial)
    if have and have == size:
        return
    if size is not None and have > size:
        partial.unlink()
        have = 0
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
            if answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
                partial.unlink()
                _stream(url, partial, size, tell)
                return
            start, total = _extent(answer, have)
            if None not in (size, total) and total != size:
                partial.unlink(missing_ok=True)
                raise DownloadError(f"the server has another file there, of {total} bytes instead of {size}")
            _write(answer, partial, start, total or size, tell)
    except requests.RequestException as e:
        raise _broken(e) from e


def _extent(answer: requests.Response, have: int) -> tuple[int, int | None]:
    """Return the position of the answer's first byte in the file, and the length of the whole file."""
    if answer.status_code == HTTPStatus.OK:
        announced = answer.headers.get("Content-Length", "")
        return 0, int(announced) if announced.isdigit() else None
    if answer.status_code == HTTPStatus.PARTIAL_CONTENT:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
        if found and int(found[1]) == have:
            return have, int(found[2]) if found[2] != "*" else None
        raise DownloadError("the server sent another part of the file than it was asked for")
    raise DownloadError(f"the server answered {answer.status_code} {answer.reason}".rstrip())


def _write(answer: requests.Response, partial: Path, start: int, total: int | None, tell: Tell) -> None:
    done = start
    with partial.open("r+b" if start else "wb") as f:
        f.seek(start)
        tell(done, total)
        for chunk in answer.iter_content(CHUNK):
            f.write(chunk)
            done += len(chunk)
            tell(done, total)
    if total is not None and done != total:
        raise _BrokenError("the connection broke")


def _broken(e: requests.RequestException) -> DownloadError:
    import requests

    if isinstance(e, requests.exceptions.SSLError):
        return DownloadError("the server's certificate cannot be verified")
    if isinstance(e, requests.Timeout):
        return _BrokenError("the server does not answer")
    if isinstance(e, requests.exceptions.ChunkedEncodingError):
        return _BrokenError("the connection broke")
    if isinstance(e, requests.ConnectionError):
        return _BrokenError("there is no connection to the server")
    return DownloadError(str(e))
