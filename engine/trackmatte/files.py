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
PROOF = 1 << 16
"""Bytes that must still fit behind a finished file; more than the libraries hold back, and than a block."""
NAME_BYTES = 255
"""The longest file name of the usual file systems."""


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that replaces it, synced to disk, when the block succeeds.

    Raises
    ------
    OutputError : the file cannot be written; ``path`` is untouched and no leftover stays.
    """
    temporary = _temporary(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        prove(temporary)
        temporary.replace(path)
    except BaseException as e:
        with suppress(OSError):  # where the folder has gone there is nothing to tidy up
            temporary.unlink(missing_ok=True)
        if isinstance(e, OSError) and not isinstance(e, OutputError):
            raise write_error(path, e) from e
        raise


def prove(file: Path) -> None:
    """Make sure that what a library wrote is on the disk.

    OpenImageIO 3.2 says nothing when the last kilobytes of an EXR, half of a TIFF or all of a PNG do not fit
    (measured with limits on the file size); a disk that refused them refuses further bytes as well.

    Raises
    ------
    OSError : what the system says to further bytes, or to bringing the file to the disk.
    """
    with file.open("rb+", buffering=0) as f:
        length = f.seek(0, os.SEEK_END)
        while f.tell() < length + PROOF:
            f.write(bytes(PROOF))
        f.truncate(length)
        os.fsync(f.fileno())


def _temporary(path: Path) -> Path:
    """Return a name that no file system finds too long where it takes the name of ``path``."""
    ending = f".{os.getpid()}{PARTIAL}"
    name = path.name
    while name and len(os.fsencode(f".{name}{ending}")) > NAME_BYTES:
        name = name[1:]  # what differs within a sequence is at the end
    return path.with_name(f".{name}{ending}")


GONE = (errno.ENOENT, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.ENOTCONN)
"""What a write meets where the folder, its disk or its network place is no longer there."""


def write_error(path: Path, cause: OSError | str) -> OutputError:
    """Return the one sentence for a failed write to ``path``, naming the way out."""
    number = cause.errno if isinstance(cause, OSError) else None
    reason = (cause.strerror or str(cause)) if isinstance(cause, OSError) else cause
    if number is None and free_bytes(path) < 1 << 20:
        number = errno.ENOSPC
    again = "what was finished is kept, so"
    if number == errno.ENOSPC:
        text = f"the disk is full; {again} free some space and run the same command again"
    elif number == errno.EDQUOT:
        text = f"your quota on this disk is used up; {again} free some space and run the same command again"
    elif number == errno.EFBIG:
        text = (
            "a file of this size is not allowed there (by the file system, or by ulimit -f); "
            f"{again} raise the limit or choose another disk and run the command again"
        )
    elif number == errno.EIO:
        text = f"the disk reports an error ({reason}); {again} check the disk and run the same command again"
    elif number == errno.ENAMETOOLONG:
        text = "the name is too long for this file system; choose shorter names for the clip or the object"
    elif number == errno.ENOTDIR:
        text = (
            f"its folder is gone, or part of its path is a file ({reason}); {again} bring it back and run "
            "the same command again, or choose a folder you may write to"
        )
    elif number in GONE:
        text = f"its folder is gone ({reason}); {again} bring it back and run the same command again"
    else:
        text = f"{reason}; choose a folder you may write to"
    return OutputError(f"cannot write {path}: {text}")


def free_bytes(path: Path) -> int:
    """Return what the disk of ``path`` can still take, for a file or folder that need not exist yet."""
    for folder in (path, *path.absolute().parents):
        with suppress(OSError):
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
) -> int:
    """Write (H, W, C) pixels atomically through OpenImageIO; the suffix chooses the format.

    Parameters
    ----------
    pixels : (H, W, C).
    channels : their C names; none = as the format names them.
    window : left, top, right, bottom of the pixels to store, half open; None = all of them.
    attributes : OpenImageIO metadata; a (type, value) tuple where the type must be named.
    dtype : what is stored: ``"uint8"``, ``"uint16"``, ``"half"`` or ``"float"``.

    Returns
    -------
    How many bytes the disk holds more than before.

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
    before = file_bytes(path)
    with atomic(path) as temporary:
        out = oiio.ImageOutput.create(path.suffix[1:])
        if out is None:
            raise write_error(path, oiio.geterror())
        ok = out.open(str(temporary), spec) and out.write_image(_laid_out(pixels, dtype))
        problem = out.geterror()
        if not (out.close() and ok):
            temporary.touch()
            prove(temporary)
            raise write_error(path, problem or out.geterror() or "the image writer failed")
        after = file_bytes(temporary)
    return after - before


def _laid_out(pixels: NDArray[Any], dtype: str) -> NDArray[Any]:
    """Return the pixels as OpenImageIO takes them, in one piece; halves where one channel stands for all."""
    if dtype == "half" and pixels.shape[-1] > 1 and pixels.strides[-1] == 0:
        return np.ascontiguousarray(np.broadcast_to(pixels[..., :1].astype(np.float16), pixels.shape))
    return np.ascontiguousarray(pixels)


def file_bytes(path: Path) -> int:
    """Return the length of a file in bytes, 0 when there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def write_array(path: Path, pixels: NDArray[np.float32], info: dict[str, Any]) -> int:
    """Write one (h, w) float32 plane as a ZIP-compressed TIFF with ``info`` as JSON in its description.

    Returns
    -------
    How many bytes the disk holds more than before.
    """
    attributes = {"compression": "zip", "ImageDescription": json.dumps(info, sort_keys=True)}
    return write_image(path, pixels[..., None], attributes, "float")


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
