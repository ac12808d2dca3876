"""Pixels in memory that plugin and engine share."""

from __future__ import annotations

import mmap
import os
import stat
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trackmatte.server.ofx.messages import Pixels
from trackmatte.server.ofx.wire import Malformed

SAMPLES: dict[str, type[np.generic]] = {
    "byte": np.uint8,
    "short": np.uint16,
    "half": np.float16,
    "float": np.float32,
}
SEALED = 0x0001 | 0x0002 | 0x0004
"""F_SEAL_SEAL, F_SEAL_SHRINK and F_SEAL_GROW: what is mapped stays there, whatever the plugin does."""
F_GET_SEALS = 1034


def sealed(fd: int, size: int) -> mmap.mmap:
    """Return a plugin's sealed memory, mapped.

    Parameters
    ----------
    fd : a descriptor of it; it stays the caller's.
    size : bytes to map.

    Raises
    ------
    Malformed : it is no sealed memory of that size that can be read and written.
    """
    import fcntl  # not on Windows, where this package can be imported all the same

    try:
        found = os.fstat(fd)
        seals = fcntl.fcntl(fd, F_GET_SEALS) if stat.S_ISREG(found.st_mode) else 0
        if seals & SEALED != SEALED or found.st_size < size:
            raise Malformed(f"the descriptor is no sealed memory of {size} bytes")
        return mmap.mmap(fd, size)
    except (OSError, ValueError) as e:
        raise Malformed(f"the descriptor is no sealed memory ({e})") from None


class Memory:
    """Memory that a plugin shares, mapped; nobody can take it away while it is."""

    def __init__(self, view: mmap.mmap) -> None:
        self._map = view
        self.size = len(view)

    def read(self, at: Pixels) -> NDArray[Any]:
        """Return a copy of a picture's colours, (h, w, 3), top row first; alpha alone counts as grey.

        Raises
        ------
        Malformed : it does not lie inside.
        """
        view = self._view(at)
        return np.array(view[..., :3]) if at.comps > 1 else np.repeat(view, 3, axis=2)

    def write(self, at: Pixels, rows: slice, plane: NDArray[np.float32]) -> None:
        """Put some rows, (n, w), of a picture of one float component.

        Raises
        ------
        Malformed : it does not lie inside.
        """
        self._view(at)[rows, :, 0] = plane

    def check(self, at: Pixels) -> None:
        """Make sure that a picture lies inside.

        Raises
        ------
        Malformed : it does not.
        """
        pixel = at.comps * np.dtype(SAMPLES[at.depth]).itemsize
        if at.stride < at.w * pixel or at.offset + (at.h - 1) * at.stride + at.w * pixel > self.size:
            raise Malformed(f"a picture of {at.w}x{at.h} does not lie in the memory")

    def _view(self, at: Pixels) -> NDArray[Any]:
        self.check(at)
        sample = np.dtype(SAMPLES[at.depth])
        strides = at.stride, at.comps * sample.itemsize, sample.itemsize
        # Of all that numpy makes of a buffer, this alone keeps the memory from being unmapped under it.
        whole = np.frombuffer(self._map, np.uint8)
        return np.ndarray((at.h, at.w, at.comps), sample, whole, at.offset, strides)

    def close(self) -> None:
        """Unmap it; where an error's traceback still holds a view, that happens when it goes."""
        with suppress(BufferError):
            self._map.close()
