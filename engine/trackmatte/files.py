"""Files that are either whole or not there."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

from trackmatte.errors import OutputError

EPOCH = "1970:01:01 00:00:00"
"""Instead of the wall clock, so that the same pixels give the same bytes."""
PARTIAL = ".trackmatte-partial"
"""Ending of every temporary file, so that leftovers of a killed run are known and match no ``*.exr``."""


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that replaces it, synced to disk, when the block succeeds.

    Raises
    ------
    OutputError : the file cannot be written; ``path`` is untouched and no leftover stays.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb+") as f:
            os.fsync(f.fileno())
        temporary.replace(path)
    except OutputError:
        _forget(temporary)
        raise
    except OSError as e:
        _forget(temporary)
        raise write_error(path, e) from e
    except BaseException:
        _forget(temporary)
        raise


def _forget(temporary: Path) -> None:
    """Delete a file if that is possible: its folder may be what failed."""
    with suppress(OSError):
        temporary.unlink()


def write_error(path: Path, cause: OSError | str) -> OutputError:
    """Return the one sentence for a failed write to ``path``, naming the way out."""
    full = isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    if not full:
        full = _free_bytes(path) < 1 << 20
    if full:
        return OutputError(
            f"cannot write {path}: the disk is full; what was finished is kept, "
            "so free some space and run the same command again"
        )
    reason = cause.strerror or str(cause) if isinstance(cause, OSError) else cause
    return OutputError(f"cannot write {path}: {reason}; choose a folder you may write to")


def _free_bytes(path: Path) -> int:
    for folder in path.parents:
        if folder.exists():
            return shutil.disk_usage(folder).free
    return 1 << 62


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically."""
    with atomic(path) as temporary:
        temporary.write_bytes(data)


def write_image(
    path: Path,
    pixels: NDArray[Any],
    attributes: dict[str, Any],
    dtype: str,
    *,
    channels: Sequence[str] = (),
    window: tuple[int, int, int, int] | None = None,
) -> None:
    """Write (H, W, C) pixels atomically through OpenImageIO; the suffix chooses the format.

    Parameters
    ----------
    pixels : (H, W, C).
    channels : their C names; none = as the format names them.
    window : left, top, right, bottom of the pixels to store, half open; None = all of them.
    attributes : OpenImageIO metadata; a (type, value) tuple where the type must be named.
    dtype : what is stored: ``"uint8"``, ``"uint16"``, ``"half"`` or ``"float"``.

    Raises
    ------
    OutputError : it cannot be written.
    """
    h, w, c = pixels.shape
    spec = oiio.ImageSpec(w, h, c, dtype)
    if channels:
        spec.channelnames = tuple(channels)
        spec.alpha_channel = channels.index("A") if "A" in channels else -1
    if window is not None:
        left, top, right, bottom = window
        spec.x, spec.y, spec.width, spec.height = left, top, right - left, bottom - top
        pixels = pixels[top:bottom, left:right]
    for name, value in {"DateTime": EPOCH, **attributes}.items():
        if isinstance(value, tuple):
            spec.attribute(name, *value)
        else:
            spec.attribute(name, value)
    with atomic(path) as temporary:
        out = oiio.ImageOutput.create(path.suffix[1:])
        if out is None:
            raise write_error(path, oiio.geterror())
        ok = out.open(str(temporary), spec) and out.write_image(np.ascontiguousarray(pixels))
        problem = out.geterror()
        if not (out.close() and ok):
            raise write_error(path, problem or out.geterror() or "the image writer failed")


def write_array(path: Path, pixels: NDArray[np.float32], info: dict[str, Any]) -> None:
    """Write one (h, w) float32 plane as a ZIP-compressed TIFF with ``info`` as JSON in its description."""
    attributes = {"compression": "zip", "ImageDescription": json.dumps(info, sort_keys=True)}
    write_image(path, pixels[..., None], attributes, "float")


def read_info(path: Path) -> dict[str, Any] | None:
    """Return the ``info`` of a plane written by `write_array`, or None when missing or damaged."""
    if not path.exists():
        return None
    source = oiio.ImageInput.open(str(path))
    if source is None:
        oiio.geterror()
        return None
    info = _info(source)
    source.close()
    return info


def read_array(path: Path) -> tuple[NDArray[np.float32], dict[str, Any]] | None:
    """Return a plane written by `write_array` and its info, or None when missing or damaged."""
    if not path.exists():
        return None
    source = oiio.ImageInput.open(str(path))
    if source is None:
        oiio.geterror()
        return None
    info = _info(source)
    pixels = source.read_image("float")
    source.close()
    if info is None or pixels is None:
        return None
    return np.ascontiguousarray(np.asarray(pixels, np.float32)[..., 0]), info


def _info(source: Any) -> dict[str, Any] | None:
    try:
        info = json.loads(source.spec().getattribute("ImageDescription") or "")
    except ValueError:
        return None
    return info if isinstance(info, dict) else None


def remove_leftovers(folder: Path) -> None:
    """Delete temporary files that a killed run left in ``folder``."""
    for leftover in folder.glob(f".*{PARTIAL}"):
        leftover.unlink(missing_ok=True)
